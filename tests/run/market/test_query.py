from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tradewind.domain.errors import InputError
from tradewind.run.market import TABLES, VIEWS, sql

if TYPE_CHECKING:
    from pathlib import Path


def test_rows_and_the_names_of_their_columns(snapshot: Path) -> None:
    answer = sql("SELECT cloud, count(*) AS prices FROM offers GROUP BY cloud ORDER BY cloud", snapshot)
    assert answer.columns == ("cloud", "prices")
    assert [cloud for cloud, _ in answer] == ["aws", "azure", "gcp"]
    assert len(answer) == 3


def test_every_table_can_be_described(snapshot: Path) -> None:
    for name, table in TABLES.items():
        described = [(row[0], row[1]) for row in sql(f"DESCRIBE {name}", snapshot)]
        assert described == [(column.name, column.sql_type) for column in table.columns]


def test_every_view_gives_rows_and_joins_what_it_says(snapshot: Path) -> None:
    for name in VIEWS:
        assert len(sql(f"SELECT * FROM {name}", snapshot)) > 0, name
    answer = sql(
        "SELECT vcpus, cpu_model, accelerator FROM instances WHERE instance_type = $name",
        snapshot,
        name="g6.xlarge",
    )
    assert answer.rows == ((4, None, "L4"),)
    attached = sql(
        "SELECT physical_cores, accelerator FROM instances WHERE instance_type = 'n1-standard-4+t4x1'",
        snapshot,
    )
    assert attached.rows == ((2, "T4"),)
    assert len(sql("SELECT * FROM unpriced WHERE instance_type = 'm4n-hypermem-16'", snapshot)) == 1


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
    with pytest.raises(InputError, match="write one SELECT; the tables are offers, price_parts,"):
        sql(query, snapshot)


def test_files_cannot_be_reached(snapshot: Path) -> None:
    for reach in (
        "read_csv('/etc/hostname')",
        "read_text('/etc/passwd')",
        "'/etc/hostname'",
        f"read_text('{snapshot.parent}/published/accelerators.csv')",
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
