"""What storage and transfer cost beside the machines.

A missing price is never zero: the nearest known one stands in (the cloud's, else the dearest of its
regions, else the dearest of all), and the part of the cost says "assumed".
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

from tradewind.domain.plan import CostPart
from tradewind.domain.units import HOURS_PER_MONTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewind.domain.estimate import Calibration
    from tradewind.domain.goal import Goal
    from tradewind.domain.noun import Origin
    from tradewind.domain.offer import Offers, StoragePrice, TransferPrice
    from tradewind.domain.profile import Profile

__all__ = ["Tariffs"]

_GB: Final = 1e9


@dataclass(frozen=True)
class _Tiers:
    """Prices of transfer by volume, and where they are from."""

    prices: tuple[TransferPrice, ...]
    origin: Origin
    words: str

    def usd(self, gigabytes: float) -> float:
        """The price of a volume in a month, tier by tier."""
        total = 0.0
        for index, price in enumerate(self.prices):
            last = index + 1 == len(self.prices)
            until = gigabytes if last else min(gigabytes, self.prices[index + 1].from_gb)
            total += max(0.0, until - price.from_gb) * price.usd_per_gb
        return total


class Tariffs:
    """The parts of a monthly cost that depend on the region and the load, not on the machine.

    All variants give the same answers but for some digits, so one size of a response counts for all: no
    variant is cheaper because its example happened to print shorter.
    """

    def __init__(
        self,
        goal: Goal,
        profiles: Sequence[Profile],
        offers: Offers,
        calibration: Calibration,
        today: str,
    ) -> None:
        self._goal = goal
        self._response_bytes = median(profile.response_bytes for profile in profiles)
        self._storage = offers.storage
        self._transfer = offers.transfer
        self._overhead_bytes = calibration["http_overhead_bytes"].value
        self._today = today
        self._kept: dict[tuple[str, str, float], tuple[CostPart, ...]] = {}

    def parts(self, cloud: str, region: str, load_rps: float) -> tuple[CostPart, ...]:
        """Storage and both kinds of egress for a service in a region at a load."""
        key = (cloud, region, load_rps)
        if key not in self._kept:
            self._kept[key] = (
                self._stored(),
                self._to_users(cloud, region, load_rps),
                self._from_data(cloud, region),
            )
        return self._kept[key]

    def usd_per_month(self, cloud: str, region: str, load_rps: float) -> float:
        """Their sum."""
        return sum(part.usd_per_month for part in self.parts(cloud, region, load_rps))

    def _nothing(self, name: str, because: str) -> CostPart:
        return CostPart(
            name=name,  # type: ignore[arg-type]
            usd_per_month=0.0,
            because=because,
            source="goal",
            as_of=self._today,
            origin="assumed",
        )

    def _stored(self) -> CostPart:
        data = self._goal.data_at
        if data is None:
            return self._nothing("storage", "the goal names no data to keep (data_at)")
        if data.size_bytes is None:
            return self._nothing("storage", "the goal does not say how much data there are (data_at.size)")
        if data.cloud is None:
            return self._nothing("storage", f"{data.uri} is in none of the clouds: not priced")
        gigabytes = data.size_bytes / _GB
        found = _nearest_storage(self._storage, data.cloud, data.region)
        if found is None:
            return self._nothing("storage", "no price of storage is known")
        price, origin, words = found
        return CostPart(
            name="storage",
            usd_per_month=gigabytes * price.usd_per_gb_month,
            because=f"{gigabytes:,.4g} GB x {price.usd_per_gb_month:.4g} usd/GB a month, {price.service}"
            f" {price.tier} in {price.region}{words}",
            source=price.source,
            as_of=price.as_of,
            origin=origin,
        )

    def _to_users(self, cloud: str, region: str, load_rps: float) -> CostPart:
        requests = load_rps * HOURS_PER_MONTH * 3600.0
        per_response = self._response_bytes + self._overhead_bytes
        gigabytes = requests * per_response / _GB
        tiers = _nearest_tiers(self._transfer, cloud, region, "internet", gigabytes)
        if tiers is None:
            return self._nothing("egress_internet", "no price of transfer is known")
        usd = tiers.usd(gigabytes)
        return CostPart(
            name="egress_internet",
            usd_per_month=usd,
            because=f"{requests:.3g} answers x {per_response:.0f} bytes = {gigabytes:,.4g} GB to users on the"
            f" internet, {_per_gb(usd, gigabytes)}{tiers.words}",
            source=tiers.prices[0].source,
            as_of=tiers.prices[0].as_of,
            origin=tiers.origin,
        )

    def _from_data(self, cloud: str, region: str) -> CostPart:
        name = "egress_inter_region"
        data = self._goal.data_at
        if data is None:
            return self._nothing(name, "the goal names no data to read (data_at)")
        if data.read_per_month_bytes is None:
            return self._nothing(name, "the goal does not say how much is read (data_at.read_per_month)")
        if data.cloud is None:
            return self._nothing(name, f"{data.uri} is in none of the clouds: its network is not priced")
        if data.cloud == cloud and data.region == region:
            return self._nothing(name, f"the data are in {region} too")
        gigabytes = data.read_per_month_bytes / _GB
        kind = "inter_region" if data.cloud == cloud else "internet"
        home = data.region or "*"
        tiers = _nearest_tiers(self._transfer, data.cloud, home, kind, gigabytes)
        if tiers is None:
            return self._nothing(name, "no price of transfer is known")
        usd = tiers.usd(gigabytes)
        where = data.region or f"an unnamed region of {data.cloud} (data_at.region)"
        return CostPart(
            name="egress_inter_region",
            usd_per_month=usd,
            because=f"{gigabytes:,.4g} GB from {where} to {cloud} {region}, {_per_gb(usd, gigabytes)}{tiers.words}",
            source=tiers.prices[0].source,
            as_of=tiers.prices[0].as_of,
            origin=tiers.origin if data.region else "assumed",
        )


def _per_gb(usd: float, gigabytes: float) -> str:
    return f"{usd / gigabytes:.4g} usd/GB" if gigabytes > 0.0 else "nothing"


def _nearest_storage(
    prices: Sequence[StoragePrice], cloud: str, region: str | None
) -> tuple[StoragePrice, Origin, str] | None:
    standard = [price for price in prices if price.tier.lower().startswith(_STANDARD)] or list(prices)
    here = [price for price in standard if price.cloud == cloud and price.region == region]
    if here:
        return min(here, key=lambda price: price.usd_per_gb_month), "quoted", ""
    own = [price for price in standard if price.cloud == cloud]
    wide = [price for price in own if price.region == "*"]
    if wide:
        return wide[0], "quoted", ""
    among = own or standard
    if not among:
        return None
    dearest = max(among, key=lambda price: (price.usd_per_gb_month, price.region))
    return dearest, "assumed", f": the dearest known, for none is known in {region or 'the unnamed region'}"


_STANDARD: Final = ("standard", "hot")
"""What the clouds call the tier for data that are read often."""


def _nearest_tiers(
    prices: Sequence[TransferPrice], cloud: str, region: str, kind: str, gigabytes: float
) -> _Tiers | None:
    tables: dict[tuple[str, str], list[TransferPrice]] = {}
    for price in prices:
        if price.kind == kind:
            tables.setdefault((price.cloud, price.region), []).append(price)
    sorted_tables = {
        key: tuple(sorted(table, key=lambda price: price.from_gb)) for key, table in tables.items()
    }
    for place in (region, "*"):
        if (cloud, place) in sorted_tables:
            return _Tiers(sorted_tables[cloud, place], "quoted", "")
    own = {key: table for key, table in sorted_tables.items() if key[0] == cloud} or sorted_tables
    if not own:
        return None

    def total(key: tuple[str, str]) -> tuple[float, tuple[str, str]]:
        return _Tiers(own[key], "assumed", "").usd(max(gigabytes, 1.0)), key

    dearest = max(own, key=total)
    words = f": the price of {dearest[0]} {dearest[1]}, the dearest known, for none is known in {region}"
    return _Tiers(own[dearest], "assumed", words)
