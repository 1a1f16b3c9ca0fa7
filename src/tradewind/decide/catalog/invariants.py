"""What must hold for a price to be used. Each rule is a function; what it yields is caught, with the reason.

The rules run in the order of `INVARIANTS`, each on what the ones before let pass: first those that look at
one price, then those that compare on-demand prices with each other, then those that compare a discounted
price with the on-demand price of the same machine in the same region. Nothing that is caught is lost: it
goes to the table `quarantine`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from statistics import median
from typing import TYPE_CHECKING, Final

import msgspec

from tradewind.decide.catalog.dates import age_days, is_day
from tradewind.decide.catalog.lists.origin import SENTINELS, quarantined
from tradewind.decide.catalog.machines import family_of, shares_cpu
from tradewind.decide.catalog.rows import AcceleratorRow, InstanceRow, PriceRow, QuarantineRow, SpecRow

if TYPE_CHECKING:
    from tradewind.domain.noun import Cloud

__all__ = ["INVARIANTS", "Facts", "Invariant", "hold", "remark_on_cheap_regions"]

FAMILY_TOLERANCE: Final[dict[Cloud, float]] = {"aws": 0.02, "azure": 0.2, "gcp": 0.02}
"""How much dearer per vCPU than the cheapest size of its family a size may be.

Published prices are rounded to 0.1 to 1 %. What slips into a list is, for AWS, dedicated tenancy (3 to 12 %
dearer), for Azure, Windows (30 to 200 % dearer). Azure's own prices step by up to 16 % between sizes (A1_v2 to
A8_v2), so a narrower bound would accuse true prices there."""

REGIONAL_TOLERANCE: Final = 0.02
"""Sizes of a family with accelerators are dearer in a region by the same ratio, but for rounding."""

REGIONAL_RATIO: Final = (0.9, 1.9)
"""On-demand price over that of the reference region. The largest true ratio seen is 1.5."""

REFERENCE_REGION: Final[dict[Cloud, str]] = {"aws": "us-east-1", "azure": "eastus", "gcp": "us-central1"}

LARGEST_SPOT_DISCOUNT: Final = 0.92
"""No cloud promises more: "up to 90 %" (AWS, Azure), "up to 91 %" (GCP), and a percent for rounding. What is
below that was compared with the price of another operating system."""

MEMORY_TOLERANCE: Final = 0.08
"""An accelerator's usable memory is up to 7 % below the size it is sold under (L4: 22.4 of 24 GiB)."""

LEAST_ACCELERATOR_SHARE: Final = 0.3
"""Of the median price per accelerator of the same kind in the same cloud. A host without its GPU costs less:
a2-highgpu-1g stood at 0.94 in a list that counts the GPU apart, where 3.67 is right."""

OLDEST_DAYS: Final = 2190
"""A price that is older than six years says nothing about today; one older than a year is of confidence C."""


@dataclass(frozen=True)
class Facts:
    """What the rules may look at. Keys are (cloud, instance type)."""

    prices: tuple[PriceRow, ...]
    instances: dict[tuple[Cloud, str], InstanceRow]
    specs: dict[tuple[Cloud, str], SpecRow]
    accelerators: dict[str, AcceleratorRow]
    today: str
    offered: dict[Cloud, frozenset[tuple[str, str]]] = field(default_factory=dict)
    """Pairs of type and region in which a cloud offers the type, of the clouds that list them."""
    retired: dict[tuple[Cloud, str], str] = field(default_factory=dict)
    """Types that are no longer sold, each with the words for it."""


Caught = Iterator[tuple[PriceRow, str]]
Invariant = Callable[[Facts], Caught]


def price_is_positive(facts: Facts) -> Caught:
    """A price is a number above zero (H200 stood at $0 where it could only be reserved)."""
    for price in facts.prices:
        value = price.price_usd_per_hour
        if not value > 0.0:
            stated = "no number" if value != value else f"{value:g}"
            yield price, f"the price is {stated}; a price is above 0"


def price_is_no_sentinel(facts: Facts) -> Caught:
    """A price is not one of the numbers by which lists say "unknown"."""
    for price in facts.prices:
        if price.price_usd_per_hour in SENTINELS:
            yield price, f"{price.price_usd_per_hour:g} is this kind of list's word for an unknown price"


