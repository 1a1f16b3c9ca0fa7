"""TrialsGoal: how many trials of a search, by when and for how much. TrialsPlan: on which machines, and why."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from tradewind.domain.goal import CLOUDS, Bytes, Seconds, Usd
from tradewind.domain.noun import Capability, Cloud, Noun, Purchase, Rejected
from tradewind.domain.offer import Offer
from tradewind.domain.plan import Miss

__all__ = ["Halving", "Trials", "TrialsGoal", "TrialsOther", "TrialsPlan", "TrialsPool", "Where"]


class Where(Noun, frozen=True, kw_only=True):
    """How long a whole trial takes on one machine: write an accelerator or vcpus.

    Machines with more of them than that are taken to be no faster.
    """

    each_s: Seconds = msgspec.field(name="each")
    accelerator: Annotated[str, msgspec.Meta(description="such as H100-SXM; H100 means every kind of it")] = (
        ""
    )
    accelerators: Annotated[float, msgspec.Meta(gt=0.0, description="the fewest that a machine has")] = 1.0
    vcpus: Annotated[
        int, msgspec.Meta(ge=0, description="the fewest of a machine; without accelerator, on processors")
    ] = 0

    def __post_init__(self) -> None:
        if not self.accelerator and self.vcpus < 1:
            raise ValueError("write an accelerator, like H100-SXM, or vcpus, like 16")
        if self.each_s <= 0.0:
            raise ValueError("each is 0; write a time above 0, like 45 min")


class Halving(Noun, frozen=True, kw_only=True):
    """Successive halving: all trials run for a share of a whole one, the best of each rung go on.

    A rung's trials run `reduction` times as long as those of the rung before, and there are so many times fewer.
    """

    reduction: Annotated[int, msgspec.Meta(ge=2)] = 3
    least_share: Annotated[float, msgspec.Meta(gt=0.0, le=1.0, description="of a whole trial")] = 1 / 27


class Trials(Noun, frozen=True, kw_only=True):
    """What is to be tried, and by when.

    >>> Trials(count=100, on=(Where(each_s=3600.0, vcpus=8),), deadline_s=86400.0).save_s is None
    True
    """

    count: Annotated[int, msgspec.Meta(ge=1, le=1_000_000, description="trials that begin")]
    on: Annotated[tuple[Where, ...], msgspec.Meta(min_length=1)]
    """On what a trial can run, and how long it takes there."""
    deadline_s: Seconds = msgspec.field(name="deadline")
    save_s: Seconds | None = msgspec.field(default=None, name="save")
    """How long a trial takes to save; without it an interrupted trial begins again."""
    halving: Halving | None = None
    """Without it every trial runs to its end."""

    def __post_init__(self) -> None:
        if self.deadline_s <= 0.0:
            raise ValueError("deadline is 0; write a time above 0, like 12 h")
        if self.save_s is not None and self.save_s <= 0.0:
            raise ValueError("save is 0; write a time above 0, like 30 s, or leave it out")


class TrialsGoal(Noun, frozen=True, kw_only=True):
    """What the user asks of a search over hyperparameters, as `search.yaml` says it."""

    name: Annotated[
        str,
        msgspec.Meta(
            pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$",
            description="lower-case letters, digits, - and _",
        ),
    ]
    trials: Trials
    budget_usd: Usd = msgspec.field(name="budget")
    """For the whole search; the expected cost must not exceed it."""
    confidence: Annotated[
        float, msgspec.Meta(gt=0.5, lt=1.0, description="the confidence with which the deadline must hold")
    ] = 0.9
    clouds: Annotated[tuple[Cloud, ...], msgspec.Meta(min_length=1)] = CLOUDS
    regions: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = ("*",)
    purchase: Annotated[tuple[Purchase, ...], msgspec.Meta(min_length=1)] = ("on_demand", "spot")
    jurisdiction: tuple[str, ...] = ()
    accelerator: tuple[str, ...] = ()
    """Of what `trials.on` names, machines with one of these accelerators only."""
    memory_bytes: Bytes | None = msgspec.field(default=None, name="memory")
    """The least main memory of one machine."""
    require: tuple[Capability, ...] = ()
    overlay: str | None = None


class TrialsPool(Noun, frozen=True, kw_only=True):
    """Machines of one offer, and the trials that begin on them."""

    offer: Offer
    machines: int
    trials: int
    prepaid: bool = False
    """Paid for already: they cost nothing more."""


class TrialsOther(Noun, frozen=True, kw_only=True):
    """All trials on machines of one other offer, as few as keep the deadline."""

    offer: Offer
    machines: int
    cost_usd: float
    confidence: float


class TrialsPlan(Noun, frozen=True, kw_only=True):
    """The decision, complete."""

    goal: TrialsGoal
    way: Literal["one offer", "two offers", "spot, then on demand"]
    pools: tuple[TrialsPool, ...]
    fallback: Offer | None
    """On which trials end that are not done at `switch_s`."""
    switch_s: float | None
    trial_s: float
    """Of one whole trial on the first pool, interruptions included, on average."""
    cost_usd: float
    """Expected."""
    confidence: float
    """The probability, at least, that all trials are done by the deadline."""
    meets_goal: bool
    misses: tuple[Miss, ...]
    """Empty when the goal is met; else what this, the nearest answer, does not keep."""
    others: tuple[TrialsOther, ...]
    """The best of other machine types that keep the deadline; sorted by cost."""
    rejected: tuple[Rejected, ...]
    priced: int
    """Offers on which a trial can run."""
    because: tuple[str, ...]
    snapshot: str
    today: str

    @property
    def machines(self) -> int:
        """Of all pools, at the beginning."""
        return sum(pool.machines for pool in self.pools)
