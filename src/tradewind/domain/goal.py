"""Goal: what the user asks. The only noun that is written by hand, so its quantities carry units."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, ClassVar, Final

import msgspec

from tradewind.domain.noun import Capability, Cloud, Noun, Purchase

__all__ = ["CLOUDS", "PERCENTILES", "DataAt", "Footprint", "Goal", "Hour", "Load", "Quality", "Serve"]

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


class Hour(Noun, frozen=True, kw_only=True):
    """The rate from an hour of the day on. In the file: `200 rps`, or `{from: 8.5, rate: 200 rps}`."""

    shorthand: ClassVar[str] = "rate"
    rate_rps: Rate = msgspec.field(name="rate")
    from_hour: (
        Annotated[float, msgspec.Meta(ge=0.0, lt=24.0, description="hour of the day, 0 up to 24")] | None
    ) = msgspec.field(default=None, name="from")


class Load(Noun, frozen=True, kw_only=True):
    """How many requests arrive. In the file: `load: 2000 rps`, or one of the keys below.

    `profile` is a day that repeats: 24 rates, from midnight on, or rates with the hour from which they hold
    (the last one holds until the first). `trace` is a CSV file of what arrived once: a column of timestamps,
    one row a request, or of counts, one row a second.
    """

    shorthand: ClassVar[str] = "rate"
    rate_rps: Rate = msgspec.field(default=0.0, name="rate")
    """The highest rate, at which the percentile must hold. 0 for a trace that has not been read."""
    profile: tuple[Hour, ...] = ()
    trace: Annotated[str | None, msgspec.Meta(description="a CSV file, relative to the goal file")] = None

    def __post_init__(self) -> None:
        if self.profile and self.trace is not None:
            raise ValueError("write a profile or a trace, not both")
        if not self.profile:
            return
        starts = [hour.from_hour for hour in self.profile]
        if all(start is None for start in starts):
            if len(starts) != 24:
                raise ValueError(
                    f"a profile without hours needs 24 rates, write {24 - len(starts):+d} of them"
                )
        elif None in starts or any(a >= b for a, b in pairwise(starts)):  # type: ignore[operator]
            raise ValueError("write the hours of a profile in rising order, one with every rate")
        peak_rps = max(hour.rate_rps for hour in self.profile)
        if self.rate_rps == 0.0:
            msgspec.structs.force_setattr(self, "rate_rps", peak_rps)
        elif abs(self.rate_rps - peak_rps) > 1e-9 * peak_rps:
            raise ValueError("leave out the rate: it is the highest of the profile")

    @property
    def day(self) -> tuple[tuple[float, float], ...]:
        """Hours of the day and the rates that hold from there, rising; empty without a profile.

        >>> Load(profile=(Hour(rate_rps=1.0, from_hour=8.0), Hour(rate_rps=2.0, from_hour=20.0))).day
        ((0.0, 2.0), (8.0, 1.0), (20.0, 2.0))
        """
        steps = [
            (float(place) if hour.from_hour is None else hour.from_hour, hour.rate_rps)
            for place, hour in enumerate(self.profile)
        ]
        if steps and steps[0][0] > 0.0:
            steps.insert(0, (0.0, steps[-1][1]))
        return tuple(steps)


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
        if self.load.rate_rps <= 0.0 and self.load.trace is None:
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
    users: Annotated[
        dict[str, float],
        msgspec.Meta(
            description="shares of the load by part of the world, such as {europe: 0.6, us: 0.4}; the bound then"
            " holds with the way to the users"
        ),
    ] = msgspec.field(default_factory=dict)
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

    def __post_init__(self) -> None:
        shares = self.users.values()
        if shares and (min(shares) <= 0.0 or abs(sum(shares) - 1.0) > 1e-6):
            raise ValueError(
                f"write shares of users above 0 that add up to 1, these add up to {sum(shares):.4g}"
            )
