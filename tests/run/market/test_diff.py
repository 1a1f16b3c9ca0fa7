from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tradewind.decide.catalog.normalise import Normalised
from tradewind.decide.catalog.rows import PriceRow
from tradewind.domain import codec
from tradewind.domain.errors import InputError
from tradewind.run.market.build import write
from tradewind.run.market.diff import Diff, diff
from tradewind.run.market.tables import TABLES


def row(name: str, usd: float, **changes: Any) -> PriceRow:
    stated: dict[str, Any] = {
        "cloud": "aws",
        "region": "us-east-1",
        "instance_type": name,
        "purchase": "on_demand",
        "price_usd_per_hour": usd,
        "stated_price_usd": usd,
        "stated_unit": "hour",
        "source": "a list",
        "as_of": "2026-11-24",
        "as_of_precision": "day",
        "confidence": "A",
    }
    return PriceRow(**{**stated, **changes})


def snapshot(folder: Path, *rows: PriceRow) -> Path:
    tables: dict[str, list[Any]] = {name: [] for name in TABLES}
    write(Normalised(tables={**tables, "offers": rows}, as_of="2026-11-24", left_out={}), folder)
    return folder


@pytest.fixture
def found(tmp_path: Path) -> Diff:
    before = snapshot(
        tmp_path / "before",
        row("p5.48xlarge", 98.32),
        row("c7g.xlarge", 0.145),
        row("c7g.2xlarge", 0.29),
        row("p3.2xlarge", 3.06),
        row("c7g.xlarge", 0.06, purchase="spot", zone="use1-az1"),
        row("c7g.xlarge", 0.07, purchase="spot", zone="use1-az2"),
    )
    after = snapshot(
        tmp_path / "after",
        row("p5.48xlarge", 55.04),
        row("c7g.xlarge", 0.145),
        row("c7g.2xlarge", 0.30),
        row("c8g.xlarge", 0.16),
        row("c7g.xlarge", 0.06, purchase="spot", zone="use1-az1"),
        row("c7g.xlarge", 0.21, purchase="spot", zone="use1-az2"),
    )
    return diff(before, after)


def test_the_largest_relative_moves_come_first(found: Diff) -> None:
    assert [(m.instance_type, m.purchase, m.zone) for m in found.changed] == [
        ("c7g.xlarge", "spot", "use1-az2"),
        ("p5.48xlarge", "on_demand", None),
        ("c7g.2xlarge", "on_demand", None),
    ]
    cut = found.changed[1]
    assert (cut.before_usd_per_hour, cut.after_usd_per_hour) == (98.32, 55.04)
    assert cut.ratio == pytest.approx(0.5598, abs=1e-4)


def test_new_and_gone_offers_have_one_price(found: Diff) -> None:
    [added], [removed] = found.added, found.removed
    assert (added.instance_type, added.before_usd_per_hour, added.after_usd_per_hour) == (
        "c8g.xlarge",
        None,
        0.16,
    )
    assert (removed.instance_type, removed.before_usd_per_hour, removed.ratio) == ("p3.2xlarge", 3.06, None)


def test_totals_by_cloud_and_purchase_option(found: Diff) -> None:
    totals = {(t.cloud, t.purchase): (t.added, t.removed, t.changed, t.same) for t in found.totals}
    assert totals == {("aws", "on_demand"): (1, 1, 2, 1), ("aws", "spot"): (0, 0, 1, 1)}


def test_it_is_a_noun_that_round_trips(found: Diff) -> None:
    assert codec.decode(codec.encode(found), Diff, source="diff") == found


@given(
    st.lists(
        st.dictionaries(st.sampled_from("abcd"), st.sampled_from([0.1, 0.2, 0.4]), min_size=1),
        min_size=2,
        max_size=2,
    )
)
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_there_and_back_again(
    tmp_path_factory: pytest.TempPathFactory, sides: list[dict[str, float]]
) -> None:
    """What is new one way is gone the other way, ratios are inverse, and a snapshot does not differ from itself."""
    folder = tmp_path_factory.mktemp("diff")
    one, other = (
        snapshot(folder / f"{n}", *(row(name, usd) for name, usd in side.items()))
        for n, side in enumerate(sides)
    )
    there, back = diff(one, other), diff(other, one)
    assert [m.instance_type for m in there.added] == [m.instance_type for m in back.removed]
    assert {m.instance_type: m.ratio for m in there.changed} == {
        m.instance_type: pytest.approx(1.0 / m.ratio) for m in back.changed if m.ratio
    }
    same = diff(one, one)
    assert (same.added, same.removed, same.changed) == ((), (), ())
    assert sum(t.same for t in same.totals) == len(sides[0])


def test_a_folder_without_a_snapshot_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no catalogue here"):
        diff(tmp_path, tmp_path)
