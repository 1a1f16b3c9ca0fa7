"""Why this plan: limits, neighbours, cost stack, what would turn it, regions, what fell out; with or without a script."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from tradewind.show import explaining, words
from tradewind.show.report import drawing
from tradewind.show.report.map import regions_map
from tradewind.show.report.markup import Cell, Column, Html, Row, badge, badges, element, gauge, table, text
from tradewind.show.report.section import Section, chart_frame, emphasis, paragraph
from tradewind.show.report.timeline import composition, timeline

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tradewind.domain.explanation import Bound, Curve, Explanation, Option, Turn
    from tradewind.domain.noun import Origin

__all__ = ["explain_section", "explanation_header", "explanation_sections", "options_plot"]

STACKED: Final = 12
"""Candidates in the cost stack."""
REACH: Final = 8.0
"""Factors from where the goal stands that the chart of turning points reaches to each side."""
MOST_POINTS: Final = 600
"""Candidates in the plot."""
CURVE_PX: Final = 210.0
ORIGINS: Final[dict[Origin, str]] = {
    "measured": "on your data or machine",
    "predicted": "by the cost model",
    "quoted": "by a price list",
    "assumed": "for want of a source",
}


def explain_section(found: Explanation) -> Section:
    """All of it as one chapter of the report of a run, which has its own plot of plans and its own sources."""
    return Section(
        identifier="why",
        title="Why this plan",
        takeaway=_takeaway(found),
        body=text(
            _limits(found),
            _neighbours(found),
            _stack(found),
            _sensitivity(found),
            _regions(found),
            _fallen(found),
        ),
        charts={},
    )


def explanation_header(found: Explanation) -> Html:
    """What was asked, and the choice in a sentence."""
    state = (
        ("met", "The goal is met")
        if found.met
        else ("missed", "Nothing keeps the goal; this is the nearest answer")
    )
    misses = (
        element("ul", {"class": "misses"}, *(element("li", {}, miss) for miss in found.misses))
        if found.misses
        else ""
    )
    legend = (
        element("li", {}, badge(origin), " ", element("b", {}, origin), f" {said}")
        for origin, said in ORIGINS.items()
    )
    headline, _, rest = explaining.choice_sentence(found).partition(". ")
    return element(
        "header",
        {"class": "verdict", "id": "verdict"},
        element("p", {"class": "asked"}, element("span", {"class": "eyebrow"}, "Asked"), found.goal),
        element("p", {"class": f"state {state[0]}"}, state[1]),
        element("h1", {}, f"{headline}."),
        element("p", {"class": "lead"}, rest),
        misses,
        element("ul", {"class": "legend"}, *legend),
    )


def explanation_sections(found: Explanation) -> tuple[Section, ...]:
    """The chapters of a page of its own: of a plan for serving, or for training."""
    chapters = [
        Section("binds", "What binds it", _takeaway(found), text(_limits(found), _because(found)), {}),
        Section(
            "others",
            "What else was possible",
            paragraph(
                emphasis(words.counted(len(found.options), "plan", "plans")),
                " in the plot: the choice, what nothing else beats in everything, and the nearest answers. Choose"
                " clouds and ways of purchase above the plot; a mark tells its figures.",
            ),
            text(
                chart_frame("options", "Cost against time", fallback(found)),
                _neighbours(found),
                _stack(found),
            ),
            {"options": options_plot(found)},
        ),
    ]
    if found.timeline:
        said = paragraph(
            "One step of training: what takes its time, and how the layout spreads it over the pipeline."
        )
        drawn = text(composition(found.shares), timeline(found.timeline, found.timeline_note))
        chapters.append(Section("step", "A training step", said, drawn, {}))
    chapters.append(Section("turns", "What would change it", _turned(found), _sensitivity(found), {}))
    if found.places:
        said = paragraph(
            "What the same goal costs in each region; where the prices are from stands with the numbers."
        )
        chapters.append(Section("regions", "Where", said, _regions(found), {}))
    if found.fallen:
        refused = sum(len(group.families) for group in found.fallen)
        said = paragraph(
            emphasis(words.counted(refused, "family", "families")), " fell out, each for a reason."
        )
        chapters.append(Section("fallen", "What fell out", said, _fallen(found), {}))
    said = paragraph(
        "Limits are the goal's. Every other number was measured, predicted, quoted or assumed, by whom and when."
    )
    chapters.append(Section("sources", "Where every number comes from", said, _sources(found), {}))
    return tuple(chapters)


def _takeaway(found: Explanation) -> Html:
    return text(
        paragraph(explaining.binding_sentence(found)),
        paragraph(f"{found.basis_note[0].upper()}{found.basis_note[1:]}."),
    )


# ---- Limits


def _because(found: Explanation) -> Html:
    if not found.because:
        return Html()
    return element(
        "section",
        {},
        element("h3", {}, "What dominates the prediction ", badge("predicted")),
        element("ol", {"class": "because"}, *(element("li", {}, line) for line in found.because)),
    )


def _limits(found: Explanation) -> Html:
    asked_again = any(one.saves_usd is not None for one in found.bounds)
    columns = [
        Column("What", "short"),
        Column("Used", "strip"),
        Column("Limit", "number"),
        Column("The choice", "number"),
        Column("Room", "number"),
        Column("Loosened, and why" if asked_again else "Why"),
    ]
    rows: list[Row] = []
    for one in found.bounds:
        name = text(
            element("span", {"class": "name"}, one.name),
            element("small", {}, "at its limit") if one.tight else "",
        )
        cells: list[Cell | str] = [
            Cell(name, one.name),
            _used(one),
            "" if one.asked is None else explaining.amount(one.asked, one.unit),
            text("" if one.asked is None else explaining.amount(one.got, one.unit), " ", badge(one.origin)),
            explaining.room(one),
        ]
        cells.append(text(explaining.loosening(found, one), element("small", {}, one.because)))
        rows.append(("chosen" if one.tight else "", cells))
    caption = text("Every limit, and how much of it is left ", badges(one.origin for one in found.bounds))
    return table(caption=caption, columns=columns, rows=rows, abilities="")


def _used(bound: Bound) -> Html | str:
    """A strip that is filled as far as the limit is used."""
    if bound.room is None or bound.name == "fewest machines":
        return ""
    used = 1.0 - bound.room
    end = max(1.0, min(used, 2.0))
    kind = "bar over" if used > 1.0 else "bar"
    said = f"{bound.name}: {words.percent(used)} used"
    return gauge(
        said,
        [(kind, 0.0, min(used, 2.0) / end), ("limit", 1.0 / end - (0.002 if end == 1.0 else 0.0), 0.0)],
        [],
    )


# ---- Neighbours


def _neighbours(found: Explanation) -> Html:
    columns = (
        Column("Direction", "short"),
        Column("The next-best"),
        Column("More cost", "number"),
        Column("More time", "number"),
        Column("And", "wide"),
    )
    rows: list[Row] = []
    for one in found.neighbours:
        name = explaining.direction(one.direction)
        if one.option is None:
            rows.append(("lost", (Cell(name, name), "none", "", "", element("small", {}, one.because))))
            continue
        where = text(
            element("span", {"class": "name"}, one.option.name),
            element(
                "small", {}, f"{words.PURCHASES[one.option.purchase]}, {one.option.cloud} {one.option.region}"
            ),
        )
        rows.append(
            (
                "",
                (
                    Cell(name, name),
                    Cell(where, one.option.name),
                    Cell(_more(explaining.money(found, abs(one.usd)), one.usd), one.usd),
                    Cell(_more(words.quantity(abs(one.time_s), "time"), one.time_s), one.time_s),
                    _besides(found, one.option),
                ),
            )
        )
    own = found.choice.carbon_kg
    carbon = "of unknown carbon" if own is None else f"{words.digits(own)} kg CO2e"
    choice = f"The next-best in each direction, against the choice: {words.percent(found.choice.confidence)} sure, {carbon} "
    caption = text(choice, badge("predicted"), badge("quoted"))
    return table(caption=caption, columns=columns, rows=rows, abilities="sort")


def _besides(found: Explanation, one: Option) -> Html:
    """What else differs from the choice: the confidence, the carbon, and what runs."""
    parts = [f"{words.percent(one.confidence)} sure"]
    if one.carbon_kg is not None:
        parts.append(f"{words.digits(one.carbon_kg)} kg CO2e")
    return text(", ".join(parts), element("small", {}, one.what) if one.what != found.choice.what else "")


def _more(amount: str, value: float) -> str:
    return f"−{amount}" if value < 0.0 else f"+{amount}" if value > 0.0 else amount


# ---- The plot of options, and what stands there without a script


def options_plot(found: Explanation) -> dict[str, Any]:
    """What the page's script draws: cost against time, carbon and confidence, with choices of cloud and purchase."""
    serving = found.subject == "serving"
    predicted = {"badge": "P", "origin": "predicted"}
    budget, bound = found.limits.get("cost_usd"), found.limits.get("time_s")
    return {
        "kind": "scatter",
        "label": "Plans",
        "hue_order": ("azure", "aws", "gcp"),
        "shape_order": tuple(words.PURCHASES.values()),
        "filters": [["hue", "Cloud"], ["shape", "Purchase"]],
        "x": [
            {
                "key": "cost",
                "label": "cost a month" if serving else "cost of the job",
                "unit": "money",
                "better": "less",
                "badge": "Q",
                "origin": "quoted",
                **({} if budget is None else {"limit": {"at": budget, "label": "budget"}}),
            }
        ],
        "y": [
            {
                "key": "time",
                "label": f"{found.time_name} latency" if serving else found.time_name,
                "unit": "time",
                "better": "less",
                **(
                    {}
                    if bound is None
                    else {"limit": {"at": bound, "label": "bound" if serving else "deadline"}}
                ),
                **predicted,
            },
            {"key": "carbon", "label": "carbon", "unit": "carbon", "better": "less", **predicted},
            {"key": "confidence", "label": "confidence", "unit": "share", "better": "more", **predicted},
        ],
        "points": [_point(found, one) for one in found.options[:MOST_POINTS]],
    }


