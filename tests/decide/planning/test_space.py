"""The space of all ways: its bounds promise too much, never too little."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tradewind.decide.planning.space import Cell, Costs, Fleet, Known, Space, ways_of
from tradewind.decide.planning.tariffs import Tariffs
from tradewind.decide.prediction import default_calibration
from tradewind.domain.offer import Offer, Offers

CALIBRATION = default_calibration()
INTEL = {
    "cpu_vendor": "Intel",
    "cpu_model": "8375C",
    "isa": ("avx2", "avx512", "avx512_vnni"),
    "cpu_ghz": 3.5,
}


def fleet(make: SimpleNamespace, *offers: Offer, **options: Any) -> Fleet:
    return Fleet.of(Offers.of(offers), CALIBRATION, memory_matters=options.get("memory_matters", False))


def costs(make: SimpleNamespace, *offers: Offer, p99_s: float = 0.005, load_rps: float = 40_000.0) -> Costs:
    goal, profiles = make.goal(p99_s=p99_s, load_rps=load_rps), make.front().profiles
    space = Space(fleet(make, *offers), ways_of(profiles, CALIBRATION), goal.serve, 0.9, CALIBRATION, Known())
    return Costs(space, Tariffs(goal, profiles, Offers.of(offers), CALIBRATION, "2026-02-03"), load_rps)


@pytest.mark.parametrize("p99_s", [0.0015, 0.004, 0.1])
def test_no_solved_capacity_is_above_its_bound(make: SimpleNamespace, p99_s: float) -> None:
    space = costs(make, make.offer(), make.offer(**INTEL), p99_s=p99_s).space
    machines, columns = space.capacity_rps.shape
    for machine in range(machines):
        for column in range(columns):
            bound = float(space.capacity_rps[machine, column])
            replica = space.replica(Cell(space.fleet.examples[machine], column))
            found = replica.capacity_rps(p99_s, space.level, space.odds)
            if bound > 0.0:
                assert found <= bound
            assert space.solve(machine, column) <= bound


def test_the_cheapest_is_found_without_solving_the_others(make: SimpleNamespace) -> None:
    offers = [
        make.offer(price_usd_per_hour=usd, **fields)
        for fields in ({}, INTEL, {"cpu_model": "9R14"})
        for usd in (0.2, 2.0)
    ]
    lazy, eager = costs(make, *offers), costs(make, *offers)
    cell = lazy.cheapest(np.arange(len(offers)))
    assert cell is not None
    for row in range(len(offers)):
        for column in range(len(eager.space.ways)):
            eager.solve(Cell(row, column))
    assert lazy.usd[cell.row, cell.column] == pytest.approx(eager.usd.min())
    assert lazy.space.solved.sum() < eager.space.solved.sum()


def test_equal_processors_share_a_machine(make: SimpleNamespace) -> None:
    small, large = make.offer(), make.offer(vcpus=64, physical_cores=32)
    other = make.offer(**INTEL)
    assert fleet(make, small, large, other).machine.tolist() == [0, 0, 1]
    assert fleet(make, small, large, other, memory_matters=True).machine.tolist() == [0, 1, 2]
    assert fleet(make, small, large).cores.tolist() == [2, 32]


def test_only_spot_is_interrupted_and_accelerators_more_often(make: SimpleNamespace) -> None:
    found = fleet(
        make,
        make.offer(),
        make.offer(purchase="spot"),
        make.offer(purchase="spot", accelerator="T4", accelerator_count=1.0),
        make.offer(purchase="spot", interruptions_per_hour=0.002),
    )
    assert found.interruptions_per_hour.tolist() == [0.0, 0.01, 0.55, 0.002]
    assert found.assumed_interruptions.tolist() == [False, True, True, False]


def test_a_way_that_cannot_run_has_no_capacity(make: SimpleNamespace) -> None:
    profiles = (make.profile("half", precision="bf16"),)
    space = Space(
        fleet(make, make.offer()),
        ways_of(profiles, CALIBRATION),
        make.goal().serve,
        0.9,
        CALIBRATION,
        Known(),
    )
    assert space.refused.all()
    assert not space.capacity_rps.any()
    assert isinstance(space.service(Cell(0, 0)), str)


def test_the_fastest_ways_are_named_first(make: SimpleNamespace) -> None:
    names = [way.profile.variant.name for way in ways_of(make.front().profiles, CALIBRATION)]
    assert names[0] == "int8"
    assert set(names) == {"int8", "original"}
