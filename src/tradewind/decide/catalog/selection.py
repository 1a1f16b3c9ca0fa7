"""The offers of a catalogue that a goal allows."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tradewind.decide.catalog.dates import is_day
from tradewind.decide.catalog.places import GROUPS, matches
from tradewind.decide.catalog.provenance import confidence_on
from tradewind.domain.errors import InputError
from tradewind.domain.noun import Cloud, Noun
from tradewind.domain.offer import Offers

if TYPE_CHECKING:
    from tradewind.domain.goal import Goal

__all__ = ["Catalog", "Region", "offers"]


class Region(Noun, frozen=True, kw_only=True):
    """A region that the catalogue knows."""

    cloud: Cloud
    name: str
    place: str | None
    """City, state or country; None when no source says it."""
    group: str | None
    """A key of `places.GROUPS`."""
    machine_types: int
    """How many machine types have a price here; 0 for a region that is known only by other facts."""


@dataclass(frozen=True, eq=False)
class Catalog:
    """A dated snapshot of what the clouds rent out.

    `everything` holds each valid offer as columns with its source, day and confidence, together with the
    prices of storage and transfer; `as_of` is the newest day in it, `snapshot` its name.
    """

    everything: Offers
    regions: tuple[Region, ...]
    as_of: str

    @property
    def snapshot(self) -> str:
        """The name of the snapshot: its newest day, and the first digits of the hash of its content."""
        return self.everything.snapshot


def offers(goal: Goal, catalog: Catalog, today: str) -> Offers:
    """The offers in the goal's clouds, regions and purchase options, in the catalogue's order.

    A region pattern is a cloud's own region name, a shell pattern over these names, or a part of the world
    in all clouds (`europe-*`, see `places`). Confidence counts age: a price that is more than a year old
    on `today` is C. Prices of storage and transfer come along for all regions, because the data may live
    elsewhere.

    Errors: InputError for a pattern without a region, with the nearest names; for a region that only
    other clouds have; for regions and purchase options without a price.
    """
    if not is_day(today):
        raise InputError(f"today is {today!r}; write a day such as {catalog.as_of}")
    chosen: set[tuple[str, str]] = set()
    for pattern in goal.regions:
        chosen |= {(region.cloud, region.name) for region in _regions(pattern, goal, catalog)}
    columns = catalog.everything.columns
    in_region = np.fromiter(
        (key in chosen for key in zip(columns["cloud"], columns["region"], strict=True)),
        dtype=bool,
        count=len(catalog.everything),
    )
    wanted = in_region & np.isin(columns["purchase"].astype(str), goal.purchase)
    if not wanted.any():
        known = ", ".join(sorted(set(columns["purchase"][in_region])))
        raise InputError(
            f"purchase: the catalogue has no price for {', '.join(goal.purchase)} in the goal's clouds and "
            f"regions; it has {known} there"
        )
    found = catalog.everything.take(wanted)
    return Offers(
        {**found.columns, "confidence": _confidence(found, today)},
        storage=found.storage,
        transfer=found.transfer,
        snapshot=found.snapshot,
    )


def _confidence(found: Offers, today: str) -> np.ndarray:
    graded = np.empty(len(found), dtype=object)
    letters: dict[tuple[str, str], str] = {}
    for index, key in enumerate(zip(found["confidence"], found["as_of"], strict=True)):
        if key not in letters:
            letters[key] = confidence_on(key[0], key[1], today)
        graded[index] = letters[key]
    return graded


def _regions(pattern: str, goal: Goal, catalog: Catalog) -> list[Region]:
    """The regions with prices, in the goal's clouds, that a pattern means. Errors: InputError."""
    lower = pattern.strip().lower()
    meant = [region for region in catalog.regions if matches(lower, region.name, region.group)]
    if not meant:
        raise InputError(
            f"regions: {pattern!r} matches no region of any cloud; {_nearest(lower, goal, catalog)}"
        )
    asked = [region for region in meant if region.cloud in goal.clouds]
    if not asked:
        clouds = " and ".join(sorted({region.cloud for region in meant}))
        raise InputError(
            f"regions: {pattern!r} is in {clouds}, which the goal's clouds ({', '.join(goal.clouds)}) leave out; "
            f"add {clouds} to clouds, or choose other regions: {_nearest(lower, goal, catalog)}"
        )
    priced = [region for region in asked if region.machine_types]
    if not priced:
        raise InputError(
            f"regions: the catalogue of {catalog.as_of} has no machine prices for {pattern!r} in "
            f"{', '.join(sorted({region.cloud for region in asked}))}; {_nearest(lower, goal, catalog)}"
        )
    return priced


def _nearest(pattern: str, goal: Goal, catalog: Catalog) -> str:
    """The names with prices that look most like the pattern, in words."""
    priced = [region for region in catalog.regions if region.machine_types and region.cloud in goal.clouds]
    names = sorted({region.name for region in priced})
    groups = {region.group for region in priced}
    patterns = [f"{group}-*" for group in GROUPS if group in groups]
    alike = difflib.get_close_matches(pattern, [*names, *patterns], n=3, cutoff=0.5)
    if alike:
        return f"the nearest are {', '.join(alike)}"
    return f"known are {', '.join(patterns)} and names such as {', '.join(names[:3])}"
