"""The map of regions: where the same goal would cost how much, each region a dot at its longitude and latitude."""

from __future__ import annotations

import csv
import math
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from tradewind.decide.catalog.places import place_group
from tradewind.files import package_data
from tradewind.show import words
from tradewind.show.explaining import money, readable
from tradewind.show.report import drawing
from tradewind.show.report.markup import Html, element, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewind.domain.explanation import Explanation, Place

__all__ = ["Spot", "regions_map", "spots"]

LEAST_DEGREES: Final = 24.0
"""The map shows at least so much of the earth across."""
WIDTH_PX: Final = 860.0
"""For which room the names are chosen; on wider and narrower pages they keep their places."""
NEAR: Final = 0.1
FAR: Final = 0.5
"""Dearer than the choice by at most so much is near, by more than that is far."""
MOST_ROWS: Final = 60
"""Regions without a known place that are listed."""


class Spot(NamedTuple):
    """Where a region is: to a tenth of a degree the town, else the middle of the state or country that is stated."""

    place: str
    latitude: float
    longitude: float


@lru_cache(maxsize=1)
def spots() -> Mapping[tuple[str, str], Spot]:
    """The place of each region, by cloud and region, where one is known."""
    with (Path(__file__).parent / "places.csv").open(encoding="utf-8", newline="") as file:
        known = {
            (row["country"], row["place"]): (float(row["latitude"]), float(row["longitude"]))
            for row in csv.DictReader(file)
        }
    with (package_data("facts") / "region_places.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["cloud"], row["region"], row["country"], row["place"]) for row in csv.DictReader(file)]
    return {
        (cloud, region): Spot(place, *known[country, place])
        for cloud, region, country, place in rows
        if (country, place) in known
    }


def regions_map(found: Explanation) -> Html:
    """Every region as a dot, its colour by what the goal costs there; those without a known place as a strip."""
    if not found.places:
        return Html()
    here = [
        (place, spots()[place.cloud, place.region])
        for place in found.places
        if (place.cloud, place.region) in spots()
    ]
    elsewhere = [place for place in found.places if (place.cloud, place.region) not in spots()]
    label = f"What the same goal costs in {words.counted(len(found.places), 'region', 'regions')}"
    drawn = [_map(found, here, label)] if here else []
    if elsewhere:
        drawn.append(_strip(found, elsewhere))
    entries = [("dot-chosen", "the choice"), ("dot-near", f"dearer by at most {NEAR:.0%}")]
    entries += [("dot-mid", f"by at most {FAR:.0%}"), ("dot-far", "by more")]
    return drawing.frame("regions", label, *drawn, drawing.keys(entries), _order(here))


def _order(here: Sequence[tuple[Place, Spot]]) -> Html:
    return element(
        "p",
        {"class": "note"},
        "Where clouds share a town, their dots stand side by side: aws, azure, gcp." if here else "",
    )


def _cheapest(found: Explanation) -> float:
    return min((place.usd for place in found.places), default=0.0)


def kind_of(place: Place, least_usd: float) -> str:
    """The class of a region's dot: by how much dearer it is than the least."""
    if place.chosen:
        return "dot-chosen"
    more = place.usd / least_usd - 1.0 if least_usd > 0.0 else 0.0
    return "dot-near" if more <= NEAR else "dot-mid" if more <= FAR else "dot-far"


def _map(found: Explanation, here: Sequence[tuple[Place, Spot]], label: str) -> Html:
    latitudes, longitudes = [spot.latitude for _, spot in here], [spot.longitude for _, spot in here]
    squeeze = math.cos(math.radians(0.5 * (min(latitudes) + max(latitudes))))
    wide = max(max(longitudes) - min(longitudes), LEAST_DEGREES)
    middle = 0.5 * (min(longitudes) + max(longitudes))
    west, east = middle - 0.58 * wide, middle + 0.62 * wide
    high = max(max(latitudes) - min(latitudes), 0.3 * wide * squeeze)
    center = 0.5 * (min(latitudes) + max(latitudes))
    south, north = center - 0.6 * high, center + 0.6 * high
    height_px = min(480.0, max(250.0, WIDTH_PX * (north - south) / ((east - west) * squeeze)))

    def across(longitude: float) -> float:
        return (longitude - west) / (east - west)

    def down(latitude: float) -> float:
        return (north - latitude) / (north - south)

    parts = list(_graticule(west, east, south, north))
    least = _cheapest(found)
    towns: dict[tuple[float, float], list[Place]] = {}
    names: dict[tuple[float, float], str] = {}
    for place, spot in here:
        # What is nearer than two dots shares a place on the drawing.
        key = next(
            (
                known
                for known in towns
                if abs(across(known[1]) - across(spot.longitude)) * WIDTH_PX < 9.0
                and abs(down(known[0]) - down(spot.latitude)) * height_px < 9.0
            ),
            (spot.latitude, spot.longitude),
        )
        towns.setdefault(key, []).append(place)
        names.setdefault(key, spot.place)
    boxes: list[tuple[float, float, float, float]] = []
    for (latitude, longitude), regions in towns.items():
        x, y = across(longitude) * WIDTH_PX, down(latitude) * height_px
        half = 6.5 * len(regions)
        boxes.append((x - half, y - 7.0, x + half, y + 7.0))
    dots: list[tuple[bool, Html]] = []
    ordered = sorted(
        towns.items(),
        key=lambda item: (not any(one.chosen for one in item[1]), min(one.usd for one in item[1])),
    )
    for (latitude, longitude), regions in ordered:
        regions.sort(key=lambda one: (one.cloud, one.region))
        chosen = any(one.chosen for one in regions)
        x, y = across(longitude), down(latitude)
        for order, one in enumerate(regions):
            shift = 13.0 * (order - 0.5 * (len(regions) - 1))
            lines = [
                ("cloud", one.cloud),
                ("cheapest", readable(one.what)),
                ("cost", money(found, one.usd)),
                ("", "the choice" if one.chosen else _more(one, least)),
            ]
            attributes = {"class": kind_of(one, least), "transform": f"translate({shift:g} 0)"}
            dots.append(
                (
                    one.chosen,
                    drawing.mark(
                        x,
                        y,
                        6.0 if one.chosen else 5.0,
                        attributes,
                        f"{names[latitude, longitude]}, {one.region}",
                        lines,
                    ),
                )
            )
        parts += _named(names[latitude, longitude], x, y, 6.5 * len(regions), height_px, boxes, chosen)
    parts += [dot for _, dot in sorted(dots, key=lambda pair: pair[0])]
    return drawing.canvas(label, height_px, *parts)


def _more(place: Place, least_usd: float) -> str:
    if least_usd <= 0.0:
        return ""
    return f"{words.percent(place.usd / least_usd - 1.0)} more than the cheapest"


def _named(
    name: str,
    x: float,
    y: float,
    half: float,
    height_px: float,
    boxes: list[tuple[float, float, float, float]],
    chosen: bool,
) -> list[Html]:
    """The name of a town where there is room for it: beside its dots, above or below them."""
    wide = 6.6 * len(name)
    left, top = x * WIDTH_PX, y * height_px
    own = (left - half, top - 7.0, left + half, top + 7.0)
    places = (
        (left + half + 5.0, top + 4.0, "start"),
        (left - half - 5.0, top + 4.0, "end"),
        (left, top - 11.0, "middle"),
        (left, top + 20.0, "middle"),
    )
    for at, base, anchor in places:
        start = at if anchor == "start" else at - wide if anchor == "end" else at - 0.5 * wide
        box = (start, base - 11.0, start + wide, base + 4.0)
        free = box[0] > 0.0 and box[2] < WIDTH_PX and box[1] > 0.0 and box[3] < height_px
        clear = all(
            other == own or other[0] > box[2] or other[2] < box[0] or other[1] > box[3] or other[3] < box[1]
            for other in boxes
        )
        if free and clear:
            boxes.append(box)
            place = {
                "dx": f"{at - left:g}",
                "dy": f"{base - top:g}",
                "text-anchor": anchor,
                "class": "name-label town" + (" own" if chosen else ""),
            }
            return [drawing.words_at(x, y, name, place)]
    return []


def _graticule(west: float, east: float, south: float, north: float) -> list[Html]:
    """Meridians and parallels, with their degrees."""
    step = next(one for one in (5.0, 10.0, 20.0, 30.0, 60.0) if (east - west) / one < 9.0 or one == 60.0)
    parts = []
    longitude = math.ceil(west / step) * step
    while longitude <= east:
        x = (longitude - west) / (east - west)
        parts.append(drawing.line(x, 0.0, x, 1.0, {"class": "grid"}))
        if 0.03 < x < 0.97:
            parts.append(
                drawing.words_at(
                    x, 1.0, _degrees(longitude, "E", "W"), {"dy": "-5", "dx": "4", "class": "degree"}
                )
            )
        longitude += step
    latitude = math.ceil(south / step) * step
    while latitude <= north:
        y = (north - latitude) / (north - south)
        parts.append(drawing.line(0.0, y, 1.0, y, {"class": "grid zero-line" if latitude == 0.0 else "grid"}))
        if 0.06 < y < 0.94:
            parts.append(
                drawing.words_at(
                    0.0, y, _degrees(latitude, "N", "S"), {"dy": "-4", "dx": "4", "class": "degree"}
                )
            )
        latitude += step
    return parts


def _degrees(value: float, positive: str, negative: str) -> str:
    side = positive if value > 0.0 else negative if value < 0.0 else ""
    return f"{abs(value):.0f}° {side}".strip()


def _strip(found: Explanation, elsewhere: Sequence[Place]) -> Html:
    """Regions whose place no source states, by the part of the world."""
    least = _cheapest(found)
    groups: dict[str, list[Place]] = {}
    for place in elsewhere[:MOST_ROWS]:
        groups.setdefault(place_group(place.cloud, place.region) or "elsewhere", []).append(place)
    return element(
        "div",
        {"class": "strip"},
        *(
            element(
                "p",
                {},
                element("b", {}, group),
                *(
                    text(
                        " ",
                        element("i", {"class": f"key {kind_of(place, least)}", "aria-hidden": "true"}),
                        f"{place.cloud} {place.region} {money(found, place.usd)}",
                    )
                    for place in places
                ),
            )
            for group, places in sorted(groups.items())
        ),
    )