def price_has_a_source(facts: Facts) -> Caught:
    """The row says who stated this price: a source for the on-demand price is none for the others."""
    for price in facts.prices:
        if not price.source:
            yield price, f"the row names no source for its {price.purchase} price"


def as_of_is_a_recent_day(facts: Facts) -> Caught:
    """The day of the price can be read, is not after today, and not more than six years ago."""
    for price in facts.prices:
        if not is_day(price.as_of):
            yield price, f"{price.as_of!r} holds no day"
        elif price.as_of > facts.today:
            yield price, f"{price.as_of} is after today, {facts.today}"
        elif age_days(price.as_of, facts.today) > OLDEST_DAYS:
            yield price, f"{price.as_of} is more than six years before today, {facts.today}"


def offered_once(facts: Facts) -> Caught:
    """One machine in one region under one purchase option has one price; a second, different one is caught."""
    seen: dict[tuple[str, str, str | None, str, str], float] = {}
    for price in facts.prices:
        key = (price.cloud, price.region, price.zone, price.instance_type, price.purchase)
        if key in seen:
            yield price, f"a second price for the same offer; the first is {seen[key]:g}"
        else:
            seen[key] = price.price_usd_per_hour


def type_is_active(facts: Facts) -> Caught:
    """The cloud still sells the type: lists go on pricing what was retired (Azure's NC6s_v3)."""
    for price in facts.prices:
        key = (price.cloud, price.instance_type)
        spec = facts.specs.get(key)
        if key in facts.retired:
            yield price, facts.retired[key]
        elif spec is not None and not spec.active:
            yield price, f"the cloud no longer sells {price.instance_type}, as of {spec.as_of}"


def offered_in_region(facts: Facts) -> Caught:
    """The cloud offers the type in the region: priced is not offered (a2 in africa-south1).

    A region or a type that the cloud's list does not know at all says nothing.
    """
    regions = {cloud: {region for _, region in pairs} for cloud, pairs in facts.offered.items()}
    types = {cloud: {name for name, _ in pairs} for cloud, pairs in facts.offered.items()}
    for price in facts.prices:
        pairs, name = facts.offered.get(price.cloud), _offered_name(price.instance_type)
        if (
            pairs is not None
            and price.region in regions[price.cloud]
            and name in types[price.cloud]
            and (name, price.region) not in pairs
        ):
            yield price, f"{price.instance_type} is not offered in {price.region}"


def _offered_name(instance_type: str) -> str:
    """The machine type as lists of offered types know it: without an attached GPU."""
    return instance_type.partition("+")[0]


def shape_is_one(facts: Facts) -> Caught:
    """Whoever states the vCPUs of a type states the same number."""
    for price in facts.prices:
        key = (price.cloud, price.instance_type)
        own, spec = facts.instances.get(key), facts.specs.get(key)
        if own is None or spec is None or own.vcpus is None or spec.vcpus is None:
            continue
        if own.vcpus != spec.vcpus:
            yield price, f"the type has two shapes: {own.vcpus} vCPUs by one list, {spec.vcpus} by another"


def _vcpus(facts: Facts, key: tuple[Cloud, str]) -> int | None:
    own, spec = facts.instances.get(key), facts.specs.get(key)
    if own is not None and own.vcpus is not None:
        return own.vcpus
    return spec.vcpus if spec is not None else None


def _memory_bytes(facts: Facts, key: tuple[Cloud, str]) -> float | None:
    own, spec = facts.instances.get(key), facts.specs.get(key)
    if own is not None and own.memory_bytes is not None:
        return own.memory_bytes
    return spec.memory_bytes if spec is not None else None


def _accelerator(facts: Facts, key: tuple[Cloud, str]) -> str | None:
    """The accelerator of a type; a word that is in no table where only the specifications know of one."""
    own, spec = facts.instances.get(key), facts.specs.get(key)
    if own is not None and own.accelerator is not None:
        return own.accelerator
    return spec.gpu_model or "GPU" if spec is not None and spec.gpu_count else None