def _point(found: Explanation, one: Option) -> dict[str, Any]:
    values: dict[str, Any] = {
        "cost": [one.cost_usd],
        "time": [one.time_s, one.time_low_s, one.time_high_s],
        "confidence": [one.confidence],
    }
    if one.carbon_kg is not None:
        values["carbon"] = [one.carbon_kg]
    return {
        "name": one.name,
        "hue": one.cloud,
        "shape": words.PURCHASES[one.purchase],
        "standing": "chosen" if one.key == found.choice.key else "front",
        "values": values,
        "more": _figures(found, one),
        "parts": [
            [words.COST_PARTS.get(part.name, part.name.replace("_", " ")), explaining.money(found, part.usd)]
            for part in sorted(one.parts, key=lambda part: -part.usd)
        ],
    }


def _figures(found: Explanation, one: Option) -> list[tuple[str, str]]:
    figures = [
        ("where", f"{one.cloud} {one.region}, {words.PURCHASES[one.purchase]}"),
        ("what", one.what),
        ("cost", explaining.money(found, one.cost_usd)),
        (found.time_name, words.quantity(one.time_s, "time")),
        ("confidence", words.percent(one.confidence)),
    ]
    if one.carbon_kg is not None:
        figures.append(("carbon", f"{words.digits(one.carbon_kg)} kg CO2e"))
    return figures


