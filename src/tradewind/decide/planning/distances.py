"""How long the network takes between the parts of the world, there and back.

Medians of published round trips between data centres of two parts of the world. Users on a slow line at home
have more. What nobody published here is as far as the farthest, never near.
"""

from __future__ import annotations

from typing import Final

from tradewind.decide.catalog.places import GROUPS

__all__ = ["round_trip_s"]

# Between Dallas, Washington, Toronto, Frankfurt, London, Madrid, Osaka, Tokyo, Sydney and Sao Paulo: IBM Cloud,
# network latency dashboard, means of 27 July to 25 August 2024. From Cape Town and Hong Kong: cloudping.co, matrix
# of AWS regions, read 2026-11. `us` is the middle of the country and its east; `asia` is its east.
_ROUND_TRIP_MS: Final[dict[frozenset[str], float]] = {
    frozenset(pair): milliseconds
    for *pair, milliseconds in (
        ("us", "northamerica", 27.0),
        ("us", "europe", 102.0),
        ("us", "southamerica", 132.0),
        ("us", "asia", 160.0),
        ("us", "australia", 200.0),
        ("us", "africa", 258.0),
        ("northamerica", "europe", 93.0),
        ("northamerica", "southamerica", 129.0),
        ("northamerica", "asia", 168.0),
        ("northamerica", "australia", 215.0),
        ("northamerica", "africa", 284.0),
        ("europe", "southamerica", 198.0),
        ("europe", "asia", 220.0),
        ("europe", "australia", 261.0),
        ("europe", "africa", 151.0),
        ("asia", "southamerica", 293.0),
        ("asia", "australia", 124.0),
        ("asia", "africa", 233.0),
        ("asia", "me", 130.0),
        ("africa", "me", 181.0),
        ("africa", "australia", 305.0),
        ("africa", "southamerica", 337.0),
        ("australia", "southamerica", 328.0),
    )
}
_WITHIN_MS: Final = {"europe": 27.0, "us": 31.0, "asia": 50.0}
"""Between places of one part of the world, from the same tables; others as the middle of these."""
_WITHIN_OTHERS_MS: Final = 31.0


def round_trip_s(one: str | None, other: str | None) -> float:
    """The round trip between two of `places.GROUPS`, the same in both directions; None is nowhere known.

    >>> round_trip_s("europe", "us"), round_trip_s("us", "us"), round_trip_s("europe", None)
    (0.102, 0.031, 0.337)
    """
    if one is not None and one == other and one in GROUPS:
        return _WITHIN_MS.get(one, _WITHIN_OTHERS_MS) / 1e3
    known = _ROUND_TRIP_MS.get(frozenset(name for name in (one, other) if name is not None))
    return (max(_ROUND_TRIP_MS.values()) if known is None else known) / 1e3
