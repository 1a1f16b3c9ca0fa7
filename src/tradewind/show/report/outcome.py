"""Predicted against measured: where the prediction held, what to do where not, and what that changed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tradewind.domain.story import Observed, Planned, Replanned
from tradewind.show import words
from tradewind.show.report.markup import Cell, Column, Html, Row, badge, element, gauge, number, table, text
from tradewind.show.report.section import Section, emphasis, paragraph

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewind.domain.estimate import Comparison, Observation
    from tradewind.domain.plan import Advice, Plan

__all__ = ["outcome_section"]


def outcome_section(story: Planned) -> Section:
    """What happened, against what was expected."""
    match story:
        case Replanned():
            takeaway = _takeaway(story)
            body = text(_measured(story), _advice(story.advice), _changes(story))
        case Observed():
            takeaway = _takeaway(story)
            body = text(_measured(story), _advice(story.advice))
        case _:
            takeaway = paragraph(_why_not(story.plan))
            body = _rehearsal(story.plan)
    return Section("outcome", "Predicted against measured", takeaway, body, {})


def _why_not(plan: Plan) -> str:
    if plan.meets_goal:
        return "The plan has not been served yet, so nothing can be compared."
    return "No plan meets the goal, so nothing was served."


def _rehearsal(plan: Plan) -> Html:
    """What would be measured here before money is spent."""
    rehearsal, percentile = plan.rehearsal, plan.goal.serve.percentile
    expected = rehearsal.estimate.latency_s[percentile]
    return text(
        paragraph(
            emphasis("The rehearsal "),
            "would run here at ",
            number(words.quantity(rehearsal.load_rps, "rate")),
            f": {_sentence(rehearsal.because)} It is expected to answer with {percentile} ",
            number(words.quantity(expected.likely, "time")),
            f" ({words.interval(expected, 'time')}) ",
            badge("predicted"),
            ".",
        )
    )


def _sentence(words_of_plan: str) -> str:
    return words_of_plan.rstrip(". ") + "."


def _takeaway(story: Observed) -> Html:
    inside = sum(comparison.within for comparison in story.comparisons)
    return paragraph(
        "Before money is spent, one replica ran here under the load that it would carry there. ",
        emphasis(f"{inside} of {len(story.comparisons)}"),
        " figures fell within the predicted interval.",
    )


def _measured(story: Observed) -> Html:
    return text(_window(story.plan, story.observation), _comparisons(story.comparisons))


def _window(plan: Plan, observation: Observation) -> Html:
    counts = ", ".join(
        f"{count:,} {word}"
        for word, count in (
            ("answered", observation.answered),
            ("late", observation.late),
            ("refused", observation.refused),
            ("failed", observation.failed),
        )
    )
    asked = words.given(plan.goal.serve.load.rate_rps, "rate")
    return text(
        paragraph(
            emphasis("Scaled to this machine. "),
            f"The goal's {asked} became {words.given(observation.load_rps, 'rate')} here: "
            f"{_sentence(plan.rehearsal.because)}",
        ),
        paragraph(
            f"{observation.sent:,} requests in {words.given(observation.window_s, 'time')} from "
            f"{words.moment(observation.started_at)}: {counts} ",
            badge("measured"),
            ".",
        ),
    )


_WIDEST: float = 8.0
"""The furthest that the shared axis reaches: beyond, a mark stands at the edge."""


def _comparisons(comparisons: Sequence[Comparison]) -> Html:
    """Every figure on one axis: measured as a multiple of the likely prediction."""
    reach = 1.5
    for comparison in comparisons:
        likely = comparison.predicted.likely
        if likely > 0.0:
            for value in (comparison.predicted.low, comparison.predicted.high, comparison.measured):
                if value > 0.0 and math.isfinite(value):
                    reach = max(reach, value / likely, likely / value)
    reach = min(_WIDEST, 1.1 * reach)

    def place(multiple: float) -> float:
        return 0.5 + 0.5 * math.log(multiple) / math.log(reach) if multiple > 0.0 else 0.0

    rows: list[Row] = []
    for comparison in comparisons:
        name, likely = comparison.figure, comparison.predicted.likely
        verdict = "within" if comparison.within else "outside"
        off = _off(comparison)
        drawn: Html | str = ""
        if likely > 0.0 and math.isfinite(likely):
            low, high = place(comparison.predicted.low / likely), place(comparison.predicted.high / likely)
            dot = min(0.995, max(0.005, place(comparison.measured / likely)))
            marks = [("bar interval", low, high - low), ("tick", 0.5, 0.0), (f"dot {verdict}", dot, 0.0)]
            said = f"measured {words.figure_value(name, comparison.measured)}, {verdict} "
            drawn = gauge(said + words.figure_interval(name, comparison.predicted), marks, ())
        rows.append(
            (
                verdict,
                (
                    words.figure_name(name),
                    drawn,
                    Cell(
                        text(
                            words.figure_value(name, likely),
                            element("small", {}, words.figure_interval(name, comparison.predicted)),
                        ),
                        likely,
                    ),
                    Cell(words.figure_value(name, comparison.measured), comparison.measured),
                    text(
                        element("span", {"class": f"verdict-{verdict}"}, verdict), element("small", {}, off)
                    ),
                ),
            )
        )
    columns = (
        Column("Figure", "short"),
        Column("Measured ÷ predicted", "drawing"),
        Column("Predicted", "number"),
        Column("Measured", "number"),
        Column("Interval", "short"),
    )
    scale = ((0.25, "¼"), (0.5, "½"), (0.8, "0.8"), (1.0, "1"), (1.25, "1.25"), (2.0, "2"), (4.0, "4"))
    fine = reach < 3.0
    ticks = element(
        "div",
        {"class": "scale", "aria-hidden": "true"},
        *(
            element("span", {"style": f"left:{100 * place(multiple):.1f}%"}, f"{label}×")
            for multiple, label in scale
            if 1.0 / reach <= multiple <= reach and (fine or multiple not in (0.8, 1.25))
        ),
    )
    caption = text("Predicted ", badge("predicted"), " against measured ", badge("measured"))
    rows.append(("axis", (element("span", {"class": "unseen"}, "scale"), ticks, "", "", "")))
    return table(caption=caption, columns=columns, rows=rows, abilities="")


def _off(comparison: Comparison) -> str:
    likely, measured = comparison.predicted.likely, comparison.measured
    if likely == 0.0 or not math.isfinite(likely) or not math.isfinite(measured):
        return ""
    off = measured / likely - 1.0
    if abs(off) < 0.005:
        return "as predicted"
    return f"{words.percent(abs(off))} {'above' if off > 0.0 else 'below'} the likely value"


_VERDICTS = {
    "proposed": "proposed",
    "applied": "applied",
    "kept": "applied and kept",
    "rolled_back": "applied and rolled back",
}


def _advice(advice: Sequence[Advice]) -> Html:
    if not advice:
        return paragraph("Nothing is wrong enough to advise a change.")
    items = []
    for one in advice:
        evidence = [
            f"{words.figure_name(seen.figure)}: {words.figure_value(seen.figure, seen.measured)} measured, "
            f"{words.figure_interval(seen.figure, seen.predicted)} predicted"
            for seen in one.evidence
        ]
        gain: list[str] = []
        if one.predicted_gain is not None:
            gain += [
                f"Predicted gain in {words.figure_name(one.gain)}: ",
                number(text(words.figure_interval(one.gain, one.predicted_gain), " ", badge("predicted"))),
                ". ",
            ]
        if one.measured_gain is not None:
            gain += [
                "Measured gain: ",
                number(words.figure_value(one.gain, one.measured_gain)),
                " ",
                badge("measured"),
                ".",
            ]
        items.append(
            element(
                "li",
                {},
                element("p", {"class": "cause"}, one.cause),
                paragraph(emphasis(one.action)),
                element("ul", {"class": "seen"}, *(element("li", {}, line) for line in evidence)),
                paragraph(*gain) if gain else "",
                element("p", {"class": "state"}, _VERDICTS[one.verdict]),
            )
        )
    return element("section", {"class": "advice"}, element("h3", {}, "Advice"), element("ol", {}, *items))


def _changes(story: Replanned) -> Html:
    before, after = story.plan.choice, story.replanned.choice
    cost_before = words.quantity(story.plan.cost_usd_per_month, "money_per_month")
    cost_after = words.quantity(story.replanned.cost_usd_per_month, "money_per_month")
    what = paragraph(
        "The plan was made again with what was learnt: ",
        emphasis(f"{before.layout.instances} × {before.offer.instance_type}"),
        f" for {cost_before} became ",
        emphasis(f"{after.layout.instances} × {after.offer.instance_type}"),
        f" for {cost_after}.",
    )
    columns = (
        Column("What", "short"),
        Column("Before", "short"),
        Column("After", "short"),
        Column("Why", "wide"),
    )
    rows = [
        (
            "",
            (
                change.what,
                change.before,
                text(
                    element("span", {"class": "arrow", "aria-hidden": "true"}, "→ "), emphasis(change.after)
                ),
                change.why,
            ),
        )
        for change in story.replanned.changes
    ]
    changed = (
        table(caption="What changed, and why", columns=columns, rows=rows, abilities="") if rows else Html()
    )
    return element("section", {"class": "changes"}, element("h3", {}, "The corrected plan"), what, changed)