def accelerators_fit(facts: Facts) -> Caught:
    """The accelerator is a known one, and count times memory is within the machine's GPU memory."""
    for price in facts.prices:
        key = (price.cloud, price.instance_type)
        instance = facts.instances.get(key)
        if instance is None or instance.accelerator is None:
            continue
        accelerator = facts.accelerators.get(instance.accelerator)
        if accelerator is None:
            yield price, f"{instance.accelerator} is not in the table of accelerators"
            continue
        spec = facts.specs.get(key)
        if spec is None or not spec.gpu_count or spec.gpu_memory_bytes is None:
            continue
        claimed = instance.accelerator_count * accelerator.memory_bytes
        present = spec.gpu_count * spec.gpu_memory_bytes
        if claimed > present * (1.0 + MEMORY_TOLERANCE):
            yield (
                price,
                (
                    f"{instance.accelerator_count:g} x {accelerator.name} claim {claimed / 2**30:.0f} GiB, "
                    f"the machine has {present / 2**30:.0f} GiB"
                ),
            )


def accelerator_is_in_the_price(facts: Facts) -> Caught:
    """The price is that of the machine with its accelerators, not of the host alone."""
    kinds: defaultdict[tuple[Cloud, str], list[tuple[PriceRow, float]]] = defaultdict(list)
    for price in facts.prices:
        instance = facts.instances.get((price.cloud, price.instance_type))
        if price.purchase != "on_demand" or instance is None or instance.accelerator is None:
            continue
        if instance.accelerator_count > 0.0:
            each = price.price_usd_per_hour / instance.accelerator_count
            kinds[(price.cloud, instance.accelerator)].append((price, each))
    for (_, accelerator), found in kinds.items():
        usual = median(each for _, each in found)
        for price, each in found:
            if each < LEAST_ACCELERATOR_SHARE * usual:
                yield (
                    price,
                    f"{each:.3g} usd/h for each {accelerator}, {usual:.3g} is usual: the price of the host alone",
                )


def linear_in_family(facts: Facts) -> Caught:
    """Without accelerators, no size of a family is much dearer per vCPU than the cheapest in that region.

    Compared are sizes with as much memory per vCPU; burstable machines are not, since their vCPUs differ. The
    cheapest size is the measure, not the median: in one region three of four sizes were Windows prices.
    """
    families: defaultdict[tuple[str, str, str, int], list[tuple[PriceRow, float]]] = defaultdict(list)
    for price in facts.prices:
        key = (price.cloud, price.instance_type)
        vcpus, memory = _vcpus(facts, key), _memory_bytes(facts, key)
        if price.purchase != "on_demand" or not vcpus or memory is None or _accelerator(facts, key):
            continue
        if shares_cpu(price.cloud, price.instance_type, "") or _has_attached_disk(facts, key):
            continue
        family = family_of(price.cloud, price.instance_type)
        quarters_of_gib = round(memory / vcpus / 2.0**28)
        families[(price.cloud, price.region, family, quarters_of_gib)].append(
            (price, price.price_usd_per_hour / vcpus)
        )
    for (cloud, *_), found in families.items():
        cheapest, least = min(found, key=lambda one: (one[1], one[0].instance_type))
        for price, each in found:
            if each > least * (1.0 + FAMILY_TOLERANCE[cheapest.cloud]):
                kind = "operating system" if cloud == "azure" else "tenancy"
                yield (
                    price,
                    (
                        f"{each:.4f} usd/h per vCPU, {each / least - 1.0:.0%} dearer than "
                        f"{cheapest.instance_type}: the price of another {kind}"
                    ),
                )


_CONSTRAINED: Final = re.compile(r"(Standard_[A-Z]+\d+)-\d+")


def _unconstrained(instance_type: str) -> str:
    """The full size of which a constrained size (E8-2as_v5) switches some vCPUs off; else the type itself."""
    return _CONSTRAINED.sub(r"\1", instance_type)


