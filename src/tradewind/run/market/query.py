"""SQL over a snapshot, for reading."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from tradewind.domain.errors import InputError
from tradewind.run.market.snapshot import current, open_tables
from tradewind.run.market.tables import TABLES, VIEWS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Rows", "sql"]


@dataclass(frozen=True)
class Rows:
    """The answer to a query: the names of its columns, and its rows as tuples in that order."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.rows)


def sql(query: str, folder: Path | None = None, **parameters: object) -> Rows:
    """The rows that one SELECT over the tables of a snapshot gives (the tables: `TABLES` and `VIEWS`; DuckDB's dialect).

    A parameter stands in the query as $name. The query reads nothing but the files of the snapshot.

    Errors: InputError for what is no single SELECT (or DESCRIBE, SHOW), and for SQL that does not run, with
    DuckDB's reason.

    >>> sql("SELECT count(DISTINCT cloud) AS clouds FROM regions").rows
    ((3,),)
    """
    where = folder or current()
    # Only what the query can mean is opened: a table whose name it does not hold costs nothing.
    said = set(re.findall(r"\w+", query.lower()))
    named = [name for name in (*TABLES, *VIEWS) if name in said] if "from" in said else (*TABLES, *VIEWS)
    connection, _ = open_tables(where, named or (*TABLES, *VIEWS))
    with connection:
        folders = str(where.resolve()).replace("'", "''")
        connection.execute(f"SET allowed_directories = ['{folders}/']")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        try:
            statements = connection.extract_statements(query)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise InputError(
                    f"{_short(query)!r}: write one SELECT; the tables are {', '.join((*TABLES, *VIEWS))}, "
                    "and DESCRIBE offers lists the columns of one"
                )
            answer = connection.execute(statements[0], parameters or None)
            columns = tuple(column[0] for column in answer.description)
            return Rows(columns=columns, rows=tuple(answer.fetchall()))
        except duckdb.Error as error:
            raise InputError(f"{_short(query)!r}: {_reason(error)}") from None


def _short(query: str) -> str:
    text = " ".join(query.split())
    return text if len(text) <= 80 else text[:77] + "..."


def _reason(error: Exception) -> str:
    """DuckDB's message without the copy of the query under it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    kept = [line for line in lines if not line.startswith(("LINE ", "^"))]
    return " ".join(kept) or type(error).__name__
