from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tradewind.files
from tradewind.decide.catalog.lists.attached_gpus import read_gpu_prices


def stated(**changes: str) -> dict[str, str]:
    return {
        "accelerator": "T4",
        "region": "us-central1",
        "purchase": "on_demand",
        "usd_per_hour": "0.35",
        "source": "a list",
        "as_of": "2025-04-09",
        **changes,
    }


def test_prices_come_as_they_were_stated() -> None:
    rows = [stated(), stated(region="europe-west4"), stated(accelerator="P4", usd_per_hour="0.6")]
    found, caught = read_gpu_prices(rows)
    assert caught == []
    assert found == [rows[2], rows[1], rows[0]]


@pytest.mark.parametrize(
    "changes",
    [
        {"region": "*"},
        {"region": "europe-*"},
        {"region": ""},
        {"accelerator": ""},
        {"purchase": "barter"},
        {"usd_per_hour": "0"},
        {"usd_per_hour": "-0.35"},
        {"usd_per_hour": ""},
        {"usd_per_hour": "?"},
        {"as_of": "soon"},
        {"source": ""},
    ],
)
def test_price_can_be_read(changes: dict[str, str]) -> None:
    found, caught = read_gpu_prices([stated(**changes)])
    assert found == []
    assert [row.invariant for row in caught] == ["price_can_be_read"]


def test_a_second_price_for_the_same_is_caught() -> None:
    found, caught = read_gpu_prices([stated(), stated(usd_per_hour="0.36", source="another list")])
    assert [row["usd_per_hour"] for row in found] == ["0.35"]
    assert len(caught) == 1


@given(st.permutations([stated(), stated(region="asia-east1"), stated(accelerator="P100", usd_per_hour="?")]))
def test_the_order_of_the_list_does_not_matter(rows: list[dict[str, str]]) -> None:
    found, caught = read_gpu_prices(rows)
    assert [row["region"] for row in found] == ["asia-east1", "us-central1"]
    assert [row.item for row in caught] == ["P100"]


def test_every_hand_kept_price_can_be_read() -> None:
    path = Path(tradewind.files.__file__).parent / "data" / "facts" / "gcp_gpu_prices.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    found, caught = read_gpu_prices(rows)
    assert caught == []
    assert {row["accelerator"] for row in found} == {"P100", "P4", "T4", "V100-16GB"}
