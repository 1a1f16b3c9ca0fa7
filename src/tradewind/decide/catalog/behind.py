"""Which price of the catalogue stands behind a part of a plan's cost."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewind.domain.goal import Goal
    from tradewind.domain.offer import Offer, StoragePrice, TransferPrice
    from tradewind.domain.plan import CostPart

__all__ = ["price_key"]

_GB = 1e9


def price_key(
    part: CostPart,
    goal: Goal,
    offer: Offer,
    storage: Sequence[StoragePrice],
    transfer: Sequence[TransferPrice],
) -> str | None:
    """The key, as `explain` takes it, of the price that a part was multiplied from.

    Only a price with the source and the day that the part names can be it; of these the nearest to where the data
    are counts, as in planning. None for what no price of the catalogue stands behind: what the goal states, or
    an assumption.
    """
    if part.name == "compute":
        return offer.key
    if part.name == "managed_service":
        known = part.origin == "quoted" and offer.managed_service
        return f"surcharge/{offer.cloud}/{offer.managed_service}/{offer.instance_type}" if known else None
    if part.name == "storage":
        return _storage_key(part, goal, storage)
    if part.name == "egress_internet":
        return _transfer_key(part, "internet", (offer.cloud, offer.region), "*", transfer)
    home = goal.data_at if part.name == "egress_inter_region" else goal.footprint
    if home is None or home.cloud is None:
        return None
    kind = "inter_region" if home.cloud == offer.cloud else "internet"
    return _transfer_key(part, kind, (home.cloud, home.region or "*"), offer.region, transfer)


def _storage_key(part: CostPart, goal: Goal, prices: Sequence[StoragePrice]) -> str | None:
    data = goal.data_at
    if data is None or data.size_bytes is None:
        return None
    usd = {price: price.usd_per_gb_month * data.size_bytes / _GB for price in prices}
    found = [
        price
        for price in prices
        if (price.source, price.as_of) == (part.source, part.as_of)
        and math.isclose(usd[price], part.usd_per_month, rel_tol=1e-6)
    ]
    if not found:
        return None
    near = min(
        found, key=lambda price: (price.cloud != data.cloud, price.region != data.region, price.region)
    )
    return f"storage/{near.cloud}/{near.region}/{near.service}/{near.tier}/storage"


def _transfer_key(
    part: CostPart, kind: str, home: tuple[str, str], to: str, prices: Sequence[TransferPrice]
) -> str | None:
    cloud, region = home
    found = [
        price
        for price in prices
        if price.kind == kind
        and (price.source, price.as_of) == (part.source, part.as_of)
        and price.to in (to, "*")
    ]
    if not found:
        return None

    def far(price: TransferPrice) -> tuple[bool, bool, bool, bool, bool, str]:
        told = price.region != "*" and price.region in part.because.split()
        return (
            price.cloud != cloud,
            price.region != region,
            price.region != "*",
            not told,
            price.to != to,
            price.region,
        )

    near = min(found, key=far)
    # Where the region has no price of its own, the explanation says that the cloud's counts.
    where = region if near.cloud == cloud and near.region == "*" else near.region
    return f"transfer/{near.cloud}/{where}/{kind}/{near.to}"
