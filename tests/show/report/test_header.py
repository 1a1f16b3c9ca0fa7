from __future__ import annotations

import re

import msgspec

from tradewind.show import words
from tradewind.show.report.header import header


def plain(markup: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", markup))


def test_the_verdict_names_what_to_serve_where_and_for_how_much(story):
    said = plain(header(story.OBSERVED))
    choice = story.CHOICE

    assert f"Serve {choice.variant_name} on {choice.layout.instances} × {choice.offer.instance_type}" in said
    assert words.quantity(choice.cost_usd_per_month, "money_per_month") in said
    assert words.goal_sentence(story.GOAL) in said
    assert "Meets the goal" in said
    assert "checked by measurement" in said


def test_a_corrected_plan_is_the_verdict(story):
    said = plain(header(story.REPLANNED))

    assert words.quantity(story.CORRECTED_CHOICE.cost_usd_per_month, "money_per_month") in said
    assert "corrected by what was measured" in said


def test_a_goal_that_cannot_be_met_says_every_miss_and_what_would_have_to_give(story):
    said = plain(header(story.UNMET))

    assert "The goal cannot be met" in said
    assert "Meets the goal" not in said
    for miss in story.MISSES:
        assert words.miss_sentence(miss) in said
        assert miss.advice in said


def test_every_figure_says_where_it_comes_from(story):
    figures = header(story.PLANNED).split('class="figure"')[1:]

    assert len(figures) == 4
    for figure, origin in zip(figures, ("quoted", "predicted", "measured", "measured"), strict=True):
        assert f"badge {origin}" in figure.partition("</h2>")[0]


def test_a_variant_that_was_not_judged_is_not_called_good(story):
    variant = msgspec.structs.replace(story.PLAN.variant, judgement=None)
    told = msgspec.structs.replace(story.PLANNED, plan=msgspec.structs.replace(story.PLAN, variant=variant))

    assert "not judged" in plain(header(told))


def test_a_budget_of_zero_is_no_division(story):
    goal = msgspec.structs.replace(story.GOAL, budget_usd_per_month=0.0)
    told = msgspec.structs.replace(story.UNMET, plan=msgspec.structs.replace(story.UNMET.plan, goal=goal))

    assert "the budget is 0" in plain(header(told))
