"""TrainGoal: what to train, by when and for how much. TrainingPlan: on what, spread how, and why."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from tradewind.domain.architecture import Architecture
from tradewind.domain.goal import CLOUDS, Bytes, DataAt, Seconds, Usd
from tradewind.domain.layout import TrainingLayout
from tradewind.domain.noun import Capability, Cloud, Noun, Origin, Purchase, Range, Rejected
from tradewind.domain.offer import Offer
from tradewind.domain.plan import Miss

__all__ = ["Objective", "Relaxed", "Train", "TrainGoal", "TrainingCandidate", "TrainingCost", "TrainingPlan"]

Objective = Literal["cost", "time", "carbon"]


class Train(Noun, frozen=True, kw_only=True):
    """How much is to be learned, and by when. Write `tokens` or `samples`, not both.

    >>> Train(tokens=1e9, sequence=4096, global_batch=256, deadline_s=86400.0).samples_in_all
    244141.0
    """

    deadline_s: Seconds = msgspec.field(name="deadline")
    tokens: Annotated[float, msgspec.Meta(ge=0.0, description="tokens to train on, repeats counted")] = 0.0
    samples: Annotated[float, msgspec.Meta(ge=0.0, description="samples to train on, repeats counted")] = 0.0
    sequence: Annotated[int, msgspec.Meta(ge=0, description="tokens of a sample; 0 where it has none")] = 0
    global_batch: Annotated[
        int | tuple[int, int],
        msgspec.Meta(description="samples of one step: a number, or the least and the most that may be"),
    ]
    precision: Annotated[
        str, msgspec.Meta(description="of matrix products: bf16, fp16, fp8, tf32 or fp32")
    ] = "bf16"
    checkpoint_bytes_per_s: Annotated[
        float, msgspec.Meta(gt=0.0, description="how fast one machine writes its share of a checkpoint")
    ] = 1e9
    checkpoints_kept: Annotated[float, msgspec.Meta(ge=0.0)] = 2.0

    def __post_init__(self) -> None:
        if (self.tokens > 0.0) == (self.samples > 0.0):
            raise ValueError("write tokens or samples, one of them above 0")
        if self.tokens > 0.0 and self.sequence < 1:
            raise ValueError("tokens need a sequence length: write sequence, like 4096")
        low, high = self.batch
        if not 1 <= low <= high:
            raise ValueError(f"global_batch {self.global_batch}: write a number from 1 on, or [least, most]")
        if self.deadline_s <= 0.0:
            raise ValueError("deadline is 0; write a time above 0, like 30 d")

    @property
    def batch(self) -> tuple[int, int]:
        """The least and the most samples of one step."""
        both = self.global_batch
        return (both, both) if isinstance(both, int) else both

    @property
    def samples_in_all(self) -> float:
        """Whole samples that are trained on."""
        return float(-(-self.tokens // self.sequence)) if self.tokens > 0.0 else self.samples


class TrainGoal(Noun, frozen=True, kw_only=True):
    """What the user asks of a training job, as `train.yaml` says it."""

    name: Annotated[
        str,
        msgspec.Meta(
            pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$",
            description="lower-case letters, digits, - and _; names the folder under runs/",
        ),
    ]
    model: Annotated[
        str | Architecture,
        msgspec.Meta(description="the name of a published network, such as Llama 3 70B, or its widths"),
    ]
    train: Train
    budget_usd: Usd = msgspec.field(name="budget")
    """For the whole job."""
    objective: Objective = "cost"
    """What is made least of what keeps the deadline and the budget."""
    confidence: Annotated[
        float,
        msgspec.Meta(gt=0.5, lt=1.0, description="the confidence with which deadline and budget must hold"),
    ] = 0.9
    accelerators_at_most: Annotated[int, msgspec.Meta(ge=1)] = 1024
    clouds: Annotated[tuple[Cloud, ...], msgspec.Meta(min_length=1)] = CLOUDS
    regions: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = ("*",)
    purchase: Annotated[tuple[Purchase, ...], msgspec.Meta(min_length=1)] = ("on_demand", "spot")
    jurisdiction: tuple[str, ...] = ()
    accelerator: tuple[str, ...] = ()
    """Machines with one of these accelerators only."""
    memory_bytes: Bytes | None = msgspec.field(default=None, name="memory")
    """The least main memory of one machine."""
    require: tuple[Capability, ...] = ()
    overlay: str | None = None
    data_at: DataAt | None = None
    """Where the training data are; `size` of them is moved once to where the job runs."""


class TrainingCost(Noun, frozen=True, kw_only=True):
    """One part of the expected cost of a job; the parts add up to it."""

    name: Literal["compute", "storage", "data_transfer"]
    usd: float
    because: str
    source: str
    as_of: str
    origin: Origin = "quoted"


class TrainingCandidate(Noun, frozen=True, kw_only=True):
    """One way to train: machines, and how the step is spread over them."""

    offer: Offer
    machines: int
    device: str
    layout: TrainingLayout
    step_s: Range
    memory_bytes: Range
    """Of the fullest device at its peak."""
    duration_s: Range
    """Expected, interruptions included, for the low, likely and high end of the predicted step."""
    cost_usd: Range
    costs: tuple[TrainingCost, ...]
    energy_kwh: float
    carbon_kgco2e: float | None
    """None where the grid's intensity is not known."""
    confidence: float
    """The probability that deadline and budget hold."""
    checkpoint_every_s: float | None
    """Work between saves; None where a save costs more than it spares."""
    interruptions: float
    """Expected in the whole job."""
    flops_share: float
    """Share of the peak arithmetic that the network's own operations reach (MFU), recomputation not counted."""
    runtime: str
    because: tuple[str, ...]
    """What takes the time of a step, the largest first, then what was assumed."""

    @property
    def accelerators(self) -> int:
        """Devices of the mesh."""
        return self.layout.devices


class Relaxed(Noun, frozen=True, kw_only=True):
    """A feasible plan that keeps all of the goal but for one constraint."""

    constraint: Literal["deadline", "budget", "accelerators", "places", "confidence"]
    words: str
    """What would have to give, and the price."""
    candidate: TrainingCandidate


class TrainingPlan(Noun, frozen=True, kw_only=True):
    """The decision, complete."""

    goal: TrainGoal
    choice: TrainingCandidate
    meets_goal: bool
    misses: tuple[Miss, ...]
    """Empty when the goal is met; else what the choice, the nearest answer, does not keep."""
    pareto: tuple[TrainingCandidate, ...]
    """What keeps the goal: nothing else is more than 5 % better in cost and in time at once; sorted by cost."""
    nearest: tuple[Relaxed, ...]
    """When the goal is not met: for each constraint the best plan without it."""
    rejected: tuple[Rejected, ...]
    considered: int
    """Layouts on kinds of machines, the size of the space that the choice is the best of."""
    excluded: int
    """Those of them that a bound, or the memory that they need, excluded without their time being computed."""
    priced: int
    """Offers among which the choice is the best."""
    runtime: str
    because: tuple[str, ...]
    snapshot: str
    today: str
