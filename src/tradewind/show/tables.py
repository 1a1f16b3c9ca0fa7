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
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import RenderableType
    from rich.table import Table

    from tradewind.decide.prediction.scoring import Score
    from tradewind.domain.estimate import Comparison, Estimate, Figures, Observation
    from tradewind.domain.host import Gpu, Host, Product, Reduction, Stream
    from tradewind.domain.noun import Range
    from tradewind.domain.plan import Advice, Candidate, Change, LoadCurve, Plan, Scheduled, Simulated
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
    "scores",
]

RUNNERS_UP: Final = 5
"""Alternatives that stand under a plan; the report has them all."""
REJECTED: Final = 6
"""Rejected families that stand under a plan."""
OPERATORS: Final = 5
"""Operators that stand under a profile, the heaviest first."""
BATCHES: Final = 6
"""Columns of the latency curve: fits into 80."""

BUSY: Final = 0.5
"""Processes a core before the probe from which on its table says so."""


def host(found: Host) -> RenderableType:
    """The machine at hand; of what the full probe measured, what there is."""
    table = blocks.facts()
    _host_facts(table, found)
    parts: list[RenderableType] = [table]
    if found.products:
        parts += [Text(), _products(found.products)]
    if found.streams:
        parts += [Text(), _streams(found.streams)]
    parts += [part for rows in _by_library(found.reductions) for part in (Text(), _reductions(rows))]
    for name in dict.fromkeys(gpu.name for gpu in found.gpus):
        parts += [Text(), _gpu([gpu for gpu in found.gpus if gpu.name == name])]
    if found.unmeasured or (found.load_per_core or 0.0) > BUSY:
        reasons = blocks.facts()
        if found.load_per_core and found.load_per_core > BUSY:
            load = f"{words.digits(found.load_per_core)} processes a core"
            blocks.add(reasons, "disturbed", f"others used the machine ({load}): it may be faster than this")
        for one in found.unmeasured:
            blocks.add(reasons, "not measured", f"{one.name}: {one.reason}")
        parts += [Text(), reasons]
    note = "measured" if found.probe_s is None else f"measured in {_seconds(found.probe_s)}"
    return blocks.section("This machine", note, Group(*parts))


def _host_facts(table: Table, found: Host) -> None:
    clock = f" at {words.digits(found.ghz)} GHz" if found.ghz is not None else ""
    # Intel's names state a clock themselves.
    clock = "" if "GHz" in found.cpu_model else clock
    cores = words.counted(found.physical_cores, "core", "cores")
    blocks.add(table, "CPU", f"{found.cpu_model} ({found.cpu_architecture}){clock}")
    blocks.add(
        table,
        "cores",
        f"{cores}, {found.logical_cores} logical; {', '.join(found.isa) or 'no extension known'}",
    )
    blocks.add(
        table, "memory", f"{_bytes(found.memory_bytes)}, {_pace(found.memory_bandwidth_bytes_per_s)} copied"
    )
    blocks.add(table, "speed", f"{words.digits(found.gemm_flops_per_s_per_core / 1e9)} GFLOP/s a core, fp32")
    if found.accelerators and not found.gpus:
        blocks.add(table, "accelerators", ", ".join(map(_several, *_tally(found.accelerators))))
    if found.disk_write_bytes_per_s is not None and found.disk_read_bytes_per_s is not None:
        text = f"{_pace(found.disk_write_bytes_per_s)} written, {_pace(found.disk_read_bytes_per_s)} read"
        blocks.add(table, "disk", f"{text}, in {found.disk_folder}")
    if found.loopback_bytes_per_s is not None and found.loopback_round_trip_s is not None:
        trip = _seconds(found.loopback_round_trip_s)
        blocks.add(table, "loopback", f"{_pace(found.loopback_bytes_per_s)}, round trip {trip}")
    if found.peer_bytes_per_s is not None and found.peer_round_trip_s is not None:
        trip = _seconds(found.peer_round_trip_s)
        blocks.add(table, "network", f"{_pace(found.peer_bytes_per_s)}, round trip {trip}, to {found.peer}")


