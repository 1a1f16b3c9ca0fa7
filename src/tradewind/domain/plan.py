"""Plan: the decision, complete. Run: a Plan being carried out. Advice: what to change."""

from __future__ import annotations

from typing import Literal

import msgspec

from tradewind.domain.estimate import Calibration, Comparison, Estimate
from tradewind.domain.goal import Goal
from tradewind.domain.layout import Layout
from tradewind.domain.noun import Noun, Origin, Range, Rejected
from tradewind.domain.offer import Offer
from tradewind.domain.variant import Variant

__all__ = ["Advice", "Candidate", "Change", "CostPart", "Event", "Miss", "Plan", "Rehearsal", "Run"]


class CostPart(Noun, frozen=True, kw_only=True):
    """One part of the monthly cost; the parts add up to the cost of the candidate."""

    name: Literal[
        "compute", "managed_service", "storage", "egress_internet", "egress_inter_region", "footprint"
    ]
    usd_per_month: float
    because: str
    """The multiplication in words: 2 x 0.0832 usd/h x 730 h."""
    source: str
    as_of: str
    origin: Origin = "quoted"


class Candidate(Noun, frozen=True, kw_only=True):
    """One way to serve: a variant on an offer under a layout, with what it is expected to do and cost."""

    variant_id: str
    variant_name: str
    offer: Offer
    layout: Layout
    estimate: Estimate
    costs: tuple[CostPart, ...]
    quality: float
    confidence: float
    """The probability that the latency bound holds, given the intervals of the prediction."""

    @property
    def cost_usd_per_month(self) -> float:
        """The sum of the parts."""
        return sum(part.usd_per_month for part in self.costs)


class Miss(Noun, frozen=True, kw_only=True):
    """A constraint of the goal that a candidate does not keep, and by how much."""

    constraint: str
    """Such as "p99", "budget" or "quality"."""
    asked: float
    got: float
    unit: str
    advice: str
    """What would have to give, in one line."""


class Rehearsal(Noun, frozen=True, kw_only=True):
    """The plan scaled to the machine at hand, so that prediction can be checked before money is spent.

    One replica runs here at the load that gives it the utilization that it would have in the cloud.
    """

    load_rps: float
    layout: Layout
    estimate: Estimate
    because: str


class Change(Noun, frozen=True, kw_only=True):
    """What differs between two plans, and why."""

    what: str
    before: str
    after: str
    why: str


class Plan(Noun, frozen=True, kw_only=True):
    """The decision, complete: it can be carried out, explained, and checked against what happens."""

    goal: Goal
    variant: Variant
    choice: Candidate
    meets_goal: bool
    misses: tuple[Miss, ...]
    """Empty when the goal is met; else what the choice, the nearest answer, does not keep."""
    pareto: tuple[Candidate, ...]
    """No other candidate is better in cost, latency, carbon and confidence at once; sorted by cost."""
    nearest: tuple[Candidate, ...]
    """When the goal is not met: the nearest answers, each keeping all but what it misses."""
    rejected: tuple[Rejected, ...]
    """Every rejected family of offers or variants, with the reason."""
    rehearsal: Rehearsal
    calibration: Calibration
    considered: int
    """How many candidates were evaluated."""
    snapshot: str
    """Which catalogue the prices are from."""
    today: str
    seed: int
    changes: tuple[Change, ...] = ()
    """Against the plan that this one replaces."""
    explanations: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    """Where the prices come from, step by step, as the catalogue told when the plan was made: by the key of an offer,
    and by the name of a part of the choice's cost."""


class Event(Noun, frozen=True, kw_only=True):
    """Something that happened to a run; a line of events.jsonl."""

    at: str
    what: str
    detail: str = ""


class Run(Noun, frozen=True, kw_only=True):
    """A Plan being carried out."""

    id: str
    state: Literal["starting", "ready", "draining", "stopped", "failed"]
    endpoint: str
    """http://host:port"""
    model: str
    """The name under which the server knows the variant."""
    pid: int
    host: str
    started_at: str


class Advice(Noun, frozen=True, kw_only=True):
    """What is wrong, why we think so, what to do, and what it should bring."""

    cause: str
    evidence: tuple[Comparison, ...]
    action: str
    gain: str
    """What the predicted gain is in, such as "latency_p99_s" or "cost_usd_per_month"."""
    predicted_gain: Range | None
    measured_gain: float | None = None
    verdict: Literal["proposed", "applied", "kept", "rolled_back"] = "proposed"
