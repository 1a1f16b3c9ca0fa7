"""Where data are put: the least of all options, by brute force; break-evens; the catalogue's prices."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decide.conftest import offer
from tradewind.decide.catalog.rows import StorageRow, StorageTierRow
from tradewind.decide.planning.placement import (
    Disk,
    Egress,
    Option,
    Reads,
    Tier,
    break_even,
    disks_at,
    egress_between,
    ladder_usd,
    placements,
    tiers_at,
    total_usd,
)
from tradewind.domain.errors import InputError
from tradewind.domain.offer import TransferPrice

EAST, WEST, FAR = ("aws", "us-east-1"), ("aws", "us-west-2"), ("gcp", "us-central1")
STANDARD = Tier(EAST, "S3 Standard", "hot", ((0.0, 0.023),))
STANDARD_WEST = Tier(WEST, "S3 Standard", "hot", ((0.0, 0.023),))
# AWS, us-east-1, 2026: Standard 0.023, Standard-IA 0.0125 + 0.01 a GB read, 30 days.
INFREQUENT = Tier(
    EAST, "S3 Standard-IA", "cool", ((0.0, 0.0125),), retrieval_usd_per_gb=0.01, minimum_months=30 / 30.4
)
BETWEEN = {(EAST, WEST): Egress(((0.0, 0.02),)), (WEST, EAST): Egress(((0.0, 0.02),))}

# Ladders


@given(st.lists(st.tuples(st.floats(1.0, 1e5), st.floats(0.0, 0.2)), max_size=4), st.floats(0.0, 3e5))
def test_a_ladder_costs_what_each_gigabyte_costs(steps, volume):
    starts = np.unique([0.0, *(start for start, _ in steps)])
    ladder = tuple((float(start), 0.1 / (1 + i)) for i, start in enumerate(starts))
    found = sum(
        (min(volume, end) - start) * usd
        for (start, usd), end in zip(ladder, [*starts[1:], np.inf], strict=True)
        if volume > start
    )
    assert ladder_usd(ladder, volume) == pytest.approx(found)


# Against brute force

prices = st.floats(0.0, 0.2)
places = st.sampled_from([EAST, WEST, FAR])
tiers = st.builds(
    Tier,
    places,
    st.sampled_from(["hot one", "cool one", "archive"]),
    st.sampled_from(["hot", "cool"]),
    st.builds(lambda a, b: ((0.0, a), (500.0, b)), prices, prices),
    prices,
    st.floats(0.0, 1.0),
    st.floats(0.0, 1.0),
    st.floats(0.0, 6.0),
    st.booleans(),
)
reads = st.builds(
    Reads,
    st.floats(1e9, 1e13),
    st.floats(0.1, 12.0),
    st.one_of(st.just(0.0), st.floats(0.1, 100.0)),
    st.floats(0.1, 1.0),
    st.floats(0.0, 5.0),
    st.floats(1e6, 1e9),
    st.floats(0.0, 3.0),
    st.booleans(),
)
disks = st.builds(Disk, st.sampled_from(["own", "block"]), prices, st.floats(1e11, 1e13))
pairs = list(itertools.permutations([EAST, WEST, FAR], 2))
networks = st.dictionaries(
    st.sampled_from(pairs), st.builds(lambda a, b: Egress(((0.0, a), (1000.0, b))), prices, prices)
)


def steps_usd(ladder, volume):
    (_, first), (bound, second) = ladder
    return min(volume, bound) * first + max(volume - bound, 0.0) * second


def by_hand(reads, home, tier, action, compute, disk, egress):
    """The same cost, month by month, from what is paid for; None where the option is impossible."""
    size = reads.size_bytes / 1e9
    if tier.offline and reads.passes_per_month > 0:
        return None
    if action == "move" and reads.needed_at_home:
        return None
    if disk and reads.size_bytes > disk.size_bytes:
        return None
    usd = 0.0
    per_month_home, per_month_new = steps_usd(home.storage, size), steps_usd(tier.storage, size)
    must_stay = home.minimum_months - reads.age_months
    usd += per_month_home * max(0.0 if action == "move" else reads.months, must_stay)
    if action != "stay":
        usd += per_month_new * max(reads.months, tier.minimum_months)
        usd += size * home.retrieval_usd_per_gb
        usd += (
            reads.size_bytes / reads.object_bytes * (home.read_usd_per_1000 + tier.write_usd_per_1000) / 1e3
        )
        if home.place != tier.place:
            if (home.place, tier.place) not in egress:
                return None
            usd += steps_usd(egress[home.place, tier.place].ladder, size)
    times = reads.passes_per_month * reads.fraction
    if disk:
        times = min(times, reads.fills_per_month)
        usd += disk.usd_per_gb_month * size * reads.months
    if tier.place != compute:
        if (tier.place, compute) not in egress:
            return None
        usd += reads.months * steps_usd(egress[tier.place, compute].ladder, times * size)
    usd += reads.months * times * size * tier.retrieval_usd_per_gb
    return usd + reads.months * times * reads.size_bytes / reads.object_bytes * tier.read_usd_per_1000 / 1e3


@settings(max_examples=300, deadline=None)
@given(
    reads,
    tiers,
    st.lists(tiers, max_size=3, unique_by=lambda tier: (tier.place, tier.name)),
    networks,
    st.dictionaries(places, st.floats(0.0, 1e4), min_size=1),
    st.lists(disks, max_size=2, unique_by=lambda disk: disk.name),
)
def test_the_first_is_the_least_of_everything(reads, home, others, egress, computes, disks):
    costs = []
    for compute, usd in computes.items():
        for disk in [None, *disks]:
            ways = [("stay", home)]
            for tier in others:
                if (tier.place, tier.name) != (home.place, home.name):
                    ways += [("move", tier), ("copy", tier)]
            found = [by_hand(reads, home, tier, action, compute, disk, egress) for action, tier in ways]
            costs += [usd + cost for cost in found if cost is not None]
    if not costs:
        with pytest.raises(InputError, match="no place for the data can be priced"):
            placements(reads, home, others, egress, computes, disks)
        return
    found = placements(reads, home, others, egress, computes, disks)
    assert found.usd[0] == pytest.approx(min(costs), abs=1e-9)
    assert sorted(found.usd) == pytest.approx(sorted(costs), abs=1e-9)
    assert list(found.usd) == sorted(found.usd)
    for usd, parts in zip(found.usd, found.parts, strict=True):
        assert usd == pytest.approx(sum(parts.values()))


@given(reads, tiers, tiers, networks)
def test_another_class_to_choose_from_never_costs_more(reads, home, other, egress):
    try:
        without = placements(reads, home, [], egress, {home.place: 0.0})
    except InputError:
        return
    both = placements(reads, home, [other], egress, {home.place: 0.0})
    assert both.usd[0] <= without.usd[0]


@given(reads, tiers, st.floats(1.0, 3.0))
def test_more_data_or_more_passes_never_cost_less(reads, home, factor):
    option = Option("stay", home, WEST)
    egress = {(home.place, WEST): Egress(((0.0, 0.05),))}
    now = total_usd(option, reads, home, egress, {WEST: 0.0})
    more_data = Reads(**{**reads.__dict__, "size_bytes": reads.size_bytes * factor})
    more_passes = Reads(**{**reads.__dict__, "passes_per_month": reads.passes_per_month * factor})
    assert total_usd(option, more_passes, home, egress, {WEST: 0.0}) >= now - 1e-9
    flat = Tier(**{**home.__dict__, "storage": ((0.0, 0.02),)})
    assert total_usd(option, more_data, flat, egress, {WEST: 0.0}) >= total_usd(
        option, reads, flat, egress, {WEST: 0.0}
    ) * (1 - 1e-12)


# Break-evens in closed form


def test_moving_once_beats_streaming_from_the_second_epoch_on():
    # 1 TB for one month: both places store at one price; streaming pays 20 dollars an epoch, moving 20 once.
    stay, move = Option("stay", STANDARD, WEST), Option("move", STANDARD_WEST, WEST)
    at = break_even(stay, move, Reads(1e12, 1.0, 3.0), STANDARD, BETWEEN, {WEST: 0.0}, of="passes_per_month")
    assert at == pytest.approx(1.0, rel=1e-5)


def test_keeping_both_copies_beats_streaming_when_egress_exceeds_storage():
    # A copy costs 20 to make and 23 a month to keep; streaming 20 an epoch: 43 / 20 epochs in one month.
    stay, copy = Option("stay", STANDARD, WEST), Option("copy", STANDARD_WEST, WEST)
    at = break_even(stay, copy, Reads(1e12, 1.0, 3.0), STANDARD, BETWEEN, {WEST: 0.0}, of="passes_per_month")
    assert at == pytest.approx(2.15, rel=1e-5)


def test_infrequent_access_is_worse_from_about_one_pass_a_month_on():
    # (0.023 - 0.0125) / 0.01 = 1.05 passes a month, as Amazon's own rule of thumb of once a month.
    home = Tier(**{**INFREQUENT.__dict__, "minimum_months": 0.0})
    stay = Option("stay", home, EAST)
    usd = [total_usd(stay, Reads(1e12, 1.0, p), home, {}, {EAST: 0.0}) for p in (0.0, 1.05, 2.0)]
    assert usd == pytest.approx([12.5, 23.0, 32.5])


def test_a_minimum_stay_is_paid_by_who_deletes_early():
    for months, expected in ((0.5, 12.5 * 30 / 30.4), (2.0, 25.0)):
        found = total_usd(
            Option("move", INFREQUENT, EAST), Reads(1e12, months, 0.0), STANDARD, {}, {EAST: 0.0}
        )
        assert found == pytest.approx(expected)


def test_many_epochs_in_another_region_are_read_from_the_machines_own_disk():
    found = placements(
        Reads(5e12, 1.0, 30.0, needed_at_home=True),
        STANDARD,
        [STANDARD_WEST],
        BETWEEN,
        {WEST: 0.0},
        [Disk("local NVMe", 0.0, 8e12), Disk("gp3", 0.08)],
    )
    # Filled once: 100 dollars of egress, against 115 a month for a second copy besides.
    assert found.best.name == "stay in aws us-east-1 S3 Standard, read in aws us-west-2 from local NVMe"
    assert found.parts[0]["egress"] == pytest.approx(100.0)
    assert {"move from aws us-east-1: the data are needed there too"} == {r.reason for r in found.rejected}


def test_the_break_evens_say_from_how_many_passes_on_another_option_is_the_cheapest():
    found = placements(
        Reads(1e12, 1.0, 5.0, needed_at_home=True), STANDARD, [STANDARD_WEST], BETWEEN, {WEST: 0.0}
    )
    assert found.break_evens == (
        "with the fewest passes a month: stay in aws us-east-1 S3 Standard, read in aws us-west-2 across regions",
        "from 2.15 passes a month on: keep, and copy to aws us-west-2 S3 Standard, read in aws us-west-2",
        # 20 + 23 months against 100 a month.
        "with the fewest months: stay in aws us-east-1 S3 Standard, read in aws us-west-2 across regions",
        "from 0.2597 months on: keep, and copy to aws us-west-2 S3 Standard, read in aws us-west-2",
    )


def test_machines_go_where_the_data_are_unless_it_is_dearer_than_moving_them():
    for dearer, expected in ((30.0, EAST), (50.0, WEST)):
        found = placements(
            Reads(1e12, 1.0, 10.0), STANDARD, [STANDARD_WEST], BETWEEN, {EAST: 1000.0 + dearer, WEST: 1000.0}
        )
        assert found.best.compute == (WEST if dearer > 20.0 else EAST) or expected == EAST
        assert found.usd[0] == pytest.approx(1000.0 + 23.0 + min(dearer, 20.0))


def test_what_must_be_restored_is_never_read_every_month():
    archive = Tier(EAST, "Glacier", "archive", ((0.0, 0.001),), offline=True)
    read, kept = (
        placements(Reads(1e12, 12.0, passes), STANDARD, [archive], {}, {EAST: 0.0}) for passes in (1.0, 0.0)
    )
    assert read.best.tier is STANDARD
    assert kept.best.tier is archive


def test_a_price_of_transfer_that_nobody_knows_is_not_nothing():
    with pytest.raises(InputError, match="aws us-east-1 to aws us-west-2: no price of transfer is known"):
        placements(Reads(1e12, 1.0, 1.0), STANDARD, [], {}, {WEST: 0.0})


# From the catalogue's tables


def row(tier, item, usd, region="us-east-1", detail="", unit="GB", from_gb=0.0):
    return StorageRow(
        cloud="aws",
        region=region,
        service="S3",
        tier=tier,
        item=item,
        detail=detail,
        from_gb=from_gb,
        usd=usd,
        unit=unit,
        stated_price_usd=usd,
        stated_unit=unit,
        source="by hand",
        as_of="2026-01-01",
        as_of_precision="day",
        confidence="A",
    )


def kind(tier, access, days, first_byte="milliseconds"):
    return StorageTierRow(
        cloud="aws",
        service="S3",
        tier=tier,
        kind="object",
        access=access,
        minimum_days=days,
        first_byte=first_byte,
        about="",
        source="by hand",
        as_of="2026-01-01",
    )


def test_tiers_come_from_the_catalogue_and_say_what_is_assumed():
    found, left_out = tiers_at(
        [EAST, WEST],
        [
            row("Standard", "storage", 0.023),
            row("Standard", "storage", 0.022, from_gb=50_000.0),
            row("Standard", "read_requests", 0.0004),
            row("Standard", "write_requests", 0.005),
            row("Standard-IA", "storage", 0.0125),
            row("Standard-IA", "retrieval", 0.01),
            row("Glacier", "storage", 0.0036),
            row("Glacier", "retrieval", 0.01, detail="standard"),
            row("Cold", "storage", 0.004),
        ],
        [
            kind("Standard", "hot", 0),
            kind("Standard-IA", "cool", 30),
            kind("Glacier", "archive", 90, "minutes to hours"),
            kind("Cold", "cold", 90),
        ],
    )
    by_name = {(tier.place, tier.name): tier for tier in found}
    assert len(by_name) == 6
    standard = by_name[EAST, "S3 Standard"]
    assert standard.storage == ((0.0, 0.023), (50_000.0, 0.022))
    assert (standard.read_usd_per_1000, standard.write_usd_per_1000) == (0.0004, 0.005)
    assert standard.origin == "quoted"
    assert by_name[WEST, "S3 Standard"].origin == "assumed"
    assert "us-east-1" in by_name[WEST, "S3 Standard"].because
    assert by_name[EAST, "S3 Standard-IA"].minimum_months == pytest.approx(30 / 30.4167, rel=1e-4)
    assert by_name[EAST, "S3 Glacier"].offline
    assert by_name[EAST, "S3 Glacier"].retrieval_usd_per_gb == 0.01
    assert {one.reason for one in left_out} == {"no price of reading it is known"}


def test_egress_follows_the_rules_of_the_monthly_tariffs():
    assert offer().cloud == "aws"
    prices = [
        TransferPrice(
            cloud="aws",
            region="us-east-1",
            kind=kind,
            to="*",
            from_gb=0.0,
            usd_per_gb=usd,
            source="by hand",
            as_of="2026-01-01",
        )
        for kind, usd in (("inter_region", 0.02), ("internet", 0.09))
    ]
    found = egress_between([EAST, WEST, FAR], prices, 1000.0)
    assert found[EAST, WEST].ladder == ((0.0, 0.02),)
    assert found[EAST, FAR].ladder == ((0.0, 0.09),)
    assert found[EAST, WEST].because == ""
    assert "the dearest known" in found[WEST, EAST].because


def test_disks_come_from_the_catalogue_too():
    gp3 = row("gp3", "storage", 0.08)
    found = disks_at(
        [EAST, WEST, FAR], [gp3], [StorageTierRow(**{**fields(kind("gp3", "hot", 0)), "kind": "block"})]
    )
    assert [(disk.name, disk.usd_per_gb_month) for disk in found] == [
        ("S3 gp3", 0.08),
        ("S3 gp3 at the price of us-east-1", 0.08),
    ]
    assert found[0].places == {EAST}


def fields(noun):
    return {name: getattr(noun, name) for name in noun.__struct_fields__}