def constrained_size_costs_the_same(facts: Facts) -> Caught:
    """A size with some of its vCPUs switched off is not dearer than the full one: Azure asks the same for both."""
    on_demand = _on_demand(facts)
    for price in facts.prices:
        full = _unconstrained(price.instance_type)
        if price.cloud != "azure" or price.purchase != "on_demand" or full == price.instance_type:
            continue
        bound = on_demand.get((price.cloud, price.region, full))
        if bound is not None and price.price_usd_per_hour > bound * (1.0 + REGIONAL_TOLERANCE):
            yield (
                price,
                f"{price.price_usd_per_hour:g} is over {bound:g} of {full}, the same machine with all vCPUs: "
                "the price of another operating system",
            )


def one_regional_ratio_in_family(facts: Facts) -> Caught:
    """With accelerators, all sizes of a family are dearer than in the reference region by the same ratio.

    GCP's prices are sums of parts, whose ratios differ, and are not held to this.
    """
    families: defaultdict[tuple[str, str, str], list[tuple[PriceRow, float]]] = defaultdict(list)
    for price, ratio in _regional_ratios(facts):
        if price.cloud != "gcp" and _accelerator(facts, (price.cloud, price.instance_type)):
            family = family_of(price.cloud, price.instance_type)
            families[(price.cloud, price.region, family)].append((price, ratio))
    for found in families.values():
        least = min(ratio for _, ratio in found)
        for price, ratio in found:
            if ratio > least * (1.0 + REGIONAL_TOLERANCE):
                yield (
                    price,
                    (
                        f"{ratio:.2f} x the price in {REFERENCE_REGION[price.cloud]}, other sizes of its "
                        f"family {least:.2f} x: the price of another tenancy or operating system"
                    ),
                )


def _has_attached_disk(facts: Facts, key: tuple[Cloud, str]) -> bool:
    """Whether the price holds local disks that are not in proportion to the size: GCP sells them apart."""
    own = facts.instances.get(key)
    return key[0] == "gcp" and own is not None and bool(own.local_disk_bytes)


def _regional_ratios(facts: Facts) -> list[tuple[PriceRow, float]]:
    """On-demand prices, each with its ratio to that of the type in the cloud's reference region, if there is one."""
    reference = {
        (price.cloud, price.instance_type): price.price_usd_per_hour
        for price in facts.prices
        if price.purchase == "on_demand" and price.region == REFERENCE_REGION[price.cloud]
    }
    return [
        (price, price.price_usd_per_hour / reference[(price.cloud, price.instance_type)])
        for price in facts.prices
        if price.purchase == "on_demand" and (price.cloud, price.instance_type) in reference
    ]


def regional_ratio_is_plausible(facts: Facts) -> Caught:
    """An on-demand price is 0.9 to 1.9 times that of the reference region.

    Below 0.9 it is believed if another size of its family says the same in that region: AMD and Arm
    machines in India really cost a third less, in the lists of all three clouds. Above 1.9 nothing helps:
    wrong prices come in whole families.
    """
    low, high = REGIONAL_RATIO
    ratios = _regional_ratios(facts)
    witnesses = _witnesses(ratios)
    for price, ratio in ratios:
        if ratio > high or (ratio < low and witnesses[id(price)] == 0):
            alone = " and no other size of its family agrees" if ratio < low else ""
            yield (
                price,
                (
                    f"{ratio:.2f} x the price in {REFERENCE_REGION[price.cloud]}, outside {low} to {high}{alone}"
                ),
            )


def _witnesses(ratios: Iterable[tuple[PriceRow, float]]) -> dict[int, int]:
    """By the id of a price: how many other sizes of the family have the same ratio in the same region."""
    families: defaultdict[tuple[str, str, str], list[tuple[PriceRow, float]]] = defaultdict(list)
    for price, ratio in ratios:
        series = family_of(price.cloud, _unconstrained(price.instance_type))
        families[(price.cloud, price.region, series)].append((price, ratio))
    return {
        id(price): sum(abs(other / ratio - 1.0) <= REGIONAL_TOLERANCE for _, other in family) - 1
        for family in families.values()
        for price, ratio in family
    }


def discount_has_on_demand(facts: Facts) -> Caught:
    """A spot or commitment price has a valid on-demand price beside it, against which it can be checked."""
    on_demand = _on_demand(facts)
    for price in facts.prices:
        if price.purchase != "on_demand" and _machine(price) not in on_demand:
            yield price, "there is no valid on-demand price to check it against"


