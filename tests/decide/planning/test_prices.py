"""What machines cost: the same as columns and as parts, and never less when more are rented."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.decide.planning.prices import Prices, fleet_parts, machine_parts, surcharge_bounds_usd
from tradewind.domain.layout import Layout
from tradewind.domain.offer import Offer, Offers
from tradewind.domain.plan import Rented

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
    assert surcharge_bounds_usd((rented(offer, 2),)) == pytest.approx(
        (part.usd_per_month, part.usd_per_month)
    )
    assert surcharge_bounds_usd((rented(make.offer(), 2),)) == (0.0, 0.0)


def rented(offer: Offer, machines: int, share: float = 1.0) -> Rented:
    hours = 730.0 * machines * share
    usd = hours * offer.price_usd_per_hour * (offer.managed_ratio or 1.0)
    return Rented(offer=offer, machines=machines, machine_hours_per_month=hours, usd_per_month=usd)


def test_a_fleet_is_told_by_purchase_and_adds_up(make: SimpleNamespace) -> None:
    base = rented(make.offer(purchase="commit_1y", price_usd_per_hour=0.1, managed_ratio=1.2), 3)
    rest = rented(make.offer(price_usd_per_hour=0.2, managed_ratio=1.2), 5, 0.25)
    compute, surcharge = fleet_parts((base, rest))
    assert compute.usd_per_month == pytest.approx(3 * 73.0 + 0.25 * 5 * 146.0)
    assert compute.usd_per_month + surcharge.usd_per_month == pytest.approx(
        base.usd_per_month + rest.usd_per_month
    )
    assert compute.because == (
        "commit_1y: 3 x 0.1 usd/h x 730 h; on_demand: 912 machine-hours x 0.2 usd/h, up to 5 machines at once"
    )
