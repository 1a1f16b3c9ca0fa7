"""The cost of every offer: bounds promise too little, and the cheapest is found without solving the others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.decide.planning.costs import Costs
from tradewind.decide.planning.fleet import Fleet
from tradewind.decide.planning.space import Cell, Known, Space, ways_of
from tradewind.decide.planning.tariffs import Tariffs
from tradewind.decide.prediction import default_calibration
from tradewind.domain.offer import Offer, Offers
from tradewind.domain.plan import LoadCurve

CALIBRATION = default_calibration()
INTEL = {
    "cpu_vendor": "Intel",
    "cpu_model": "8375C",
    "isa": ("avx2", "avx512", "avx512_vnni"),
    "cpu_ghz": 3.5,
}
WAYS: dict[str, Any] = {"threads": (1, 2), "batches": (1, 4, 16)}


def costs_of(
    make: SimpleNamespace, offers: list[Offer], *, p99_s: float = 0.005, load_rps: float = 40_000.0
) -> Costs:
    goal, profiles = make.goal(p99_s=p99_s, load_rps=load_rps), make.front().profiles
    market = Offers.of(offers)
    fleet = Fleet.of(market, CALIBRATION, memory_matters=False)
    space = Space(fleet, ways_of(profiles, CALIBRATION), goal.serve, 0.9, CALIBRATION, Known())
    return Costs(space, Tariffs(goal, profiles, market, CALIBRATION, "2026-02-03"), LoadCurve.flat(load_rps))


def solve_all(costs: Costs) -> None:
    for row in range(len(costs.usd)):
        for column in range(len(costs.space.ways)):
            costs.solve(Cell(row, column))


def by_cell(costs: Costs) -> np.ndarray:
    """(n, M) the cost of every cell, one by one."""
    rows, columns = range(len(costs.usd)), range(len(costs.space.ways))
    return np.array([[costs.usd_at(Cell(row, column)) for column in columns] for row in rows])


def mixed(make: SimpleNamespace) -> list[Offer]:
    return [
        make.offer(price_usd_per_hour=usd, region=region, purchase=purchase, **fields)
        for fields in ({}, INTEL, {"cpu_model": "9R14"}, {"vcpus": 16, "physical_cores": 8})
        for usd in (0.2, 2.0)
        for region in ("eu-west-1", "us-east-1")
        for purchase in ("on_demand", "spot")
    ]


def test_the_cheapest_is_found_without_solving_the_others(make: SimpleNamespace) -> None:
    offers = mixed(make)
    lazy, eager = costs_of(make, offers), costs_of(make, offers)
    cell = lazy.cheapest(np.arange(len(offers)))
    assert cell is not None
    solve_all(eager)
    assert lazy.usd_at(cell) == eager.usd.min() == by_cell(eager).min()
    assert lazy.space.solved.sum() < eager.space.solved.sum()


def test_bounds_rise_to_the_cost_and_never_pass_it(make: SimpleNamespace) -> None:
    offers = mixed(make)
    costs, eager = costs_of(make, offers), costs_of(make, offers)
    solve_all(eager)
    before = costs.usd.copy()
    assert (before <= eager.usd).all()
    for column in range(len(costs.space.ways)):
        costs.solve(Cell(5, column))
        assert (costs.usd >= before).all()
        before = costs.usd.copy()
    assert costs.usd[5] == eager.usd[5]


@given(seed=st.integers(0, 2**16))
@settings(derandomize=True, deadline=None, max_examples=15)
def test_an_offer_costs_what_its_cheapest_way_costs(make: SimpleNamespace, seed: int) -> None:
    chance = np.random.default_rng(seed)
    offers = [
        make.offer(
            price_usd_per_hour=float(chance.choice([0.1, 0.2, 0.4])),
            purchase=str(chance.choice(["on_demand", "spot"])),
            vcpus=int(chance.choice([4, 16])),
            physical_cores=2,
            most_machines=[None, 2.0, 30.0][int(chance.integers(3))],
            prepaid_machines=float(chance.choice([0.0, 3.0])),
            prepaid_usd_per_hour=float(chance.choice([0.0, 0.5])),
            managed_ratio=[None, 1.25][int(chance.integers(2))],
        )
        for _ in range(12)
    ]
    costs = costs_of(make, offers)
    assert np.array_equal(costs.usd, by_cell(costs).min(axis=1))
    solve_all(costs)
    every = by_cell(costs)
    assert np.array_equal(costs.usd, every.min(axis=1))
    for row in range(len(offers)):
        if np.isfinite(costs.usd[row]):
            assert every[row, costs.best(row).column] == costs.usd[row]


def test_another_load_on_the_same_space_leaves_bounds_bounds(make: SimpleNamespace) -> None:
    offers = mixed(make)
    first = costs_of(make, offers)
    goal, profiles = make.goal(), make.front().profiles
    tariffs = Tariffs(goal, profiles, Offers.of(offers), CALIBRATION, "2026-02-03")
    second = Costs(first.space, tariffs, LoadCurve.flat(4.0 * first.load_rps))
    solve_all(second)
    found = first.cheapest(np.arange(len(offers)))
    eager = costs_of(make, offers)
    solve_all(eager)
    assert found is not None
    assert first.usd_at(found) == eager.usd.min()


def test_another_region_adds_an_offer_but_nothing_to_solve(make: SimpleNamespace) -> None:
    few = [make.offer(price_usd_per_hour=usd, **fields) for fields in ({}, INTEL) for usd in (0.2, 0.4)]
    many = [msgspec.structs.replace(offer, region=f"eu-{number}") for number in range(50) for offer in few]
    solved = []
    for offers in (few, many):
        costs = costs_of(make, offers)
        costs.cheapest(np.arange(len(offers)))
        assert costs.needed.shape == (2, len(costs.space.ways))
        solved.append(costs.solutions)
    assert solved[0] == solved[1] > 0


def test_among_equals_the_first_is_named(make: SimpleNamespace) -> None:
    offers = [make.offer(region=f"eu-{number}", price_usd_per_hour=0.2) for number in range(5)]
    cell = costs_of(make, offers).cheapest(np.array([3, 1, 4]))
    assert cell is not None
    assert cell.row == 3


def test_of_machines_that_cost_nothing_the_fewest_are_taken(make: SimpleNamespace) -> None:
    small = make.offer(prepaid_machines=1000.0)
    large = make.offer(
        vcpus=32,
        physical_cores=16,
        memory_bytes=64 * 2.0**30,
        prepaid_machines=1000.0,
        price_usd_per_hour=9.0,
    )
    costs = costs_of(make, [small, large])
    cell = costs.cheapest(np.arange(2))
    assert cell is not None
    assert (cell.row, costs.usd_at(cell)) == (1, 0.0)
    assert costs.equals(cell).tolist() == [1]


@pytest.mark.parametrize(("most", "serves"), [(0.0, False), (1.0, False), (1000.0, True)])
def test_a_quota_keeps_an_offer_from_serving(make: SimpleNamespace, most: float, serves: bool) -> None:
    costs = costs_of(make, [make.offer(most_machines=most)])
    assert np.isfinite(costs.usd[0]) == serves
    quota = costs.quota(np.arange(1))
    assert (quota is None) == serves
    if quota is not None:
        assert quota[0] > quota[1] == most


def test_only_what_lacks_machines_is_short_of_its_quota(make: SimpleNamespace) -> None:
    offers = [make.offer(most_machines=0.0), make.offer(most_machines=1.0), make.offer()]
    costs = costs_of(make, offers)
    assert costs.quota(np.array([2])) is None
    least = costs.quota(np.arange(3))
    assert least is not None
    assert least[1] == 1.0
