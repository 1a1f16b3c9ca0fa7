"""The search of plans of language models finds what looking at everything finds."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation_cases import CALIBRATION, CONSTANTS, NETWORKS, brute_usd, goal, offer, offers_of
from tradewind.decide.planning.generation import spread_of
from tradewind.decide.planning.generation_search import Asked, Space
from tradewind.decide.planning.loads import curve_of
from tradewind.decide.prediction.answering import bounds_of
from tradewind.domain.goal import Serve
from tradewind.files.sheets import devices

ACCELERATORS = st.sampled_from(
    [("L4", 1), ("L4", 4), ("A10G", 4), ("A100-80GB", 2), ("H100-SXM", 8), ("T4", 1)]
)
PURCHASES = ("on_demand", "spot", "commit_1y", "commit_3y")


@st.composite
def markets(draw):
    found = {}
    for _ in range(draw(st.integers(1, 3))):
        name, count = draw(ACCELERATORS)
        price, region = draw(st.floats(0.1, 4.0)) * count, draw(st.sampled_from(["us-east-1", "eu-west-1"]))
        for purchase in draw(st.lists(st.sampled_from(PURCHASES), min_size=1, max_size=4, unique=True)):
            one = offer(
                name,
                count,
                price * draw(st.floats(0.3, 1.2)),
                region=region,
                purchase=purchase,
                most_machines=draw(st.sampled_from([None, None, None, 1.0, 3.0])),
                prepaid_machines=draw(st.sampled_from([0.0, 0.0, 1.0])),
                prepaid_usd_per_hour=draw(st.sampled_from([0.0, 0.0, 2.0])),
                interruptions_per_hour=draw(st.sampled_from([0.001, 0.05])) if purchase == "spot" else None,
            )
            found.setdefault(one.key, one)
    return list(found.values())


@st.composite
def goals(draw):
    bound = st.one_of(st.none(), st.none(), st.floats(0.005, 2.0))
    precisions = draw(
        st.sampled_from([("bf16",), ("bf16", "fp8"), ("int4",), ("bf16", "fp8", "int8", "int4")])
    )
    flat = draw(st.booleans())
    rates = draw(
        st.lists(
            st.one_of(st.floats(0.1, 30.0), st.floats(50.0, 400.0)),
            min_size=1 if flat else 2,
            max_size=1 if flat else 4,
        )
    )
    return goal(
        draw(st.sampled_from(NETWORKS)),
        rate=rates[0],
        day=() if flat else tuple((float(6 * place), rate) for place, rate in enumerate(rates)),
        most=draw(st.sampled_from([4, 16, 48])),
        confidence=draw(st.sampled_from([0.6, 0.9])),
        prompt=draw(st.sampled_from([64, 700, 3000])),
        output=draw(st.sampled_from([16, 200])),
        precisions=precisions,
        first_token_p50_s=draw(bound),
        first_token_p99_s=draw(bound),
        token_p50_s=draw(bound),
        token_p99_s=draw(bound),
    )


def space(wanted, offers):
    load = curve_of(Serve(load=wanted.generate.load, p99_s=1.0), _start_s(wanted))
    return Space(wanted.model, wanted, offers_of(*offers), load, devices(), CALIBRATION, CONSTANTS)


def _start_s(wanted):
    from tradewind.decide.prediction.architectures import parameters_of

    return CALIBRATION["spot_replacement_s"].value + 2.0 * parameters_of(wanted.model) / 1e9


def asked(wanted):
    return Asked(bounds_of(wanted.generate), spread_of(CALIBRATION).factor(wanted.confidence))


def best_usd(wanted, offers):
    found = space(wanted, offers).cheapest(asked(wanted))
    return math.inf if found is None else found.usd_per_month


@settings(max_examples=60, deadline=None)
@given(wanted=goals(), offers=markets())
def test_no_way_of_serving_is_cheaper_than_what_is_found(wanted, offers):
    assert best_usd(wanted, offers) == pytest.approx(brute_usd(wanted, offers), rel=1e-9)


test_no_way_of_serving_is_cheaper_in_hundreds_of_goals = pytest.mark.slow(
    settings(max_examples=300, deadline=None)(
        given(wanted=goals(), offers=markets())(
            test_no_way_of_serving_is_cheaper_than_what_is_found.hypothesis.inner_test
        )
    )
)


@settings(max_examples=15, deadline=None)
@given(wanted=goals(), offers=markets(), more=markets())
def test_another_offer_never_makes_it_dearer(wanted, offers, more):
    keys = {one.key for one in offers}
    both = [*offers, *(one for one in more if one.key not in keys)]
    assert best_usd(wanted, both) <= best_usd(wanted, offers) * (1.0 + 1e-9)


@settings(max_examples=15, deadline=None)
@given(wanted=goals(), offers=markets(), factor=st.floats(1.0, 5.0))
def test_looser_bounds_are_never_dearer_and_higher_loads_never_cheaper(wanted, offers, factor):
    market, question = space(wanted, offers), asked(wanted)
    usd = [
        math.inf if (found := market.cheapest(one)) is None else found.usd_per_month
        for one in (
            question._replace(bounds=type(question.bounds)(*(factor * bound for bound in question.bounds))),
            question,
            question._replace(load=factor),
        )
    ]
    assert usd[0] <= usd[1] * (1.0 + 1e-9) <= usd[2] * (1.0 + 2e-9)


@settings(max_examples=40, deadline=None)
@given(wanted=goals(), offers=markets())
def test_what_is_found_keeps_the_bounds_at_every_rate_and_adds_up(wanted, offers):
    market, question = space(wanted, offers), asked(wanted)
    found = market.cheapest(question)
    if found is None:
        return
    need = market.leanest(found.need, question)
    per, over = int(market.ways.per_machine[need.pair]), int(market.ways.machines[need.pair])
    for level, rate in enumerate(market.rates):
        up = need.machines[level]
        if rate > 0.0:
            replicas = up * per if per else up // over
            answers = market.servers.answers(
                np.array([need.server]), np.array([rate / replicas * (1 - 1e-9)]), question.slow
            )
            assert answers.keep(question.bounds)[0]
        assert found.fleet.machines(level) >= up
    assert sum(part.usd_per_month for part in found.fleet.parts) == pytest.approx(found.usd_per_month)


def test_the_base_is_committed_and_the_rest_is_rented_by_the_hour():
    wanted = goal(day=((0.0, 20.0), (8.0, 200.0), (12.0, 20.0)), most=64, token_p99_s=0.05)
    hourly = offer("L4", 1, 1.0)
    committed = msgspec.structs.replace(hourly, purchase="commit_1y", price_usd_per_hour=0.6)
    found = space(wanted, [hourly, committed]).cheapest(asked(wanted))
    assert found is not None
    assert len(found.fleet.parts) == 2
    base, rest = found.fleet.parts
    # A machine that is up for a sixth of the day is cheaper by the hour than at 0.6 of the price for all of it.
    assert base.machines[0] == base.machines[-1] == found.need.machines[0]
    assert rest.machines[0] == 0