def fallback(found: Explanation) -> Html:
    """The plot of cost against time as a drawing, for readers without a script and for paper."""
    options = found.options[:MOST_POINTS]
    costs, times = [one.cost_usd for one in options], [one.time_s for one in options]
    across, x_ticks = _log_scale(costs)
    up, y_ticks = _log_scale(times)
    parts = []
    for tick in x_ticks:
        parts.append(drawing.line(across(tick), 0.0, across(tick), 1.0, {"class": "grid"}))
        parts.append(
            drawing.words_at(
                across(tick), 1.0, explaining.money(found, tick), {"dy": "18", "text-anchor": "middle"}
            )
        )
    for tick in y_ticks:
        y = 1.0 - up(tick)
        parts.append(drawing.line(0.0, y, 1.0, y, {"class": "grid"}))
        parts.append(
            drawing.words_at(0.0, y, words.given(tick, "time"), {"dx": "-8", "dy": "4", "text-anchor": "end"})
        )
    order = {"azure": 1, "aws": 2, "gcp": 3}
    for one in reversed(options):
        chosen = one.key == found.choice.key
        attributes = {"class": f"mark hue-{order.get(one.cloud, 4)}" + (" own" if chosen else "")}
        parts.append(
            drawing.mark(
                across(one.cost_usd),
                1.0 - up(one.time_s),
                8.0 if chosen else 5.0,
                attributes,
                one.name,
                _figures(found, one),
            )
        )
    label = f"{len(options)} plans: {found.time_name} against cost"
    clouds = sorted({one.cloud for one in options}, key=lambda cloud: order.get(cloud, 4))
    return element(
        "div",
        {"class": "still"},
        drawing.canvas(label, 320, *parts, margin="8px 20px 30px 84px"),
        drawing.keys([(f"hue-{order.get(cloud, 4)} dot", cloud) for cloud in clouds]),
    )


