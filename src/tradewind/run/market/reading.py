"""Rows of a snapshot by a query, as nouns or plain records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from tradewind.domain.noun import Noun
from tradewind.run.market.query import sql

if TYPE_CHECKING:
    from pathlib import Path

    from tradewind.domain.noun import Cloud

__all__ = ["first", "known_types", "nouns", "pairs", "records"]

N = TypeVar("N", bound=Noun)


def known_types(folder: Path | None) -> list[tuple[Cloud, str]]:
    """Every machine type that any table knows, with its cloud."""
    return list(pairs(_EVERY_TYPE, folder))


_EVERY_TYPE: Final = """
SELECT DISTINCT cloud, instance_type FROM (
    SELECT cloud, instance_type FROM shapes
    UNION ALL SELECT cloud, instance_type FROM specs
    UNION ALL SELECT DISTINCT cloud, instance_type FROM offers
) ORDER BY ALL
"""


def pairs(query: str, folder: Path | None, **words: object) -> list[tuple[Any, Any]]:
    """The first two columns of a query."""
    return [(row[0], row[1]) for row in sql(query, folder, **words)]


def records(query: str, folder: Path | None, **words: object) -> list[dict[str, Any]]:
    """The rows of a query as dictionaries."""
    found = sql(query, folder, **words)
    return [dict(zip(found.columns, row, strict=True)) for row in found]


def nouns(noun: type[N], query: str, folder: Path | None, **words: object) -> list[N]:
    """The rows of a query as nouns that have its columns."""
    return [
        noun(**{name: tuple(value) if isinstance(value, list) else value for name, value in row.items()})
        for row in records(query, folder, **words)
    ]


def first(noun: type[N], query: str, folder: Path | None, **words: object) -> N | None:
    """The first row of a query as a noun; None when there is none."""
    found = nouns(noun, query, folder, **words)
    return found[0] if found else None
