"""GenerateGoal: which language model is to answer how many requests, how fast. GenerationPlan: on what, and why."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from tradewind.domain.architecture import Architecture
from tradewind.domain.goal import CLOUDS, Bytes, Load, Seconds, UsdPerMonth
from tradewind.domain.noun import Capability, Cloud, Noun, Purchase, Range, Rejected
from tradewind.domain.offer import Offer
from tradewind.domain.plan import CostPart, LoadCurve, Miss, Rented

__all__ = [
    "BOUNDS",
    "Bound",
    "Generate",
    "GenerateGoal",
    "GenerationCandidate",
    "GenerationLayout",
    "GenerationPlan",
    "GenerationPrecision",
    "Relaxed",
]

GenerationPrecision = Literal["bf16", "fp8", "int8", "int4"]
"""Of the weights. bf16 stands for fp16 too; products of int4 weights are computed in 16 bits (AWQ, GPTQ)."""
Bound = Literal["first_token_p50", "first_token_p99", "token_p50", "token_p99"]
BOUNDS: Final[tuple[Bound, ...]] = ("first_token_p50", "first_token_p99", "token_p50", "token_p99")


class Generate(Noun, frozen=True, kw_only=True):
    """What arrives, and how fast it must be answered. A bound that is left out does not bind.

    >>> Generate(load=Load(rate_rps=2.0), prompt=1000, output=200, token_p99_s=0.05).longest
    1200
    """

    load: Load
    """Requests, not tokens: a rate, or a day that repeats."""
    prompt: Annotated[int, msgspec.Meta(ge=1, description="tokens of a prompt, on average")]
    output: Annotated[int, msgspec.Meta(ge=1, description="tokens of an answer, on average")]
    context: Annotated[
        int, msgspec.Meta(ge=0, description="tokens of the longest prompt with its answer; 0: their averages")
    ] = 0
    first_token_p50_s: Seconds | None = msgspec.field(default=None, name="first_token_p50")
    """From the arrival of a request to its first token."""
    first_token_p99_s: Seconds | None = msgspec.field(default=None, name="first_token_p99")
    token_p50_s: Seconds | None = msgspec.field(default=None, name="token_p50")
    """Between two tokens of a request, averaged over its answer."""
    token_p99_s: Seconds | None = msgspec.field(default=None, name="token_p99")
    precisions: Annotated[
        tuple[GenerationPrecision, ...],
        msgspec.Meta(min_length=1, description="of the weights, as far as the answers' quality allows"),
    ] = ("bf16",)

    def __post_init__(self) -> None:
        if self.load.trace is not None:
            raise ValueError("a trace cannot be planned for yet; write a rate or a profile of a day")
        if self.load.rate_rps <= 0.0:
            raise ValueError("load is 0; write a rate above 0, like 5 rps")
        if 0 < self.context < self.prompt + self.output:
            raise ValueError(f"context {self.context} is below prompt + output = {self.prompt + self.output}")
        for name in BOUNDS:
            if self.bound_s(name) <= 0.0:
                raise ValueError(f"{name} is 0; write a time above 0, like 100 ms")

    @property
    def longest(self) -> int:
        """Tokens of the longest request with its answer."""
        return self.context or self.prompt + self.output

    def bound_s(self, name: Bound) -> float:
        """A bound; infinite where it is left out."""
        value = getattr(self, f"{name}_s")
        return float("inf") if value is None else float(value)


class GenerateGoal(Noun, frozen=True, kw_only=True):
    """What the user asks of a language model that answers, as the goal file says it."""

    name: Annotated[
        str,
        msgspec.Meta(
            pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$",
            description="lower-case letters, digits, - and _; names the folder under runs/",
        ),
    ]
    model: Annotated[
        str | Architecture,
        msgspec.Meta(description="the name of a published network, such as Llama 3 8B, or its widths"),
    ]
    generate: Generate
    budget_usd_per_month: UsdPerMonth = msgspec.field(name="budget")
    confidence: Annotated[
        float,
        msgspec.Meta(gt=0.5, lt=1.0, description="the confidence with which the bounds must hold"),
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


class GenerationLayout(Noun, frozen=True, kw_only=True):
    """How a language model is spread: each of `replicas` has all weights on tensor x pipeline devices.

    >>> GenerationLayout(tensor=2, replicas=3, max_batch=64).devices
    6
    """

    tensor: int = 1
    """Devices that share every layer."""
    pipeline: int = 1
    """Groups of them, among which the layers are cut."""
    replicas: int = 1
    max_batch: int = 1
    """Most requests that a replica runs together."""
    weights: GenerationPrecision = "bf16"
    cache: Literal["bf16", "fp8"] = "bf16"
    """Keys and values."""
    attention_apart: bool = False
    """Devices of a replica share the experts alone: each has the attention of all heads for its own requests."""

    @property
    def devices(self) -> int:
        """Accelerators that carry load."""
        return self.tensor * self.pipeline * self.replicas


class GenerationCandidate(Noun, frozen=True, kw_only=True):
    """One way to serve: machines, how the network is spread over them, and what that does at the highest load."""

    offer: Offer
    """Of several that make up a fleet the one that runs longest."""
    machines: int
    """Rented at the highest load, spare ones included."""
    spare_machines: int
    """Of them, for spot machines that are taken back."""
    device: str
    layout: GenerationLayout
    first_token_s: dict[str, Range]
    """By percentile, p50 and p99."""
    token_s: dict[str, Range]
    running: float
    """Requests that a replica runs together at the highest load, on average."""
    tokens_per_s: float
    """Answered at the highest load."""
    load_share: float
    """Of the most requests that it bears with the bounds kept, with the goal's confidence."""
    memory_bytes: Range
    """Of the fullest device."""
    costs: tuple[CostPart, ...]
    fleet: tuple[Rented, ...]
    usd_per_million_tokens: float
    """Answered."""
    energy_kwh_per_month: float
    carbon_kgco2e_per_month: float | None
    """None where the grid's intensity is not known."""
    confidence: float
    """The probability that all bounds hold, given the interval of the prediction."""
    runtime: str
    """The command that starts a replica, or that this is predicted only."""
    because: tuple[str, ...]
    """What takes the time of a token, the largest first."""

    @property
    def cost_usd_per_month(self) -> float:
        """The sum of the parts."""
        return sum(part.usd_per_month for part in self.costs)