def _log_scale(values: Sequence[float]) -> tuple[Callable[[float], float], list[float]]:
    """Where a value goes, 0 to 1, by its logarithm, and the ticks; the scale ends a little beyond the values."""
    known = [value for value in values if value > 0.0] or [1.0]
    beyond = max(1.02, (max(known) / min(known)) ** 0.08)
    low, high = min(known) / beyond, max(known) * beyond
    span = math.log(high / low)
    return lambda value: math.log(max(value, low) / low) / span, drawing.log_ticks(low, high)


# ---- The cost stack


def _stack(found: Explanation) -> Html:
    """The parts of the cost of each candidate on one scale."""
    near = [one.option for one in found.neighbours if one.option is not None]
    shown = list(
        {
            one.key: one
            for one in (found.choice, *sorted((*found.options, *near), key=lambda one: one.cost_usd))
        }.values()
    )
    kept = {one.key for one in near}
    # Neighbours are compared in any case; the cheapest of the others fill up.
    chosen = [
        found.choice,
        *[one for one in shown[1:] if one.key in kept],
        *[one for one in shown[1:] if one.key not in kept],
    ]
    # Ways that differ only in what runs on a machine cost the same.
    chosen = list(
        {
            (one.machines, one.instance_type, one.region, one.purchase): one for one in reversed(chosen)
        }.values()
    )[::-1]
    chosen = [chosen[0], *sorted(chosen[1:STACKED], key=lambda one: (one.cost_usd, one.key))]
    totals: dict[str, float] = {}
    for one in chosen:
        for part in one.parts:
            totals[part.name] = totals.get(part.name, 0.0) + part.usd
    names = [name for name, usd in sorted(totals.items(), key=lambda pair: -pair[1]) if usd > 0.0]
    if not names:
        return Html()
    end = max(one.cost_usd for one in chosen) or 1.0
    budget = found.limits.get("cost_usd", 0.0)
    reach = max(end, budget) if 0.0 < budget < 1.6 * end else end
    lanes = [_lane(found, one, names, reach, budget) for one in chosen]
    entries = [
        (f"piece-{place}", words.COST_PARTS.get(name, name.replace("_", " ")))
        for place, name in enumerate(names[:6], start=1)
    ]
    label = f"What {words.counted(len(chosen), 'candidate', 'candidates')} cost, part by part"
    return element(
        "section",
        {},
        element("h3", {}, "The cost stack ", badges(part.origin for one in chosen for part in one.parts)),
        drawing.frame(
            "stack", label, element("div", {"class": "stack", "role": "list"}, *lanes), drawing.keys(entries)
        ),
    )


def _lane(found: Explanation, one: Option, names: Sequence[str], reach: float, budget: float) -> Html:
    parts = {part.name: part for part in one.parts}
    pieces = []
    for place, name in enumerate(names, start=1):
        part = parts.get(name)
        if part is None or part.usd <= 0.0:
            continue
        said = words.COST_PARTS.get(name, name.replace("_", " "))
        lines = [
            ("", explaining.money(found, part.usd)),
            ("", part.because),
            ("source", f"{part.source}, {part.as_of}"),
        ]
        width = f"width:{drawing.share(part.usd / reach)}"
        pieces.append(
            element(
                "i",
                {
                    "class": f"piece-{min(place, 6)}",
                    "style": width,
                    "title": f"{said}: {lines[0][1]}",
                    **drawing.tip(said, lines),
                },
            )
        )
    mark = (
        element("i", {"class": "budget", "style": f"left:{drawing.share(budget / reach)}"})
        if 0.0 < budget <= reach
        else ""
    )
    own = one.key == found.choice.key
    name = text(
        element("b", {}, f"{'★ ' if own else ''}{one.name}"),
        element("small", {}, f"{words.PURCHASES[one.purchase]}, {one.cloud} {one.region}"),
    )
    return element(
        "div",
        {"class": "lane own" if own else "lane", "role": "listitem"},
        element("span", {"class": "lane-name"}, name),
        element("span", {"class": "lane-bar"}, *pieces, mark),
        element("span", {"class": "lane-sum"}, explaining.money(found, one.cost_usd)),
    )


# ---- Sensitivity


