"""The corrected plan: it follows the observation, and stays where moving would not pay."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from tradewind.decide.planning import plan, replan
from tradewind.decide.prediction import default_calibration
from tradewind.domain import codec
from tradewind.domain.estimate import Observation
from tradewind.domain.noun import Range
from tradewind.domain.offer import Offer, Offers
from tradewind.domain.plan import Plan

CALIBRATION = default_calibration()


def market(make: SimpleNamespace, *offers: Offer) -> Offers:
    return Offers.of(offers, storage=make.storage, transfer=make.transfer, snapshot="by hand")


def planned(make: SimpleNamespace, offers: Offers, **goal: Any) -> Plan:
    wish = make.goal(**{"load_rps": 60_000.0, **goal})
    return plan(wish, make.front(), offers, CALIBRATION, host=make.host, today="2026-02-03", seed=7)


def observed(found: Plan, *, cpu: float = 1.0, latency: float = 1.0) -> Observation:
    """What the rehearsal predicted, times a factor."""
    estimate, load = found.rehearsal.estimate, found.rehearsal.load_rps
    assert estimate.cpu_s_per_request is not None
    return Observation(
        load_rps=load,
        latency_s={name: Range.exactly(latency * value.likely) for name, value in estimate.latency_s.items()},
        throughput_rps=Range.exactly(load),
        cpu_s_per_request=Range.exactly(cpu * estimate.cpu_s_per_request.likely),
        memory_bytes=estimate.memory_bytes,
        started_at="2026-02-03T04:05:06Z",
        window_s=10.0,
        sent=10_000,
        answered=10_000,
        refused=0,
        failed=0,
        late=0,
    )


def test_when_all_is_as_predicted_the_choice_stays(make: SimpleNamespace) -> None:
    offers = market(make, make.offer(), make.offer(instance_type="m6a.xlarge", price_usd_per_hour=0.2))
    before = planned(make, offers)
    after = replan(before, observed(before), make.front(), offers, before.calibration, seed=7)
    assert after.choice.offer == before.choice.offer
    assert after.choice.variant_id == before.choice.variant_id
    assert not [change for change in after.changes if change.what in ("offer", "variant")]


def test_dearer_requests_need_more_machines_and_the_changes_say_why(make: SimpleNamespace) -> None:
    offers = market(make, make.offer())
    before = planned(make, offers)
    after = replan(before, observed(before, cpu=2.5), make.front(), offers, before.calibration, seed=7)
    assert after.choice.layout.instances > before.choice.layout.instances
    assert after.calibration != before.calibration
    told = {change.what: change for change in after.changes}
    assert told["machines"].before == str(before.choice.layout.instances)
    assert told["machines"].after == str(after.choice.layout.instances)
    front = told["calibration: front_cpu_s_per_request"]
    assert "+150%" in front.why
    assert "40.0 us" in front.before
    assert "cost" in told


def test_cheaper_requests_need_fewer_machines(make: SimpleNamespace) -> None:
    offers = market(make, make.offer())
    before = planned(make, offers)
    after = replan(
        before, observed(before, cpu=0.6, latency=0.6), make.front(), offers, before.calibration, seed=7
    )
    assert after.choice.cost_usd_per_month < before.choice.cost_usd_per_month


@pytest.mark.parametrize(("discount", "moves"), [(0.01, False), (0.2, True)])
def test_a_choice_moves_only_for_more_than_three_percent(
    make: SimpleNamespace, discount: float, moves: bool
) -> None:
    first = make.offer(price_usd_per_hour=10.0)
    other = make.offer(instance_type="c6a.2xlarge", price_usd_per_hour=10.0 * (1.0 - discount))
    before = planned(make, market(make, first))
    both = market(make, first, other)
    after = replan(before, observed(before), make.front(), both, before.calibration, seed=7)
    assert (after.choice.offer == other) == moves
    if not moves:
        line = next(line for line in after.rejected if line.name == "aws c6a on_demand")
        assert re.search(r"cheaper by 0\.\d%, less than moving is worth", line.reason)
    if moves:
        why = next(change.why for change in after.changes if change.what == "offer")
        assert "saves more" in why


def test_a_choice_that_is_gone_is_replaced(make: SimpleNamespace) -> None:
    before = planned(make, market(make, make.offer()))
    other = make.offer(instance_type="c6a.2xlarge", price_usd_per_hour=3.0)
    after = replan(before, observed(before), make.front(), market(make, other), before.calibration, seed=7)
    assert after.choice.offer == other
    why = next(change.why for change in after.changes if change.what == "offer")
    assert "cannot keep the goal" in why


def test_it_is_the_same_every_time_and_survives_a_file(make: SimpleNamespace) -> None:
    offers = market(make, make.offer())
    before = planned(make, offers)
    seen = observed(before, cpu=1.5, latency=2.0)
    one, other = (replan(before, seen, make.front(), offers, before.calibration, seed=7) for _ in range(2))
    assert one == other
    assert codec.decode(codec.encode(one), Plan, source="test") == one
