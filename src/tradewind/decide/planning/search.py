"""The search: the cheapest way to keep a goal, and what comes nearest when none does."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from tradewind.decide.planning.candidates import Sized, best_cell, size
from tradewind.decide.planning.space import Cell, Costs, Fleet, Known, Space, Way, ways_of
from tradewind.decide.planning.tariffs import Tariffs
from tradewind.domain import units
from tradewind.domain.plan import Miss

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewind.domain.estimate import Calibration
    from tradewind.domain.goal import Goal, Serve
    from tradewind.domain.offer import Offers
    from tradewind.domain.profile import Profile

__all__ = ["Answer", "Question", "Searcher"]

_MOST_WISHED: Final = 1.1
"""How much looser than the lowest reachable latency the nearest answer is: at the limit itself no load fits."""


@dataclass(frozen=True)
class Question:
    """What is asked of the search, constraint by constraint, so that each can give."""

    serve: Serve
    confidence: float
    budget_usd_per_month: float
    any_quality: bool = False

    @property
    def load_rps(self) -> float:
        """Requests per second."""
        return self.serve.load.rate_rps


@dataclass(frozen=True)
class Answer:
    """The cheapest way to keep a question, whatever its budget."""

    question: Question
    costs: Costs
    sized: Sized


class Searcher:
    """Searches one set of offers and variants for several questions; keeps what they share."""

    def __init__(
        self, goal: Goal, profiles: Sequence[Profile], offers: Offers, calibration: Calibration, today: str
    ) -> None:
        self.calibration = calibration
        self.tariffs = Tariffs(goal, offers, calibration, today)
        self.eligible = tuple(p for p in profiles if p.variant.judgement and p.variant.judgement.within)
        self._ways = {
            False: ways_of(self.eligible, calibration),
            True: ways_of(profiles, calibration),
        }
        # Which works exist is a fact of the profiles: another offer must not change the answer of this one.
        matters = any(way.work.memory_s.any() for way in self._ways[True])
        self.fleet = Fleet.of(offers, calibration, memory_matters=matters)
        self._known = Known()
'''
