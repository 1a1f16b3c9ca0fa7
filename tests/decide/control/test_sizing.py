"""Laws of sizing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.decide.control import capacity, instances_with_spares, replicas_per_instance

CURVE_S = np.array([1e-3, 1.3e-3])


@given(bounds=st.tuples(st.floats(5e-4, 0.1), st.floats(5e-4, 0.1)), level=st.sampled_from([0.5, 0.95, 0.99]))
@settings(derandomize=True, deadline=None, max_examples=12)
def test_a_looser_bound_never_lowers_the_capacity(bounds: tuple[float, float], level: float) -> None:
    tight, loose = (capacity(CURVE_S, bound, level) for bound in sorted(bounds))
    assert tight <= loose <= 2 / CURVE_S[-1]


def test_a_batch_that_is_slower_per_row_changes_nothing() -> None:
    curve = np.array([1e-3, 1.1e-3, 5e-3])
    assert capacity(curve, 0.02, 0.99) == capacity(curve[:2], 0.02, 0.99)


def test_a_bound_below_one_service_is_never_kept() -> None:
    assert capacity(CURVE_S, 0.9e-3, 0.99) == 0.0
    assert capacity(CURVE_S, 1.5e-3, 0.99, jitter_s=1e-3) == 0.0


def up(total: int, needed: int, away: float) -> float:
    return sum(
        math.comb(total, missing) * away**missing * (1.0 - away) ** (total - missing)
        for missing in range(total - needed + 1)
    )


@given(
    needed=st.integers(1, 60),
    rate=st.sampled_from([0.001, 0.01, 0.1, 0.6, 3.0]),
    availability=st.sampled_from([0.9, 0.999, 0.9999]),
)
@settings(derandomize=True, deadline=None, max_examples=100)
def test_spares_are_just_enough(needed: int, rate: float, availability: float) -> None:
    away = rate * 300.0 / 3600.0
    away /= 1.0 + away
    total = instances_with_spares(
        needed, interruptions_per_hour=rate, replacement_s=300.0, availability=availability
    )
    assert up(total, needed, away) >= availability * (1.0 - 1e-12)
    assert total == needed or up(total - 1, needed, away) < availability


@given(needed=st.integers(1, 3000), rate=st.floats(0.0, 5.0))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_more_needed_are_never_fewer_rented(needed: int, rate: float) -> None:
    def rented(count: int) -> int:
        return instances_with_spares(
            count, interruptions_per_hour=rate, replacement_s=300.0, availability=0.9999
        )

    assert needed <= rented(needed) <= rented(needed + 1)


def test_without_interruptions_there_are_no_spares() -> None:
    assert instances_with_spares(7, interruptions_per_hour=0.0, replacement_s=300.0, availability=0.9999) == 7


@pytest.mark.parametrize(
    ("cores", "memory", "threads", "fits"),
    [(8, 64e9, 2, 4), (8, 64e9, 16, 0), (8, 3.6e9, 1, 3), (8, 0.5e9, 1, 0)],
)
def test_replicas_are_bound_by_cores_and_memory(cores: int, memory: float, threads: int, fits: int) -> None:
    found = replicas_per_instance(
        cores=np.array([cores]),
        memory_bytes=np.array([memory]),
        threads=np.array([threads]),
        replica_bytes=np.array([1e9]),
        operating_system_bytes=0.6e9,
    )
    assert found.tolist() == [fits]
