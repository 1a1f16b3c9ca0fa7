from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from tradewind.decide.catalog.normalise import Normalised
from tradewind.decide.catalog.rules import RULES
from tradewind.domain.errors import InputError
from tradewind.run.market import SHIPPED, read_tables, write
from tradewind.run.market.checking import OLD_DAYS, check
from tradewind.run.market.snapshot import read_index

if TYPE_CHECKING:
    from pathlib import Path

TODAY = "2026-11-25"


def test_a_sound_snapshot_breaks_nothing(snapshot: Path) -> None:
    found = check(TODAY, snapshot)
    assert found.broken == ()
    assert found.prices == found_rows(snapshot, "offers.parquet")
    assert found.files == len(read_index(snapshot).files)
    assert found.total == found_rows(snapshot, "quarantine.parquet")
    assert sum(rule.rows for rule in found.rules) == found.total


def found_rows(snapshot: Path, file: str) -> int:
    return read_index(snapshot).files[file].rows


def test_the_shipped_snapshot_keeps_every_rule_and_every_rule_is_described() -> None:
    found = check(TODAY, SHIPPED)
    assert found.broken == ()
    assert {rule.invariant for rule in found.rules} <= set(RULES)
    assert all(rule.about for rule in found.rules)


def test_a_price_that_breaks_a_rule_now_is_found(snapshot: Path, tmp_path: Path) -> None:
    tables = dict(read_tables(snapshot))
    offers = list(tables["offers"])
    place = next(n for n, row in enumerate(offers) if row.purchase == "spot")  # type: ignore[attr-defined]
    offers[place] = msgspec.structs.replace(offers[place], price_usd_per_hour=1e6)
    tables["offers"] = offers
    write(Normalised(tables=tables, as_of="2026-08-19", left_out={}), tmp_path / "wrong")
    (broken,) = check(TODAY, tmp_path / "wrong").broken
    assert broken.invariant == "spot_is_at_most_on_demand"


def test_old_prices_are_warned_of(snapshot: Path) -> None:
    newest = read_index(snapshot).as_of
    assert check(newest, snapshot).warning is None
    warning = check(TODAY, snapshot).warning
    assert warning is not None
    assert "98 days old" in warning
    assert OLD_DAYS < 98


@pytest.mark.parametrize("name", ["offers.parquet", "key_machine.parquet"])
def test_a_damaged_or_missing_file_is_an_error(snapshot: Path, name: str) -> None:
    (snapshot / name).write_bytes(b"damaged")
    with pytest.raises(InputError, match=f"{name}: is damaged"):
        check(TODAY, snapshot)
    (snapshot / name).unlink()
    with pytest.raises(InputError, match=f"{name}: is missing"):
        check(TODAY, snapshot)


def test_the_rows_can_be_narrowed_to_a_rule_and_to_clouds(snapshot: Path) -> None:
    found = check(TODAY, snapshot, invariant="machine_is_virtual", clouds=("azure",), limit=1)
    assert (len(found.caught), found.total) == (1, 2)
    assert check(TODAY, snapshot, invariant="machine_is_virtual", clouds=("aws",)).total == 0
    assert len(check(TODAY, snapshot, limit=None).caught) == check(TODAY, snapshot).total


def test_an_unknown_rule_is_an_error_with_the_nearest(snapshot: Path) -> None:
    with pytest.raises(InputError, match="did you mean shared_tenancy"):
        check(TODAY, snapshot, invariant="shared_tennancy")
    with pytest.raises(InputError, match="they are price_is_positive"):
        check(TODAY, snapshot, invariant="zzzz")
