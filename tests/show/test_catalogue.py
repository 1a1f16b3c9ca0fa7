"""How the catalogue looks in a terminal: nothing that matters is cut, whatever the width."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tradewind.decide.catalog.explaining import Explanation
from tradewind.decide.catalog.likeness import Machine
from tradewind.decide.catalog.rows import PriceRow, QuarantineRow
from tradewind.run.market import SHIPPED
from tradewind.run.market.asking import Asked, Compared, Found, Shown, compare, find, show
from tradewind.run.market.build import BuildReport
from tradewind.run.market.checking import CheckReport, RuleCaught
from tradewind.run.market.diff import Diff, Move, Total
from tradewind.run.market.refresh import CloudRefresh, RefreshReport
from tradewind.show import catalogue

TODAY = "2026-11-25"
WIDTHS = (60, 80, 100, 140)


def text(drawn: Any, width: int = 100) -> str:
    """What is printed, without styles and without the spaces at the ends of lines."""
    console = Console(width=width, color_system=None, highlight=False, legacy_windows=False)
    with console.capture() as captured:
        console.print(drawn)
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def row(region: str, purchase: Any, usd: float, **changes: Any) -> PriceRow:
    stated: dict[str, Any] = {
        "cloud": "aws",
        "region": region,
        "instance_type": "x1.large",
        "purchase": purchase,
        "price_usd_per_hour": usd,
        "stated_price_usd": usd,
        "stated_unit": "hour",
        "source": "a list",
        "as_of": "2026-07-20",
        "as_of_precision": "day",
        "confidence": "A",
    }
    return PriceRow(**{**stated, **changes})


def caught(region: str, usd: float | None, reason: str, purchase: str = "on_demand") -> QuarantineRow:
    return QuarantineRow(
        of_table="offers",
        cloud="aws",
        region=region,
        instance_type="x1.large",
        item="x1.large",
        purchase=purchase,
        price_usd=usd,
        invariant="offered_in_region",
        reason=reason,
        source="a list",
        as_of="2026-07-20",
    )


def known(*prices: PriceRow, quarantine: tuple[QuarantineRow, ...] = ()) -> Shown:
    return Shown(
        machine=Machine(cloud="aws", instance_type="x1.large", vcpus=2, memory_bytes=2.0**33),
        accelerator=None,
        efficiency=(),
        surcharges=(),
        prices=prices,
        places={"eu-west-1": "Ireland"},
        quarantine=quarantine,
    )


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{2}-[a-z]{4,12}-[0-9]", fullmatch=True),
        st.floats(0.0001, 999.0),
        min_size=1,
        max_size=9,
    ),
    st.sampled_from(WIDTHS),
)
def test_every_region_and_price_stands_whole_in_a_line_the_cheapest_first(
    usd: dict[str, float], width: int
) -> None:
    prices = [row(region, "on_demand", value) for region, value in usd.items()]
    prices += [row(region, "spot", value / 2) for region, value in usd.items()]
    lines = text(catalogue.shown(known(*prices)), width).splitlines()
    decimals = catalogue._decimals(price.price_usd_per_hour for price in prices)
    found = [line for line in lines if line.split() and line.split()[0] in usd]
    assert len(found) == len(usd)
    for line in found:
        value = usd[line.split()[0]]
        assert f"{value:.{decimals}f} A¹" in line
        assert f"{value / 2:.{decimals}f} A¹" in line
    ordered = [usd[line.split()[0]] for line in found]
    assert ordered == sorted(ordered)


@given(st.floats(0.0, 1.0), st.none() | st.floats(0.0, 1.0), st.integers(1, 60))
def test_a_bar_fills_its_share_and_shows_its_mark(value: float, mark: float | None, width: int) -> None:
    drawn = catalogue._bar(value, mark, 1.0, width).plain
    assert len(drawn) == width
    assert drawn.count("◆") == (mark is not None)
    if mark is None:
        full = drawn.count("█")
        assert full <= value * width + 0.5
        assert full >= value * width - 1.0


def test_where_there_is_no_room_the_places_go_and_then_the_bars() -> None:
    prices = [row("eu-west-1", option, 0.5) for option in catalogue.BRIEF]
    answer = known(*prices)
    assert "Ireland" in text(catalogue.shown(answer), 100)
    narrow = text(catalogue.shown(answer), 68)
    assert "Ireland" not in narrow
    assert "█" in narrow
    narrower = text(catalogue.shown(answer), 58)
    assert "█" not in narrower
    assert narrower.count("0.5000 A") == 4


def test_the_sources_are_numbered_in_the_order_in_which_they_are_seen() -> None:
    said = text(
        catalogue.shown(
            known(
                row("eu-west-1", "on_demand", 0.9, source="first in the table"),
                row("us-east-1", "on_demand", 0.1, source="cheapest (2026-07-20)"),
            )
        )
    )
    assert "0.1000 A¹" in said
    assert "0.9000 A²" in said
    assert re.search(r"¹ +cheapest \(2026-07-20\)\n", said)
    assert re.search(r"² +first in the table, as of 2026-07-20\n", said)


def test_of_several_zones_the_cheapest_stands_with_their_number() -> None:
    said = text(
        catalogue.shown(
            known(
                row("eu-west-1", "on_demand", 0.9),
                row("eu-west-1", "spot", 0.4, zone="a"),
                row("eu-west-1", "spot", 0.3, zone="b"),
            )
        )
    )
    assert "0.3000 A¹ of 2 zones" in said


def test_what_is_not_used_for_one_reason_stands_in_one_line() -> None:
    reasons = [caught(f"eu-{n}", 0.1 * n, f"x1.large is not offered in eu-{n}") for n in range(1, 5)]
    said = text(catalogue.shown(known(quarantine=tuple(reasons))))
    assert "No price of it can be used." in said
    assert "eu-1 and 3 more" in said
    assert "0.1000 to 0.4000" in said
    assert said.count("offered_in_region") == 1


def test_very_many_reasons_are_cut_and_said_so() -> None:
    reasons = tuple(caught("eu-1", None, "r" * n) for n in range(1, 12))
    assert "3 more with --json" in text(catalogue.shown(known(quarantine=reasons)))


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize(
    "name", ["g6.xlarge", "p5.48xlarge", "Standard_NC4as_T4_v3", "n1-standard-8+t4x1", "v6e-256"]
)
def test_machines_of_the_shipped_catalogue_fit(name: str, width: int) -> None:
    (answer,) = show(name, (), TODAY, SHIPPED)
    said = text(catalogue.shown(answer), width)
    assert name in said
    assert max(len(line) for line in said.splitlines()) <= width
    assert {price.region for price in answer.prices} <= set(said.split())


@pytest.fixture(scope="module")
def h100() -> Found:
    return find(Asked(accelerator=("H100",), limit=6), TODAY, SHIPPED)


def test_offers_fit_into_a_line_of_100_columns(h100: Found) -> None:
    lines = text(catalogue.found(h100, "price")).splitlines()
    assert f"the first 6 of {h100.total}, cheapest first" in lines[1]
    for offer, line in zip(h100.offers, lines[3:], strict=False):
        assert offer.instance_type in line
        assert f"{offer.accelerator_count:g} × {offer.accelerator}" in line


def test_the_figure_that_orders_the_offers_stands_with_them(h100: Found) -> None:
    assert "g CO2e/kWh" in text(catalogue.found(h100, "carbon"), 140)
    assert "a vCPU" in text(catalogue.found(h100, "price-per-vcpu"), 140)
    plain = find(Asked(types=("c7g.*",), limit=2), TODAY, SHIPPED)
    assert "accelerators" not in text(catalogue.found(plain, "price"))


@pytest.fixture(scope="module")
def like_g6() -> Compared:
    return compare((), "g6.xlarge", (), SHIPPED)


def test_machines_stand_side_by_side_with_what_differs(like_g6: Compared) -> None:
    said = text(catalogue.compared(like_g6))
    for one in like_g6.clouds:
        assert one.machine.instance_type in said
        for price in one.prices.values():
            assert price.region in said
    (line,) = [line for line in said.splitlines() if line.split()[:1] == ["vCPUs"]]
    sizes = [one.machine.vcpus for one in like_g6.clouds]
    assert [word for word in line.split()[1:] if "×" not in word] == [str(size) for size in sizes]
    assert line.count("×") == sum(size != sizes[0] for size in sizes)
    assert "to the internet" in said


def test_a_comparison_without_another_cloud_says_so(like_g6: Compared) -> None:
    alone = Compared(like=like_g6.like, clouds=(like_g6.like,))
    assert "no other cloud has a machine with a price there" in text(catalogue.compared(alone))


def test_explanations_stand_under_their_key() -> None:
    told = Explanation(key="a/b/c/spot", price_usd_per_hour=0.25, steps=("stated: by [somebody]", "x: y: z"))
    said = text(catalogue.explained([told, Explanation(key="d", price_usd_per_hour=None, steps=())]))
    assert "a/b/c/spot  0.25 usd/h" in said
    assert "by [somebody]" in said
    assert "y: z" in said
    assert "d  not used" in said
    stored = Explanation(key="e", price_usd_per_hour=None, steps=(), usd=0.023, unit="GB-month")
    assert "e  0.023 usd/GB-month" in text(catalogue.explained([stored]))


def report(**changes: Any) -> CheckReport:
    stated: dict[str, Any] = {
        "snapshot": "2026-08-19-abc",
        "path": "/there",
        "as_of": "2026-08-19",
        "age_days": 98,
        "warning": None,
        "files": 19,
        "prices": 157_313,
        "broken": (),
        "rules": (
            RuleCaught(
                invariant="shared_tenancy", about="It is shared.", rows=3, by_cloud={"aws": 2, "gcp": 1}
            ),
        ),
        "caught": (caught("eu-1", 0.1, "because"),),
        "total": 3,
    }
    return CheckReport(**{**stated, **changes})


def test_a_check_says_what_holds_and_what_does_not() -> None:
    said = text(catalogue.checked(report()))
    assert "✓ 157,313 prices keep every rule" in said
    assert re.search(r"shared_tenancy +3 +2 +1 +It is shared\.", said)
    assert "2 more: narrow them with --invariant" in said
    broken = text(catalogue.checked(report(broken=(caught("eu-9", 9.0, "wrong"),), warning="old")))
    assert "✕ 1 price breaks a rule now" in broken
    assert "eu-9" in broken
    assert "tradewind catalog refresh asks for today's" in broken


def test_changes_come_with_their_sums() -> None:
    move = {"cloud": "aws", "region": "eu-1", "instance_type": "x1", "purchase": "spot"}
    answer = Diff(
        before="a",
        after="b",
        added=(Move(**move, after_usd_per_hour=1.0),) * 3,
        removed=(),
        changed=(Move(**move, before_usd_per_hour=2.0, after_usd_per_hour=1.0, ratio=0.5),),
        totals=(Total(cloud="aws", purchase="spot", added=3, changed=1),),
    )
    said = text(catalogue.diffed(answer, 2))
    assert "from a to b" in said
    assert "−50.0%" in said
    assert "1 more with --limit N" in said


def test_a_refresh_says_of_each_cloud_what_became_of_it() -> None:
    answer = RefreshReport(
        before="a",
        snapshot="b",
        path="/there",
        clouds=(
            CloudRefresh(cloud="azure", prices=12_345, stay=6, asked=3, notes=("a note",)),
            CloudRefresh(cloud="gcp", reason="no API key"),
        ),
    )
    said = text(catalogue.refreshed(answer))
    assert "✓ azure  12,345 fresh prices; 6 older ones stay" in said
    assert "a note" in said
    assert "✕ gcp    the old prices stay: no API key" in said
    same = RefreshReport(before="a", snapshot="a", path="/there", clouds=())
    assert "Nothing has changed" in text(catalogue.refreshed(same))


def test_a_build_counts_tables_and_what_was_caught() -> None:
    answer = BuildReport(
        snapshot="s",
        as_of="2026-08-19",
        tables={"offers": 1234},
        caught={"few": 1, "many": 20},
        quarantine=(),
        left_out={"Windows": 7},
        size_bytes=2**20,
    )
    said = text(catalogue.built(answer))
    assert re.search(r"offers +1,234", said)
    assert said.index("many") < said.index("few")
    assert re.search(r"Windows +7", said)
