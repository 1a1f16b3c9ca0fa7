"""The time of a call on other machines."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.decide.prediction import default_calibration
from tradewind.decide.prediction.service import Service, service_on, thread_counts, work_of

CALIBRATION = default_calibration()
INTEL = {
    "cpu_vendor": "Intel",
    "cpu_model": "8375C",
    "isa": ("avx2", "avx512", "avx512_vnni"),
    "cpu_ghz": 3.2,
}


def served(profile: Any, target: Any, threads: int = 1, **options: Any) -> Service:
    service = service_on(profile, work_of(profile, threads, CALIBRATION, **options), target, CALIBRATION)
    assert isinstance(service, Service), service
    return service


def test_on_its_own_host_a_call_takes_what_was_measured_and_the_front(make: SimpleNamespace) -> None:
    profile = make.profile(spread=1.0)
    service = served(profile, make.host, disturbed=True)
    front = 40e-6 + 4e-9 * 550.0
    for batch in (1, 4, 16):
        measured = profile.latency_s(batch, 1)
        assert service.service_s[batch - 1] == pytest.approx(measured + batch * front, rel=1e-9)
    assert service.front_s == pytest.approx(front)
    assert len(service.service_s) == 16


@given(
    overhead=st.floats(1e-6, 1e-2),
    row=st.floats(1e-7, 1e-2),
    flops=st.floats(1e3, 1e10),
    weights=st.floats(1e3, 1e9),
)
@settings(derandomize=True, deadline=None, max_examples=60)
def test_the_parts_of_the_time_add_up_and_none_is_negative(
    make: SimpleNamespace, overhead: float, row: float, flops: float, weights: float
) -> None:
    profile = make.profile(overhead_s=overhead, row_s=row, flops=flops, weight_bytes=weights)
    work = work_of(profile, 1, CALIBRATION)
    parts = np.stack([work.arithmetic_s, work.memory_s, work.overhead_s, work.inefficiency_s])
    assert parts.min() >= -1e-15
    assert parts.sum(axis=0) == pytest.approx(work.total_s)


@given(row=st.floats(1e-7, 1e-3), ghz=st.tuples(st.floats(2.0, 4.5), st.floats(2.0, 4.5)))
@settings(derandomize=True, deadline=None, max_examples=40)
def test_a_higher_clock_is_never_slower_and_a_larger_batch_never_quicker(
    make: SimpleNamespace, row: float, ghz: tuple[float, float]
) -> None:
    profile = make.profile(row_s=row)
    slow, fast = (served(profile, make.offer(cpu_ghz=value)).service_s for value in sorted(ghz))
    assert np.all(fast <= slow * (1.0 + 1e-12))
    assert np.all(np.diff(fast) >= 0.0)


def test_the_interval_grows_with_the_distance(make: SimpleNamespace) -> None:
    profile = make.profile(precision="int8")
    here = served(profile, make.host).deviation
    same = served(profile, make.offer()).deviation
    other_processor = served(profile, make.offer(cpu_model="7R32")).deviation
    other_vendor = served(
        profile, make.offer(cpu_vendor="Intel", cpu_model="E5-2686 v4", cpu_ghz=2.6)
    ).deviation
    other_instructions = served(profile, make.offer(**INTEL)).deviation
    assert here < same < other_processor < other_vendor < other_instructions


def test_gains_of_instructions_that_were_not_measured_are_uncertain(make: SimpleNamespace) -> None:
    dense = {"flops": 50e6, "row_s": 400e-6, "overhead_s": 1e-6}
    fp32, int8 = (make.profile(precision=precision, **dense) for precision in ("fp32", "int8"))
    target = make.offer(**INTEL)
    quicker = served(int8, make.offer()).service_s[-1] / served(int8, target).service_s[-1]
    assert quicker > 1.3
    assert served(int8, target).deviation > served(fp32, target).deviation + 0.1


def test_bf16_is_refused_where_it_would_be_emulated(make: SimpleNamespace) -> None:
    profile = make.profile(precision="bf16")
    work = work_of(profile, 1, CALIBRATION)
    refusal = service_on(profile, work, make.offer(), CALIBRATION)
    assert isinstance(refusal, str)
    assert "bf16" in refusal
    native = make.offer(
        cpu_vendor="AMD", cpu_model="9R14", isa=("avx2", "avx512", "avx512_bf16", "avx512_vnni")
    )
    assert isinstance(service_on(profile, work, native, CALIBRATION), Service)


def test_what_does_not_fit_the_cache_follows_the_memory(make: SimpleNamespace) -> None:
    small = make.profile(weight_bytes=1e5, flops=1e5, overhead_s=10e-3, row_s=1e-6)
    large = make.profile(weight_bytes=400e6, flops=1e5, overhead_s=30e-3, row_s=1e-6)
    assert work_of(small, 1, CALIBRATION).memory_s.max() == 0.0
    assert work_of(large, 1, CALIBRATION).memory_s.min() > 0.0
    few, many = make.offer(), make.offer(vcpus=96, physical_cores=48)
    assert served(large, many).service_s[0] > 1.5 * served(large, few).service_s[0]
    assert served(small, many).service_s[0] == pytest.approx(served(small, few).service_s[0])


def test_threads_that_were_not_measured_follow_amdahl(make: SimpleNamespace) -> None:
    profile = make.profile(overhead_s=100e-6, row_s=50e-6, spread=1.0)
    assert thread_counts(profile) == (1, 2, 4, 8)
    work = work_of(profile, 4, CALIBRATION)
    assert not work.measured
    assert work.total_s == pytest.approx([100e-6 + 50e-6 * batch / 4 for batch in (1, 4, 16)], rel=1e-6)
    assert work.deviation > work_of(profile, 2, CALIBRATION).deviation
    alone = make.profile(threads=(1,))
    assert thread_counts(alone) == (1,)
    with pytest.raises(ValueError, match="cannot be told"):
        work_of(alone, 2, CALIBRATION)


def test_a_noisy_measurement_widens_the_interval(make: SimpleNamespace) -> None:
    calm, noisy = (make.profile(spread=spread) for spread in (1.01, 1.4))
    assert work_of(noisy, 1, CALIBRATION).deviation > work_of(calm, 1, CALIBRATION).deviation + 0.1


def test_the_words_name_what_dominates(make: SimpleNamespace) -> None:
    reasons = served(make.profile(), make.offer(cpu_ghz=None, physical_cores=None)).because(16)
    assert "AMD Zen 3" in reasons[0]
    assert "%" in reasons[1]
    assert any("cores not listed" in line for line in reasons)
