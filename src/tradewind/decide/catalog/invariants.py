"""What must hold for a price to be used. Each rule is a function; what it yields is caught, with the reason.

The rules run in the order of `INVARIANTS`, each on what the ones before let pass: first those that look at
one price, then those that compare on-demand prices with each other, then those that compare a discounted
price with the on-demand price of the same machine in the same region. Nothing that is caught is lost: it
goes to the table `quarantine`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import msgspec

from tradewind.decide.catalog.dates import is_day
from tradewind.decide.catalog.machines import family_of
from tradewind.decide.catalog.prices import quarantined
from tradewind.decide.catalog.rows import AcceleratorRow, InstanceRow, PriceRow, QuarantineRow, SpecRow

if TYPE_CHECKING:
    from tradewind.domain.noun import Cloud

__all__ = ["INVARIANTS", "Facts", "Invariant", "hold", "remark_on_cheap_regions"]

SENTINELS: Final = (700.0,)
"""Prices that stand for "unknown" in published catalogues (SkyPilot's TPU v6e)."""

FAMILY_TOLERANCE: Final = 0.02
"""Sizes of a family cost the same per vCPU; published prices are rounded to 0.1 to 1 %, and a dedicated or
Windows price is 3 to 200 % higher."""

REGIONAL_RATIO: Final = (0.9, 1.9)
"""On-demand price over that of the reference region. The largest true ratio seen is 1.5."""

REFERENCE_REGION: Final[dict[Cloud, str]] = {"aws": "us-east-1", "azure": "eastus", "gcp": "us-central1"}

LARGEST_SPOT_DISCOUNT: Final = 0.91
"""No cloud promises more: "up to 90 %" (AWS, Azure), "up to 91 %" (GCP). A spot price below 9 % of the
on-demand price was compared with the price of another operating system."""

MEMORY_TOLERANCE: Final = 0.08
"""An accelerator's usable memory is up to 7 % below the size it is sold under (L4: 22.4 of 24 GiB)."""


@dataclass(frozen=True)
class Facts:
    """What the rules may look at. Keys are (cloud, instance type)."""

    prices: tuple[PriceRow, ...]
    instances: dict[tuple[Cloud, str], InstanceRow]
    specs: dict[tuple[Cloud, str], SpecRow]
    accelerators: dict[str, AcceleratorRow]
    shape_conflicts: dict[tuple[Cloud, str], str]
    today: str


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


def as_of_is_a_past_day(facts: Facts) -> Caught:
    """The day of the price can be read and is not after today."""
    for price in facts.prices:
        if not is_day(price.as_of):
            yield price, f"{price.as_of!r} holds no day"
        elif price.as_of > facts.today:
            yield price, f"{price.as_of} is after today, {facts.today}"


def offered_once(facts: Facts) -> Caught:
    """One machine in one region under one purchase option has one price; a second, different one is caught."""
    seen: dict[tuple[str, str, str, str], float] = {}
    for price in facts.prices:
        key = (price.cloud, price.region, price.instance_type, price.purchase)
        if key in seen:
            yield price, f"a second price for the same offer; the first is {seen[key]:g}"
        else:
            seen[key] = price.price_usd_per_hour


def type_is_active(facts: Facts) -> Caught:
    """The cloud still sells the type: lists go on pricing what was retired (Azure's NC6s_v3)."""
    for price in facts.prices:
        spec = facts.specs.get((price.cloud, price.instance_type))
        if spec is not None and not spec.active:
            yield price, f"the cloud no longer sells {price.instance_type}, as of {spec.as_of}"


def shape_is_one(facts: Facts) -> Caught:
    """A type has the same shape in every region."""
    for price in facts.prices:
        conflict = facts.shape_conflicts.get((price.cloud, price.instance_type))
        if conflict is not None:
            yield price, f"the type has two shapes: {conflict}"


def shape_is_known(facts: Facts) -> Caught:
    """Some source states vCPUs and memory: a machine without them cannot be planned with."""
    for price in facts.prices:
        key = (price.cloud, price.instance_type)
        if _vcpus(facts, key) is None or _memory_bytes(facts, key) is None:
            yield price, "no source states the vCPUs and the memory of this type"


def _vcpus(facts: Facts, key: tuple[Cloud, str]) -> int | None:
    spec = facts.specs.get(key)
    own = facts.instances[key].vcpus
    return own if own is not None else (spec.vcpus if spec is not None else None)


def _memory_bytes(facts: Facts, key: tuple[Cloud, str]) -> float | None:
    spec = facts.specs.get(key)
    own = facts.instances[key].memory_bytes
    return own if own is not None else (spec.memory_bytes if spec is not None else None)


def accelerators_fit(facts: Facts) -> Caught:
    """The accelerator is a known one, and count times memory is within the machine's GPU memory."""
    for price in facts.prices:
        key = (price.cloud, price.instance_type)
        instance = facts.instances[key]
        if instance.accelerator is None:
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


def linear_in_family(facts: Facts) -> Caught:
    """Without accelerators, no size of a family is dearer per vCPU than the cheapest size in that region.

    A dedicated-tenancy or Windows price that slipped into a Linux list is always the dearer one, so the
    cheapest size is the measure, not the median: in one region three of four sizes were Windows prices.
    """
    for region_prices in _by_family(facts, with_accelerator=False).values():
        per_vcpu = {price: price.price_usd_per_hour / _count(facts, price) for price in region_prices}
        cheapest = min(region_prices, key=lambda price: (per_vcpu[price], price.instance_type))
        least = per_vcpu[cheapest]
        for price in region_prices:
            if per_vcpu[price] > least * (1.0 + FAMILY_TOLERANCE):
                yield (
                    price,
                    (
                        f"{per_vcpu[price]:.4f} usd/h per vCPU, {per_vcpu[price] / least - 1.0:.0%} dearer than "
                        f"{cheapest.instance_type}: the price of another tenancy or operating system"
                    ),
                )


def _count(facts: Facts, price: PriceRow) -> int:
    vcpus = _vcpus(facts, (price.cloud, price.instance_type))
    assert vcpus is not None, "shape_is_known runs before"
    return vcpus


def _by_family(facts: Facts, *, with_accelerator: bool) -> dict[tuple[Cloud, str, str], list[PriceRow]]:
    families: dict[tuple[Cloud, str, str], list[PriceRow]] = defaultdict(list)
    for price in facts.prices:
        instance = facts.instances[(price.cloud, price.instance_type)]
        if price.purchase == "on_demand" and (instance.accelerator is not None) == with_accelerator:
            families[(price.cloud, price.region, instance.family)].append(price)
    return families


def one_regional_ratio_in_family(facts: Facts) -> Caught:
    """With accelerators, all sizes of a family are dearer than in the reference region by the same ratio."""
    ratios = _regional_ratios(facts)
    for region_prices in _by_family(facts, with_accelerator=True).values():
        known = [price for price in region_prices if price in ratios]
        if len(known) < 2:
            continue
        least = min(ratios[price] for price in known)
        for price in known:
            if ratios[price] > least * (1.0 + FAMILY_TOLERANCE):
                yield (
                    price,
                    (
                        f"{ratios[price]:.2f} x the price in {REFERENCE_REGION[price.cloud]}, other sizes of its "
                        f"family {least:.2f} x: the price of another tenancy or operating system"
                    ),
                )


def _regional_ratios(facts: Facts) -> dict[PriceRow, float]:
    """On-demand price over that of the same type in the cloud's reference region, where there is one."""
    reference = {
        (price.cloud, price.instance_type): price.price_usd_per_hour
        for price in facts.prices
        if price.purchase == "on_demand" and price.region == REFERENCE_REGION[price.cloud]
    }
    return {
        price: price.price_usd_per_hour / reference[(price.cloud, price.instance_type)]
        for price in facts.prices
        if price.purchase == "on_demand" and (price.cloud, price.instance_type) in reference
    }


def regional_ratio_is_plausible(facts: Facts) -> Caught:
    """An on-demand price is 0.9 to 1.9 times that of the reference region.

    Below 0.9 it is believed if another size of its family says the same in that region: AMD and Arm
    machines in India really cost a third less, in the lists of all three clouds. Above 1.9 nothing helps:
    wrong prices come in whole families.
    """
    low, high = REGIONAL_RATIO
    ratios = _regional_ratios(facts)
    witnesses = _witnesses(ratios)
    for price, ratio in ratios.items():
        if ratio > high or (ratio < low and witnesses[price] == 0):
            alone = " and no other size of its family agrees" if ratio < low else ""
            yield (
                price,
                (
                    f"{ratio:.2f} x the price in {REFERENCE_REGION[price.cloud]}, outside {low} to {high}{alone}"
                ),
            )


def _witnesses(ratios: dict[PriceRow, float]) -> dict[PriceRow, int]:
    """How many other sizes of the family have the same ratio in the same region."""
    families: dict[tuple[str, str, str], list[PriceRow]] = defaultdict(list)
    for price in ratios:
        families[(price.cloud, price.region, family_of(price.cloud, price.instance_type))].append(price)
    return {
        price: sum(
            abs(ratios[other] / ratios[price] - 1.0) <= FAMILY_TOLERANCE
            for other in family
            if other is not price
        )
        for family in families.values()
        for price in family
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
        as_of_is_a_past_day,
        offered_once,
        type_is_active,
        shape_is_one,
        shape_is_known,
        accelerators_fit,
        linear_in_family,
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
    caught: list[QuarantineRow] = []
    for name in invariants:
        broken = {id(price): (price, reason) for price, reason in INVARIANTS[name](facts)}
        caught += [quarantined(price, name, reason) for price, reason in broken.values()]
        kept = tuple(price for price in facts.prices if id(price) not in broken)
        facts = replace(facts, prices=kept)
    return facts, caught


def remark_on_cheap_regions(facts: Facts) -> tuple[PriceRow, ...]:
    """The prices, those remarked that are below 0.9 of the reference region but have witnesses."""
    ratios = _regional_ratios(facts)
    witnesses = _witnesses(ratios)
    return tuple(
        msgspec.structs.replace(
            price,
            remark=(
                f"{ratios[price]:.2f} x the price in {REFERENCE_REGION[price.cloud]}; "
                f"other sizes of its family that agree: {witnesses[price]}"
            ),
        )
        if price in ratios and ratios[price] < REGIONAL_RATIO[0]
        else price
        for price in facts.prices
    )
