"""A choice is simulated; one that promises too much gives way to the next machine or the next candidate."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.decide.planning.planning import answer_to_goal
from tradewind.decide.planning.search import Answer, Search
from tradewind.decide.planning.verifying import simulated, verified
from tradewind.decide.prediction import default_calibration
from tradewind.domain.offer import Offer, Offers

CALIBRATION = default_calibration()
OTHER: dict[str, Any] = {"instance_type": "c6a.4xlarge", "vcpus": 16, "physical_cores": 8}


def searched(make: SimpleNamespace, offers: list[Offer], **goal: Any) -> Search:
    market = Offers.of(offers, storage=make.storage, transfer=make.transfer)
    profiles = make.front(make.profile(threads=(1,))).profiles
    return Search(make.goal(**goal), profiles, market, CALIBRATION, "2026-02-03")


def exaggerated(search: Search, factor: float) -> Answer:
    """The answer when every replica is believed to carry more than it does."""
    space = answer_to_goal(search).costs.space
    for machine in range(len(search.fleet.machines)):
        for column in range(len(space.ways)):
            space.solve(machine, column)
    space.capacity_rps *= factor
    return answer_to_goal(search)


@given(
    load=st.sampled_from([50.0, 3000.0, 40_000.0, 150_000.0]),
    p99_s=st.sampled_from([0.004, 0.02, 0.2]),
    confidence=st.sampled_from([0.6, 0.9, 0.97]),
    seed=st.integers(0, 20),
)
@settings(deadline=None, max_examples=12)
def test_what_the_queue_promises_a_simulation_does_not_contradict(
    make: SimpleNamespace, load: float, p99_s: float, confidence: float, seed: int
) -> None:
    search = searched(make, [make.offer()], load_rps=load, p99_s=p99_s, confidence=confidence)
    answer = answer_to_goal(search)
    same, said = verified(search, answer, seed)
    assert said.agrees, said.because
    assert same is answer
    assert said.load_rps * answer.sized.replicas == pytest.approx(load)
    assert said.latency_s["p50"].likely <= said.latency_s["p90"].likely <= said.latency_s["p99"].likely
    assert said.latency_s["p99"].likely <= said.slow_s.high


def test_a_way_that_promises_too_much_gets_the_machines_that_it_needs(make: SimpleNamespace) -> None:
    search = searched(make, [make.offer()], load_rps=200_000.0, p99_s=0.006)
    true = answer_to_goal(searched(make, [make.offer()], load_rps=200_000.0, p99_s=0.006))
    before = exaggerated(search, 1.35)
    assert before.sized.needed < true.sized.needed
    assert not simulated(before, np.random.default_rng(0)).agrees
    after, said = verified(search, before, 0)
    assert said.agrees
    assert before.sized.needed < after.sized.needed <= true.sized.needed + 1


def test_or_gives_way_to_the_next_candidate_when_that_is_cheaper(make: SimpleNamespace) -> None:
    small = make.offer(price_usd_per_hour=0.17)
    large = make.offer(price_usd_per_hour=0.6, **OTHER)
    search = searched(make, [small, large], load_rps=120_000.0, p99_s=0.006)
    chosen = answer_to_goal(searched(make, [small, large], load_rps=120_000.0, p99_s=0.006))
    before = exaggerated(search, 1.4)
    after, said = verified(search, before, 0)
    assert said.agrees
    assert after.sized.usd_per_month >= before.sized.usd_per_month
    assert after.sized.usd_per_month <= chosen.sized.usd_per_month * 1.3


def test_the_same_seed_says_the_same(make: SimpleNamespace) -> None:
    answer = answer_to_goal(searched(make, [make.offer()], load_rps=20_000.0))
    first, again, other = (simulated(answer, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == again
    assert first.latency_s != other.latency_s
