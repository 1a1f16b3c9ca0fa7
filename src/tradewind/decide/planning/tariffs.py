"""What storage, transfer and being away from home cost beside the machines.

A missing price is never zero: the nearest known one stands in (the cloud's, else the dearest of its
regions, else the dearest of all), and the part of the cost says "assumed". The price of moving data to one
region is never taken for another.
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
    from tradewind.domain.goal import Footprint, Goal
    from tradewind.domain.noun import Origin
    from tradewind.domain.offer import Offers, StoragePrice, TransferPrice
    from tradewind.domain.profile import Profile

__all__ = ["Tariffs", "TransferRates", "nearest_storage"]

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


@dataclass(frozen=True)
class _Moved:
    """What moving data costs in a month, and why."""

    usd: float
    words: str
    source: str
    as_of: str
    origin: Origin


class TransferRates:
    """The prices of transfer, found by kind, origin and destination."""

    def __init__(self, prices: Sequence[TransferPrice]) -> None:
        tables: dict[tuple[str, str], dict[tuple[str, str], list[TransferPrice]]] = {}
        for price in prices:
            among = tables.setdefault((price.kind, price.to), {})
            among.setdefault((price.cloud, price.region), []).append(price)
        self._tables = {
            key: {
                place: tuple(sorted(tiers, key=lambda price: price.from_gb)) for place, tiers in among.items()
            }
            for key, among in tables.items()
        }

    def tiers(self, kind: str, cloud: str, region: str, to: str, gigabytes: float) -> _Tiers | None:
        """The prices out of a region ("*" when it is not named) to another; None when none is known at all.

        The region's own come before the cloud's, and those to just that destination before those to all.
        """
        fitting = [self._tables.get((kind, goal), {}) for goal in dict.fromkeys((to, "*"))]
        for place in dict.fromkeys((region, "*")):
            for among in fitting:
                if (cloud, place) in among:
                    return _Tiers(among[cloud, place], "quoted", "")
        every = {place: tiers for among in reversed(fitting) for place, tiers in among.items()}
        own = {place: tiers for place, tiers in every.items() if place[0] == cloud} or every
        if not own:
            return None

        def total(place: tuple[str, str]) -> tuple[float, tuple[str, str]]:
            return _Tiers(own[place], "assumed", "").usd(max(gigabytes, 1.0)), place

        dearest = max(own, key=total)
        words = f": the price of {dearest[0]} {dearest[1]}, the dearest known, for none is known in {region}"
        return _Tiers(own[dearest], "assumed", words)


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
        self._transfer = TransferRates(offers.transfer)
        self._overhead_bytes = calibration["http_overhead_bytes"].value
        self._today = today
        self._kept: dict[tuple[str, str, float], tuple[CostPart, ...]] = {}

    def parts(self, cloud: str, region: str, load_rps: float) -> tuple[CostPart, ...]:
        """Storage, both kinds of egress and the footprint of a service in a region at a load.

        The footprint is no part when the goal has none.
        """
        key = (cloud, region, load_rps)
        if key not in self._kept:
            parts = [
                self._stored(),
                self._to_users(cloud, region, load_rps),
                self._from_data(cloud, region),
            ]
            if self._goal.footprint is not None:
                parts.append(self._away(self._goal.footprint, cloud, region))
            self._kept[key] = tuple(parts)
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
        found = nearest_storage(self._storage, data.cloud, data.region)
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
        tiers = self._transfer.tiers("internet", cloud, region, "*", gigabytes)
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
        moved = self._moved(data.read_per_month_bytes, (data.cloud, data.region), (cloud, region), "data_at")
        if moved is None:
            return self._nothing(name, "no price of transfer is known")
        return CostPart(
            name="egress_inter_region",
            usd_per_month=moved.usd,
            because=moved.words,
            source=moved.source,
            as_of=moved.as_of,
            origin=moved.origin,
        )

    def _away(self, home: Footprint, cloud: str, region: str) -> CostPart:
        """Being elsewhere than the user's systems: switching, spread over months, and what moves from there."""
        if home.cloud == cloud and home.region in (None, region):
            return self._nothing(
                "footprint", f"at home: the user's systems are in {home.region or cloud} too"
            )
        usd, words = 0.0, []
        if home.cloud != cloud:
            usd = home.switching_cost_usd / home.months
            words.append(
                f"switching from {home.cloud} costs {home.switching_cost_usd:,.6g} usd, {usd:,.4g} in each of"
                f" {home.months:.4g} months"
            )
        moved = None
        if home.traffic_per_month_bytes is not None:
            origin = (home.cloud, home.region)
            moved = self._moved(home.traffic_per_month_bytes, origin, (cloud, region), "footprint")
            words.append(moved.words if moved else "no price of transfer is known")
        else:
            words.append("the goal does not say how much moves from there (footprint.traffic_per_month)")
        stated: Origin = "quoted" if usd > 0.0 and home.traffic_per_month_bytes is None else "assumed"
        return CostPart(
            name="footprint",
            usd_per_month=usd + (moved.usd if moved else 0.0),
            because="; ".join(words),
            source=moved.source if moved else "goal",
            as_of=moved.as_of if moved else self._today,
            origin=moved.origin if moved else stated,
        )

    def _moved(
        self, size_bytes: float, home: tuple[str, str | None], to: tuple[str, str], asked: str
    ) -> _Moved | None:
        """Moving data each month from a home, whose region may not be named, to a region; None without prices."""
        gigabytes = size_bytes / _GB
        kind = "inter_region" if home[0] == to[0] else "internet"
        tiers = self._transfer.tiers(kind, home[0], home[1] or "*", to[1], gigabytes)
        if tiers is None:
            return None
        usd = tiers.usd(gigabytes)
        where = home[1] or f"an unnamed region of {home[0]} ({asked}.region)"
        return _Moved(
            usd=usd,
            words=f"{gigabytes:,.4g} GB from {where} to {to[0]} {to[1]}, {_per_gb(usd, gigabytes)}{tiers.words}",
            source=tiers.prices[0].source,
            as_of=tiers.prices[0].as_of,
            origin=tiers.origin if home[1] else "assumed",
        )


def _per_gb(usd: float, gigabytes: float) -> str:
    return f"{usd / gigabytes:.4g} usd/GB" if gigabytes > 0.0 else "nothing"


def nearest_storage(
    prices: Sequence[StoragePrice], cloud: str, region: str | None
) -> tuple[StoragePrice, Origin, str] | None:
    """The price of storage of a region, else of the cloud's nearest known one, and how it is known; None without any."""
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