def _turned(found: Explanation) -> Html:
    moved = [one for one in found.turns if one.at is not None and one.at > 0.0 and one.now > 0.0]
    if not moved:
        return paragraph("Within what was tried, nothing changes the choice.")
    first = min(moved, key=lambda one: abs(math.log(_factor(one))))
    return text(
        paragraph(
            "The first to turn it: ",
            emphasis(f"{first.name}: {explaining.turn_values(first)[1]}"),
            f", then {explaining.readable(first.then)}.",
        ),
        paragraph(
            "Each number is moved alone, all others stay."
            if found.basis == "replanned"
            else "From the kept candidates alone."
        ),
    )


def _factor(turn: Turn) -> float:
    """How far a number moves until the choice turns; of a confidence, the risk."""
    at = turn.at if turn.at is not None else turn.tried
    if turn.unit == "share":
        return (1.0 - turn.now) / max(1.0 - at, 1e-9)
    return at / turn.now if turn.now > 0.0 and at > 0.0 else 1.0 / (2.0 * REACH)


def _sensitivity(found: Explanation) -> Html:
    columns = (
        Column("What moves", "short"),
        Column(f"From an {REACH:.0f}th to {REACH:.0f} times", "drawing"),
        Column("Now", "number"),
        Column("Turns at", "number"),
        Column("Then", "wide"),
    )
    rows: list[Row] = []
    for one in found.turns:
        now, at = explaining.turn_values(one)
        rows.append(
            (
                "" if one.at is not None else "lost",
                (Cell(one.name, one.name), _reach(one), now, at, explaining.turn_sentence(found, one)),
            )
        )
    caption = text(
        "How far each number may move before the choice is another ", badge("predicted"), badge("quoted")
    )
    drawn = [_curve(found, one) for one in found.curves]
    return text(
        table(caption=caption, columns=columns, rows=rows, abilities=""),
        element("div", {"class": "pair"}, *drawn) if drawn else "",
    )


def _reach(turn: Turn) -> Html:
    """The room to move, from where the number stands: filled, with an end where the choice turns."""

    def place(factor: float) -> float:
        return min(1.0, max(0.0, 0.5 + 0.5 * math.log(factor) / math.log(REACH)))

    end = place(_factor(turn))
    low, high = min(0.5, end), max(0.5, end)
    marks = [("bar" if turn.at is not None else "before", low, high - low), ("limit", 0.5, 0.0)]
    if turn.at is not None:
        marks.append(("dot", end, 0.0))
    said = explaining.turn_values(turn)
    return gauge(f"{turn.name}: now {said[0]}, turns at {said[1]}", marks, [])


