from __future__ import annotations

import pytest

from tradewind.run.market import TABLES, VIEWS


def test_the_tables_that_are_promised() -> None:
    promised = {
        "offers",
        "instances",
        "accelerators",
        "storage",
        "transfer",
        "services",
        "regions",
        "quarantine",
    }
    assert promised <= {*TABLES, *VIEWS}
    offers = {column.name for column in TABLES["offers"].columns}
    wanted = {
        "cloud",
        "region",
        "zone",
        "instance_type",
        "purchase",
        "price_usd_per_hour",
        "source",
        "as_of",
        "confidence",
    }
    assert wanted <= offers


@pytest.mark.parametrize("name", list(TABLES))
def test_every_table_and_column_says_what_it_means(name: str) -> None:
    table = TABLES[name]
    assert table.about
    for column in table.columns:
        assert column.meaning, f"{name}.{column.name}"
        assert column.sql_type in ("VARCHAR", "DOUBLE", "INTEGER", "BOOLEAN", "VARCHAR[]")
    assert set(table.order) <= {column.name for column in table.columns}


def test_every_table_names_source_and_day() -> None:
    for name, table in TABLES.items():
        assert {"source", "as_of"} <= {column.name for column in table.columns}, name
