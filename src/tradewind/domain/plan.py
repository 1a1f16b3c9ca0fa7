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

__all__ = [
    "Advice",
    "Candidate",
    "Change",
    "CostPart",
    "Event",
    "LoadCurve",
    "Miss",
    "Plan",
    "Rehearsal",
    "Relaxed",
    "Rented",
    "Run",
    "Scheduled",
    "Simulated",
    "Site",
]


class LoadCurve(Noun, frozen=True, kw_only=True):
    """Which rate machines must be up for, in how much of the time.

    A machine takes `cold_start_s` until it answers, so it is up that much before its load comes: the rates are
    the highest of what arrives until then. At a rate of 0 no machine is up.
    """

    rates_rps: tuple[float, ...]
    """Rising, the highest last."""
    shares: tuple[float, ...]
    """Of the time; their sum is 1."""
    mean_rps: float
    """Of the requests that arrive."""
    cold_start_s: float = 0.0
    hours_rps: tuple[float, ...] = ()
    """The highest rate in each of the 24 hours of a day; empty for a load that never changes."""
    because: str = "constant"

    @classmethod
    def flat(cls, rate_rps: float) -> LoadCurve:
        """A load that never changes.

        >>> LoadCurve.flat(20.0).rates_rps
        (20.0,)
        """
        return cls(rates_rps=(rate_rps,), shares=(1.0,), mean_rps=rate_rps)

    @property
    def peak_rps(self) -> float:
        """The highest rate."""
        return self.rates_rps[-1]

    def at_peak(self, rate_rps: float) -> LoadCurve:
        """The same shape with another highest rate."""
        if rate_rps == self.peak_rps:
            return self
        factor = rate_rps / self.peak_rps
        return msgspec.structs.replace(
            self,
            rates_rps=(*(factor * rate for rate in self.rates_rps[:-1]), rate_rps),
            mean_rps=factor * self.mean_rps,
            hours_rps=tuple(factor * rate for rate in self.hours_rps),
        )


class Rented(Noun, frozen=True, kw_only=True):
    """Machines of one offer in a fleet."""

    offer: Offer
    machines: int
    """The most at once, spare ones included."""
    machine_hours_per_month: float
    usd_per_month: float
    """With what a managed service asks; beyond what is paid for already."""


class Scheduled(Noun, frozen=True, kw_only=True):
    """The machines of one hour of the day, spare ones included."""

    hour: int
    load_rps: float
    """The highest in the hour, or until a machine that starts at its end would be up."""
    committed: int = 0
    on_demand: int = 0
    spot: int = 0


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
    fleet: tuple[Rented, ...] = ()
    """The machines by purchase, the committed ones first. `layout` is at the highest load, `offer` the one that runs
    longest."""
    schedule: tuple[Scheduled, ...] = ()
    """The machines over the day; empty for a load that never changes."""

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


class Relaxed(Noun, frozen=True, kw_only=True):
    """What one constraint of an impossible goal would have to become, alone, and what the plan then costs."""

    constraint: str
    """Such as "p99", "load", "budget", "confidence", "quality", "regions" or "purchase"."""
    asked: str
    given: str
    """The least that it must give, in words; empty when giving it up alone is not enough."""
    candidate: Candidate | None
    """The cheapest that keeps all other constraints; None when giving this one up alone is not enough."""

    @property
    def usd_per_month(self) -> float:
        """What that costs; infinite when nothing keeps the others."""
        return self.candidate.cost_usd_per_month if self.candidate else float("inf")


class Rehearsal(Noun, frozen=True, kw_only=True):
    """The plan scaled to the machine at hand, so that prediction can be checked before money is spent.

    One replica runs here at the load that gives it the utilization that it would have in the cloud.
    """

    load_rps: float
    layout: Layout
    estimate: Estimate
    because: str


class Simulated(Noun, frozen=True, kw_only=True):
    """One replica of the choice, simulated request by request at the highest load."""

    requests: int
    load_rps: float
    """Of the replica; they arrive at random."""
    latency_s: dict[str, Range]
    """By percentile, at the likely speed; the interval is three standard errors of chance."""
    slow_s: Range
    """The goal's percentile, as slow as the asked confidence supposes everything to be."""
    bound_s: float
    """What `slow_s` was held against."""
    agrees: bool
    """Whether both are no higher than the plan promises, but for chance and the rounding of tables."""
    because: str
    origin: Origin = "predicted"


class Site(Noun, frozen=True, kw_only=True):
    """Where the users of one part of the world are served."""

    users: str
    share: float
    """Of the load."""
    round_trip_s: float
    """Of the network between the users and the region."""
    bound_s: float
    """What it leaves of the goal's bound."""
    meets_goal: bool
    candidate: Candidate | None
    """None where no offer keeps the bound."""


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
    """Offers times ways to run a replica, each with every number of machines: a bound of its cost was computed."""
    snapshot: str
    """Which catalogue the prices are from."""
    today: str
    seed: int
    relaxed: tuple[Relaxed, ...] = ()
    """When the goal is not met: every constraint given up alone, the cheapest first."""
    solved: int = 0
    """Pairs of a machine and a way whose queue was solved; for all others the bound was proof enough."""
    sites: tuple[Site, ...] = ()
    """Where the users are served, when the goal names them: the first is the choice, which costs only its part."""
    load: LoadCurve | None = None
    """The load over time that was planned for."""
    simulated: Simulated | None = None
    """What a simulation says about the choice."""
    changes: tuple[Change, ...] = ()
    """Against the plan that this one replaces."""
    explanations: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    """Where the prices come from, step by step, as the catalogue told when the plan was made: by the key of an offer,
    and by the name of a part of the choice's cost."""

    @property
    def cost_usd_per_month(self) -> float:
        """Of the choice, and of all sites when there are several."""
        others = [site.candidate for site in self.sites[1:] if site.candidate]
        return self.choice.cost_usd_per_month + sum(one.cost_usd_per_month for one in others)


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
