"""Plans for training, for language models that answer for searches and for data, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.text import Text

from tradewind.domain import units
from tradewind.show import blocks, words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import RenderableType
    from rich.table import Table

    from tradewind.domain.generating import GenerationCandidate, GenerationPlan
    from tradewind.domain.layout import TrainingLayout
    from tradewind.domain.noun import Range, Rejected
    from tradewind.domain.offer import Offer
    from tradewind.domain.placing import DataOption, DataPlan
    from tradewind.domain.plan import Miss
    from tradewind.domain.training import TrainingCandidate, TrainingPlan
    from tradewind.domain.trials import TrialsOther, TrialsPlan

__all__ = ["data", "generation", "layout", "training", "trials"]

RUNNERS_UP: Final = 5
REJECTED: Final = 6


def layout(found: TrainingLayout) -> str:
    """A training layout in words: what the mesh is, and what else is set."""
    degrees = (
        ("data", found.data),
        ("tensor", found.tensor),
        ("pipeline", found.pipeline),
        ("context", found.context),
        ("expert", found.expert),
    )
    mesh = " x ".join(f"{name} {degree}" for name, degree in degrees if degree > 1) or "one device"
    parts = [mesh, f"ZeRO {found.zero_stage}" if found.zero_stage else "replicas"]
    parts.append(f"micro-batch {found.micro_batch} x {found.accumulation}")
    if found.checkpointing != "none":
        parts.append(f"{found.checkpointing} recomputation")
    if found.virtual_stages > 1:
        parts.append(f"{found.virtual_stages} stages a device")
    return ", ".join(parts)


def training(found: TrainingPlan) -> RenderableType:
    """The choice, what a step takes, what it costs and why, what else was possible, and what fell out."""
    choice, goal = found.choice, found.goal
    table = blocks.facts()
    blocks.add(table, "train", Text(f"on {_machines(choice.offer, choice.machines)}", style="bold"))
    blocks.add(table, "layout", layout(choice.layout))
    step = f"{words.quantity(choice.step_s.likely, 'time')} ({words.interval(choice.step_s, 'time')}) a step"
    blocks.add(table, "step", f"{step}, {words.percent(choice.flops_share)} of the peak")
    fullest = f"{words.quantity(choice.memory_bytes.likely, 'bytes')} on the fullest {choice.device}"
    blocks.add(table, "memory", f"{fullest} ({words.interval(choice.memory_bytes, 'bytes')})")
    deadline = words.given(goal.train.deadline_s, "time")
    blocks.add(
        table,
        "duration",
        f"{_days(choice.duration_s.likely)} ({_range_days(choice.duration_s)}), deadline {deadline}",
    )
    cost = f"{choice.cost_usd.likely:,.0f} usd ({choice.cost_usd.low:,.0f} to {choice.cost_usd.high:,.0f})"
    blocks.add(table, "cost", f"{cost} of a budget of {goal.budget_usd:,.0f} usd")
    if choice.checkpoint_every_s is not None:
        every = words.quantity(choice.checkpoint_every_s, "time")
        blocks.add(table, "checkpoints", f"every {every}; {choice.interruptions:.1f} interruptions expected")
    blocks.add(table, "confidence", words.percent(choice.confidence))
    blocks.add(table, "runtime", found.runtime)
    for line in found.because[:4]:
        blocks.add(table, "because", line)
    parts: list[RenderableType] = [
        table,
        Text(),
        _parts((p.name, p.usd, p.because, p.source, p.as_of) for p in choice.costs),
    ]
    parts = [*_missed(found.misses), *parts]
    if found.nearest:
        parts += [
            Text(),
            _relaxed((one.words, one.candidate.offer, one.candidate.machines) for one in found.nearest),
        ]
    others = [one for one in found.pareto if one != choice]
    if others:
        parts += [Text(), _training_others(others)]
    parts += _fell_out(found.rejected)
    title = "The plan" if found.meets_goal else "No plan meets the goal; the nearest answer"
    note = (
        f"predicted; {found.considered:,} layouts weighed, {found.excluded:,} of them excluded by proof;"
        f" {found.priced:,} offers of {found.snapshot}"
    )
    return blocks.section(title, note, Group(*parts))


def generation(found: GenerationPlan) -> RenderableType:
    """The choice, its latencies and cost, what else was possible, and what fell out."""
    choice, goal = found.choice, found.goal
    table = blocks.facts()
    blocks.add(table, "serve", Text(f"on {_machines(choice.offer, choice.machines)}", style="bold"))
    spread = choice.layout
    replica = f"tensor {spread.tensor}" + (f" x pipeline {spread.pipeline}" if spread.pipeline > 1 else "")
    blocks.add(
        table,
        "layout",
        f"{spread.replicas} replicas of {replica}, up to {spread.max_batch} requests together, weights in"
        f" {spread.weights}, cache in {spread.cache}",
    )
    for name, figures in (("first token", choice.first_token_s), ("token", choice.token_s)):
        said = ", ".join(
            f"{percentile} {words.quantity(value.likely, 'time')} ({words.interval(value, 'time')})"
            for percentile, value in figures.items()
        )
        blocks.add(table, name, said)
    blocks.add(
        table,
        "load",
        f"{choice.tokens_per_s:,.0f} tokens/s, {words.percent(choice.load_share)} of what it bears",
    )
    fullest = f"{words.quantity(choice.memory_bytes.likely, 'bytes')} on the fullest {choice.device}"
    blocks.add(table, "memory", f"{fullest} ({words.interval(choice.memory_bytes, 'bytes')})")
    budget = words.given(goal.budget_usd_per_month, "money_per_month")
    blocks.add(
        table,
        "cost",
        f"{choice.cost_usd_per_month:,.0f} usd a month of a budget of {budget},"
        f" {choice.usd_per_million_tokens:.3f} usd a million tokens",
    )
    blocks.add(table, "confidence", words.percent(choice.confidence))
    blocks.add(table, "runtime", found.runtime)
    for line in found.because[:4]:
        blocks.add(table, "because", line)
    costs = _parts((p.name, p.usd_per_month, p.because, p.source, p.as_of) for p in choice.costs)
    parts: list[RenderableType] = [*_missed(found.misses), table, Text(), costs]
    if found.nearest:
        parts += [
            Text(),
            _relaxed((one.words, one.candidate.offer, one.candidate.machines) for one in found.nearest),
        ]
    others = [one for one in found.pareto if one != choice]
    if others:
        parts += [Text(), _generation_others(others)]
    parts += _fell_out(found.rejected)
    title = "The plan" if found.meets_goal else "No plan meets the goal; the nearest answer"
    note = f"predicted; {found.considered:,} ways weighed; {found.priced:,} offers of {found.snapshot}"
    return blocks.section(title, note, Group(*parts))


def trials(found: TrialsPlan) -> RenderableType:
    """The machines, when all trials are done and how surely, the cost, and what other machines would cost."""
    goal, asked = found.goal, found.goal.trials
    table = blocks.facts()
    for pool in found.pools:
        paid = ", paid for already" if pool.prepaid else ""
        said = (
            f"{words.counted(pool.trials, 'trial', 'trials')} on {_machines(pool.offer, pool.machines)}{paid}"
        )
        blocks.add(table, "run", Text(said, style="bold"))
    if found.fallback is not None and found.switch_s is not None:
        then = f"after {words.quantity(found.switch_s, 'time')}, what is not done ends on {_kind(found.fallback)}"
        blocks.add(table, "then", then)
    blocks.add(table, "trial", f"{words.quantity(found.trial_s, 'time')} on average, interruptions included")
    sure = f"{words.percent(found.confidence)} sure, {words.percent(goal.confidence)} asked"
    blocks.add(table, "in time", f"within {words.given(asked.deadline_s, 'time')}: {sure}")
    blocks.add(
        table,
        "cost",
        f"{found.cost_usd:,.2f} usd expected of a budget of {words.given(goal.budget_usd, 'money')}",
    )
    for line in found.because:
        blocks.add(table, "because", line)
    parts: list[RenderableType] = [*_missed(found.misses), table]
    if found.others:
        parts += [Text(), _trials_others(found.others)]
    parts += _fell_out(found.rejected)
    title = "The plan" if found.meets_goal else "No plan meets the goal; the nearest answer"
    return blocks.section(title, f"predicted; {found.priced:,} offers of {found.snapshot}", Group(*parts))


def data(found: DataPlan, limit: int) -> RenderableType:
    """The cheapest way to keep data and what it consists of, the next ones, when another becomes cheaper."""
    best, stay = found.options[0], next((one for one in found.options if one.action == "stay"), None)
    table = blocks.facts()
    blocks.add(table, "do", Text(_way(best), style="bold"))
    blocks.add(table, "read", _reading(best))
    gained = stay.usd - best.usd if stay else 0.0
    spared = f"; the best without moving is {stay.usd:,.2f} usd" if stay and gained > 0.005 else ""
    blocks.add(table, "cost", f"{best.usd:,.2f} usd in {_months(found.months)}{spared}")
    part = "" if found.fraction == 1.0 else f" of {words.percent(found.fraction)}"
    asked = f"{_sold(found.size_bytes)} in {found.home.words} {found.home_tier}, {words.digits(found.passes_per_month)} passes a month{part}"
    blocks.add(table, "asked", asked)
    parts = blocks.table("cost", "usd", "of it a month")
    for name, usd in sorted(best.parts.items(), key=lambda one: -one[1]):
        if usd > 0.0:
            monthly = "once" if name in _ONCE else f"{usd / found.months:,.2f}"
            blocks.add(parts, name.replace("_", " "), f"{usd:,.2f}", monthly)
    shown: list[RenderableType] = [table, Text(), parts, Text(), _ways(found, limit)]
    if found.break_evens:
        turns = blocks.facts()
        for line in found.break_evens:
            blocks.add(turns, "cheapest", line)
        shown += [Text(), turns]
    notes = blocks.facts()
    for tier, about in dict.fromkeys((one.tier, one.about) for one in found.options[:limit]):
        blocks.add(notes, tier, about)
    for line in dict.fromkeys(line for one in found.options[:limit] for line in one.assumed):
        blocks.add(notes, "assumed", line)
    shown += [Text(), notes]
    shown += _fell_out(found.rejected)
    note = f"priced; {len(found.options):,} ways, prices of {found.snapshot}"
    return blocks.section("Where the data go", note, Group(*shown))


def _months(months: float) -> str:
    return "a month" if months == 1.0 else f"{words.digits(months)} months"


_ONCE: Final = ("moving", "early_deletion")


def _sold(size_bytes: float) -> str:
    """Storage is sold by the GB of 1e9 bytes."""
    unit, name = next((one for one in _SOLD if size_bytes >= one[0]), (1e9, "GB"))
    return f"{size_bytes / unit:,.4g} {name}"


_SOLD: Final = ((1e15, "PB"), (1e12, "TB"))
_ACTIONS: Final = {"stay": "stay in", "move": "move to", "copy": "keep, and copy to"}


def _way(one: DataOption) -> str:
    return f"{_ACTIONS[one.action]} {one.place.words} {one.tier}"


def _reading(one: DataOption) -> str:
    through = f" from a disk there, {one.disk}" if one.disk else ""
    across = "" if one.compute == one.place else (", filled across" if one.disk else ", across regions")
    return f"in {one.compute.words}{through}{across}"


def _ways(found: DataPlan, limit: int) -> Table:
    table = blocks.table("ways, the cheapest first", "read", "usd", "prices")
    table.columns[1].justify = table.columns[3].justify = "left"
    for one in found.options[:limit]:
        blocks.add(table, _way(one), _reading(one), f"{one.usd:,.2f}", one.origin)
    return table


def _kind(offer: Offer) -> str:
    return f"{offer.instance_type} in {words.offer_place(offer)}, {words.purchase_terms(offer)}"


def _trials_others(others: Sequence[TrialsOther]) -> Table:
    table = blocks.table("other machines, all trials on one offer", "usd", "sure")
    for one in others:
        blocks.add(
            table, f"{one.machines} x {one.offer.key}", f"{one.cost_usd:,.2f}", words.percent(one.confidence)
        )
    return table


def _machines(offer: Offer, count: int) -> str:
    place = words.offer_place(offer)
    return f"{words.counted(count, 'machine', 'machines')} {offer.instance_type} in {place}, {words.purchase_terms(offer)}"


def _days(seconds: float) -> str:
    return f"{seconds / 86400.0:.1f} d" if seconds >= 86400.0 else units.show(seconds, "time")


def _range_days(of: Range) -> str:
    return f"{_days(of.low)} to {_days(of.high)}"


def _parts(costs: Iterable[tuple[str, float, str, str, str]]) -> Table:
    table = blocks.table("cost", "usd", "multiplied", "quoted from")
    table.columns[2].justify = table.columns[3].justify = "left"
    for name, usd, because, source, as_of in sorted(costs, key=lambda part: -part[1]):
        blocks.add(
            table, name.replace("_", " "), f"{usd:,.2f}", because, Text(f"{source}, {as_of}", style="dim")
        )
    return table


def _missed(misses: Sequence[Miss]) -> list[RenderableType]:
    if not misses:
        return []
    table = blocks.facts()
    for miss in misses:
        blocks.add(table, Text("✕ missed", style="red"), miss.advice)
    return [table, Text()]


def _relaxed(ways: Iterable[tuple[str, Offer, int]]) -> Table:
    table = blocks.table("what would have to give", "then on")
    table.columns[1].justify = "left"
    for said, offer, machines in ways:
        blocks.add(table, said, f"{machines} x {offer.key}")
    return table


def _training_others(others: Sequence[TrainingCandidate]) -> Table:
    table = blocks.table("runners-up", "usd", "duration", "sure", "layout")
    table.columns[4].justify = "left"
    for one in others[:RUNNERS_UP]:
        blocks.add(
            table,
            f"{one.machines} x {one.offer.key}",
            f"{one.cost_usd.likely:,.0f}",
            _days(one.duration_s.likely),
            words.percent(one.confidence),
            layout(one.layout),
        )
    return table


def _generation_others(others: Sequence[GenerationCandidate]) -> Table:
    table = blocks.table("runners-up", "usd/month", "first token", "token", "weights")
    for one in others[:RUNNERS_UP]:
        first, token = (
            figures.get("p99") or next(iter(figures.values())) for figures in (one.first_token_s, one.token_s)
        )
        blocks.add(
            table,
            f"{one.machines} x {one.offer.key}",
            f"{one.cost_usd_per_month:,.0f}",
            words.quantity(first.likely, "time"),
            words.quantity(token.likely, "time"),
            one.layout.weights,
        )
    return table


def _fell_out(rejected: Sequence[Rejected]) -> list[RenderableType]:
    if not rejected:
        return []
    more = f" ({len(rejected) - REJECTED:,} more with --json)" if len(rejected) > REJECTED else ""
    table = blocks.table(f"fell out{more}", "alternatives", "because")
    table.columns[2].justify = "left"
    for family in rejected[:REJECTED]:
        blocks.add(table, family.name, f"{family.count:,}", family.reason)
    return [Text(), table]
