"""Goal: what the user asks. The only noun that is written by hand, so its quantities carry units."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

import msgspec

from tradewind.domain.noun import Capability, Cloud, Noun, Purchase

__all__ = ["CLOUDS", "PERCENTILES", "DataAt", "Footprint", "Goal", "Load", "Quality", "Serve"]

CLOUDS: Final[tuple[Cloud, ...]] = ("aws", "azure", "gcp")
PERCENTILES: Final = ("p50", "p90", "p95", "p99")


def _quantity(dimension: str, description: str) -> msgspec.Meta:
    """A float that the goal file writes with a unit; the codec reads it through `units`."""
    return msgspec.Meta(
        description=description,
        extra={"dimension": dimension},
        extra_json_schema={"type": "string", "pattern": r"^\s*[0-9.]+([eE][+-]?[0-9]+)?\s*[A-Za-z/]+\s*$"},
    )


Seconds = Annotated[float, _quantity("time", 'a time such as "20 ms"')]
Bytes = Annotated[float, _quantity("bytes", 'a size such as "16 GiB"')]
Rate = Annotated[float, _quantity("rate", 'a rate such as "2000 rps"')]
Usd = Annotated[float, _quantity("money", 'money such as "2000 usd"')]
UsdPerHour = Annotated[float, _quantity("money_per_hour", 'money such as "0.12 usd/h"')]
UsdPerMonth = Annotated[float, _quantity("money_per_month", 'money such as "500 usd/month"')]


class Quality(Noun, frozen=True, kw_only=True):
    """How much quality may be given up for speed.

    `max_drop` is in the metric's own unit (0.005 of accuracy is half a point). It bounds the upper end
    of the confidence interval of the paired difference, over all test rows.
    """

    max_drop: Annotated[float, msgspec.Meta(ge=0.0, description="allowed loss of the metric")] = 0.01
    slices: Annotated[
        tuple[str, ...],
        msgspec.Meta(description="columns of the test split by which quality is also judged"),
    ] = ()
    slice_max_drop: Annotated[
        float | None,
        msgspec.Meta(description="allowed loss in any one slice; without it, three times max_drop"),
    ] = None
    minimum: Annotated[
        float | None, msgspec.Meta(description="the least value of the metric that is acceptable")
    ] = None


class Load(Noun, frozen=True, kw_only=True):
    """How many requests arrive. In the file: `load: 2000 rps`."""

    shorthand: ClassVar[str] = "rate"
    rate_rps: Rate = msgspec.field(name="rate")


class Serve(Noun, frozen=True, kw_only=True):
    """The service-level objective: one latency percentile, and the load under which it must hold."""

    load: Load
    p50_s: Seconds | None = msgspec.field(default=None, name="p50")
    p90_s: Seconds | None = msgspec.field(default=None, name="p90")
    p95_s: Seconds | None = msgspec.field(default=None, name="p95")
    p99_s: Seconds | None = msgspec.field(default=None, name="p99")

    def __post_init__(self) -> None:
        given = [name for name in PERCENTILES if getattr(self, f"{name}_s") is not None]
        if len(given) != 1:
            said = " and ".join(given) if given else "none"
            raise ValueError(f"write exactly one of {', '.join(PERCENTILES)}, got {said}")
        if self.latency_s <= 0.0:
            raise ValueError(f"{given[0]} is 0; write a latency above 0, like 20 ms")
        if self.load.rate_rps <= 0.0:
            raise ValueError("load is 0; write a rate above 0, like 100 rps")

    @property
    def percentile(self) -> str:
        """Which percentile is bounded: "p50", "p90", "p95" or "p99"."""
        return next(name for name in PERCENTILES if getattr(self, f"{name}_s") is not None)

    @property
    def latency_s(self) -> float:
        """The bound of that percentile."""
        return float(getattr(self, f"{self.percentile}_s"))


class DataAt(Noun, frozen=True, kw_only=True):
    """Where the data live. In the file: `data_at: s3://bucket/path`, or the keys below.

    The scheme names the cloud (s3: aws, gs: gcp, az/abfs/abfss/wasbs: azure, file: on premises).
    """

    shorthand: ClassVar[str] = "uri"
    uri: str
    region: Annotated[
        str | None, msgspec.Meta(description="the cloud region of the bucket, such as eu-west-1")
    ] = None
    size_bytes: Bytes | None = msgspec.field(default=None, name="size")
    read_per_month_bytes: Bytes | None = msgspec.field(default=None, name="read_per_month")

    @property
    def cloud(self) -> Cloud | None:
        """The cloud that the URI's scheme names, or None when it is on premises or unknown."""
        return SCHEMES.get(self.uri.partition("://")[0])


