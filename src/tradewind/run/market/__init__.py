"""The market: dated snapshots of what the clouds rent out, and SQL over them.

In: a folder of published price lists and data sheets (`build`). Out: a snapshot, which is a folder of small
Parquet files with an index; from it a Catalog (`load_catalog`) or rows (`sql`). One snapshot ships with the
package. What the tables and columns mean is in `TABLES`; what is believed and what is put in quarantine is
decided by `tradewind.decide.catalog`.
"""

from __future__ import annotations

from tradewind.run.market.build import BuildReport, build
from tradewind.run.market.query import Rows, sql
from tradewind.run.market.snapshot import SHIPPED, Snapshot, load_catalog
from tradewind.run.market.tables import TABLES, Column, Table

__all__ = [
    "SHIPPED",
    "TABLES",
    "BuildReport",
    "Column",
    "Rows",
    "Snapshot",
    "Table",
    "build",
    "load_catalog",
    "sql",
]
