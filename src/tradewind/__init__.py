"""Tradewind: the cheapest way to serve a network, measured, predicted, carried out, corrected.

>>> from tradewind import Goal
>>> Goal.__doc__
'What the user asks, as `goal.yaml` says it.'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tradewind.domain.errors import (
        CodecError,
        DataError,
        InputError,
        ModelError,
        NoPlan,
        ResourceError,
        TradewindError,
    )
    from tradewind.domain.estimate import Calibration, Estimate, Observation
    from tradewind.domain.goal import Goal
    from tradewind.domain.host import Host
    from tradewind.domain.layout import Layout
    from tradewind.domain.offer import Offer, Offers
    from tradewind.domain.plan import Advice, Plan, Run
    from tradewind.domain.profile import Front, Profile
    from tradewind.domain.variant import Variant

__version__: Final = "0.1.0"

_HOMES: Final = {
    "Advice": "tradewind.domain.plan",
    "Calibration": "tradewind.domain.estimate",
    "CodecError": "tradewind.domain.errors",
    "DataError": "tradewind.domain.errors",
    "Estimate": "tradewind.domain.estimate",
    "Front": "tradewind.domain.profile",
    "Goal": "tradewind.domain.goal",
    "Host": "tradewind.domain.host",
    "InputError": "tradewind.domain.errors",
    "Layout": "tradewind.domain.layout",
    "ModelError": "tradewind.domain.errors",
    "NoPlan": "tradewind.domain.errors",
    "Observation": "tradewind.domain.estimate",
    "Offer": "tradewind.domain.offer",
    "Offers": "tradewind.domain.offer",
    "Plan": "tradewind.domain.plan",
    "Profile": "tradewind.domain.profile",
    "ResourceError": "tradewind.domain.errors",
    "Run": "tradewind.domain.plan",
    "TradewindError": "tradewind.domain.errors",
    "Variant": "tradewind.domain.variant",
}
"""Where each public name lives; it is imported when it is first used."""

__all__ = [
    "Advice",
    "Calibration",
    "CodecError",
    "DataError",
    "Estimate",
    "Front",
    "Goal",
    "Host",
    "InputError",
    "Layout",
    "ModelError",
    "NoPlan",
    "Observation",
    "Offer",
    "Offers",
    "Plan",
    "Profile",
    "ResourceError",
    "Run",
    "TradewindError",
    "Variant",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'tradewind' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
