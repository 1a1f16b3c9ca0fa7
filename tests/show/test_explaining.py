"""The page that explains a plan in a terminal, and its sentences."""

from __future__ import annotations

import re

import msgspec
import pytest
from rich.console import Console

from tradewind.decide.planning.explaining import explain
from tradewind.domain.explanation import Explanation, Turn
from tradewind.show import explaining, words


@pytest.fixture(scope="module")
def found(story) -> Explanation:
    return explain(story.PLAN)


def printed(thing: object, width: int = 100) -> str:
    console = Console(width=width, no_color=True, highlight=False)
    with console.capture() as capture:
        console.print(thing)
    return capture.get()


def flat(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def test_the_same_explanation_gives_the_same_page(found):
    assert printed(explaining.page(found)) == printed(explaining.page(found))


def test_the_page_has_the_choice_its_limits_neighbours_turns_reasons_and_sources(found):
    text = flat(printed(explaining.page(found), width=200))
    for title in (
        "The choice",
        "What binds it",
        "The next-best in each direction",
        "What would change the choice",
        "What fell out, and why",
        "Where the numbers come from",
    ):
        assert title in text
    assert found.choice.name in text
    for bound in found.bounds:
        if bound.asked is not None:
            assert bound.name in text
    for one in found.neighbours:
        if one.option is not None:
            assert explaining.direction(one.direction) in text
            assert one.option.name in text
    assert found.basis_note in text


@pytest.mark.parametrize("width", [80, 100, 140])
def test_the_page_fits_its_width_and_is_one_page(found, width):
    lines = printed(explaining.page(found), width).splitlines()
    assert max(len(line.rstrip()) for line in lines) <= width
    assert len(lines) < 160


def test_every_number_of_the_choice_has_a_word_for_where_it_comes_from(found):
    lines = printed(explaining.page(found), width=300).splitlines()
    start = next(place for place, line in enumerate(lines) if "Where the numbers come from" in line)
    told = [line for line in lines[start + 2 :] if re.search(r"\d{4}-\d\d-\d\d\s*$", line)]
    assert told
    for line in told:
        assert re.search(r"\b(measured|predicted|quoted|assumed)\b", line), line
    said = "\n".join(told)
    for source in found.sources:
        assert explaining.amount(source.value, source.unit) in said, source.what


def test_every_family_that_fell_out_is_named_when_asked_for(found):
    text = flat(printed(explaining.families(found), width=300))
    for group in found.fallen:
        assert group.reason in text
        for name in group.families:
            assert name in text


def test_families_of_one_cloud_and_purchase_share_these_words():
    names = ["aws m5 spot", "gcp n2 spot", "aws c5 spot", "aws t3 on_demand", "variant int8"]
    assert explaining.by_cloud(names) == [
        ("aws, on demand", ["t3"]),
        ("aws, spot", ["m5", "c5"]),
        ("gcp, spot", ["n2"]),
        ("", ["variant int8"]),
    ]


def test_an_unmet_goal_says_so_first(story):
    found = explain(story.UNMET.plan)
    text = flat(printed(explaining.page(found), width=200))
    assert "nothing keeps the goal; the nearest answer" in text
    assert "The goal is not met" in text
    assert explaining.binding_sentence(found).startswith("The goal is not met: ")


def test_what_binds_is_what_costs_money_then_what_is_at_its_limit(found):
    budget = next(bound for bound in found.bounds if bound.name == "budget")
    priced = msgspec.structs.replace(budget, saves_usd=50.0, loosened="twice the budget", tight=False)
    tight = msgspec.structs.replace(budget, name="cores", tight=True)
    held = msgspec.structs.replace(found, bounds=(priced, tight))
    assert explaining.binding_sentence(held) == (
        "Held by budget (twice the budget would save 50.00 usd/month); also at its limit: cores."
    )
    free = msgspec.structs.replace(found, bounds=(msgspec.structs.replace(budget, tight=False),))
    assert explaining.binding_sentence(free).startswith("No limit holds it back")


def test_a_difference_is_told_in_money_time_and_confidence(found):
    one = next(one for one in found.neighbours if one.direction == "faster" and one.option is not None)
    said = explaining.difference(found, one)
    assert "usd/month" in said
    assert "faster" in said
    none = msgspec.structs.replace(one, option=None, because="there is none")
    assert explaining.difference(found, none) == "there is none"


def turn(**fields: object) -> Turn:
    given: dict[str, object] = {
        "name": "load, upwards",
        "unit": "rps",
        "now": 100.0,
        "at": 250.0,
        "tried": 6400.0,
        "then": "2 x m5.large, on_demand",
        "usd": 20.0,
        "basis": "replanned",
    }
    return Turn(**{**given, **fields})


def test_where_a_choice_turns_stands_with_how_far_away_it_is(found):
    assert explaining.turn_values(turn()) == ("100 rps", "250 rps (2.5×)")
    assert explaining.turn_values(turn(at=120.0)) == ("100 rps", "120 rps (+20 %)")
    assert explaining.turn_values(turn(at=None)) == ("100 rps", "none up to 6,400 rps")
    assert explaining.turn_values(turn(at=None, tried=2.0)) == ("100 rps", "none down to 2.00 rps")
    assert explaining.turn_values(turn(unit="share", now=0.9, at=0.99)) == ("90 %", "99 %")
    assert explaining.turn_sentence(found, turn()) == "2 x m5.large, on demand, 20.00 usd/month"


def test_the_choice_is_told_with_its_largest_part(found):
    said = explaining.choice_sentence(found)
    assert said.startswith("Serve ")
    largest = max(found.choice.parts, key=lambda part: part.usd)
    assert words.COST_PARTS[largest.name] in said