def _products(found: Sequence[Product]) -> Table:
    """Rates of products: shapes down; precisions, and cores where there are several, across."""
    columns = list(dict.fromkeys((one.precision, one.cores) for one in found))
    fast = max(one.flops_per_s for one in found) >= 1e13
    unit, name = (1e12, "TFLOP/s") if fast else (1e9, "GFLOP/s")
    heads = [
        precision if not cores else f"{precision}\n{words.counted(cores, 'core', 'cores')}"
        for precision, cores in columns
    ]
    grid = blocks.table(f"products, {name}", *heads)
    rates = {(one.rows, one.inner, one.columns, one.precision, one.cores): one.flops_per_s for one in found}
    for shape in dict.fromkeys((one.rows, one.inner, one.columns) for one in found):
        label = f"{shape[0]}³" if len(set(shape)) == 1 else "×".join(map(str, shape))
        cells = [rates.get((*shape, *column)) for column in columns]
        blocks.add(grid, label, *("-" if rate is None else words.digits(rate / unit) for rate in cells))
    return grid


def _streams(found: Sequence[Stream]) -> Table:
    """Rates of going through memory: what is done down, bytes in use across."""
    sizes = sorted({one.bytes_in_use for one in found})
    grid = blocks.table("memory, GB/s", *(words.given(size, "bytes") for size in sizes))
    rates = {(one.what, one.cores, one.bytes_in_use): one.bytes_per_s for one in found}
    for what, cores in sorted({(one.what, one.cores) for one in found}, key=lambda row: (row[1], row[0])):
        label = what if not cores else f"{what}, {words.counted(cores, 'core', 'cores')}"
        cells = [rates.get((what, cores, size)) for size in sizes]
        blocks.add(grid, label, *("-" if rate is None else words.digits(rate / 1e9) for rate in cells))
    return grid


def _by_library(found: Sequence[Reduction]) -> list[list[Reduction]]:
    kinds = dict.fromkeys((one.library, one.members) for one in found)
    return [[one for one in found if (one.library, one.members) == kind] for kind in kinds]


def _reductions(found: Sequence[Reduction]) -> Table:
    """Times of all-reduces of one library, and the bytes that each member's link carried for them: sizes across."""
    ordered = sorted(found, key=lambda one: one.bytes_each)
    library, members = ordered[0].library, ordered[0].members
    heads = (words.given(one.bytes_each, "bytes") for one in ordered)
    grid = blocks.table(f"all-reduce, {members} of {library}", *heads)
    blocks.add(grid, "time", *(_seconds(one.seconds) for one in ordered))
    # What a ring sends: 2 (N - 1) / N of the array.
    share = 2.0 * (members - 1) / members
    rates = (words.digits(share * one.bytes_each / one.seconds / 1e9) for one in ordered)
    blocks.add(grid, "each link, GB/s", *rates)
    return grid


def _tally(names: Sequence[str]) -> tuple[list[str], list[int]]:
    kinds = list(dict.fromkeys(names))
    return kinds, [names.count(kind) for kind in kinds]


def _several(name: str, count: int) -> str:
    return f"{count} × {name}" if count > 1 else name


def _gpu(same: Sequence[Gpu]) -> RenderableType:
    gpu = same[0]
    table = blocks.facts()
    blocks.add(table, "GPU", f"{_several(gpu.name, len(same))}, {_bytes(gpu.memory_bytes)}")
    if gpu.kernel_latency_s is not None:
        blocks.add(table, "kernel", f"{_seconds(gpu.kernel_latency_s)} on the device's clock")
    if gpu.kernel_launch_s is not None:
        blocks.add(table, "launch", f"{_seconds(gpu.kernel_launch_s)} from Python")
    if gpu.from_host_bytes_per_s is not None and gpu.to_host_bytes_per_s is not None:
        text = f"{_pace(gpu.from_host_bytes_per_s)} to the GPU, {_pace(gpu.to_host_bytes_per_s)} back"
        blocks.add(table, "host", text)
    parts: list[RenderableType] = [table]
    if gpu.products:
        parts += [Text(), _products(gpu.products)]
    if gpu.streams:
        parts += [Text(), _streams(gpu.streams)]
    return Group(*parts)


