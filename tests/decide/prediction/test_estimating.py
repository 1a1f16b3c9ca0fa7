"""Estimates: their intervals, and how they answer to what is asked."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.decide.prediction import default_calibration, predict
from tradewind.domain import codec
from tradewind.domain.errors import InputError
from tradewind.domain.estimate import Estimate
from tradewind.domain.layout import Layout
from tradewind.domain.noun import Range

CALIBRATION = default_calibration()
LAYOUT = Layout(instances=2, replicas_per_instance=2, threads=1, max_batch=16)


def estimated(make: SimpleNamespace, load: float = 2000.0, **changes: Any) -> Estimate:
    given: dict[str, Any] = {"profile": make.profile(), "offer": make.offer(), "layout": LAYOUT, **changes}
    return predict(
        given["profile"],
        given["offer"],
        given["layout"],
        given.get("calibration", CALIBRATION),
        load_rps=load,
        serve=make.goal().serve,
    )


def ranges(estimate: Estimate) -> dict[str, Range]:
    found = {f"latency {name}": value for name, value in estimate.latency_s.items()}
    for name in Estimate.__struct_fields__:
        value = getattr(estimate, name)
        if isinstance(value, Range):
            found[name] = value
    return found


@given(load=st.floats(1.0, 200_000.0))
@settings(derandomize=True, deadline=None, max_examples=15)
def test_every_interval_is_in_order_finite_and_survives_a_file(make: SimpleNamespace, load: float) -> None:
    estimate = estimated(make, load)
    for name, value in ranges(estimate).items():
        assert 0.0 <= value.low <= value.likely <= value.high, name
    assert codec.decode(codec.encode(estimate), Estimate, source="test") == estimate
    latencies = [estimate.latency_s[name].likely for name in ("p50", "p90", "p95", "p99")]
    assert latencies == sorted(latencies)


def test_an_unknown_machine_has_wider_intervals(make: SimpleNamespace) -> None:
    known = estimated(make)
    unknown = estimated(make, offer=make.offer(cpu_model=None, cpu_vendor=None, isa=None, cpu_ghz=None))
    one, other = known.capacity_rps, unknown.capacity_rps
    assert one is not None
    assert other is not None
    assert other.high / other.low > 1.5 * one.high / one.low
    assert any("no source names the processor" in line for line in unknown.because)


def test_more_machines_carry_more_and_cost_more(make: SimpleNamespace) -> None:
    more = estimated(make, 40_000.0, layout=msgspec.structs.replace(LAYOUT, instances=4))
    fewer = estimated(make, 40_000.0)
    assert more.capacity_rps is not None
    assert fewer.capacity_rps is not None
    assert more.capacity_rps.likely == pytest.approx(2.0 * fewer.capacity_rps.likely)
    assert more.latency_s["p99"].likely <= fewer.latency_s["p99"].likely
    assert more.cost_usd_per_month == Range.exactly(4 * 0.17 * 730.0)


def test_spare_machines_cost_but_carry_nothing(make: SimpleNamespace) -> None:
    spare = estimated(make, layout=msgspec.structs.replace(LAYOUT, instances=3, spare_instances=1))
    none = estimated(make)
    assert spare.latency_s == none.latency_s
    assert spare.cost_usd_per_month is not None
    assert spare.cost_usd_per_month.likely == pytest.approx(3 * 0.17 * 730.0)


def test_utilization_is_the_cpu_time_that_the_load_takes(make: SimpleNamespace) -> None:
    estimate = estimated(make)
    assert estimate.utilization is not None
    assert estimate.cpu_s_per_request is not None
    assert estimate.utilization.likely == pytest.approx(2000.0 / 4 * estimate.cpu_s_per_request.likely)


def test_a_host_has_no_price_and_its_own_estimate_is_the_surest(make: SimpleNamespace) -> None:
    here, away = estimated(make, offer=make.host), estimated(make)
    assert here.cost_usd_per_month is None
    assert here.carbon_kgco2e_per_month is None
    assert here.cpu_s_per_request is not None
    assert away.cpu_s_per_request is not None
    assert (
        here.cpu_s_per_request.high / here.cpu_s_per_request.low
        < away.cpu_s_per_request.high / away.cpu_s_per_request.low
    )


def test_carbon_is_energy_times_the_grid_and_unknown_without_it(make: SimpleNamespace) -> None:
    estimate = estimated(make)
    assert estimate.energy_kwh_per_month is not None
    assert estimate.carbon_kgco2e_per_month is not None
    assert estimate.carbon_kgco2e_per_month.likely == pytest.approx(
        0.3 * estimate.energy_kwh_per_month.likely
    )
    # Four vCPUs and 8 GiB draw between all idle and all busy, in two machines, with cooling.
    idle = (4 * 0.6 + 8 * 0.39) * 2 * 0.73
    assert idle < estimate.energy_kwh_per_month.likely < (4 * 2.0 + 8 * 0.39) * 2 * 0.73 * 1.135
    assert estimated(make, offer=make.offer(grid_gco2e_per_kwh=None)).carbon_kgco2e_per_month is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_batch": 64}, "over the largest measured batch 16"),
        ({"threads": 3}, None),
    ],
)
def test_what_was_not_measured_is_refused_or_extrapolated(
    make: SimpleNamespace, change: dict[str, int], message: str | None
) -> None:
    layout = msgspec.structs.replace(LAYOUT, **change)
    if message is None:
        assert any("not measured" in line for line in estimated(make, layout=layout).because)
    else:
        with pytest.raises(InputError, match=message):
            estimated(make, layout=layout)


def test_a_variant_that_cannot_run_there_is_an_error_of_input(make: SimpleNamespace) -> None:
    with pytest.raises(InputError, match="bf16 needs instructions"):
        estimated(make, profile=make.profile(precision="bf16"))


def test_a_batch_that_answers_less_per_second_is_never_formed(make: SimpleNamespace) -> None:
    bent = make.profile()
    curve = tuple(
        msgspec.structs.replace(point, low_s=20.0 * point.low_s, median_s=20.0 * point.median_s)
        if point.batch == 16
        else point
        for point in bent.curve
    )
    bent = msgspec.structs.replace(bent, curve=curve)
    smaller = msgspec.structs.replace(LAYOUT, max_batch=4)
    assert (
        estimated(make, profile=bent).capacity_rps
        == estimated(make, profile=bent, layout=smaller).capacity_rps
    )
