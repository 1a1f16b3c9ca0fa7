"""The timeline of a training step: which stage works on which micro-batch when, and where it waits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from tradewind.show import words
from tradewind.show.report import drawing
from tradewind.show.report.markup import Html, badge, element

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewind.domain.explanation import Bar, Share

__all__ = ["composition", "timeline"]

LANE_PX: Final = 26.0
GAP_PX: Final = 4.0
NUMBERED: Final = 0.028
"""Share of the width from which on a bar has room for the number of its micro-batch."""

KINDS: Final = ("forward", "backward", "weight", "optimizer", "communication")
"""In the order of their colours; others follow."""


def timeline(bars: Sequence[Bar], note: str) -> Html:
    """The bars by stage, one lane each, on a common scale of time."""
    if not bars:
        return Html()
    end = max(bar.end_s for bar in bars)
    stages = sorted({bar.stage for bar in bars})
    kinds = sorted(
        {bar.kind for bar in bars}, key=lambda kind: KINDS.index(kind) if kind in KINDS else len(KINDS)
    )
    places = {kind: KINDS.index(kind) + 1 if kind in KINDS else 6 for kind in kinds}
    height = len(stages) * (LANE_PX + GAP_PX)
    parts = [_lane(stage, row) for row, stage in enumerate(stages)]
    for tick in _ticks(end):
        parts.append(drawing.line(tick / end, 0.0, tick / end, 1.0, {"class": "grid"}))
        anchor = "start" if tick == 0.0 else "end" if tick > 0.97 * end else "middle"
        parts.append(
            drawing.words_at(
                tick / end,
                1.0,
                words.given(tick, "time") if tick else "0",
                {"dy": "18", "text-anchor": anchor},
            )
        )
    row_of = {stage: row for row, stage in enumerate(stages)}
    for bar in bars:
        parts += _bar(bar, row_of[bar.stage], end, places[bar.kind])
    label = (
        f"Timeline of {words.counted(len(stages), 'stage', 'stages')} over {words.quantity(end, 'time')}:"
        f" {words.listed(kinds, 'and')}"
    )
    return drawing.frame(
        "timeline",
        label,
        element("p", {"class": "chart-title"}, "One step, stage by stage ", badge("predicted")),
        drawing.canvas(label, height, *parts, margin="12px 12px 30px 74px"),
        drawing.keys([*((f"task-{places[kind]}", kind) for kind in kinds), ("task-idle", "waiting")]),
        element("p", {"class": "note"}, note),
    )


def composition(shares: Sequence[Share]) -> Html:
    """What takes the time of a step, as one bar."""
    if not shares:
        return Html()
    parts: list[Html] = []
    before = 0.0
    for place, one in enumerate(shares, start=1):
        lines = [("of the step", words.percent(one.share))]
        kind = min(place, 6)
        attributes = {"class": f"task task-{kind}", **drawing.tip(one.name, lines)}
        parts.append(
            drawing.rect(before, 0.0, one.share, LANE_PX, attributes, drawing.title(one.name, lines))
        )
        if one.share >= 0.06:
            at = {
                "x": drawing.share(before + 0.5 * one.share),
                "y": f"{0.5 * LANE_PX + 4.0:g}",
                "text-anchor": "middle",
            }
            parts.append(element("text", {**at, "class": f"on-task-{kind}"}, words.percent(one.share)))
        before += one.share
    entries = [
        (f"task-{min(place, 6)}", one.name.replace("_", " ")) for place, one in enumerate(shares, start=1)
    ]
    label = "What takes the time of a step"
    return drawing.frame(
        "shares",
        label,
        element("p", {"class": "chart-title"}, f"{label} ", badge("predicted")),
        drawing.canvas(label, LANE_PX, *parts, margin="10px 12px 10px 12px"),
        drawing.keys(entries),
    )


def _lane(stage: int, row: int) -> Html:
    y = row * (LANE_PX + GAP_PX)
    lane = drawing.rect(0.0, y, 1.0, LANE_PX, {"class": "task-idle"})
    place = {"x": "0", "y": f"{y + 0.5 * LANE_PX + 4.0:g}", "dx": "-8", "text-anchor": "end"}
    return Html(lane + element("text", place, f"stage {stage + 1}"))


def _bar(bar: Bar, row: int, end_s: float, place: int) -> list[Html]:
    y, x, wide = row * (LANE_PX + GAP_PX), bar.start_s / end_s, (bar.end_s - bar.start_s) / end_s
    name = f"Stage {bar.stage + 1}, {bar.kind}"
    lines = [
        ("micro-batch", str(bar.micro_batch + 1)),
        ("from", words.quantity(bar.start_s, "time") if bar.start_s else "0"),
        ("takes", words.quantity(bar.end_s - bar.start_s, "time")),
    ]
    if bar.micro_batch < 0:
        lines = lines[1:]
    drawn = [
        drawing.rect(
            x,
            y,
            wide,
            LANE_PX,
            {"class": f"task task-{place}", **drawing.tip(name, lines)},
            drawing.title(name, lines),
        )
    ]
    if wide >= NUMBERED and bar.micro_batch >= 0:
        at = {
            "x": drawing.share(x + 0.5 * wide),
            "y": f"{y + 0.5 * LANE_PX + 4.0:g}",
            "text-anchor": "middle",
            "class": f"on-task-{place}",
        }
        drawn.append(element("text", at, str(bar.micro_batch + 1)))
    return drawn


def _ticks(end_s: float) -> list[float]:
    """From 0 on, four to ten of a round length."""
    power = 10.0 ** math.floor(math.log10(end_s / 5.0))
    step = next(size * power for size in (1.0, 2.0, 5.0, 10.0) if size * power >= end_s / 6.0 * 0.999)
    found = [0.0]
    while found[-1] + step <= end_s * 1.0001:
        found.append(float(f"{found[-1] + step:.12g}"))
    return found
