"""An older dump of all three clouds' prices, of which only what a newer list bears out is believed.

The dump was made by a program that let the last row win: about 40 % of its AWS on-demand prices are those of
dedicated tenancy, and half of its Azure prices those of Windows. Both are always the dearer ones. So a price
is kept only if its ratio to a price that is known to be right (AWS: the same type in us-east-1; Azure: the same
machine on demand) is the least one of its family in that region, and another size says the same.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from tradewind.decide.catalog.lists.origin import Origin, price, quarantined
from tradewind.decide.catalog.machines import family_of
from tradewind.decide.catalog.reading import Read

if TYPE_CHECKING:
    from tradewind.decide.catalog.rows import PriceRow, QuarantineRow

__all__ = ["DUMP", "read_aws", "read_azure"]

DUMP: Final = Origin(
    source="coroot/cloud-pricing gh-pages@af03ead (2024-08-09)",
    publisher="coroot/cloud-pricing",
    as_of="2024-08-09",
    as_of_precision="day",
    licence="Apache-2.0",
    confidence="C",
    file="raw/coroot_cloud-pricing_2024-08-09.json.gz",
    locator="{cloud} -> compute -> {region} -> {instance_type} -> {key}",
    keys={"on_demand": "on_demand", "spot": "spot"},
    read_as="US dollars an hour; kept where its ratio to a newer price is its family's least and a second size agrees",
)

Prices = dict[str, float]
Dump = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Region -> machine type -> "on_demand" and "spot"."""

_AGREE: Final = 1.004
"""Ratios of true prices agree within their rounding; a dedicated price is 3 to 12 % higher."""
_SPOT_AGREE: Final = 1.03
"""Spot prices of one family are the same share of the on-demand price within the rounding of the share."""
_WITNESSES: Final = 5
"""How many machines of a region must have the same share of on demand to bear out a family of one size."""


def read_aws(found: Dump, reference: Prices, offered: frozenset[tuple[str, str]]) -> Read:
    """On-demand and spot prices outside us-east-1, which a newer list covers.

    `reference` holds on-demand prices of us-east-1 by type. Caught: ratios above the least of the family;
    families of which one size alone is known; families that are wrong as a whole in us-east-1; types that
    are not offered in the region.
    """
    wrong = _wrong_families(found.get("us-east-1", {}), reference)
    listed = {region for _, region in offered}
    prices: list[PriceRow] = []
    caught: list[QuarantineRow] = []
    left_out: Counter[str] = Counter()
    for region in sorted(found):
        here = found[region]
        if region == "us-east-1":
            left_out[f"{DUMP.publisher}: older prices of us-east-1, for which there is a newer list"] += len(
                here
            )
            continue
        ratios: defaultdict[str, dict[str, float]] = defaultdict(dict)
        for name in sorted(here):
            stated = here[name]["on_demand"]
            if name in reference and stated > 0.0:
                ratios[family_of("aws", name)][name] = stated / reference[name]
        for name in sorted(here):
            row = price(DUMP, "aws", region, name, "on_demand", here[name]["on_demand"])
            family = family_of("aws", name)
            reason = _aws_problem(name, family, ratios[family], wrong)
            if row.price_usd_per_hour <= 0.0:
                left_out[f"{DUMP.publisher}: no on-demand price"] += 1
                continue
            if not reason and region in listed and (name, region) not in offered:
                caught.append(quarantined(row, "offered_in_region", f"{name} is not offered in {region}"))
                continue
            if reason:
                caught.append(quarantined(row, "shared_tenancy", reason))
                continue
            prices.append(row)
            if here[name]["spot"] > 0.0:
                prices.append(price(DUMP, "aws", region, name, "spot", here[name]["spot"]))
    return Read(prices=tuple(prices), caught=tuple(caught), left_out=left_out)


def _wrong_families(found: Mapping[str, Mapping[str, float]], reference: Prices) -> frozenset[str]:
    """Families whose least price in us-east-1 is not the true one: there, all sizes are of another tenancy."""
    least: dict[str, float] = {}
    for name, stated in found.items():
        if name in reference and stated["on_demand"] > 0.0:
            family = family_of("aws", name)
            least[family] = min(least.get(family, 9.0), stated["on_demand"] / reference[name])
    return frozenset(family for family, ratio in least.items() if ratio > _AGREE)


def _aws_problem(name: str, family: str, ratios: Mapping[str, float], wrong: frozenset[str]) -> str:
    if name not in ratios:
        return f"no price of {name} in us-east-1 to hold it against"
    if family in wrong:
        return f"all sizes of {family} have another tenancy's price in us-east-1 or have changed since"
    least = min(ratios.values())
    agree = sum(ratio <= least * _AGREE for ratio in ratios.values())
    if ratios[name] > least * _AGREE:
        return (
            f"{ratios[name]:.3f} x the price in us-east-1, {ratios[name] / least - 1.0:.1%} above the least of "
            f"{family}: the price of another tenancy"
        )
    if agree < 2:
        return f"no second size of {family} has its ratio of {least:.3f} to us-east-1: the tenancy cannot be told"
    return ""


def read_azure(found: Dump, on_demand: Mapping[str, Prices]) -> Read:
    """Spot prices; `on_demand` holds newer on-demand prices by region and type.

    Caught: shares of the on-demand price above the least of the family, and those that nothing bears out.
    """
    prices: list[PriceRow] = []
    caught: list[QuarantineRow] = []
    left_out: Counter[str] = Counter()
    for region in sorted(found):
        here, full = found[region], on_demand.get(region, {})
        left_out[f"{DUMP.publisher}: older on-demand prices of Azure, for which there is a newer list"] += (
            len(here)
        )
        shares: defaultdict[str, dict[str, float]] = defaultdict(dict)
        for name in sorted(here):
            if here[name]["spot"] > 0.0 and full.get(name, 0.0) > 0.0:
                shares[family_of("azure", name)][name] = here[name]["spot"] / full[name]
        common = Counter(round(share, 2) for family in shares.values() for share in family.values())
        for name in sorted(here):
            if here[name]["spot"] <= 0.0:
                continue
            row = price(DUMP, "azure", region, name, "spot", here[name]["spot"])
            family = shares[family_of("azure", name)]
            reason = _azure_problem(name, family, common)
            if reason:
                caught.append(quarantined(row, "operating_system", reason))
            else:
                prices.append(row)
    return Read(prices=tuple(prices), caught=tuple(caught), left_out=left_out)


def _azure_problem(name: str, shares: Mapping[str, float], common: Counter[float]) -> str:
    if name not in shares:
        return f"no on-demand price of {name} in this region to hold it against"
    least, share = min(shares.values()), shares[name]
    if share > least * _SPOT_AGREE:
        return (
            f"{share:.3f} of the on-demand price, the least of its family is {least:.3f}: "
            "the price of another operating system"
        )
    if (
        sum(other <= least * _SPOT_AGREE for other in shares.values()) < 2
        and common[round(share, 2)] < _WITNESSES
    ):
        return f"no other machine of the region costs {share:.3f} of on demand: the operating system cannot be told"
    return ""
