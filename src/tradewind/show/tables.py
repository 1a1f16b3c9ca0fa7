"""Tables: what each step found, for a terminal.

In: nouns. Out: things that rich can print, made for 100 columns, readable at 80 and without colour: a mark says
what a colour says.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.padding import Padding
from rich.text import Text

from tradewind.show import blocks, readings, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType
    from rich.table import Table

    from tradewind.domain.estimate import Comparison, Estimate, Figures, Observation
    from tradewind.domain.host import Host
    from tradewind.domain.noun import Range
    from tradewind.domain.plan import Advice, Candidate, Change, Plan
    from tradewind.domain.profile import Front, LatencyPoint, Profile

__all__ = [
    "advice",
    "changes",
    "comparisons",
    "estimate",
    "front",
    "host",
    "observation",
    "plan",
    "profile",
]

RUNNERS_UP: Final = 5
"""Alternatives that stand under a plan; the report has them all."""
REJECTED: Final = 6
"""Rejected families that stand under a plan."""
OPERATORS: Final = 5
"""Operators that stand under a profile, the heaviest first."""
BATCHES: Final = 6
"""Columns of the latency curve: fits into 80."""


def host(found: Host) -> RenderableType:
    """The machine at hand."""
    clock = f" at {words.digits(found.ghz)} GHz" if found.ghz is not None else ""
    cores = words.counted(found.physical_cores, "core", "cores")
    table = blocks.facts()
    blocks.add(table, "CPU", f"{found.cpu_model} ({found.cpu_architecture}){clock}")
    blocks.add(
        table,
        "cores",
        f"{cores}, {found.logical_cores} logical; {', '.join(found.isa) or 'no extension known'}",
    )
    blocks.add(
        table,
        "memory",
        f"{_bytes(found.memory_bytes)}, {_bytes(found.memory_bandwidth_bytes_per_s)}/s measured",
    )
    blocks.add(
        table, "speed", f"{words.digits(found.gemm_flops_per_s_per_core / 1e9)} GFLOP/s a core measured, fp32"
    )
    if found.accelerators:
        blocks.add(table, "accelerators", ", ".join(found.accelerators))
    return blocks.section("This machine", "measured", table)


def profile(found: Profile) -> RenderableType:
    """What a network costs: its size, its heaviest operators, and its latency over batch and threads."""
    variant = found.variant
    table = blocks.facts()
    blocks.add(
        table, "network", f"{variant.parameters:,} parameters, {_bytes(found.weight_bytes)} of weights"
    )
    blocks.add(table, "one row", f"{_flops(found.flops)}, {_heaviest(found)}")
    blocks.add(
        table, "memory", f"{_bytes(found.peak_memory_bytes)} at most, ready after {_seconds(found.load_s)}"
    )
    blocks.add(table, "noise", f"{words.percent(found.noise)}: what differs by less is the same")
    return blocks.section(f"Profile of {variant.name}", "measured", Group(table, Text(), _curve(found.curve)))


def _heaviest(found: Profile) -> str:
    ranked = sorted(found.operators, key=lambda operator: -operator.flops)[:OPERATORS]
    total = found.flops or 1.0
    shares = [
        f"{operator.name} {words.percent(operator.flops / total)}" for operator in ranked if operator.flops
    ]
    return "of which " + words.listed(shares, "and") if shares else "no operator counted"


def _curve(points: Sequence[LatencyPoint]) -> Table:
    """Latency of one call: threads down, batches across; the ends and as many between as fit."""
    batches = sorted({point.batch for point in points})
    if len(batches) > BATCHES:
        step = (len(batches) - 1) / (BATCHES - 1)
        batches = [batches[round(place * step)] for place in range(BATCHES)]
    table = blocks.table("rows in a call", *(f"{batch}" for batch in batches))
    for threads in sorted({point.threads for point in points}):
        known = {point.batch: point for point in points if point.threads == threads}
        cells = [_seconds(known[batch].low_s) if batch in known else "" for batch in batches]
        blocks.add(table, words.counted(threads, "thread", "threads"), *cells)
    return table


def front(found: Front) -> RenderableType:
    """All variants beside the original, and why the others were left."""
    judged = found.profiles[0].variant.judgement
    metric = f"measured; quality is {judged.metric}" if judged is not None else "measured"
    reasons = blocks.facts()
    for one in found.profiles:
        stands, reason = readings.standing(found, one)
        if stands == "lost":
            blocks.add(reasons, f"○ {one.variant.name}", reason)
    for failed in found.failed:
        blocks.add(reasons, f"✕ {failed.name}", failed.reason)
    legend = Text(
        "● nothing beats it in everything   ○ lost   pace: rows a second, at the best batch", style="dim"
    )
    parts: list[RenderableType] = [blocks.Fitting(_variants(found), _variants_briefly(found)), legend]
    if reasons.row_count:
        parts += [Text(), reasons]
    return blocks.section("The front", metric, Group(*parts))


def _variants(found: Front) -> Table:
    before = readings.at_rest(found.profiles[0])
    table = blocks.table(
        "", "variant", "quality", "change", f"batch {before.batch}", "", "pace", "", "memory", "size"
    )
    table.columns[1].justify = "left"
    for one in found.profiles:
        mark, name, change, *speeds = _standings(found, one)
        judged = one.variant.judgement
        quality = words.metric_value(judged.value) if judged is not None else ""
        sizes = (_bytes(one.peak_memory_bytes), _bytes(float(one.variant.size_bytes)))
        blocks.add(
            table,
            mark,
            name,
            quality,
            change,
            *speeds,
            *sizes,
            style="" if mark == _MARKS["front"] else "dim",
        )
    return table


def _variants_briefly(found: Front) -> Table:
    before = readings.at_rest(found.profiles[0])
    table = blocks.table("", "variant", "change", f"batch {before.batch}", "", "pace", "")
    table.columns[1].justify = "left"
    for one in found.profiles:
        mark, *cells = _standings(found, one)
        blocks.add(table, mark, *cells, style="" if mark == _MARKS["front"] else "dim")
    return table


def _standings(found: Front, one: Profile) -> tuple[str, ...]:
    """Mark, name, change of quality, latency and pace, the latter two also against the original."""
    original = found.profiles[0]
    before, after = readings.at_rest(original), readings.at_rest(one)
    best, pace = readings.best_throughput_rps(original), readings.best_throughput_rps(one)
    judged = one.variant.judgement
    return (
        _MARKS[readings.standing(found, one)[0]],
        one.variant.name,
        words.metric_change(judged.delta) if judged is not None else "",
        _seconds(after.low_s),
        words.ratio(before.low_s / after.low_s),
        words.pace(pace).removesuffix("rows/s").strip() + "/s",
        words.ratio(pace / best),
    )


_MARKS: Final = {"front": "●", "lost": "○"}


def plan(found: Plan) -> RenderableType:
    """The choice, what it costs and why, what else was possible, and what fell out."""
    choice, percentile = found.choice, found.goal.serve.percentile
    latency = choice.estimate.latency_s[percentile]
    budget = words.given(found.goal.budget_usd_per_month, "money_per_month")
    bound = words.given(found.goal.serve.latency_s, "time")
    table = blocks.facts()
    blocks.add(table, "serve", Text(f"{choice.variant_name} on {_machines(choice)}", style="bold"))
    blocks.add(table, "layout", words.layout_sentence(choice.layout))
    blocks.add(table, "cost", f"{_usd(choice.cost_usd_per_month)} of a budget of {budget}")
    blocks.add(
        table, percentile, f"{_seconds(latency.likely)} ({words.interval(latency, 'time')}), bound {bound}"
    )
    blocks.add(table, "confidence", words.percent(choice.confidence))
    for line in choice.estimate.because[:3]:
        blocks.add(table, "because", line)
    parts: list[RenderableType] = [table, Text(), _costs(choice)]
    if found.misses:
        parts = [_misses(found), Text(), *parts]
    others = readings.candidates(found)[1:]
    if others:
        parts += [Text(), _others(others, percentile)]
    if found.rejected:
        parts += [Text(), _rejected(found)]
    title = "The plan" if found.meets_goal else "No plan meets the goal; the nearest answer"
    considered = f"predicted, {found.considered:,} ways weighed, prices of {found.snapshot}"
    return blocks.section(title, considered, Group(*parts))


def _misses(found: Plan) -> Table:
    table = blocks.facts()
    for miss in found.misses:
        blocks.add(table, Text("✕ missed", style="red"), f"{words.miss_sentence(miss)}\n{miss.advice}")
    return table


def _costs(choice: Candidate) -> Table:
    table = blocks.table("a month", "usd", "multiplied", "quoted from")
    table.columns[2].justify = table.columns[3].justify = "left"
    for part in sorted(choice.costs, key=lambda part: -part.usd_per_month):
        origin = "" if part.origin == "quoted" else f" [{part.origin}]"
        blocks.add(
            table,
            words.COST_PARTS.get(part.name, part.name),
            f"{part.usd_per_month:,.2f}",
            part.because + origin,
            Text(f"{part.source}, {part.as_of}", style="dim"),
        )
    blocks.add(table, "together", f"{choice.cost_usd_per_month:,.2f}", "", "", style="bold")
    return table


def _others(others: Sequence[Candidate], percentile: str) -> Table:
    more = f" ({len(others) - RUNNERS_UP:,} more in the report)" if len(others) > RUNNERS_UP else ""
    table = blocks.table(f"runners-up{more}", "usd/month", percentile, "sure", "variant")
    table.columns[4].justify = "left"
    for one in others[:RUNNERS_UP]:
        blocks.add(
            table,
            _machines(one),
            f"{one.cost_usd_per_month:,.2f}",
            _seconds(one.estimate.latency_s[percentile].likely),
            words.percent(one.confidence),
            one.variant_name,
        )
    return table


def _rejected(found: Plan) -> Table:
    more = (
        f" ({len(found.rejected) - REJECTED:,} more in the report)" if len(found.rejected) > REJECTED else ""
    )
    table = blocks.table(f"fell out{more}", "alternatives", "because")
    table.columns[2].justify = "left"
    for family in found.rejected[:REJECTED]:
        blocks.add(table, family.name, f"{family.count:,}", family.reason)
    return table


def comparisons(found: Sequence[Comparison], observed: Observation) -> RenderableType:
    """Predicted against measured, each on one scale: the interval, its likely value, and what was measured."""
    drawn = blocks.table("", "predicted", "interval", "measured", "", "")
    brief = blocks.table("", "predicted", "interval", "measured", "")
    for column in (*drawn.columns[4:], *brief.columns[4:]):
        column.justify = "left"
    for one in found:
        cells = (
            words.figure_name(one.figure),
            words.figure_value(one.figure, one.predicted.likely),
            words.figure_interval(one.figure, one.predicted),
            words.figure_value(one.figure, one.measured),
        )
        verdict = Text("✓ within") if one.within else Text("✕ outside", style="red")
        blocks.add(drawn, *cells, _strip(one), verdict)
        blocks.add(brief, *cells, verdict)
    inside = sum(one.within for one in found)
    title = f"Predicted against measured: {inside} of {len(found)} within"
    return blocks.section(
        title,
        "measured",
        Group(Text(f"requests: {_requests(observed)}", style="dim"), Text(), blocks.Fitting(drawn, brief)),
    )


def estimate(found: Estimate) -> RenderableType:
    """What is expected, with its interval and its reasons."""
    table = blocks.table("", "likely", "low to high")
    for figure, around in _figures(found):
        blocks.add(
            table,
            words.figure_name(figure),
            words.figure_value(figure, around.likely),
            words.figure_interval(figure, around),
        )
    reasons = blocks.facts()
    for line in found.because:
        blocks.add(reasons, "because", line)
    load = words.given(found.load_rps, "rate")
    note = f"predicted at {load}; intervals hold {words.percent(found.level)} of cases"
    return blocks.section("Estimate", note, Group(table, Text(), reasons))


def observation(found: Observation) -> RenderableType:
    """What happened."""
    table = blocks.facts()
    blocks.add(table, "requests", _requests(found))
    for figure, around in _figures(found):
        blocks.add(table, words.figure_name(figure), words.figure_value(figure, around.likely))
    return blocks.section("Observation", f"{found.origin}, {words.moment(found.started_at)}", table)


def _figures(found: Figures) -> list[tuple[str, Range]]:
    """The known figures, by the names that comparisons use."""
    named = [(f"latency_{percentile}_s", around) for percentile, around in found.latency_s.items()]
    others = (
        "throughput_rps",
        "capacity_rps",
        "utilization",
        "memory_bytes",
        "cpu_s_per_request",
        "cost_usd_per_month",
        "energy_kwh_per_month",
        "carbon_kgco2e_per_month",
    )
    return named + [(name, getattr(found, name)) for name in others if getattr(found, name) is not None]


def _requests(found: Observation) -> str:
    return (
        f"{found.sent:,} at {words.given(found.load_rps, 'rate')} in {words.given(found.window_s, 'time')}: "
        f"{found.answered:,} answered, {found.late:,} late, {found.refused:,} refused, {found.failed:,} failed"
    )


STRIP: Final = 21
"""Characters of the scale, from half to twice the likely value."""


def _strip(one: Comparison) -> Text:
    """The interval as a line with its likely value, and a mark where the measurement lies.

    What is further away than the scale reaches stands at its end.
    """
    predicted = one.predicted
    if not 0.0 < predicted.likely < math.inf:
        return Text()

    def place(value: float) -> int:
        if value <= 0.0:
            return 0
        share = 0.5 + 0.5 * math.log(value / predicted.likely) / math.log(2.0)
        return round((STRIP - 1) * min(1.0, max(0.0, share)))

    signs = ["·"] * STRIP
    low, high = place(predicted.low), place(predicted.high)
    signs[low : high + 1] = ["─"] * (high - low + 1)
    signs[place(predicted.likely)] = "┼"
    strip = Text("".join(signs), style="dim")
    at, mark = place(one.measured), Text("●" if one.within else "◆")
    mark.stylize("bold" if one.within else "red")
    return Text.assemble(strip[:at], mark, strip[at + 1 :])


def advice(found: Sequence[Advice]) -> RenderableType:
    """What is wrong, why we think so, and what to do."""
    if not found:
        return blocks.section("Advice", "none", Text("Nothing is wrong enough to advise a change."))
    parts: list[RenderableType] = []
    for one in found:
        parts.append(Text(f"→ {one.action}", style="bold"))
        lines = [one.cause]
        lines += [
            f"{words.figure_name(seen.figure)}: {words.figure_value(seen.figure, seen.measured)} measured, "
            f"{words.figure_interval(seen.figure, seen.predicted)} predicted"
            for seen in one.evidence
        ]
        if one.predicted_gain is not None:
            gain = words.figure_interval(one.gain, one.predicted_gain)
            lines.append(f"predicted gain in {words.figure_name(one.gain)}: {gain}")
        parts += [Padding(Text("\n".join(lines), style="dim"), (0, 0, 0, 2)), Text()]
    return blocks.section("Advice", words.counted(len(found), "change", "changes"), Group(*parts[:-1]))


def changes(found: Sequence[Change]) -> RenderableType:
    """What the corrected plan changes, and why."""
    if not found:
        return blocks.section("The corrected plan", "no change", Text("It is the plan that was made before."))
    table = blocks.table("what", "before", "after", "why")
    for column in table.columns:
        column.justify = "left"
    for change in found:
        blocks.add(table, change.what, change.before, Text(f"→ {change.after}", style="bold"), change.why)
    return blocks.section("The corrected plan", "against the one before", table)


def _machines(candidate: Candidate) -> str:
    offer = candidate.offer
    machines = f"{candidate.layout.instances} × {offer.instance_type}"
    purchase = words.PURCHASES[offer.purchase].removesuffix(" commitment")
    return f"{machines}, {purchase}, {words.offer_place(offer)}"


def _seconds(value: float) -> str:
    return words.quantity(value, "time")


def _bytes(value: float) -> str:
    return words.quantity(value, "bytes")


def _usd(value: float) -> str:
    return words.quantity(value, "money_per_month")


def _flops(value: float) -> str:
    for size, unit in ((1e12, "TFLOP"), (1e9, "GFLOP"), (1e6, "MFLOP"), (1e3, "kFLOP")):
        if value >= size:
            return f"{words.digits(value / size)} {unit}"
    return f"{words.digits(value)} FLOP"