class Relaxed(Noun, frozen=True, kw_only=True):
    """The cheapest plan that keeps all of the goal but for one constraint, which gives as little as it must."""

    constraint: str
    """A `Bound`, or load, budget, confidence, precisions, accelerators or places; where none alone is enough, bounds (all
    of them, and the budget) or bounds and load."""
    words: str
    """What would have to give, and what that costs."""
    candidate: GenerationCandidate


class GenerationPlan(Noun, frozen=True, kw_only=True):
    """The decision, complete."""

    goal: GenerateGoal
    choice: GenerationCandidate
    meets_goal: bool
    misses: tuple[Miss, ...]
    """Empty when the goal is met; else what the choice, the nearest answer, does not keep."""
    pareto: tuple[GenerationCandidate, ...]
    """What keeps the goal: nothing else is cheaper and faster, in first and further tokens; sorted by cost."""
    nearest: tuple[Relaxed, ...]
    """When the goal is not met: for each constraint the best plan without it, the cheapest first."""
    rejected: tuple[Rejected, ...]
    considered: int
    """Ways to run a replica, times numbers of machines, times offers: the space that the choice is the best of."""
    evaluated: int
    """Ways of which the most that they bear was computed, and fleets that were priced."""
    excluded: int
    """The rest: a bound or the memory that they need proves that none of them is better."""
    priced: int
    """Offers among which the choice is the best."""
    load: LoadCurve
    runtime: str
    because: tuple[str, ...]
    snapshot: str
    today: str
