"""Explanation: why a plan is what it is, what holds it there, and what would make it another one."""

from __future__ import annotations

from typing import Literal

import msgspec

from tradewind.domain.noun import Cloud, Noun, Origin, Purchase

__all__ = [
    "Bar",
    "Bound",
    "Curve",
    "Explanation",
    "Fallen",
    "Neighbour",
    "Option",
    "Part",
    "Place",
    "Point",
    "Share",
    "Sourced",
    "Turn",
]

Basis = Literal["replanned", "stored"]
"""Whether the planner was asked again, or only what the plan keeps was compared."""


class Part(Noun, frozen=True, kw_only=True):
    """One part of a cost."""

    name: str
    usd: float
    because: str
    source: str
    as_of: str
    origin: Origin


class Option(Noun, frozen=True, kw_only=True):
    """One way among those that are compared: of serving for a month, or of a whole training job."""

    key: str
    """Equal for equal ways: the key of the offer, what runs on it and how it is spread."""
    machines: int
    instance_type: str
    cloud: Cloud
    region: str
    purchase: Purchase
    what: str
    """The variant that is served, or the layout of the step."""
    cost_usd: float
    time_s: float
    """The goal's latency percentile, or the duration of the job; likely."""
    time_low_s: float
    time_high_s: float
    confidence: float
    carbon_kg: float | None
    """None where the grid's intensity is not known."""
    usd_per_hour: float
    """Of one machine."""
    parts: tuple[Part, ...]

    @property
    def name(self) -> str:
        """The machines in short."""
        return f"{self.machines} × {self.instance_type}"


class Bound(Noun, frozen=True, kw_only=True):
    """A limit of the goal or of the machine, and how far the choice stays away from it."""

    name: str
    asked: float | None
    """None where there is no such limit."""
    got: float
    unit: str
    """As the nouns name it: s, usd, usd/month, rps, bytes, machines, cores, share, or nothing."""
    room: float | None
    """Share of the limit that is left: 0 at the limit, negative beyond it."""
    tight: bool
    """Whether so little is left that it holds the choice in place."""
    because: str
    origin: Origin
    saves_usd: float | None = None
    """What the cheapest way would cost less without the limit; None: not asked."""
    loosened: str = ""
    """Which limit was asked instead, in words."""


class Neighbour(Noun, frozen=True, kw_only=True):
    """The next-best in a direction; `option` is None where there is none, and `because` says why."""

    direction: str
    """Such as "cheaper", "faster" or "other cloud: gcp"."""
    option: Option | None
    usd: float = 0.0
    """More than the choice costs; negative: less."""
    time_s: float = 0.0
    """More than the choice takes."""
    because: str
    basis: Basis


class Turn(Noun, frozen=True, kw_only=True):
    """Where the choice becomes another when one number moves and all others stay."""

    name: str
    """Such as "load", "p99" or "price of the runner-up"."""
    unit: str
    now: float
    at: float | None
    """The first value at which the choice is another; None: none up to `tried`."""
    tried: float
    """How far was looked."""
    then: str
    """What is chosen there, in words; that nothing keeps the goal, too."""
    usd: float | None
    """What that costs."""
    basis: Basis


class Point(Noun, frozen=True, kw_only=True):
    """One answer of the planner."""

    at: float
    usd: float | None
    """None where nothing keeps the goal."""
    what: str


class Curve(Noun, frozen=True, kw_only=True):
    """The cost of the cheapest way over one number of the goal."""

    name: str
    unit: str
    now: float
    points: tuple[Point, ...]


class Place(Noun, frozen=True, kw_only=True):
    """The cheapest way in a region."""

    cloud: Cloud
    region: str
    usd: float
    what: str
    chosen: bool


class Fallen(Noun, frozen=True, kw_only=True):
    """Families that fell out for one reason."""

    reason: str
    families: tuple[str, ...]
    """All of them, in the order of the plan: the nearest first."""
    alternatives: int
    nearest: str
    """The whole reason of the first."""


class Sourced(Noun, frozen=True, kw_only=True):
    """Where a number comes from."""

    what: str
    value: float
    unit: str
    origin: Origin
    source: str
    as_of: str


class Share(Noun, frozen=True, kw_only=True):
    """A part of a step, of its time."""

    name: str
    share: float


class Bar(Noun, frozen=True, kw_only=True):
    """A piece of work on the timeline of a training step."""

    stage: int
    micro_batch: int
    kind: str
    start_s: float
    end_s: float


class Explanation(Noun, frozen=True, kw_only=True):
    """The answer to "why this plan": facts only, in the order in which they are told."""

    subject: Literal["serving", "training"]
    name: str
    met: bool
    goal: str
    """What was asked, in a sentence."""
    time_name: str
    """What `time_s` of the options is, such as "p99" or "duration"."""
    choice: Option
    options: tuple[Option, ...]
    """The choice first, then what cannot be beaten in everything at once, and the nearest answers."""
    misses: tuple[str, ...]
    bounds: tuple[Bound, ...]
    neighbours: tuple[Neighbour, ...]
    turns: tuple[Turn, ...]
    curves: tuple[Curve, ...] = ()
    """Empty where the planner was not asked."""
    places: tuple[Place, ...]
    fallen: tuple[Fallen, ...]
    sources: tuple[Sourced, ...]
    because: tuple[str, ...]
    """What dominates the prediction of the choice."""
    shares: tuple[Share, ...] = ()
    """What takes the time of one step of training, the largest first."""
    timeline: tuple[Bar, ...] = ()
    """Of one step of training; empty where there is no pipeline to show."""
    timeline_note: str = ""
    considered: int
    snapshot: str
    today: str
    basis: Basis
    basis_note: str = ""
    """Why the planner was not asked again, or on which prices it was."""
    limits: dict[str, float] = msgspec.field(default_factory=dict)
    """What the goal allows, for drawing: "cost_usd" and "time_s"."""
