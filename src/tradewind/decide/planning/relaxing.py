"""What keeps a goal when one constraint alone gives way, and what that costs.

Each constraint gives way by as little as lets all the others hold, the budget among them.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tradewind.decide.planning.candidates import candidate_of
from tradewind.decide.planning.search import Answer, Question, Search
from tradewind.domain import units
from tradewind.domain.goal import CLOUDS, Goal
from tradewind.domain.plan import Relaxed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tradewind.domain.offer import Offers
    from tradewind.domain.profile import Front

__all__ = ["Given", "opened", "relaxed", "relaxed_nouns"]

_OPEN: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "clouds": CLOUDS,
        "regions": ("*",),
        "jurisdiction": (),
        "purchase": ("on_demand", "spot", "commit_1y", "commit_3y"),
        "accelerator": (),
        "memory_bytes": None,
        "require": (),
    }
)
"""Constraints on offers, each at its widest."""


def opened(goal: Goal) -> dict[str, Goal]:
    """The goal with one constraint on offers at its widest, for each that is not so already.

    >>> from tradewind.domain.goal import Load, Serve
    >>> goal = Goal(name="a", model="a:b", data="a:c", metric="f1", budget_usd_per_month=1.0, clouds=("aws",),
    ...             purchase=("spot",), serve=Serve(load=Load(rate_rps=1.0), p99_s=1.0))
    >>> sorted(opened(goal))
    ['clouds', 'purchase']
    """
    return {
        name: msgspec.structs.replace(goal, **{name: widest})
        for name, widest in _OPEN.items()
        if _differs(getattr(goal, name), widest)
    }


def _differs(value: object, widest: object) -> bool:
    if isinstance(value, tuple) and isinstance(widest, tuple):
        return set(value) != set(widest)
    return value != widest


@dataclass(frozen=True)
class Given:
    """One constraint that gave way, by how much, and the answer that keeps all the others; None if none does."""

    constraint: str
    asked: str
    given: str
    search: Search
    answer: Answer | None


def relaxed(search: Search, front: Front, wider: Mapping[str, Callable[[], Offers]]) -> list[Given]:
    """Every constraint of a goal that nothing keeps, given up alone."""
    goal = search.goal
    serve, budget = goal.serve, goal.budget_usd_per_month
    question = Question(serve, goal.confidence)
    found: list[Given] = []

    def add(constraint: str, asked: str, answer: Answer | None, given: Callable[[Answer], str]) -> None:
        words = given(answer) if answer else ""
        found.append(Given(constraint, asked, words, search, answer))

    add(
        serve.percentile,
        units.show(serve.latency_s, "time"),
        search.latency_within(question, budget),
        lambda answer: units.show(answer.question.serve.latency_s, "time"),
    )
    add(
        "load",
        units.show(serve.load.rate_rps, "rate"),
        search.load_within(question, budget),
        lambda answer: units.show(answer.question.serve.load.rate_rps, "rate"),
    )
    add(
        "budget",
        units.show(budget, "money_per_month"),
        search.answer(question),
        lambda answer: units.show(answer.sized.usd_per_month, "money_per_month"),
    )
    add(
        "confidence",
        f"{goal.confidence:.0%}",
        search.confidence_within(question, budget),
        lambda answer: f"{answer.question.confidence:.0%}",
    )
    if len(search.eligible) < len(front.profiles):
        add("quality", _quality(goal), search.quality_within(question, budget), _variant)
    for constraint, offers in wider.items():
        among = offers()
        if not len(among):
            continue
        outside = Search(goal, front.profiles, among, search.calibration, search.today, curve=search.curve)
        answer = outside.within(Question(serve, goal.confidence), budget)
        words = _where(constraint, answer) if answer else ""
        found.append(Given(constraint, _asked(goal, constraint), words, outside, answer))
    return found


def relaxed_nouns(given: list[Given]) -> tuple[Relaxed, ...]:
    """The same for people, the cheapest first, then those that are not enough alone."""
    nouns = []
    for one in given:
        candidate = None
        if one.answer is not None:
            answer = one.answer
            candidate = candidate_of(answer.costs, one.search.tariffs, answer.sized, answer.question.serve)
        nouns.append(
            Relaxed(constraint=one.constraint, asked=one.asked, given=one.given, candidate=candidate)
        )
    return tuple(sorted(nouns, key=lambda noun: noun.usd_per_month))


def _quality(goal: Goal) -> str:
    quality = goal.quality
    drop = f"{goal.metric} within {quality.max_drop:.4g} of the original"
    return drop if quality.minimum is None else f"{drop} and at least {quality.minimum:.4g}"


def _variant(answer: Answer) -> str:
    variant = answer.costs.space.ways[answer.sized.cell.column].profile.variant
    judgement = variant.judgement
    if judgement is None:
        return f"{variant.name}, which was not judged"
    return f"{variant.name}: {judgement.metric} {judgement.value:.4g}, {judgement.delta:+.4g}"


def _asked(goal: Goal, constraint: str) -> str:
    value = getattr(goal, constraint)
    if constraint == "memory_bytes":
        return units.show(value, "bytes")
    return ", ".join(str(word) for word in value)


def _where(constraint: str, answer: Answer) -> str:
    offer = answer.costs.space.fleet.offers.offer(answer.sized.cell.row)
    if constraint == "purchase":
        return offer.purchase
    if constraint == "memory_bytes":
        return units.show(offer.memory_bytes, "bytes")
    return f"{offer.cloud} {offer.region}"
