"""Questions that give in, and the quality that a goal asks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tradewind.decide.planning.search import Question, Search, keeps_quality, with_latency, with_load
from tradewind.decide.prediction import default_calibration
from tradewind.domain.goal import Quality
from tradewind.domain.offer import Offers


def searched(make: SimpleNamespace, **goal: Any) -> tuple[Search, Question]:
    offers = Offers.of([make.offer()], storage=make.storage, transfer=make.transfer)
    wish = make.goal(**goal)
    search = Search(wish, make.front().profiles, offers, default_calibration(), "2026-02-03")
    return search, Question(wish.serve, wish.confidence)


@pytest.mark.parametrize(
    ("quality", "kept"),
    [
        (Quality(), True),
        (Quality(max_drop=0.006), False),
        (Quality(max_drop=0.5, minimum=0.79), True),
        (Quality(max_drop=0.5, minimum=0.796), False),
    ],
)
def test_quality_is_held_against_this_goal(make: SimpleNamespace, quality: Quality, kept: bool) -> None:
    profile = make.profile(quality=0.795)
    assert keeps_quality(profile, make.goal(quality=quality)) == kept


def test_what_was_judged_unfit_stays_unfit(make: SimpleNamespace) -> None:
    assert not keeps_quality(make.profile(quality=0.8, within=False), make.goal())


def test_the_least_latency_can_be_kept_and_less_can_not(make: SimpleNamespace) -> None:
    search, question = searched(make, p99_s=1e-4, load_rps=10.0)
    assert search.answer(question) is None
    reachable = search.least_latency(question)
    assert reachable is not None
    assert search.answer(reachable) is not None
    assert search.answer(with_latency(question, 0.8 * reachable.serve.latency_s)) is None


def test_giving_in_meets_a_budget_and_hardly_more(make: SimpleNamespace) -> None:
    search, question = searched(make, load_rps=60_000.0)
    full = search.answer(question)
    assert full is not None
    budget = 0.6 * full.sized.usd_per_month
    found = search.load_within(question, budget)
    assert found is not None
    assert found.sized.usd_per_month <= budget
    more = with_load(question, 1.1 * found.question.serve.load.rate_rps)
    assert search.within(more, budget) is None
    assert search.load_within(question, 1.0) is None


def test_a_loose_latency_is_no_help_when_the_load_fills_the_machines(make: SimpleNamespace) -> None:
    search, question = searched(make, load_rps=60_000.0)
    full = search.answer(question)
    assert full is not None
    assert search.latency_within(question, full.sized.usd_per_month) is not None
    assert search.latency_within(question, 0.3 * full.sized.usd_per_month) is None
