"""Rules: which disagreement points to which cause, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tradewind.decide.diagnosis.comparing import compare
from tradewind.domain import units
from tradewind.domain.noun import Range
from tradewind.domain.plan import Advice

if TYPE_CHECKING:
    from tradewind.domain.estimate import Comparison, Observation
    from tradewind.domain.plan import Plan

__all__ = ["diagnose"]

_REFUSED: Final = 0.005
"""Share of refused requests that is more than a rare burst."""


def diagnose(plan: Plan, observation: Observation) -> tuple[Advice, ...]:
    """What an observation of the plan's rehearsal says is wrong, most important first; empty when all fits."""
    compared = {comparison.figure: comparison for comparison in compare(plan.rehearsal.estimate, observation)}
    off = {name: comparison for name, comparison in compared.items() if not comparison.within}
    found = (
        _missed(plan, observation, compared),
        _refused(observation, compared),
        _failed(observation),
        _cpu(plan, off),
        _latency(plan, off, compared),
        _memory(plan, off),
    )
    return tuple(advice for advice in found if advice is not None)


def _missed(plan: Plan, observation: Observation, compared: dict[str, Comparison]) -> Advice | None:
    serve = plan.goal.serve
    seen = observation.latency_s.get(serve.percentile)
    if seen is None or seen.likely <= serve.latency_s:
        return None
    evidence = compared.get(f"latency_{serve.percentile}_s")
    over_s = seen.likely - serve.latency_s
    return Advice(
        cause=f"{serve.percentile} was {units.show(seen.likely, 'time')} in the rehearsal, over the"
        f" {units.show(serve.latency_s, 'time')} of the goal",
        evidence=(evidence,) if evidence else (),
        action="plan again with the measured constants: fewer requests for each replica, or a faster variant",
        gain=f"latency_{serve.percentile}_s",
        predicted_gain=Range(
            low=min(over_s, max(0.0, seen.low - serve.latency_s)),
            likely=over_s,
            high=max(over_s, seen.high - serve.latency_s),
        ),
    )


def _refused(observation: Observation, compared: dict[str, Comparison]) -> Advice | None:
    share = observation.refused / max(observation.sent, 1)
    if share <= _REFUSED:
        return None
    evidence = compared.get("throughput_rps")
    return Advice(
        cause=f"{share:.1%} of the requests were refused, because they would have been answered too late",
        evidence=(evidence,) if evidence else (),
        action="plan again with the measured constants: a replica carries less than was predicted",
        gain="throughput_rps",
        predicted_gain=Range.exactly(observation.refused / observation.window_s),
    )


def _failed(observation: Observation) -> Advice | None:
    if not observation.failed:
        return None
    return Advice(
        cause=f"{observation.failed} of {observation.sent} requests got no answer or an error",
        evidence=(),
        action="read the server's log before anything else: no plan makes up for failures",
        gain="throughput_rps",
        predicted_gain=Range.exactly(observation.failed / observation.window_s),
    )


def _cpu(plan: Plan, off: dict[str, Comparison]) -> Advice | None:
    comparison = off.get("cpu_s_per_request")
    if comparison is None:
        return None
    ratio = comparison.measured / comparison.predicted.likely
    said = (
        f"a request takes {units.show(comparison.measured, 'time')} of CPU, {ratio:.2g} times the predicted"
        f" {units.show(comparison.predicted.likely, 'time')}"
    )
    if ratio > 1.0:
        return Advice(
            cause=f"{said}: the server's front or the network inside it costs more than assumed",
            evidence=(comparison,),
            action="plan again with the measured CPU time: the chosen machines carry less than was predicted",
            gain="latency_p99_s",
            predicted_gain=None,
        )
    compute = next(part for part in plan.choice.costs if part.name == "compute").usd_per_month
    carrying = plan.choice.layout.instances - plan.choice.layout.spare_instances
    # Whole machines only: one machine cannot be made fewer.
    spared = carrying - max(1, round(carrying * ratio))
    saved = compute * spared / plan.choice.layout.instances
    return Advice(
        cause=f"{said}: the assumptions were too careful",
        evidence=(comparison,),
        action="plan again with the measured CPU time: fewer or smaller machines may do",
        gain="cost_usd_per_month",
        predicted_gain=Range(low=0.0, likely=saved, high=saved),
    )


def _latency(plan: Plan, off: dict[str, Comparison], compared: dict[str, Comparison]) -> Advice | None:
    """Latencies off by themselves: their own rule names the CPU when that is off, too."""
    names = [name for name in off if name.startswith("latency_")]
    if not names or "cpu_s_per_request" in off:
        return None
    evidence = tuple(off[name] for name in names)
    worst = max(evidence, key=lambda comparison: abs(comparison.error))
    cpu = compared.get("cpu_s_per_request")
    as_predicted = "CPU time per request is as predicted" if cpu else "CPU time was not measured"
    said = (
        f"{worst.figure.removeprefix('latency_').removesuffix('_s')} was {units.show(worst.measured, 'time')}"
        f" where {units.show(worst.predicted.likely, 'time')} was predicted, and {as_predicted}"
    )
    if worst.measured > worst.predicted.likely:
        return Advice(
            cause=f"{said}: requests wait for something else, such as other work on this machine",
            evidence=evidence,
            action="rehearse again on a quiet machine, or plan with the measured delays",
            gain=worst.figure,
            predicted_gain=Range(
                low=0.0,
                likely=worst.measured - worst.predicted.likely,
                high=worst.measured - worst.predicted.low,
            ),
        )
    return Advice(
        cause=f"{said}: the delays that were assumed do not occur here",
        evidence=evidence,
        action="plan with the measured delays: each replica may get more requests",
        gain="cost_usd_per_month",
        predicted_gain=None,
    )


def _memory(plan: Plan, off: dict[str, Comparison]) -> Advice | None:
    comparison = off.get("memory_bytes")
    if comparison is None or comparison.measured <= comparison.predicted.high:
        return None
    more = comparison.measured - comparison.predicted.likely
    room = plan.choice.offer.memory_bytes / plan.choice.layout.replicas_per_instance
    fits = "still fits" if comparison.measured <= 0.9 * room else "may not fit"
    return Advice(
        cause=f"a replica keeps {units.show(comparison.measured, 'bytes')}, more than the predicted"
        f" {units.show(comparison.predicted.high, 'bytes')}; it {fits} its share of"
        f" {units.show(room, 'bytes')} on {plan.choice.offer.instance_type}",
        evidence=(comparison,),
        action="plan again with the measured memory",
        gain="memory_bytes",
        predicted_gain=Range.exactly(more),
    )
