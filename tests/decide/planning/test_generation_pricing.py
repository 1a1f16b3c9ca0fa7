"""Fleets that serve language models: spares, quotas, what is paid already, and mixes."""

import numpy as np
import pytest

from generation_cases import CALIBRATION, HOURS, offer, offers_of
from tradewind.decide.planning.generation_pricing import Shop

DAY = np.array([0.75, 0.25])


def shop(*offers, shares=DAY):
    return Shop(offers_of(*offers), CALIBRATION, np.asarray(shares))


def test_an_hourly_offer_is_paid_while_it_runs_and_a_commitment_all_the_time():
    found = shop(offer(price=1.0), offer(price=1.0, purchase="commit_1y"))
    usd = found.alone_usd(np.array([0, 1]), np.array([1, 3]))
    assert usd.tolist() == pytest.approx([(0.75 * 1 + 0.25 * 3) * HOURS, 3.0 * HOURS])


def test_spot_has_spares_and_a_quota_forbids():
    found = shop(
        offer(price=1.0, purchase="spot", interruptions_per_hour=0.05),
        offer(price=1.0, most_machines=2.0),
        shares=[1.0],
    )
    needed = np.array([3])
    assert found.alone(0, needed).machines() > 3
    assert found.alone(0, needed).spares == found.alone(0, needed).machines() - 3
    assert found.alone_usd(np.array([1]), needed).tolist() == [np.inf]


def test_what_is_paid_for_already_costs_nothing():
    found = shop(offer(price=2.0, prepaid_machines=2.0), shares=[1.0])
    assert found.alone_usd(np.array([0]), np.array([2])).tolist() == [0.0]
    assert found.alone_usd(np.array([0]), np.array([3])).tolist() == [pytest.approx(2.0 * HOURS)]


# The quantile rule: a machine that is needed for a share of the time is committed where that is above the ratio of prices.
@pytest.mark.parametrize(("ratio", "committed"), [(0.2, 3), (0.5, 1), (0.9, 1), (1.1, 0)])
def test_machines_are_committed_by_the_share_of_the_time_that_they_are_needed(ratio, committed):
    found = shop(offer(price=1.0), offer(price=ratio, purchase="commit_1y"))
    needed, rows = np.array([1, 3]), np.array([0, 1])
    alone = float(np.min(found.alone_usd(rows, needed)))
    fleet = found.mixed(rows, needed, np.inf)
    assert fleet is not None
    held = {found.offers.offer(part.row).purchase: part.machines for part in fleet.parts}
    assert held.get("commit_1y", (0, 0)) == (committed, committed)
    assert fleet.usd_per_month <= alone * (1 + 1e-12)
    assert sum(part.usd_per_month for part in fleet.parts) == pytest.approx(fleet.usd_per_month)


def test_a_load_that_never_changes_is_not_mixed():
    found = shop(offer(price=1.0), offer(price=0.5, purchase="commit_1y"), shares=[1.0])
    assert found.mixed(np.array([0, 1]), np.array([3]), np.inf) is None


def test_places_are_machines_that_can_be_bought_in_several_ways():
    found = shop(
        offer(),
        offer(purchase="spot"),
        offer(region="eu-west-1"),
        offer(purchase="spot", zone="a"),
    )
    assert [one.tolist() for one in found.places(np.arange(4))] == [[0, 1, 3]]


def test_the_nouns_of_a_fleet_say_its_hours():
    found = shop(offer(price=2.0))
    (rented,) = found.nouns(found.alone(0, np.array([1, 5])))
    assert rented.machines == 5
    assert rented.machine_hours_per_month == pytest.approx(2.0 * HOURS)
    assert rented.usd_per_month == pytest.approx(4.0 * HOURS)