SCHEMES: Final[dict[str, Cloud]] = {
    "s3": "aws",
    "gs": "gcp",
    "az": "azure",
    "abfs": "azure",
    "abfss": "azure",
    "wasbs": "azure",
}


class Footprint(Noun, frozen=True, kw_only=True):
    """Where the user's systems are today. In the file: `footprint: aws`, or the keys below.

    Being elsewhere costs what the user states for switching, spread over `months`, and the transfer of
    `traffic` from there each month: lock-in as money in the plan, never a hidden score.
    """

    shorthand: ClassVar[str] = "cloud"
    cloud: Cloud
    region: Annotated[
        str | None, msgspec.Meta(description="such as eu-west-1; without it, any of the cloud")
    ] = None
    switching_cost_usd: Usd = msgspec.field(default=0.0, name="switching_cost")
    months: Annotated[
        float, msgspec.Meta(gt=0.0, description="the months over which the switching cost is spread")
    ] = 12.0
    traffic_per_month_bytes: Bytes | None = msgspec.field(default=None, name="traffic_per_month")


class Goal(Noun, frozen=True, kw_only=True):
    """What the user asks, as `goal.yaml` says it."""

    name: Annotated[
        str,
        msgspec.Meta(
            pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$",
            description="lower-case letters, digits, - and _; names the folder under runs/",
        ),
    ]
    model: Annotated[
        str,
        msgspec.Meta(description="module:callable that returns a torch.nn.Module, or a .pt2 or .onnx file"),
    ]
    data: Annotated[
        str,
        msgspec.Meta(description="module:callable that returns the splits train, calibration and test"),
    ]
    metric: Annotated[
        str,
        msgspec.Meta(
            description="accuracy, average_precision, roc_auc, f1, neg_mean_squared_error, or module:callable"
        ),
    ]
    serve: Serve
    budget_usd_per_month: UsdPerMonth = msgspec.field(name="budget")
    quality: Quality = msgspec.field(default_factory=Quality)
    confidence: Annotated[
        float,
        msgspec.Meta(gt=0.5, lt=1.0, description="the confidence with which the plan must keep its promises"),
    ] = 0.9
    clouds: Annotated[tuple[Cloud, ...], msgspec.Meta(min_length=1)] = CLOUDS
    regions: Annotated[
        tuple[str, ...],
        msgspec.Meta(min_length=1, description="region names or patterns, such as europe-*"),
    ] = ("*",)
    purchase: Annotated[tuple[Purchase, ...], msgspec.Meta(min_length=1)] = ("on_demand", "spot")
    jurisdiction: Annotated[
        tuple[str, ...],
        msgspec.Meta(description="where the machines must stand by law, such as eu, us or a country like de"),
    ] = ()
    accelerator: Annotated[
        tuple[str, ...],
        msgspec.Meta(description="machines with one of these accelerators only, such as H100 or L4"),
    ] = ()
    memory_bytes: Bytes | None = msgspec.field(default=None, name="memory")
    """The least main memory of one machine."""
    require: Annotated[
        tuple[Capability, ...],
        msgspec.Meta(description="capabilities that the cloud's managed service must have"),
    ] = ()
    footprint: Footprint | None = None
    overlay: Annotated[
        str | None,
        msgspec.Meta(description="a file with your own discounts, prices, quotas and commitments"),
    ] = None
    data_at: DataAt | None = None
    data_files: Annotated[
        tuple[str, ...],
        msgspec.Meta(description="files or patterns that the data callable reads, relative to the goal file"),
    ] = ()
    seed: Annotated[int, msgspec.Meta(ge=0, description="the seed of everything that is random")] = 0