def _pace(bytes_per_s: float) -> str:
    for size, unit in ((1e12, "TB/s"), (1e9, "GB/s"), (1e6, "MB/s")):
        if bytes_per_s >= size:
            return f"{words.digits(bytes_per_s / size)} {unit}"
    return f"{words.digits(bytes_per_s / 1e3)} kB/s"


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
    """The choice, what it costs and why, what would have to give, what else was possible, and what fell out."""
    choice, percentile = found.choice, found.goal.serve.percentile
    latency = choice.estimate.latency_s[percentile]
    table = blocks.facts()
    blocks.add(table, "serve", Text(f"{choice.variant_name} on {_machines(choice)}", style="bold"))
    blocks.add(table, "layout", words.layout_sentence(choice.layout))
    blocks.add(table, "cost", _cost(found))
    around = f"{_seconds(latency.likely)} ({words.interval(latency, 'time')})"
    blocks.add(table, percentile, f"{around}, bound {_bound(found)}")
    blocks.add(table, "confidence", words.percent(choice.confidence))
    if found.simulated is not None:
        blocks.add(table, "simulated", _simulated(found.simulated, percentile))
    if choice.schedule:
        blocks.add(table, "by the hour", "\n".join(_by_the_hour(choice.schedule)))
    if found.load is not None and len(found.load.rates_rps) > 1:
        blocks.add(table, "load", _load(found.load))
    for line in choice.estimate.because[:3]:
        blocks.add(table, "because", line)
    parts: list[RenderableType] = [table]
    if len(found.sites) > 1:
        parts += [Text(), _sites(found)]
    if len(choice.fleet) > 1 or (choice.fleet and choice.schedule):
        parts += [Text(), _fleet(choice)]
    parts += [Text(), _costs(found)]
    if found.relaxed:
        parts = [_relaxed(found), Text(), *parts]
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


def _cost(found: Plan) -> str:
    budget = words.given(found.goal.budget_usd_per_month, "money_per_month")
    served = sum(site.candidate is not None for site in found.sites)
    places = f" in {served} of {len(found.sites)} places" if len(found.sites) > 1 else ""
    return f"{_usd(found.cost_usd_per_month)}{places} of a budget of {budget}"


def _bound(found: Plan) -> str:
    """The bound of the goal, and what the way to the users leaves of it where the choice stands."""
    bound = words.given(found.goal.serve.latency_s, "time")
    if not found.sites:
        return bound
    site = found.sites[0]
    left, trip = words.given(site.bound_s, "time"), words.given(site.round_trip_s, "time")
    return f"{left}: {bound} less {trip} to {site.users} and back"


def _simulated(found: Simulated, percentile: str) -> str:
    """What one replica did, and whether that is what the plan promises."""
    latency = found.latency_s[percentile]
    seen = (
        f"request by request: {percentile} {_seconds(latency.likely)} ({words.interval(latency, 'time')}), "
        f"{found.requests:,} requests"
    )
    return f"{seen}, agrees" if found.agrees else f"{seen}, ✕ disagrees: {found.because}"


def _by_the_hour(schedule: Sequence[Scheduled]) -> list[str]:
    """For each kind of purchase the machines over the day: "spot: 2 from 0:00, 8 from 9:00"."""
    lines = []
    for kind, numbers in (
        ("committed", [hour.committed for hour in schedule]),
        ("on demand", [hour.on_demand for hour in schedule]),
        ("spot", [hour.spot for hour in schedule]),
    ):
        if not any(numbers):
            continue
        steps = [
            f"{number} from {hour.hour}:00"
            for hour, number, before in zip(schedule, numbers, [None, *numbers], strict=False)
            if number != before
        ]
        lines.append(f"{kind}: {', '.join(steps) if len(steps) > 1 else f'{numbers[0]} at all hours'}")
    return lines


def _load(found: LoadCurve) -> str:
    low, high = (words.quantity(rate, "rate") for rate in (found.rates_rps[0], found.peak_rps))
    return f"{low} to {high}, mean {words.quantity(found.mean_rps, 'rate')}: {found.because}"


