"""What machines cost: the same as columns and as parts, and never less when more are rented."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.decide.planning.prices import Prices, machine_parts, surcharge_bounds_usd
from tradewind.domain.layout import Layout
from tradewind.domain.offer import Offers

terms = st.fixed_dictionaries(
    {
        "price_usd_per_hour": st.floats(0.001, 50.0),
        "prepaid_machines": st.sampled_from([0.0, 1.0, 7.0]),
        "prepaid_usd_per_hour": st.one_of(st.just(0.0), st.floats(0.01, 20.0)),
        "managed_ratio": st.one_of(st.none(), st.floats(1.0, 1.5)),
        "most_machines": st.sampled_from([None, 0.0, 5.0]),
    }
)


def layout(instances: int, spare: int = 0) -> Layout:
    return Layout(instances=instances, replicas_per_instance=1, threads=1, max_batch=1, spare_instances=spare)


@given(says=terms, counts=st.tuples(st.integers(1, 30), st.integers(1, 30)))
@settings(derandomize=True, deadline=None, max_examples=80)
def test_more_machines_never_cost_less_and_the_parts_add_up_to_the_column(
    make: SimpleNamespace, says: dict[str, Any], counts: tuple[int, int]
) -> None:
    offer = make.offer(**says)
    prices = Prices.of(Offers.of([offer]))
    few, many = (
        float(prices.usd_per_month(np.array([float(count)]), np.arange(1))[0]) for count in sorted(counts)
    )
    assert few <= many
    if offer.most_machines is None:
        parts = machine_parts(offer, layout(max(counts)))
        assert sum(part.usd_per_month for part in parts) == many
        assert [part.name for part in parts][1:] == ["managed_service"] * (offer.managed_ratio is not None)
    assert np.isinf(many) == (offer.most_machines is not None and max(counts) > offer.most_machines)


def test_what_cannot_be_rented_has_no_price(make: SimpleNamespace) -> None:
    prices = Prices.of(Offers.of([make.offer(), make.offer(prepaid_machines=3.0)]))
    assert np.isinf(prices.usd_per_month(np.array([np.inf, np.inf]), np.arange(2))).all()
    assert prices.any_prepaid
    assert not Prices.of(Offers.of([make.offer(most_machines=1.0)])).any_prepaid


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "4 x 0.17 usd/h x 730 h, 1 of them spare"),
        (
            {"prepaid_machines": 3.0},
            "4 x 0.17 usd/h x 730 h, 1 of them spare, 3 of them paid for already",
        ),
        (
            {"prepaid_machines": 3.0, "prepaid_usd_per_hour": 9.0},
            "4 x 0.17 usd/h x 730 h, 1 of them spare, 3 of them paid for already,"
            " less 0.17 usd/h that are paid for already",
        ),
    ],
)
def test_the_multiplication_is_told_with_what_is_paid_for(
    make: SimpleNamespace, fields: dict[str, Any], words: str
) -> None:
    (part,) = machine_parts(make.offer(**fields), layout(4, spare=1))
    assert part.because == words
    assert part.origin == "quoted"


def test_a_service_without_a_name_or_an_interval_is_still_told(make: SimpleNamespace) -> None:
    offer = make.offer(managed_ratio=1.3)
    _, part = machine_parts(offer, layout(2))
    assert part.because == "the managed service asks 1.3 x the bare machine: no source states it"
    assert surcharge_bounds_usd(offer, 2) == (part.usd_per_month, part.usd_per_month)
    assert surcharge_bounds_usd(make.offer(), 2) == (0.0, 0.0)
