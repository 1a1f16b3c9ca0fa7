from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tradewind.domain.errors import InputError
from tradewind.run.market import TABLES, sql

if TYPE_CHECKING:
    from pathlib import Path


def test_rows_and_the_names_of_their_columns(snapshot: Path) -> None:
    answer = sql("SELECT cloud, count(*) AS prices FROM offers GROUP BY cloud ORDER BY cloud", snapshot)
    assert answer.columns == ("cloud", "prices")
    assert list(answer) == [("aws", 3), ("azure", 2), ("gcp", 4)]
    assert len(answer) == 3


def test_every_table_can_be_described(snapshot: Path) -> None:
    for name, table in TABLES.items():
        described = [(row[0], row[1]) for row in sql(f"DESCRIBE {name}", snapshot)]
        assert described == [(column.name, column.sql_type) for column in table.columns]


def test_the_specifications_can_be_joined(snapshot: Path) -> None:
    answer = sql(
        "SELECT cpu_model FROM offers JOIN specs USING (cloud, instance_type) WHERE cloud = 'aws'", snapshot
    )
    assert set(answer.rows) == {("Neoverse-V1",)}


@pytest.mark.parametrize(
    "query",
    [
        "DROP TABLE offers",
        "DELETE FROM offers",
        "INSERT INTO offers SELECT * FROM offers",
        "SELECT 1; SELECT 2",
        "COPY offers TO 'out.csv'",
        "ATTACH 'other.db'",
        "INSTALL httpfs",
        "SET threads = 4",
        "PRAGMA version",
        "",
        "-- nothing",
    ],
)
def test_only_one_select_is_run(snapshot: Path, query: str) -> None:
    with pytest.raises(InputError, match="write one SELECT; the tables are offers, instances, specs"):
        sql(query, snapshot)


def test_files_cannot_be_reached(snapshot: Path) -> None:
    for reach in (
        "read_csv('/etc/hostname')",
        f"read_parquet('{snapshot}/offers.parquet')",
        "'/etc/hostname'",
    ):
        with pytest.raises(InputError):
            sql(f"SELECT * FROM {reach}", snapshot)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELEC", "syntax error"),
        ("SELECT nope FROM offers", "nope"),
        ("SELECT * FROM nowhere", "nowhere"),
        ("SELECT 'x'::INTEGER", "Could not convert"),
    ],
)
def test_sql_that_does_not_run_gives_duckdbs_reason_in_one_line(
    snapshot: Path, query: str, reason: str
) -> None:
    with pytest.raises(InputError, match=reason) as error:
        sql(query, snapshot)
    assert "\n" not in str(error.value)


def test_a_query_changes_nothing(snapshot: Path) -> None:
    before = {path.name: path.read_bytes() for path in snapshot.iterdir()}
    sql("SELECT * FROM offers", snapshot)
    assert {path.name: path.read_bytes() for path in snapshot.iterdir()} == before