def _sites(found: Plan) -> Table:
    table = blocks.table("users", "served by", "usd/month", "way", "left of the bound")
    table.columns[1].justify = "left"
    for site in found.sites:
        one = site.candidate
        missed = Text("" if site.meets_goal else " ✕ missed", style="red")
        blocks.add(
            table,
            f"{site.users}, {words.percent(site.share)}",
            _machines(one) if one else "no offer keeps the bound",
            f"{one.cost_usd_per_month:,.2f}" if one else "-",
            _seconds(site.round_trip_s),
            Text(_seconds(site.bound_s)) + missed,
        )
    return table


def _fleet(choice: Candidate) -> Table:
    table = blocks.table("fleet", "at most", "hours a month", "usd a month")
    for one in choice.fleet:
        blocks.add(
            table,
            f"{one.offer.instance_type}, {words.purchase_terms(one.offer)}, {words.offer_place(one.offer)}",
            words.counted(one.machines, "machine", "machines"),
            f"{one.machine_hours_per_month:,.0f}",
            f"{one.usd_per_month:,.2f}",
        )
    return table


def _misses(found: Plan) -> Table:
    table = blocks.facts()
    for miss in found.misses:
        blocks.add(table, Text("✕ missed", style="red"), f"{words.miss_sentence(miss)}\n{miss.advice}")
    return table


def _relaxed(found: Plan) -> Table:
    """What each constraint would have to become alone, with the price; then those that are not enough alone."""
    # Where there are several sites, the others stay as they are.
    where = f", for {found.sites[0].users}" if found.sites else ""
    table = blocks.table(f"what would have to give{where}", "asked", "becomes", "usd/month")
    table.columns[1].justify = table.columns[2].justify = "left"
    for one in found.relaxed:
        enough = one.candidate is not None
        blocks.add(
            table,
            one.constraint,
            one.asked,
            one.given if enough else "not enough alone",
            f"{one.usd_per_month:,.2f}" if enough else "-",
            style="" if enough else "dim",
        )
    return table


def _costs(found: Plan) -> Table:
    """The parts of the choice, and what other sites cost as a whole."""
    choice = found.choice
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
    for site in found.sites[1:]:
        if site.candidate:
            usd = f"{site.candidate.cost_usd_per_month:,.2f}"
            blocks.add(table, f"for {site.users}", usd, "all parts of that site", "")
    blocks.add(table, "together", f"{found.cost_usd_per_month:,.2f}", "", "", style="bold")
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
    ways = dict.fromkeys(one.offer.purchase for one in candidate.fleet) or (offer.purchase,)
    purchase = words.listed([words.PURCHASES[way].removesuffix(" commitment") for way in ways], "and")
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


def scores(found: Mapping[str, Score]) -> RenderableType:
    """How good predictions were, table by table, beside a constant share of the peak; errors are median / p90."""
    grid = blocks.table("table", "rows", "error", "constant MFU", "in interval", "memory", "regret")
    for name, one in found.items():
        blocks.add(
            grid,
            name,
            f"{one.compared}/{one.rows}",
            _errors(one.median, one.p90),
            _errors(one.constant_median, one.constant_p90),
            "-" if math.isnan(one.coverage) else f"{one.coverage:.0%}",
            _errors(one.memory_median, one.memory_p90),
            _errors(one.regret_mean, one.regret_p90),
        )
    kept = [one for one in found.values() if one.compared]
    if len(kept) > 1:
        blocks.add(
            grid,
            "average of tables",
            "",
            _errors(_mean(one.median for one in kept), _mean(one.p90 for one in kept)),
            _errors(_mean(one.constant_median for one in kept), _mean(one.constant_p90 for one in kept)),
            f"{_mean(one.coverage for one in kept):.0%}",
            _errors(_mean(one.memory_median for one in kept), _mean(one.memory_p90 for one in kept)),
            _errors(_mean(one.regret_mean for one in kept), _mean(one.regret_p90 for one in kept)),
            style="bold",
        )
    note = "absolute errors in %, median / p90; regret of the layout chosen, mean / p90"
    return blocks.section("predicted against measured", note, grid)


def _errors(first: float, second: float) -> str:
    return "-" if math.isnan(first) else f"{100 * first:.1f} / {100 * second:.1f}"


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
