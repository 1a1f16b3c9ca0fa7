"""Overlay: the user's own world on top of the list prices. A file, written by hand."""

from __future__ import annotations

from typing import Annotated

import msgspec

from tradewind.domain.goal import UsdPerHour
from tradewind.domain.noun import Cloud, Noun, Purchase

__all__ = ["Commitment", "Discount", "Forbidden", "Overlay", "PrivatePrice", "Quota"]

Pattern = Annotated[
    str, msgspec.Meta(min_length=1, description="a name, or a pattern such as c7g.* or europe-*; * is any")
]


class Discount(Noun, frozen=True, kw_only=True):
    """A part off the list price, as agreed with the cloud: `{cloud: aws, instance_type: "c7g.*", percent: 12}`.

    Where several discounts hold for an offer, the largest one counts; they do not add up.
    """

    cloud: Cloud
    percent: Annotated[float, msgspec.Meta(gt=0.0, lt=100.0, description="off the list price")]
    instance_type: Pattern = "*"
    region: Pattern = "*"
    purchase: Purchase | None = None
    """Only this purchase option; None for on-demand and commitments, but never spot, which no agreement covers."""


class PrivatePrice(Noun, frozen=True, kw_only=True):
    """A price that holds instead of the list price, discounts included."""

    cloud: Cloud
    instance_type: Pattern
    price_usd_per_hour: UsdPerHour = msgspec.field(name="price")
    region: Pattern = "*"
    purchase: Purchase = "on_demand"


class Quota(Noun, frozen=True, kw_only=True):
    """How much the cloud lets this user rent: machines, or vCPUs, of each type that matches."""

    cloud: Cloud
    instance_type: Pattern = "*"
    region: Pattern = "*"
    purchase: Purchase | None = None
    machines: Annotated[int, msgspec.Meta(ge=0)] | None = None
    vcpus: Annotated[int, msgspec.Meta(ge=0)] | None = None

    def __post_init__(self) -> None:
        if (self.machines is None) == (self.vcpus is None):
            raise ValueError("write either machines or vcpus")


class Forbidden(Noun, frozen=True, kw_only=True):
    """Machine types, regions or whole clouds that are not to be used."""

    cloud: Cloud
    instance_type: Pattern = "*"
    region: Pattern = "*"
    purchase: Purchase | None = None
    why: str = ""


class Commitment(Noun, frozen=True, kw_only=True):
    """What is paid for already, used or not: so many machines, or so much on-demand spend an hour.

    Use is free up to the amount, never beyond it, and only on demand. It ends on the day `until`.
    """

    cloud: Cloud
    instance_type: Pattern = "*"
    region: Pattern = "*"
    machines: Annotated[int, msgspec.Meta(ge=1)] | None = None
    spend_usd_per_hour: UsdPerHour | None = msgspec.field(default=None, name="spend")
    until: Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = None

    def __post_init__(self) -> None:
        if (self.machines is None) == (self.spend_usd_per_hour is None):
            raise ValueError("write either machines or spend")


class Overlay(Noun, frozen=True, kw_only=True):
    """What the user's own agreements change about a catalogue."""

    discounts: tuple[Discount, ...] = ()
    prices: tuple[PrivatePrice, ...] = ()
    quotas: tuple[Quota, ...] = ()
    forbidden: tuple[Forbidden, ...] = ()
    commitments: tuple[Commitment, ...] = ()
