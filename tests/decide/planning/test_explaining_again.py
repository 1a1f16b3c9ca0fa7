"""With the planner at hand: what is told was answered, and equals planning for the changed goal."""

from __future__ import annotations

from types import SimpleNamespace

import msgspec
import pytest

from tradewind.decide.planning import plan
from tradewind.decide.planning.explaining_again import explain_again
from tradewind.decide.planning.search import Search
from tradewind.decide.planning.sensitivity import planner_of
from tradewind.decide.prediction import default_calibration
from tradewind.domain.explanation import Explanation
from tradewind.domain.goal import Goal
from tradewind.domain.offer import Offer, Offers
from tradewind.domain.plan import Plan

TODAY = "2026-02-03"


class Told:
    """A plan with its explanation, and planning for goals near it."""

    def __init__(self, make: SimpleNamespace, offers: list[Offer], goal: Goal) -> None:
        self.make, self.offers = make, offers
        self.front = make.front(make.profile("one", threads=(1,), batches=(1, 8)))
        self.plan = self.planned(goal)
        search = self.searched(goal)
        self.found: Explanation = explain_again(
            self.plan, search, planner_of(search), wider=lambda wish: planner_of(self.searched(wish))
        )

    def market(self, goal: Goal) -> Offers:
        kept = [
            one
            for one in self.offers
            if one.cloud in goal.clouds
            and one.purchase in goal.purchase
            and (goal.regions == ("*",) or one.region in goal.regions)
        ]
        return Offers.of(kept, storage=self.make.storage, transfer=self.make.transfer, snapshot="by hand")

    def searched(self, goal: Goal) -> Search:
        return Search(goal, self.front.profiles, self.market(goal), default_calibration(), TODAY)

    def planned(self, goal: Goal) -> Plan:
        return plan(
            goal,
            self.front,
            self.market(goal),
            default_calibration(),
            host=self.make.host,
            today=TODAY,
            seed=0,
        )


@pytest.fixture(scope="module")
def told(make: SimpleNamespace) -> Told:
    offers = [
        make.offer(price_usd_per_hour=0.10),
        make.offer(region="eu-north-1", price_usd_per_hour=0.13),
        make.offer(
            instance_type="c7i.2xlarge", vcpus=8, physical_cores=4, cpu_ghz=3.4, price_usd_per_hour=0.45
        ),
        make.offer(cloud="gcp", region="europe-west1", instance_type="n2-standard-4", price_usd_per_hour=0.2),
        make.offer(purchase="commit_1y", price_usd_per_hour=0.05, terms="a year"),
        make.offer(region="us-east-1", price_usd_per_hour=0.02),
    ]
    goal = make.goal(load_rps=45_000.0, budget=50_000.0)
    regions = ("eu-west-1", "eu-north-1", "europe-west1")
    return Told(make, offers, msgspec.structs.replace(goal, regions=regions, purchase=("on_demand",)))


def test_the_next_of_another_cloud_is_what_planning_there_chooses(told: Told) -> None:
    only = told.planned(msgspec.structs.replace(told.plan.goal, clouds=("gcp",)))
    one = next(one for one in told.found.neighbours if one.direction == "other cloud: gcp")
    assert one.option is not None
    assert one.option.cost_usd == pytest.approx(only.choice.cost_usd_per_month)
    assert one.basis == "replanned"


def test_loosened_limits_save_what_planning_without_them_saves(told: Told) -> None:
    bounds = {one.name: one for one in told.found.bounds}
    own = told.plan.choice.cost_usd_per_month
    for name, changed in {
        "regions": {"regions": ("*",)},
        "purchase": {"purchase": ("on_demand", "spot", "commit_1y", "commit_3y")},
    }.items():
        loose = told.planned(msgspec.structs.replace(told.plan.goal, **changed))
        saved = bounds[name].saves_usd
        assert saved == pytest.approx(own - loose.choice.cost_usd_per_month), name
    gain = bounds["purchase"].saves_usd
    assert gain is not None
    assert gain > 0.0


def test_no_limit_costs_less_than_nothing(told: Told) -> None:
    for one in told.found.bounds:
        assert one.saves_usd is None or one.saves_usd >= -1e-6, one.name


def test_fewer_machines_are_fewer_and_dearer(told: Told) -> None:
    one = next(one for one in told.found.neighbours if one.direction == "fewer machines")
    assert told.plan.choice.layout.instances > 1
    assert one.option is not None
    assert one.option.machines < told.plan.choice.layout.instances
    assert one.usd >= -1e-9


def test_every_region_that_can_serve_has_its_cheapest(told: Told) -> None:
    regions = {place.region: place for place in told.found.places}
    assert set(regions) == {"eu-west-1", "eu-north-1", "europe-west1"}
    for region, place in regions.items():
        only = told.planned(msgspec.structs.replace(told.plan.goal, regions=(region,)))
        assert place.usd == pytest.approx(only.choice.cost_usd_per_month), region
    assert [place.region for place in told.found.places if place.chosen] == [told.plan.choice.offer.region]


def test_at_the_break_even_price_the_runner_up_is_chosen(told: Told) -> None:
    turn = next(turn for turn in told.found.turns if turn.name == "its price, upwards")
    assert turn.at is not None
    key = told.plan.choice.offer.key
    for factor, stays in ((0.999, True), (1.001, False)):
        offers = [
            msgspec.structs.replace(one, price_usd_per_hour=turn.at * factor) if one.key == key else one
            for one in told.offers
        ]
        chosen = Told.planned(_with(told, offers), told.plan.goal).choice
        assert (chosen.offer.key == key) == stays, factor


def _with(told: Told, offers: list[Offer]) -> Told:
    other = object.__new__(Told)
    other.make, other.front, other.offers = told.make, told.front, offers
    return other


def test_it_says_on_which_prices_it_was_answered(told: Told) -> None:
    assert told.found.basis == "replanned"
    assert "by hand" in told.found.basis_note
    assert len(told.found.curves) == 2


def test_a_goal_that_nothing_keeps_is_explained_by_what_comes_near(make: SimpleNamespace) -> None:
    goal = make.goal(p99_s=2e-4)
    unmet = Told(make, [make.offer(), make.offer(region="eu-north-1")], goal)
    assert not unmet.plan.meets_goal
    looser = next(turn for turn in unmet.found.turns if turn.name == "p99, looser")
    assert looser.at is not None, "from some latency on it can be kept"
    stays = next(turn for turn in unmet.found.turns if turn.name == "p99, tighter")
    assert stays.then == "nothing keeps the goal there either"
