"""Drawing: what the charts that need no script are made of.

Places are shares of the drawing, 0 to 1, so that it fits any width while its text keeps its size. A mark says its name
and figures as a title; with the page's script these stand beside the pointer, and the arrow keys go from mark to mark.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from tradewind.show.report.markup import Html, element, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["canvas", "frame", "keys", "line", "log_ticks", "mark", "rect", "share", "tip", "words_at"]

Lines = "Sequence[tuple[str, str]]"


def share(value: float) -> str:
    """A share of the drawing as a percentage.

    >>> share(0.1234567), share(1.0)
    ('12.346%', '100%')
    """
    return f"{100.0 * value:.3f}".rstrip("0").rstrip(".") + "%"


def tip(name: str, lines: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The attributes of a mark that has something to say."""
    return {"data-tip": json.dumps([name, [list(pair) for pair in lines]], ensure_ascii=False)}


def title(name: str, lines: Sequence[tuple[str, str]]) -> Html:
    """The same for a page without its script."""
    said = "; ".join(" ".join(part for part in pair if part) for pair in lines)
    return element("title", {}, f"{name}: {said}" if said else name)


def frame(identifier: str, label: str, *content: str) -> Html:
    """A figure with a drawing and its keys."""
    return element(
        "figure", {"class": "chart drawn", "id": f"chart-{identifier}", "aria-label": label}, *content
    )


def canvas(label: str, height_px: float, *content: str, margin: str = "") -> Html:
    """The drawing itself; `margin` is the room for the words beside it, as in CSS."""
    attributes = {"class": "flat", "role": "img", "aria-label": label, "style": f"height:{height_px:g}px"}
    return element(
        "div",
        {"class": "room", **({"style": f"margin:{margin}"} if margin else {})},
        element("svg", attributes, *content),
    )


def rect(
    x: float, y_px: float, width: float, height_px: float, attributes: Mapping[str, str], *content: str
) -> Html:
    """A bar: shares across, pixels down."""
    place = {"x": share(x), "y": f"{y_px:g}", "width": share(width), "height": f"{height_px:g}"}
    return element("rect", {**place, **attributes}, *content)


def line(x1: float, y1: float, x2: float, y2: float, attributes: Mapping[str, str]) -> Html:
    """A line; all four are shares."""
    place = {"x1": share(x1), "y1": share(y1), "x2": share(x2), "y2": share(y2)}
    return element("line", {**place, **attributes})


def words_at(x: float, y: float, said: str, attributes: Mapping[str, str]) -> Html:
    """Words; the place is in shares."""
    return element("text", {"x": share(x), "y": share(y), **attributes}, said)


def mark(
    x: float,
    y: float,
    radius_px: float,
    attributes: Mapping[str, str],
    name: str,
    lines: Sequence[tuple[str, str]],
) -> Html:
    """A dot that tells its name and figures."""
    place = {"cx": share(x), "cy": share(y), "r": f"{radius_px:g}"}
    return element("circle", {**place, **attributes, **tip(name, lines)}, title(name, lines))


def keys(entries: Sequence[tuple[str, str]]) -> Html:
    """What the colours mean: (class, words)."""
    return element(
        "div",
        {"class": "keys"},
        *(
            element("span", {}, element("i", {"class": f"key {kind}", "aria-hidden": "true"}), words)
            for kind, words in entries
        ),
    )


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers between two ends; of each decade 1, 2 and 5, and between near ends equal steps.

    >>> log_ticks(3.0, 250.0), log_ticks(90.0, 260.0), log_ticks(155.0, 167.0)
    ([5.0, 10.0, 20.0, 50.0, 100.0, 200.0], [100.0, 150.0, 200.0, 250.0], [155.0, 160.0, 165.0])
    """
    decades = math.log10(high / low)
    if decades < 0.3:
        power = 10.0 ** math.floor(math.log10((high - low) / 2.5))
        step = next(size * power for size in (1.0, 2.0, 5.0, 10.0) if size * power >= (high - low) / 4.0)
        count = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
        return [float(f"{place * step:.12g}") for place in count]
    steps = (
        (1.0,)
        if decades > 3.2
        else (1.0, 2.0, 5.0)
        if decades > 0.9
        else (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0)
    )
    found = [
        step * 10.0**power
        for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for step in steps
    ]
    return [float(f"{tick:.12g}") for tick in found if low <= tick <= high]


def joined(parts: Sequence[Html]) -> Html:
    """Drawings in a row."""
    return text(*parts)
