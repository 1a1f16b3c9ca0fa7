"""The latency curves: how long one call takes as the batch grows, for each thread count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tradewind.show import readings, words
from tradewind.show.report.front import PRECISIONS
from tradewind.show.report.markup import Cell, Column, Html, badge, element, table, text
from tradewind.show.report.section import Section, chart_frame, emphasis, paragraph, standing

if TYPE_CHECKING:
    from tradewind.domain.goal import Goal
    from tradewind.domain.profile import Front, LatencyPoint, Profile
    from tradewind.domain.story import Planned

__all__ = ["curves_section"]

MOST_ROWS: Final = 600
"""Measured points in the table: keeps the page small when there are very many variants."""


def curves_section(story: Planned) -> Section:
    """Latency over batch, with the spread that the machine added."""
    front, chosen = story.front, story.decision.choice.variant_id
    return Section(
        identifier="curves",
        title="Latency over batch",
        takeaway=_takeaway(front.profile(chosen)),
        body=text(chart_frame("curves", "Latency of one call over the batch size"), _points(front)),
        charts={"curves": _chart(front, story.decision.goal, chosen)},
    )


def _takeaway(chosen: Profile) -> Html:
    rest = readings.at_rest(chosen)
    alike = [point for point in chosen.curve if point.threads == rest.threads]
    fullest = max(alike, key=lambda point: point.batch)
    return text(
        paragraph(
            emphasis(chosen.variant.name),
            f" takes {words.quantity(rest.low_s, 'time')} for {words.counted(rest.batch, 'row', 'rows')} and "
            f"{words.quantity(fullest.low_s, 'time')} for {words.counted(fullest.batch, 'row', 'rows')}: "
            f"a row in the full batch takes {words.percent(_row_s(fullest) / _row_s(rest))} of the time of a row alone.",
        ),
        paragraph(
            f"Lines are the undisturbed machine; bands reach to the 90th percentile. Differences below "
            f"{words.percent(chosen.noise)} are noise."
        ),
    )


def _row_s(point: LatencyPoint) -> float:
    return point.low_s / point.batch


def _chart(front: Front, goal: Goal, chosen_id: str) -> dict[str, Any]:
    threads = sorted({point.threads for profile in front.profiles for point in profile.curve})
    return {
        "kind": "curves",
        "label": "Latency of one call over the batch size",
        "hue_order": [],
        "shape_order": PRECISIONS,
        "threads": threads,
        "limit": {"at": goal.serve.latency_s, "label": f"{goal.serve.percentile} bound"},
        "series": [
            {
                "name": profile.variant.name,
                "hue": profile.variant.runtime.engine,
                "shape": profile.variant.runtime.precision,
                "standing": standing(front, profile, chosen_id)[0],
                "points": {
                    str(count): [
                        [point.batch, point.low_s, point.median_s, point.high_s]
                        for point in profile.curve
                        if point.threads == count
                    ]
                    for count in threads
                },
            }
            for profile in front.profiles
        ],
    }


def _points(front: Front) -> Html:
    columns = (
        Column("Variant"),
        Column("Threads", "number"),
        Column("Batch", "number"),
        Column("Low", "number"),
        Column("Median", "number"),
        Column("90th percentile", "number"),
        Column("CPU time", "number"),
        Column("Pace", "number"),
        Column("Runs", "number"),
    )
    rows = [
        (
            "",
            (
                Cell(profile.variant.name, profile.variant.name),
                Cell(str(point.threads), point.threads),
                Cell(str(point.batch), point.batch),
                *(
                    Cell(words.quantity(value, "time"), value)
                    for value in (point.low_s, point.median_s, point.high_s, point.cpu_s)
                ),
                Cell(words.pace(point.batch / point.low_s), point.batch / point.low_s),
                Cell(f"{point.runs:,}", point.runs),
            ),
        )
        for profile in front.profiles
        for point in profile.curve
    ]
    more = f", the first {MOST_ROWS}" if len(rows) > MOST_ROWS else ""
    caption = text(f"Measured points{more} ", badge("measured"))
    return element(
        "details",
        {},
        element("summary", {}, f"All {words.counted(len(rows), 'measured point', 'measured points')}"),
        table(caption=caption, columns=columns, rows=rows[:MOST_ROWS], abilities="sort filter"),
    )
