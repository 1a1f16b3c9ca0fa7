"""Pricing: interruptions, confidence, and floors that never exceed what they stand for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.decide.planning.training_pricing import Asked, Pricing, Spread
from tradewind.decide.planning.training_space import market_of
from tradewind.files.sheets import devices
from training_cases import CALIBRATION, DENSE, SPREAD, goal, offer, offers_of

ASKED = Asked("cost", 1e12, 1e15, 0.9)


def pricing(*several, spread=SPREAD, least_work_s=0.0):
    market = market_of(goal(DENSE), offers_of(*several), devices(), CALIBRATION, checkpoint_bytes=1e11)
    return Pricing(market, (spread,) * len(market.kinds), 1e11, 1e9, least_work_s)


@given(
    price=st.floats(0.1, 10.0),
    purchase=st.sampled_from(["on_demand", "spot", "commit_1y"]),
    rate=st.sampled_from([None, 0.001, 0.1, 3.0]),
    machines=st.integers(1, 2),
    power=st.floats(1.0, 7.0),
    objective=st.sampled_from(["cost", "time", "carbon"]),
    known=st.booleans(),
)
def test_a_floor_is_never_above_the_value(price, purchase, rate, machines, power, objective, known):
    work = np.array([10.0**power])
    found = pricing(
        offer("A10G", 4, price, purchase=purchase, interruptions_per_hour=rate),
        least_work_s=work[0] if known else 0.0,
    )
    many = np.array([machines])
    asked = Asked(objective, 1e12, 1e15, 0.6)
    value = found.priced(asked, np.zeros(1, dtype=np.int64), many.astype(float), work).value
    floors = found.floors(8, objective, undisturbed=False)
    assert floors.least(np.zeros(1, dtype=np.int64), many, work)[0] <= value[0] * (1.0 + 1e-9)


@given(st.floats(1.0, 5.0), st.floats(0.0, 3.0))
def test_more_time_is_never_less_likely_to_suffice(power, more):
    found = pricing(offer("A10G", 4, 1.0, purchase="spot", interruptions_per_hour=0.2))
    work, tender, many = np.array([10.0**power]), np.zeros(1, dtype=np.int64), np.ones(1)
    time = found.duration(tender, many, work)
    limit = 10.0**power * np.array([1.0])
    assert (
        found.within(tender, time, work, limit)[0]
        <= found.within(tender, time, work, limit * (1.0 + more))[0]
    )


def test_without_interruptions_the_confidence_is_the_predictions():
    found = pricing(offer("A10G", 4, 1.0), spread=Spread(0.5, 2.0))
    tender, many, work = np.zeros(1, dtype=np.int64), np.ones(1), np.array([1e4])
    time = found.duration(tender, many, work)
    kept = found.within(tender, time, work, work * 2.0)
    assert kept[0] == pytest.approx(0.9, abs=0.005)
    assert found.within(tender, time, work, work * 1e9)[0] == pytest.approx(1.0)
    assert found.within(tender, time, work, np.zeros(1))[0] == 0.0


def test_spot_machines_that_come_back_often_are_not_worth_their_price():
    calm = pricing(offer("A10G", 4, 1.0, purchase="spot", interruptions_per_hour=0.01))
    rough = pricing(offer("A10G", 4, 1.0, purchase="spot", interruptions_per_hour=5.0))
    tender, many, work = np.zeros(1, dtype=np.int64), np.full(1, 2.0), np.array([1e6])
    assert (
        rough.priced(ASKED, tender, many, work).value[0]
        > 2.0 * calm.priced(ASKED, tender, many, work).value[0]
    )


def test_a_quota_is_kept():
    found = pricing(offer("A10G", 4, 1.0, most_machines=1.0))
    tender, work = np.zeros(2, dtype=np.int64), np.full(2, 1e4)
    assert found.priced(ASKED, tender, np.array([1.0, 2.0]), work).good.tolist() == [True, False]


def test_more_machines_save_faster():
    found = pricing(offer("A10G", 4, 1.0))
    tender = np.zeros(2, dtype=np.int64)
    assert found.saving(tender, np.array([1.0, 4.0])).save_s.tolist() == [100.0, 25.0]


@given(st.floats(1.0, 6.0), st.sampled_from([0.6, 0.9, 0.99]))
def test_a_time_that_is_kept_with_a_probability_is_kept_with_it(power, level):
    found = pricing(offer("A10G", 4, 1.0, purchase="spot", interruptions_per_hour=0.2))
    work, tender, many = np.array([10.0**power]), np.zeros(1, dtype=np.int64), np.ones(1)
    time = found.duration(tender, many, work)
    late = found.late_s(tender, time, work, level)
    assert found.within(tender, time, work, late)[0] == pytest.approx(level, abs=1e-6)
