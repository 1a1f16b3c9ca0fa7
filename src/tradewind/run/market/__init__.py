"""The market: dated snapshots of what the clouds rent out, and SQL over them.

In: a folder of published price lists and data sheets (`build`). Out: a snapshot, which is a folder of small
Parquet files with an index; from it a Catalog (`load_catalog`), rows (`sql`), and answers to what people ask
(`find`, `show`, `compare`, `explain`, `check`). One snapshot ships with the package. What the tables and columns
mean is in `TABLES`; what is believed and what is put in quarantine is decided by `tradewind.decide.catalog`.
"""

from __future__ import annotations

from tradewind.run.market.asking import Asked, compare, find, show
from tradewind.run.market.build import BuildReport, build, write
from tradewind.run.market.checking import check
from tradewind.run.market.explaining import explain, explanations
from tradewind.run.market.placing import place_data
from tradewind.run.market.processors import processors
from tradewind.run.market.query import Rows, sql
from tradewind.run.market.snapshot import SHIPPED, Snapshot, current, load_catalog, read_tables
from tradewind.run.market.tables import TABLES, VIEWS, Column, Table

__all__ = [
    "SHIPPED",
    "TABLES",
    "VIEWS",
    "Asked",
    "BuildReport",
    "Column",
    "Rows",
    "Snapshot",
    "Table",
    "build",
    "check",
    "compare",
    "current",
    "explain",
    "explanations",
    "find",
    "load_catalog",
    "place_data",
    "processors",
    "read_tables",
    "show",
    "sql",
    "write",
]
