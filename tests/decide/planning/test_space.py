"""The space of all ways: its bounds promise too much, never too little."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tradewind.decide.planning.fleet import Fleet
from tradewind.decide.planning.space import Known, Space, ways_of
from tradewind.decide.prediction import default_calibration
from tradewind.domain.offer import Offer, Offers

CALIBRATION = default_calibration()
INTEL = {
    "cpu_vendor": "Intel",
    "cpu_model": "8375C",
    "isa": ("avx2", "avx512", "avx512_vnni"),
    "cpu_ghz": 3.5,
}


def space_of(make: SimpleNamespace, *offers: Offer, p99_s: float = 0.02, profiles: Any = None) -> Space:
    fleet = Fleet.of(Offers.of(offers), CALIBRATION, memory_matters=False)
    ways = ways_of(profiles or make.front().profiles, CALIBRATION)
    return Space(fleet, ways, make.goal(p99_s=p99_s).serve, 0.9, CALIBRATION, Known())


@pytest.mark.parametrize("p99_s", [0.0015, 0.004, 0.1])
def test_no_solved_capacity_is_above_its_bound(make: SimpleNamespace, p99_s: float) -> None:
    space = space_of(make, make.offer(), make.offer(**INTEL), p99_s=p99_s)
    machines, columns = space.capacity_rps.shape
    for machine in range(machines):
        for column in range(columns):
            bound = float(space.capacity_rps[machine, column])
            replica = space.replica(machine, column)
            found = replica.capacity_rps(p99_s, space.level, space.odds)
            if bound > 0.0:
                assert found <= bound
            assert space.solve(machine, column) <= bound


def test_a_way_that_cannot_run_has_no_capacity(make: SimpleNamespace) -> None:
    space = space_of(make, make.offer(), profiles=(make.profile("half", precision="bf16"),))
    assert space.refused.all()
    assert not space.capacity_rps.any()
    assert isinstance(space.service(0, 0), str)
    assert space.service(0, 0) == space.refusal(0, 0)


def test_the_fastest_ways_are_named_first(make: SimpleNamespace) -> None:
    names = [way.profile.variant.name for way in ways_of(make.front().profiles, CALIBRATION)]
    assert names[0] == "int8"
    assert set(names) == {"int8", "original"}


def test_more_load_never_needs_fewer_machines_and_a_shared_cpu_never_serves(make: SimpleNamespace) -> None:
    space = space_of(make, make.offer(), make.offer(shared_cpu=True), make.offer(vcpus=16, physical_cores=8))
    every = slice(None)
    few, more = (space.needed(load, every, every) for load in (1000.0, 50_000.0))
    assert (few <= more).all()
    shared = space.fleet.kind(1)
    assert not space.fleet.usable[shared]
    assert (few[shared] == float("inf")).all()


def test_what_a_replica_does_is_computed_once(make: SimpleNamespace) -> None:
    space = space_of(make, make.offer())
    once, again = (space.conduct(0, 0, 500.0, 0.02) for _ in range(2))
    assert once is again
    replica = space.replica(0, 0)
    assert once.latency_s == replica.percentile_s(500.0, 0.99, 0.0)
    assert once.risk == 1.0 - replica.confidence(500.0, 0.02, 0.99)


@given(
    p99_s=st.sampled_from([0.0012, 0.0016, 0.0025, 0.006, 0.05]),
    ghz=st.lists(st.floats(2.0, 4.0), min_size=2, max_size=5),
    first=st.integers(0, 3),
)
@settings(deadline=None, max_examples=25)
def test_a_like_machine_gives_a_closer_bound_that_still_promises_no_less(
    make: SimpleNamespace, p99_s: float, ghz: list[float], first: int
) -> None:
    offers = [
        make.offer(cpu_ghz=ghz_, **({} if place % 2 else INTEL_BUT_CLOCK)) for place, ghz_ in enumerate(ghz)
    ]
    profiles = make.front(
        make.profile(threads=(1, 2)),
        make.profile("flat", overhead_s=300e-6, row_s=2e-6, batches=(1, 8, 32), threads=(1,)),
    ).profiles
    space = space_of(make, *offers, p99_s=p99_s, profiles=profiles)
    machines, columns = space.capacity_rps.shape
    start = first % machines
    closer = 0
    for column in range(columns):
        space.solve(start, column)
        for machine in range(machines):
            loose = float(space.capacity_rps[machine, column])
            if space.solved[machine, column]:
                continue
            closer += space.tighten(machine, column)
            bound = float(space.capacity_rps[machine, column])
            assert bound <= loose
            assert space.replica(machine, column).capacity_rps(p99_s, space.level, space.odds) <= bound
    event("closer" if closer else "no closer")


INTEL_BUT_CLOCK = {name: value for name, value in INTEL.items() if name != "cpu_ghz"}