def _curve(found: Explanation, curve: Curve) -> Html:
    """The cost of the cheapest way over one number, the colour changing with what is chosen."""
    known = [(point.at, point.usd) for point in curve.points if point.usd is not None]
    if not known:
        return Html()
    low, high = math.log(curve.points[0].at), math.log(curve.points[-1].at)
    costs = [usd for _, usd in known]
    up, ticks = _log_scale(costs)

    def across(at: float) -> float:
        return (math.log(at) - low) / (high - low)

    parts: list[Html] = []
    for tick in ticks[:: max(1, len(ticks) // 5)]:
        parts.append(drawing.line(0.0, 1.0 - up(tick), 1.0, 1.0 - up(tick), {"class": "grid"}))
        parts.append(
            drawing.words_at(
                0.0,
                1.0 - up(tick),
                f"{words.digits(tick)} usd",
                {"dx": "-8", "dy": "4", "text-anchor": "end"},
            )
        )
    for tick in (curve.points[0].at, curve.now, curve.points[-1].at):
        anchor = "start" if tick == curve.points[0].at else "end" if tick == curve.points[-1].at else "middle"
        said = explaining.amount(tick, curve.unit)
        parts.append(
            drawing.words_at(
                across(tick),
                1.0,
                f"now {said}" if tick == curve.now else said,
                {"dy": "18", "text-anchor": anchor},
            )
        )
    refused = [point.at for point in curve.points if point.usd is None]
    if refused:
        # What cannot be kept lies at one end: below the tightest bound, or above the highest load.
        first, last = across(min(refused)), across(max(refused))
        step = across(curve.points[1].at)
        left, right = max(0.0, first - 0.5 * step), min(1.0, last + 0.5 * step)
        parts.append(
            element(
                "rect",
                {
                    "class": "beyond",
                    "x": drawing.share(left),
                    "y": "0",
                    "width": drawing.share(right - left),
                    "height": "100%",
                },
            )
        )
        place = (
            {"class": "bound-label", "dx": "6", "dy": "14"}
            if left < 0.5
            else {"class": "bound-label", "dx": "-6", "dy": "14", "text-anchor": "end"}
        )
        parts.append(drawing.words_at(left if left < 0.5 else right, 0.0, "nothing keeps it", place))
    parts.append(drawing.line(across(curve.now), 0.0, across(curve.now), 1.0, {"class": "bound"}))
    own = [_machine(point.what) for point in curve.points if point.at == curve.now and point.usd is not None]
    machines = dict.fromkeys(
        [*own, *(_machine(point.what) for point in curve.points if point.usd is not None)]
    )
    hues = {what: 1 + place % 6 for place, what in enumerate(machines)}
    before = None
    dots: list[Html] = []
    for point in curve.points:
        if point.usd is None:
            before = None
            continue
        x, y, hue = across(point.at), 1.0 - up(point.usd), f"hue-{hues[_machine(point.what)]}"
        if before is not None:
            parts.append(drawing.line(*before, x, y, {"class": f"line {hue}"}))
        before = (x, y)
        lines = [("cheapest", explaining.readable(point.what)), ("cost", explaining.money(found, point.usd))]
        ring = " own" if point.at == curve.now else ""
        dots.append(
            drawing.mark(
                x,
                y,
                6.0 if ring else 4.0,
                {"class": f"mark {hue}{ring}"},
                f"{curve.name} {explaining.amount(point.at, curve.unit)}",
                lines,
            )
        )
    label = f"Cost of the cheapest way over the {curve.name}"
    entries = [(f"hue-{hue} dot", explaining.readable(what)) for what, hue in hues.items()]
    return drawing.frame(
        f"curve-{curve.unit}",
        label,
        element("p", {"class": "chart-title"}, label, " ", badge("predicted"), badge("quoted")),
        drawing.canvas(label, CURVE_PX, *parts, *dots, margin="12px 16px 30px 78px"),
        drawing.keys(entries[:6]),
    )


def _machine(what: str) -> str:
    """What is chosen without how many of it."""
    return what.partition(" x ")[2] or what


# ---- Regions, what fell out, sources


def _regions(found: Explanation) -> Html:
    if not found.places:
        return Html()
    columns = (
        Column("Region", "short"),
        Column("Cheapest there"),
        Column("Cost", "number"),
        Column("More", "number"),
    )
    least = min(place.usd for place in found.places)
    rows: list[Row] = [
        (
            "chosen" if place.chosen else "",
            (
                Cell(f"{place.cloud} {place.region}", f"{place.cloud} {place.region}"),
                explaining.readable(place.what),
                Cell(explaining.money(found, place.usd), place.usd),
                Cell(f"+{words.percent(place.usd / least - 1.0)}" if least else "", place.usd),
            ),
        )
        for place in found.places
    ]
    every = found.basis == "replanned"
    what = (
        "The cheapest way in each region"
        if every
        else "The regions of what the plan keeps, the cheapest in each"
    )
    return text(
        element("section", {}, element("h3", {}, "Where else ", badge("quoted")), regions_map(found)),
        element(
            "details",
            {},
            element("summary", {}, f"All {words.counted(len(rows), 'region', 'regions')}"),
            table(caption=what, columns=columns, rows=rows, abilities="sort filter"),
        ),
    )


def _fallen(found: Explanation) -> Html:
    if not found.fallen:
        return Html()
    groups = []
    for group in found.fallen:
        items = [
            text(element("dt", {}, name or "others"), element("dd", {}, ", ".join(members)))
            for name, members in explaining.by_cloud(group.families)
        ]
        groups.append(
            element(
                "details",
                {},
                element("summary", {}, group.reason, " ", element("small", {}, explaining.beyond(group))),
                paragraph(f"The nearest: {group.nearest}"),
                element("dl", {"class": "facts steps"}, *items),
            )
        )
    return element("section", {"class": "fallen"}, element("h3", {}, "What fell out, by reason"), *groups)


def _sources(found: Explanation) -> Html:
    columns = (
        Column("Number"),
        Column("Value", "number"),
        Column("Source", "wide"),
        Column("As of", "short"),
    )
    rows: list[Row] = []
    for one in found.sources:
        part = one.what.removeprefix("cost: ")
        name = words.COST_PARTS.get(part, part.replace("_", " "))
        rows.append(
            (
                "",
                (
                    name,
                    text(explaining.amount(one.value, one.unit), " ", badge(one.origin)),
                    one.source,
                    one.as_of,
                ),
            )
        )
    caption = text("Every number of the choice ", badges(one.origin for one in found.sources))
    return table(caption=caption, columns=columns, rows=rows, abilities="filter")
