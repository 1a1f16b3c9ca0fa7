"""HTML that cannot be injected into: text is escaped unless it is `Html` already."""

from __future__ import annotations

import html
import json
import math
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tradewind.domain.noun import Origin

__all__ = [
    "Cell",
    "Column",
    "Html",
    "Row",
    "badge",
    "badges",
    "element",
    "gauge",
    "json_script",
    "number",
    "table",
    "text",
]


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(name: str, attributes: Mapping[str, str], *children: str) -> Html:
    """An element with its children; children that are not `Html` are escaped.

    >>> element("td", {"class": "number"}, "a < b")
    '<td class="number">a &lt; b</td>'
    """
    opening = "".join(f' {key}="{html.escape(value)}"' for key, value in attributes.items())
    return Html(f"<{name}{opening}>{text(*children)}</{name}>")


def text(*parts: str) -> Html:
    """Parts in a row, each escaped unless it is `Html`."""
    return Html("".join(part if isinstance(part, Html) else html.escape(part) for part in parts))


def json_script(identifier: str, plain: object) -> Html:
    r"""Data for the page's script. No `<` survives in it, so no text can close the element.

    >>> json_script("data", {"name": "</script>"})
    '<script type="application/json" id="data">{"name":"\\u003c/script>"}</script>'
    """
    data = json.dumps(_finite(plain), ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace(
        "<", "\\u003c"
    )
    return Html(f'<script type="application/json" id="{html.escape(identifier)}">{data}</script>')


def _finite(plain: object) -> object:
    """Data that JSON can hold: what is unbounded or unknown becomes null, and is not drawn."""
    if isinstance(plain, dict):
        return {key: _finite(value) for key, value in plain.items()}
    if isinstance(plain, list | tuple):
        return [_finite(value) for value in plain]
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain


_LETTERS: Final[dict[Origin, str]] = {"measured": "M", "predicted": "P", "quoted": "Q", "assumed": "A"}


def badge(origin: Origin) -> Html:
    """The small sign that says where a number comes from; people who cannot see it hear the word."""
    letter = element("span", {"aria-hidden": "true"}, _LETTERS[origin])
    return element(
        "span",
        {"class": f"badge {origin}", "title": origin},
        letter,
        element("span", {"class": "unseen"}, f" ({origin})"),
    )


def badges(origins: Iterable[Origin]) -> Html:
    """One badge for each different origin, in a fixed order."""
    present = set(origins)
    return text(*(badge(origin) for origin in _LETTERS if origin in present))


def number(value: str) -> Html:
    """A number in running text: its unit stays on the same line."""
    return element("span", {"class": "value"}, value)


class Column(NamedTuple):
    """The head of a column of a table."""

    heading: str
    kind: str = "words"
    """"words", "short" (one line), "number", "wide", "drawing" or, narrower, "strip"."""


class Cell(NamedTuple):
    """What stands in a table, and what it is sorted by."""

    content: str
    order: str | float


Row = tuple[str, "Sequence[Cell | str]"]
"""A class for the style, and the cells, the first of which heads the row."""


TALL: Final = 14
"""Rows from which on a table scrolls in a window of its own."""


def table(*, caption: str, columns: Sequence[Column], rows: Sequence[Row], abilities: str) -> Html:
    """A table under its caption, in a frame inside which it scrolls.

    `abilities` are words for the page's script: "sort", "filter", both, or none.
    """
    head = element(
        "tr",
        {},
        *(element("th", {"scope": "col", "class": column.kind}, column.heading) for column in columns),
    )
    body = []
    for kind, cells in rows:
        drawn: list[Html] = []
        for column, cell in zip(columns, cells, strict=True):
            attributes = {"class": column.kind}
            content = cell
            if isinstance(cell, Cell):
                attributes["data-order"] = str(cell.order)
                content = cell.content
            assert isinstance(content, str)
            name = "td" if drawn else "th"
            drawn.append(element(name, attributes if drawn else {"scope": "row", **attributes}, content))
        body.append(element("tr", {"class": kind} if kind else {}, *drawn))
    label = _plain(caption)
    whole = element(
        "table",
        {"data-abilities": abilities, "aria-label": label},
        element("thead", {}, head),
        element("tbody", {}, *body),
    )
    frame = {"class": "scroll tall" if len(rows) > TALL else "scroll", "role": "region", "tabindex": "0"}
    return element(
        "div",
        {"class": "table"},
        element("p", {"class": "caption"}, caption),
        element("div", {**frame, "aria-label": label}, whole),
    )


def _plain(caption: str) -> str:
    """A caption without its markup, for an attribute."""
    if not isinstance(caption, Html):
        return caption
    kept, inside = [], False
    for character in caption:
        inside = (inside or character == "<") and character != ">"
        if not inside and character != ">":
            kept.append(character)
    return html.unescape("".join(kept))


def gauge(label: str, marks: Iterable[tuple[str, float, float]], notes: Iterable[tuple[str, float]]) -> Html:
    """A strip with marks on it: (class, start, width), both as shares of the strip, cut to what is visible.

    `notes` stand below the strip: (text, place). `label` says the same in words.
    """
    drawn = []
    for kind, start, width in marks:
        left = min(1.0, max(0.0, start))
        right = min(1.0, max(0.0, start + width))
        style = f"left:{100 * left:.2f}%;width:{100 * max(0.0, right - left):.2f}%"
        drawn.append(element("i", {"class": kind, "style": style}))
    for note, place in notes:
        # A note near an end leans inwards, so that it stays inside the strip.
        lean = "start" if place < 0.2 else "end" if place > 0.8 else "middle"
        drawn.append(
            element("span", {"class": lean, "style": f"left:{100 * min(1.0, max(0.0, place)):.2f}%"}, note)
        )
    return element("div", {"class": "gauge", "role": "img", "aria-label": label}, *drawn)
