"""What two snapshots say differently about prices."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from tradewind.domain.noun import Cloud, Noun, Purchase
from tradewind.run.market.snapshot import open_tables

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Diff", "Move", "Total", "diff"]


class Move(Noun, frozen=True, kw_only=True):
    """An offer with its price before and after: new without the one, gone without the other."""

    cloud: Cloud
    region: str
    zone: str | None = None
    instance_type: str
    purchase: Purchase
    before_usd_per_hour: float | None = None
    after_usd_per_hour: float | None = None
    ratio: float | None = None
    """After over before; None when one of them is missing."""


class Total(Noun, frozen=True, kw_only=True):
    """How many offers of a cloud under a purchase option are new, gone, of another price, and the same."""

    cloud: Cloud
    purchase: Purchase
    added: int = 0
    removed: int = 0
    changed: int = 0
    same: int = 0


class Diff(Noun, frozen=True, kw_only=True):
    """The differences between the offers of two snapshots."""

    before: str
    after: str
    added: tuple[Move, ...]
    removed: tuple[Move, ...]
    changed: tuple[Move, ...]
    """The largest relative change first, up or down."""
    totals: tuple[Total, ...]


_Key = tuple[Cloud, str, str, Purchase, str]
"""Cloud, region, machine type, purchase option and zone; "" where the price holds for the whole region."""


def diff(before: Path, after: Path) -> Diff:
    """What changed in the table of offers from one snapshot to another.

    Errors: InputError when one of the folders holds no whole snapshot.
    """
    (old, old_id), (new, new_id) = _prices(before), _prices(after)
    moves = [_move(key, old.get(key), new.get(key)) for key in sorted({**old, **new})]
    changed = [m for m in moves if m.ratio is not None and m.ratio != 1.0]
    counts: Counter[tuple[Cloud, Purchase, str]] = Counter((m.cloud, m.purchase, _kind(m)) for m in moves)
    return Diff(
        before=old_id,
        after=new_id,
        added=tuple(m for m in moves if _kind(m) == "added"),
        removed=tuple(m for m in moves if _kind(m) == "removed"),
        changed=tuple(sorted(changed, key=lambda m: -abs(math.log(m.ratio or 1.0)))),
        totals=tuple(
            Total(
                cloud=cloud,
                purchase=purchase,
                **{kind: counts[cloud, purchase, kind] for kind in ("added", "removed", "changed", "same")},
            )
            for cloud, purchase in sorted({(m.cloud, m.purchase) for m in moves})
        ),
    )


def _prices(folder: Path) -> tuple[Mapping[_Key, float], str]:
    connection, snapshot = open_tables(folder, ("offers",))
    with connection:
        rows = connection.execute(
            "SELECT cloud, region, instance_type, purchase, coalesce(zone, ''), price_usd_per_hour FROM offers"
        ).fetchall()
    return {row[:5]: row[5] for row in rows}, snapshot.id


def _move(key: _Key, before: float | None, after: float | None) -> Move:
    cloud, region, instance_type, purchase, zone = key
    return Move(
        cloud=cloud,
        region=region,
        zone=zone or None,
        instance_type=instance_type,
        purchase=purchase,
        before_usd_per_hour=before,
        after_usd_per_hour=after,
        ratio=None if before is None or after is None else after / before,
    )


def _kind(move: Move) -> str:
    if move.before_usd_per_hour is None:
        return "added"
    if move.after_usd_per_hour is None:
        return "removed"
    return "same" if move.ratio == 1.0 else "changed"
