"""Nouns and numbers as short English text, the same in the terminal and on the page.

In: nouns. Out: plain text without markup. Values come out with three significant digits; minus signs are
real ones, so that columns line up.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

from tradewind.domain import units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewind.domain.goal import Goal
    from tradewind.domain.layout import Layout
    from tradewind.domain.noun import Purchase, Range
    from tradewind.domain.offer import Offer
    from tradewind.domain.plan import Miss
    from tradewind.domain.profile import Profile

__all__ = [
    "COST_PARTS",
    "PURCHASES",
    "counted",
    "digits",
    "engine_name",
    "figure_interval",
    "figure_name",
    "figure_value",
    "given",
    "goal_sentence",
    "interval",
    "layout_sentence",
    "listed",
    "metric_change",
    "metric_value",
    "miss_sentence",
    "moment",
    "offer_place",
    "pace",
    "percent",
    "purchase_terms",
    "quantity",
    "ratio",
    "replica_sentence",
]

PURCHASES: Final[dict[Purchase, str]] = {
    "on_demand": "on demand",
    "spot": "spot",
    "commit_1y": "1-year commitment",
    "commit_3y": "3-year commitment",
}
"""How a machine is paid for, in words."""

COST_PARTS: Final[dict[str, str]] = {
    "compute": "machines",
    "managed_service": "managed service",
    "storage": "storage",
    "egress_internet": "traffic to the internet",
    "egress_inter_region": "traffic between regions",
    "footprint": "being away from home",
}
"""The parts of a monthly cost, in words."""


def quantity(value: float, dimension: units.Dimension) -> str:
    """A quantity for people, in the unit that fits.

    >>> quantity(0.0213, "time"), quantity(float("inf"), "time")
    ('21.3 ms', 'unbounded')
    """
    if not math.isfinite(value):
        return "unknown" if math.isnan(value) else "unbounded"
    if dimension in _MONEY and abs(value) < 100.0:
        return _minus(f"{value:.2f} {_MONEY[dimension]}")
    return _minus(units.show(value, dimension))


_MONEY: Final[dict[str, str]] = {"money": "usd", "money_per_month": "usd/month"}


def given(value: float, dimension: units.Dimension) -> str:
    """A quantity that somebody wrote down, without zeros that say nothing.

    >>> given(0.02, "time"), given(500.0, "money_per_month"), given(2**32, "bytes")
    ('20 ms', '500 usd/month', '4 GiB')
    """
    amount, _, unit = quantity(value, dimension).partition(" ")
    shortened = amount.rstrip("0").rstrip(".") if "." in amount else amount
    return f"{shortened} {unit}".strip()


def pace(rows_per_second: float) -> str:
    """How many rows a second.

    >>> pace(1_049_598.0), pace(191_385.0), pace(950.0)
    ('1.05 M rows/s', '191 k rows/s', '950 rows/s')
    """
    for size, prefix in ((1e6, "M "), (1e3, "k ")):
        if size <= rows_per_second < math.inf:
            return f"{digits(rows_per_second / size)} {prefix}rows/s"
    return f"{digits(rows_per_second)} rows/s"


def digits(value: float) -> str:
    """A number without a unit: three significant digits.

    >>> digits(0.01234), digits(61234.0), digits(-2.5), digits(3.0)
    ('0.0123', '61,234', '−2.5', '3')
    """
    if not math.isfinite(value):
        return "unknown" if math.isnan(value) else "unbounded"
    if value == 0.0:
        return "0"
    if abs(value) >= 100.0:
        return _minus(f"{value:,.0f}")
    if abs(value) < 1e-4 or abs(value) >= 1e15:
        return _minus(f"{value:.2e}")
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:.{decimals}f}"
    return _minus(text.rstrip("0").rstrip(".") if "." in text else text)


def percent(share: float) -> str:
    """A share in percent.

    >>> percent(0.1226), percent(0.004), percent(0.9966), percent(1.38), percent(0.9998)
    ('12 %', '0.4 %', '99.7 %', '138 %', 'over 99.9 %')
    """
    value = 100.0 * share
    if not math.isfinite(value):
        return digits(value)
    if 99.9 < value < 100.0:
        return "over 99.9 %"
    if 0.0 < value < 0.1:
        return "under 0.1 %"
    near_a_bound = abs(value) < 1.0 or 99.0 < value < 100.0
    text = f"{value:.1f}" if near_a_bound and value != 0.0 else f"{value:,.0f}"
    return _minus(text) + " %"


def ratio(value: float) -> str:
    """How many times.

    >>> ratio(3.86), ratio(0.417), ratio(12.3)
    ('3.9×', '0.42×', '12×')
    """
    if not math.isfinite(value):
        return digits(value)
    if value >= 10.0:
        return f"{value:,.0f}×"
    return f"{value:.1f}×" if value >= 1.0 else _minus(f"{value:.2f}×")


def counted(number: int, one: str, many: str) -> str:
    """A number with its word.

    >>> counted(1, "variant", "variants"), counted(1234, "offer", "offers"), counted(0, "plan", "plans")
    ('1 variant', '1,234 offers', 'no plans')
    """
    return f"{number:,} {one if number == 1 else many}" if number else f"no {many}"


def listed(words: Sequence[str], last: str) -> str:
    """Words as a list in a sentence.

    >>> listed(["aws", "azure", "gcp"], "or"), listed(["aws"], "or")
    ('aws, azure or gcp', 'aws')
    """
    return f" {last} ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)


def interval(of: Range, dimension: units.Dimension) -> str:
    """The ends of an interval, with the unit once where both share it.

    >>> from tradewind.domain.noun import Range
    >>> interval(Range(low=0.0101, likely=0.0142, high=0.0186), "time")
    '10.1 to 18.6 ms'
    """
    return _joined(quantity(of.low, dimension), quantity(of.high, dimension))


def _joined(low: str, high: str) -> str:
    if low == high:
        return low
    number, _, unit = low.partition(" ")
    return f"{number} to {high}" if unit and high.endswith(f" {unit}") else f"{low} to {high}"


def metric_value(value: float) -> str:
    """A value of the goal's metric.

    >>> metric_value(0.8262), metric_value(-1234.5)
    ('0.8262', '−1,234.5')
    """
    if not math.isfinite(value):
        return digits(value)
    return _minus(f"{value:,.1f}" if abs(value) >= 100.0 else f"{value:.4f}")


def metric_change(delta: float) -> str:
    """A change of the goal's metric, always with its sign.

    >>> metric_change(-0.0002), metric_change(0.0031), metric_change(0.0)
    ('−0.0002', '+0.0031', '0.0000')
    """
    text = metric_value(delta)
    if text.strip("−0.,") == "":
        return text.removeprefix("−")
    return text if text.startswith("−") or not text[0].isdigit() else f"+{text}"


def moment(iso: str) -> str:
    """An ISO date and time as people write it.

    >>> moment("2026-08-21T14:03:55.123+00:00"), moment("2026-08-21")
    ('2026-08-21 14:03 UTC', '2026-08-21')
    """
    match = re.match(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)", iso)
    return f"{match[1]} {match[2]} UTC" if match else iso


_SUFFIXES: Final[tuple[tuple[str, units.Dimension], ...]] = (
    ("_usd_per_month", "money_per_month"),
    ("_rps", "rate"),
    ("_bytes", "bytes"),
    ("_s_per_request", "time"),
    ("_s", "time"),
)
_OTHER_SUFFIXES: Final[tuple[tuple[str, str], ...]] = (
    ("_kwh_per_month", "kWh/month"),
    ("_kgco2e_per_month", "kg CO2e/month"),
    ("_usd_per_hour", "usd/h"),
)
_SHARES: Final = ("utilization", "confidence")


def figure_name(figure: str) -> str:
    """The name of a figure, without its unit.

    >>> figure_name("latency_p99_s"), figure_name("cpu_s_per_request"), figure_name("memory_bytes")
    ('p99 latency', 'CPU time per request', 'memory')
    """
    percentile = re.fullmatch(r"latency_(p\d+)_s", figure)
    if percentile:
        return f"{percentile[1]} latency"
    if figure == "cpu_s_per_request":
        return "CPU time per request"
    for suffix in (*(suffix for suffix, _ in _SUFFIXES), *(suffix for suffix, _ in _OTHER_SUFFIXES)):
        if figure.endswith(suffix):
            each = " per request" if suffix.endswith("_per_request") else ""
            return figure.removesuffix(suffix).replace("_", " ") + each
    return figure.replace("_", " ")


def figure_value(figure: str, value: float) -> str:
    """A value of a figure, with the unit that the figure's name ends in.

    >>> figure_value("latency_p99_s", 0.0213), figure_value("utilization", 0.38)
    ('21.3 ms', '38 %')
    """
    for suffix, dimension in _SUFFIXES:
        if figure.endswith(suffix):
            return quantity(value, dimension)
    for suffix, unit in _OTHER_SUFFIXES:
        if figure.endswith(suffix):
            return f"{digits(value)} {unit}"
    return percent(value) if figure in _SHARES else digits(value)


def figure_interval(figure: str, of: Range) -> str:
    """The ends of an interval of a figure.

    >>> from tradewind.domain.noun import Range
    >>> figure_interval("throughput_rps", Range(low=480.0, likely=500.0, high=520.0))
    '480 to 520 rps'
    """
    return _joined(figure_value(figure, of.low), figure_value(figure, of.high))


def miss_sentence(miss: Miss) -> str:
    """What is missed, and by how much.

    >>> from tradewind.domain.plan import Miss
    >>> miss_sentence(Miss(constraint="p99", asked=0.005, got=0.0142, unit="s", advice=""))
    'p99: 14.2 ms instead of 5 ms, off by 9.2 ms'
    """

    def shown(value: float) -> str:
        for dimension, known in units.DIMENSIONS.items():
            if miss.unit == next(iter(known)):
                return given(value, dimension)
        return f"{digits(value)} {miss.unit}".strip()

    off = abs(miss.got - miss.asked)
    return f"{miss.constraint}: {shown(miss.got)} instead of {shown(miss.asked)}, off by {shown(off)}"


def goal_sentence(goal: Goal) -> str:
    """What the user asks, as one sentence."""
    serve, quality = goal.serve, goal.quality
    loss = f"losing at most {digits(quality.max_drop)} of {goal.metric}"
    if quality.slices:
        loss += f" (also judged by {listed(quality.slices, 'and')})"
    regions = "any region" if goal.regions == ("*",) else listed(goal.regions, "or")
    if goal.jurisdiction:
        regions += f" under the law of {listed(goal.jurisdiction, 'or')}"
    machines = f" on machines with {listed(goal.accelerator, 'or')}" if goal.accelerator else ""
    if goal.memory_bytes is not None:
        machines += (
            f"{' and' if machines else ' on machines with'} at least {given(goal.memory_bytes, 'bytes')}"
        )
    required = [word.replace("_", " ") for word in goal.require]
    services = f" through a managed service with {listed(required, 'and')}" if required else ""
    return (
        f"Serve {goal.model} at {given(serve.load.rate_rps, 'rate')} with {serve.percentile} within "
        f"{given(serve.latency_s, 'time')}, {loss}, for at most "
        f"{given(goal.budget_usd_per_month, 'money_per_month')}, on {listed(goal.clouds, 'or')} in {regions}"
        f"{machines}{services}, "
        f"{listed([PURCHASES[way] for way in goal.purchase], 'or')}, with {percent(goal.confidence)} confidence."
    )


def offer_place(offer: Offer) -> str:
    """Where an offer is: cloud and region, and the zone where the price holds only there."""
    return f"{offer.cloud} {offer.region}" + (f" ({offer.zone})" if offer.zone else "")


def purchase_terms(offer: Offer) -> str:
    """How an offer is paid for, with the terms of a commitment."""
    return PURCHASES[offer.purchase] + (f" ({offer.terms})" if offer.terms else "")


def layout_sentence(layout: Layout) -> str:
    """How the work is spread, as one sentence.

    >>> from tradewind.domain.layout import Layout
    >>> layout_sentence(Layout(instances=3, replicas_per_instance=2, threads=1, max_batch=16, spare_instances=1))
    '3 machines, of which 1 stands in for interrupted ones; each runs 2 server processes of 1 thread with batches of at most 16 rows.'
    """
    machines = counted(layout.instances, "machine", "machines")
    spare = ""
    if layout.spare_instances:
        stand = "stands" if layout.spare_instances == 1 else "stand"
        spare = f", of which {layout.spare_instances} {stand} in for interrupted ones; each"
    elif layout.instances > 1:
        spare = "; each"
    else:
        spare = " that"
    return f"{machines}{spare} runs {replica_sentence(layout)}."


def replica_sentence(layout: Layout) -> str:
    """What runs on one machine."""
    processes = counted(layout.replicas_per_instance, "server process", "server processes")
    threads = counted(layout.threads, "thread", "threads")
    rows = counted(layout.max_batch, "row", "rows")
    return f"{processes} of {threads} with batches of at most {rows}"


def engine_name(profile: Profile) -> str:
    """What runs a variant, as people call it: torch runs eagerly here."""
    engine = profile.variant.runtime.engine
    return "eager PyTorch" if engine == "torch" else engine


def _minus(text: str) -> str:
    return text.replace("-", "−") if text.startswith("-") else text
