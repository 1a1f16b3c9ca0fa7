"""What the machines of an offer cost: beyond what is paid for already, and through a managed service.

The same twice: as columns, to compare all offers, and as parts of the cost of one, in words.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from tradewind.domain.plan import CostPart
from tradewind.domain.units import HOURS_PER_MONTH

if TYPE_CHECKING:
    from tradewind.domain.layout import Layout
    from tradewind.domain.offer import Offer, Offers
    from tradewind.domain.plan import Rented

__all__ = ["Prices", "fleet_parts", "machine_parts", "surcharge_bounds_usd"]


@dataclass(frozen=True)
class Prices:
    """The prices of n offers, (n,) each."""

    usd_per_hour: np.ndarray
    ratio: np.ndarray
    """What the managed service asks over the bare machine; 1 without one."""
    prepaid_machines: np.ndarray
    prepaid_usd_per_hour: np.ndarray
    most_machines: np.ndarray
    """Infinite without a quota."""

    @classmethod
    def of(cls, offers: Offers) -> Prices:
        """The columns that say what machines cost."""
        return cls(
            usd_per_hour=offers["price_usd_per_hour"],
            ratio=_known_or(offers["managed_ratio"], 1.0),
            prepaid_machines=_known_or(offers["prepaid_machines"], 0.0),
            prepaid_usd_per_hour=_known_or(offers["prepaid_usd_per_hour"], 0.0),
            most_machines=_known_or(offers["most_machines"], np.inf),
        )

    @property
    def any_prepaid(self) -> bool:
        """Whether some machines may cost nothing."""
        return bool((self.prepaid_machines > 0.0).any() or (self.prepaid_usd_per_hour > 0.0).any())

    def usd_per_month(self, rented: np.ndarray, rows: np.ndarray | slice) -> np.ndarray:
        """What so many machines cost, the service's surcharge included; infinite beyond the quota.

        Never falls when more are rented.
        """
        compute = _compute_usd(
            rented, self.usd_per_hour[rows], self.prepaid_machines[rows], self.prepaid_usd_per_hour[rows]
        )
        possible = np.isfinite(rented) & (rented <= self.most_machines[rows])
        with np.errstate(invalid="ignore"):
            return np.where(possible, compute + compute * (self.ratio[rows] - 1.0), np.inf)


def _known_or(column: np.ndarray, otherwise: float) -> np.ndarray:
    return np.where(np.isnan(column), otherwise, column)


def _compute_usd(
    rented: np.ndarray,
    usd_per_hour: np.ndarray,
    prepaid_machines: np.ndarray,
    prepaid_usd_per_hour: np.ndarray,
) -> np.ndarray:
    """What bare machines cost in a month beyond what is paid for already."""
    with np.errstate(invalid="ignore"):
        used = np.maximum(rented - prepaid_machines, 0.0) * usd_per_hour
    return np.asarray(np.maximum(used - prepaid_usd_per_hour, 0.0) * HOURS_PER_MONTH)


def machine_parts(offer: Offer, layout: Layout) -> tuple[CostPart, ...]:
    """The parts of the cost that are the machines': compute, and what a managed service asks beside."""
    number, price = layout.instances, offer.price_usd_per_hour
    usd = _of_one(offer, number)
    words = [f"{number} x {price:.6g} usd/h x {HOURS_PER_MONTH:.0f} h"]
    if layout.spare_instances:
        words.append(f"{layout.spare_instances} of them spare")
    free = min(number, math.floor(offer.prepaid_machines))
    if free:
        words.append(f"{free} of them paid for already" if free < number else "paid for already")
    spent = min(offer.prepaid_usd_per_hour, (number - free) * price)
    if spent > 0.0:
        words.append(f"less {spent:.6g} usd/h that are paid for already")
    compute = CostPart(
        name="compute", usd_per_month=usd, because=", ".join(words), source=offer.source, as_of=offer.as_of
    )
    return (compute, *_surcharge(offer, usd))


def fleet_parts(fleet: tuple[Rented, ...]) -> tuple[CostPart, ...]:
    """The same for machines of several offers, or for some that are not up all the time."""
    words, usd = [], 0.0
    for rented in fleet:
        offer, hours = rented.offer, rented.machine_hours_per_month
        usd += _bare_usd(rented)
        words.append(
            f"{offer.purchase}: {rented.machines} x {offer.price_usd_per_hour:.6g} usd/h x {HOURS_PER_MONTH:.0f} h"
            if hours >= rented.machines * HOURS_PER_MONTH * (1.0 - 1e-9)
            else f"{offer.purchase}: {hours:,.0f} machine-hours x {offer.price_usd_per_hour:.6g} usd/h,"
            f" up to {rented.machines} machines at once"
        )
    first = fleet[0].offer
    compute = CostPart(
        name="compute", usd_per_month=usd, because="; ".join(words), source=first.source, as_of=first.as_of
    )
    asked = [part for rented in fleet for part in _surcharge(rented.offer, _bare_usd(rented))]
    if not asked:
        return (compute,)
    total = sum(part.usd_per_month for part in asked)
    return compute, msgspec.structs.replace(asked[0], usd_per_month=total)


def _bare_usd(rented: Rented) -> float:
    return rented.usd_per_month / (rented.offer.managed_ratio or 1.0)


def _surcharge(offer: Offer, usd: float) -> tuple[CostPart, ...]:
    """What the managed service asks beside so much for bare machines."""
    if offer.managed_ratio is None:
        return ()
    low, high = _ratio_bounds(offer)
    said = (
        f"{offer.managed_service or 'the managed service'} asks {offer.managed_ratio:.4g} x the bare machine"
    )
    if low < high:
        said += f", between {low:.4g} and {high:.4g}"
    if offer.managed_source is None:
        said += ": no source states it"
    return (
        CostPart(
            name="managed_service",
            usd_per_month=usd * (offer.managed_ratio - 1.0),
            because=said,
            source=offer.managed_source or "assumed",
            as_of=offer.as_of,
            origin="assumed" if offer.managed_source is None else "quoted",
        ),
    )


def surcharge_bounds_usd(fleet: tuple[Rented, ...]) -> tuple[float, float]:
    """Between what managed services ask for machines, beside the bare ones, in a month; 0 without one."""
    bare = [(_bare_usd(rented), _ratio_bounds(rented.offer)) for rented in fleet]
    return sum(usd * (low - 1.0) for usd, (low, _) in bare), sum(
        usd * (high - 1.0) for usd, (_, high) in bare
    )


def _ratio_bounds(offer: Offer) -> tuple[float, float]:
    if offer.managed_ratio is None:
        return 1.0, 1.0
    stated = [offer.managed_ratio_low, offer.managed_ratio, offer.managed_ratio_high]
    known = [ratio for ratio in stated if ratio is not None]
    return min(known), max(known)


def _of_one(offer: Offer, instances: int) -> float:
    stated = instances, offer.price_usd_per_hour, offer.prepaid_machines, offer.prepaid_usd_per_hour
    return float(_compute_usd(*(np.array([value]) for value in stated))[0])