def _machine(price: PriceRow) -> tuple[str, str, str]:
    return price.cloud, price.region, price.instance_type


def _on_demand(facts: Facts) -> dict[tuple[str, str, str], float]:
    return {
        _machine(price): price.price_usd_per_hour for price in facts.prices if price.purchase == "on_demand"
    }


def spot_is_at_most_on_demand(facts: Facts) -> Caught:
    """A spot machine costs at most as much as the same machine on demand."""
    on_demand = _on_demand(facts)
    for price in facts.prices:
        bound = on_demand.get(_machine(price))
        if price.purchase == "spot" and bound is not None and price.price_usd_per_hour > bound:
            yield price, f"{price.price_usd_per_hour:g} is over the on-demand price {bound:g}"


def spot_discount_is_plausible(facts: Facts) -> Caught:
    """A spot machine is not cheaper than any cloud promises."""
    on_demand = _on_demand(facts)
    for price in facts.prices:
        full = on_demand.get(_machine(price))
        if price.purchase != "spot" or full is None:
            continue
        discount = 1.0 - price.price_usd_per_hour / full
        if discount > LARGEST_SPOT_DISCOUNT:
            yield price, f"{discount:.0%} below on demand; no cloud promises over {LARGEST_SPOT_DISCOUNT:.0%}"


def commitment_is_below_on_demand(facts: Facts) -> Caught:
    """Who commits pays less than on demand, and not more for three years than for one."""
    on_demand = _on_demand(facts)
    one_year = {_machine(p): p.price_usd_per_hour for p in facts.prices if p.purchase == "commit_1y"}
    for price in facts.prices:
        value = price.price_usd_per_hour
        bound = on_demand.get(_machine(price))
        if price.purchase not in ("commit_1y", "commit_3y") or bound is None:
            continue
        if value >= bound:
            yield price, f"{value:g} is not below the on-demand price {bound:g}"
        elif price.purchase == "commit_3y" and value > one_year.get(_machine(price), value):
            yield price, f"{value:g} is over the price for one year, {one_year[_machine(price)]:g}"


INVARIANTS: Final[dict[str, Invariant]] = {
    rule.__name__: rule
    for rule in (
        price_is_positive,
        price_is_no_sentinel,
        price_has_a_source,
        as_of_is_a_recent_day,
        offered_once,
        type_is_active,
        offered_in_region,
        shape_is_one,
        accelerators_fit,
        accelerator_is_in_the_price,
        linear_in_family,
        constrained_size_costs_the_same,
        one_regional_ratio_in_family,
        regional_ratio_is_plausible,
        discount_has_on_demand,
        spot_is_at_most_on_demand,
        spot_discount_is_plausible,
        commitment_is_below_on_demand,
    )
}
"""Every rule by its name, in the order in which they run."""


def hold(facts: Facts, invariants: Iterable[str] = tuple(INVARIANTS)) -> tuple[Facts, list[QuarantineRow]]:
    """The facts with only the prices that keep all the invariants, and a record of every other price."""
    names = tuple(invariants)
    caught: list[QuarantineRow] = []
    before = -1
    # Some rules compare with what is usual, which changes when others are caught: again until nothing is.
    while before != len(caught):
        before = len(caught)
        for name in names:
            broken = {id(price): (price, reason) for price, reason in INVARIANTS[name](facts)}
            if broken:
                caught += [quarantined(price, name, reason) for price, reason in broken.values()]
                facts = replace(facts, prices=tuple(p for p in facts.prices if id(p) not in broken))
    return facts, caught


def remark_on_cheap_regions(facts: Facts) -> tuple[PriceRow, ...]:
    """The prices, those remarked that are below 0.9 of the reference region but have witnesses."""
    ratios = _regional_ratios(facts)
    witnesses = _witnesses(ratios)
    remarks = {
        id(price): (
            f"{ratio:.2f} x the price in {REFERENCE_REGION[price.cloud]}; "
            f"other sizes of its family that agree: {witnesses[id(price)]}"
        )
        for price, ratio in ratios
        if ratio < REGIONAL_RATIO[0]
    }
    return tuple(
        msgspec.structs.replace(price, remark=remarks[id(price)]) if id(price) in remarks else price
        for price in facts.prices
    )
