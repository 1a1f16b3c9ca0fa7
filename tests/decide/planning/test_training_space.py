"""Kinds of machines, and tenders: what is alike is judged once, what is never best is left out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.decide.planning.training_space import COAL_GCO2E_PER_KWH, market_of, parts_of
from tradewind.domain.goal import DataAt
from tradewind.domain.offer import Offers, TransferPrice
from tradewind.files.sheets import devices
from training_cases import CALIBRATION, DENSE, goal, offer, offers_of


def market(*several, wanted=None, offers=None):
    return market_of(
        wanted or goal(DENSE), offers or offers_of(*several), devices(), CALIBRATION, checkpoint_bytes=1e9
    )


def test_machines_alike_are_one_kind_wherever_they_stand():
    found = market(offer("A10G", 4, 4.0), offer("A10G", 4, 5.0, region="eu-west-1"), offer("A10G", 8, 9.0))
    assert [kind.words for kind in found.kinds] == ["4 x A10G, 100 Gbit/s", "8 x A10G, 100 Gbit/s"]
    assert found.priced == 3


def test_a_dearer_offer_of_the_same_kind_is_left_out_unless_something_is_better_about_it():
    cheap = offer("A10G", 4, 4.0)
    dear = offer("A10G", 4, 5.0, region="eu-west-1", grid_gco2e_per_kwh=300.0)
    clean = offer("A10G", 4, 6.0, region="eu-north-1", grid_gco2e_per_kwh=10.0)
    spot = offer("A10G", 4, 1.0, purchase="spot", interruptions_per_hour=0.1)
    found = market(cheap, dear, clean, spot)
    assert sorted(found.row.tolist()) == [0, 2, 3]


def test_a_network_is_the_offers_own_where_it_states_one():
    fast, silent = market(
        offer("H100-SXM", 8, network_gbps=3200.0), offer("H100-SXM", 8, network_gbps=None)
    ).kinds[::-1]
    assert fast.network_bytes_per_s == pytest.approx(50e9)
    assert silent.network_bytes_per_s is None


def test_parts_of_accelerators_and_chips_that_do_not_train_are_rejected_with_a_reason():
    found = market(offer("A10G", 4), offer("A10", 0.5, 1.0), offer("Inferentia2", 12), offer("Mystery-9", 1))
    assert len(found.kinds) == 1
    reasons = {one.name: one.reason for one in found.rejected}
    assert "does not train" in reasons["Inferentia2"]
    assert "no sheet" in reasons["Mystery-9"]
    assert any("whole accelerators" in reason for reason in reasons.values())


def test_a_slice_of_tpus_has_many_hosts_and_is_taken_back_when_one_is():
    found = market(
        offer("TPU-v6e", 64, 64.0, purchase="spot"),
        offer("TPU-v6e", 8, 8.0, purchase="spot"),
        wanted=goal(DENSE, accelerators_at_most=64),
    )
    small, large = (
        found.kinds.index(kind) for kind in sorted(found.kinds, key=lambda kind: kind.per_machine)
    )
    rate = {kind: float(found.taken_per_hour[found.first[kind]]) for kind in (small, large)}
    assert rate[large] == pytest.approx(8.0 * rate[small])
    assert found.kinds[large].hosts == 8.0


def test_an_unknown_grid_burns_coal():
    found = market(offer("A10G", 4, grid_gco2e_per_kwh=None))
    assert found.gco2e_per_kwh.tolist() == [COAL_GCO2E_PER_KWH]


@given(
    purchase=st.sampled_from(["on_demand", "commit_1y"]),
    machines=st.integers(1, 50),
    prepaid=st.sampled_from([0.0, 3.0]),
    spend=st.sampled_from([0.0, 7.5]),
    power=st.floats(2.0, 8.5),
)
def test_what_a_budget_lasts_for_costs_the_budget(purchase, machines, prepaid, spend, power):
    found = market(
        offer("A10G", 4, 4.0, purchase=purchase, prepaid_machines=prepaid, prepaid_usd_per_hour=spend)
    )
    tender, many = np.zeros(1, dtype=np.int64), np.array([float(machines)])
    budget = 10.0**power
    longest = found.longest_s(tender, many, budget)
    if np.isfinite(longest[0]) and longest[0] > 0.0:
        assert float(found.cost_usd(tender, many, longest)[0]) <= budget * (1.0 + 1e-9)
        assert float(found.cost_usd(tender, many, longest * 1.01 + 1.0)[0]) > budget * (1.0 - 1e-9)
    elif longest[0] <= 0.0:
        assert float(found.cost_usd(tender, many, np.zeros(1))[0]) >= budget * (1.0 - 1e-9)


def test_what_is_paid_for_already_costs_nothing_more():
    found = market(offer("A10G", 4, 4.0, prepaid_machines=2.0))
    tender = np.zeros(3, dtype=np.int64)
    rates = found.usd_per_s(tender, np.array([1.0, 2.0, 3.0])) * 3600.0
    assert rates.tolist() == [0.0, 0.0, 4.0]


def test_data_are_moved_once_and_only_where_they_are_not():
    here, there = offer("A10G", 4, 4.0), offer("A10G", 4, 3.0, region="eu-west-1")
    price = TransferPrice(
        cloud="aws",
        region="us-east-1",
        kind="inter_region",
        to="*",
        from_gb=0.0,
        usd_per_gb=0.02,
        source="t",
        as_of="2026-11-01",
    )
    offers = Offers.of([here, there], transfer=(price,), snapshot="t")
    data = DataAt(uri="s3://mine/data", region="us-east-1", size_bytes=5e12)
    wanted = goal(DENSE, data_at=data)
    found = market(wanted=wanted, offers=offers)
    moved = dict(zip(found.row.tolist(), found.fixed_usd.tolist(), strict=True))
    assert moved == {0: 0.0, 1: pytest.approx(100.0)}
    tender = found.row.tolist().index(1)
    parts = {part.name: part for part in parts_of(wanted, found, tender, 2, 3600.0, 1e9)}
    assert parts["data_transfer"].usd == pytest.approx(100.0)
    assert parts["compute"].usd == pytest.approx(6.0)
    assert "5,000 GB once from aws us-east-1" in parts["data_transfer"].because
