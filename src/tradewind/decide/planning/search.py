"""The search: the cheapest way to keep what is asked, and what comes nearest when nothing does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from tradewind.decide.planning.candidates import Sized, best_cell, size
from tradewind.decide.planning.costs import Costs
from tradewind.decide.planning.fleet import Fleet
from tradewind.decide.planning.loads import cold_start_s, curve_of
from tradewind.decide.planning.mixing import Stock, best_mixes, mix_of
from tradewind.decide.planning.space import Cell, Known, Space, Way, ways_of
from tradewind.decide.planning.tariffs import Tariffs
from tradewind.domain.goal import Load

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tradewind.domain.estimate import Calibration
    from tradewind.domain.goal import Goal, Serve
    from tradewind.domain.offer import Offers
    from tradewind.domain.plan import LoadCurve
    from tradewind.domain.profile import Profile

__all__ = ["Answer", "Question", "Search", "with_latency", "with_load"]

_OVER_LIMIT: Final = 1.1
"""How much looser than the lowest reachable latency the nearest answer is: at the limit itself no load fits."""
_LONGEST_S: Final = 3600.0
"""A latency bound that any machine keeps which can keep up with its load."""
_EVEN_ODDS: Final = 0.5
"""The confidence below which a plan is a hope."""
_HALVINGS: Final = 9
"""Steps of a search for the value at which a budget is met: within 1 % of a factor of 100."""


@dataclass(frozen=True)
class Question:
    """What is asked, constraint by constraint, so that each can give. The budget is not asked, but compared."""

    serve: Serve
    confidence: float
    quality: str = "kept"
    """Variants within the quality budget ("kept"), the one of best quality ("best"), all ("any"), or one by its id."""


@dataclass(frozen=True)
class Answer:
    """The cheapest way to keep a question."""

    question: Question
    costs: Costs
    sized: Sized


def keeps_quality(profile: Profile, goal: Goal) -> bool:
    """Whether a variant was judged good enough, and still is under this goal.

    A front may have been judged for another goal: what this one asks of the whole test split is held against
    the judgement again. Slices are as they were judged.
    """
    judgement = profile.variant.judgement
    if judgement is None or not judgement.within:
        return False
    quality = goal.quality
    enough = quality.minimum is None or judgement.value >= quality.minimum
    # The original is its own baseline: it loses nothing.
    return enough and (judgement.delta == 0.0 or judgement.delta_low >= -quality.max_drop)


class Search:
    """Answers questions about one set of variants and offers; keeps what they share."""

    def __init__(
        self,
        goal: Goal,
        profiles: Sequence[Profile],
        offers: Offers,
        calibration: Calibration,
        today: str,
        *,
        curve: LoadCurve | None = None,
    ) -> None:
        """`curve` is the load over time; without it that which the goal itself states."""
        self.goal = goal
        self.curve = curve or curve_of(goal.serve, cold_start_s(profiles, calibration))
        self.calibration = calibration
        self.today = today
        self.tariffs = Tariffs(goal, profiles, offers, calibration, today)
        self.eligible = tuple(p for p in profiles if keeps_quality(p, goal))
        every = ways_of(profiles, calibration)
        best = max(profiles, key=_quality)
        self._ways: dict[str, tuple[Way, ...]] = {
            "any": every,
            "kept": tuple(way for way in every if way.profile in self.eligible),
            "best": tuple(way for way in every if way.profile is best),
        }
        for profile in profiles:
            self._ways[profile.variant.id] = tuple(way for way in every if way.profile is profile)
        self._by_quality = tuple(sorted(profiles, key=_quality, reverse=True))
        # A fact of the variants, not of the offers: another offer must not change what is said of this one.
        memory_matters = any(bool(way.work.memory_s.any()) for way in every)
        self.fleet = Fleet.of(offers, calibration, memory_matters=memory_matters)
        self._known = Known()
        self._spaces: dict[tuple[str, float, float, str], Space] = {}
        self._known_stock: Stock | None = None

    def costs(self, question: Question) -> Costs:
        """The cost of every offer under the question."""
        serve = question.serve
        key = (serve.percentile, serve.latency_s, question.confidence, question.quality)
        if key not in self._spaces:
            ways = self._ways[question.quality]
            self._spaces[key] = Space(
                self.fleet, ways, serve, question.confidence, self.calibration, self._known
            )
        return Costs(self._spaces[key], self.tariffs, self.curve.at_peak(serve.load.rate_rps))

    def answer(self, question: Question) -> Answer | None:
        """The cheapest way, whatever it costs; None when no offer keeps the latency bound."""
        if not self._ways[question.quality]:
            return None
        costs = self.costs(question)
        cell = best_cell(costs)
        if cell is None:
            return None
        return Answer(question, costs, self._cheapest(costs, cell))

    def correct(self, answer: Answer) -> None:
        """Take the way of an answer to carry so little that it needs one machine more."""
        costs, chosen = answer.costs, answer.sized
        machine, column = self.fleet.machine_at(chosen.cell.row), chosen.cell.column
        per_machine = int(costs.space.replicas[self.fleet.kind(chosen.cell.row), column])
        costs.space.correct(machine, column, costs.load_rps / ((chosen.needed + 1) * per_machine))

    def _cheapest(self, costs: Costs, cell: Cell) -> Sized:
        """The cell that is cheapest bought in one way; or machines bought in several, where that is cheaper."""
        single = size(costs, cell, costs.instances(cell), self.goal.serve)
        if len(costs.curve.rates_rps) == 1:
            return single
        offers = self.fleet.offers
        mixes = [
            size(costs, of, costs.instances(of), self.goal.serve, mix)
            for of, mix in best_mixes(costs, self._stock(costs), single.usd_per_month)
        ]

        def order(sized: Sized) -> tuple[float, float, str]:
            offer = offers.offer(sized.cell.row)
            return sized.latency_s, sized.gco2e_per_month, offer.key

        return min(mixes, key=order, default=single)

    def mixed(self, costs: Costs, cell: Cell) -> Sized:
        """A cell with the machines that it needs, bought in the cheapest way that its machine and place offer."""
        single = size(costs, cell, costs.instances(cell), self.goal.serve)
        if len(costs.curve.rates_rps) == 1:
            return single
        stock = self._stock(costs)
        rows = stock.groups.rows(int(stock.groups.of[cell.row]))
        mix = mix_of(costs, rows, costs.machines(cell, costs.instances(cell)))
        if mix is None or len(mix.parts) == 1:
            return single
        found = size(costs, cell, costs.instances(cell), self.goal.serve, mix)
        return found if found.usd_per_month < single.usd_per_month else single

    def _stock(self, costs: Costs) -> Stock:
        if self._known_stock is None:
            self._known_stock = Stock(costs)
        return self._known_stock

    def within(self, question: Question, usd_per_month: float) -> Answer | None:
        """The answer, if it is within a budget."""
        answer = self.answer(question)
        return answer if answer and answer.sized.usd_per_month <= usd_per_month else None

    def least_latency(self, question: Question) -> Question | None:
        """The question with the lowest latency that any offer reaches; None when nothing runs at all."""
        if not self._ways[question.quality]:
            return None
        space = self.costs(question).space
        runs = (space.replicas > 0) & self.fleet.usable[:, None]
        floors_s = np.where(runs, space.floor_s[self.fleet.machine], np.inf)
        floor_s = float(floors_s.min(initial=np.inf))
        if not np.isfinite(floor_s):
            return None
        return with_latency(question, max(question.serve.latency_s, _OVER_LIMIT * floor_s))

    def latency_within(self, question: Question, usd_per_month: float) -> Answer | None:
        """The lowest latency, above the asked one, that a budget pays for."""
        asked_s = question.serve.latency_s
        return self._loosest(
            lambda share: with_latency(question, asked_s * (_LONGEST_S / asked_s) ** share), usd_per_month
        )

    def load_within(self, question: Question, usd_per_month: float) -> Answer | None:
        """The highest load, below the asked one, that a budget pays for."""
        asked_rps = question.serve.load.rate_rps
        return self._loosest(lambda share: with_load(question, asked_rps * 1e-4**share), usd_per_month)

    def _loosest(self, asked: Callable[[float], Question], usd_per_month: float) -> Answer | None:
        """The answer for the smallest share of giving in, 0 to 1, that is within a budget."""
        found = self.within(asked(1.0), usd_per_month)
        if found is None:
            return None
        low, high = 0.0, 1.0
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            better = self.within(asked(middle), usd_per_month)
            if better is None:
                low = middle
            else:
                high, found = middle, better
        return found

    def confidence_within(self, question: Question, usd_per_month: float) -> Answer | None:
        """The highest confidence, below the asked one, that a budget pays for; none below even odds."""
        asked = question.confidence
        return self._loosest(
            lambda share: replace(question, confidence=asked - share * (asked - _EVEN_ODDS)), usd_per_month
        )

    def quality_within(self, question: Question, usd_per_month: float) -> Answer | None:
        """The variant of best quality, of all that do not keep the asked one, that a budget pays for."""
        for profile in self._by_quality:
            if profile not in self.eligible:
                answer = self.within(replace(question, quality=profile.variant.id), usd_per_month)
                if answer is not None:
                    return answer
        return None


def _quality(profile: Profile) -> float:
    judgement = profile.variant.judgement
    return judgement.value if judgement else -np.inf


def with_latency(question: Question, latency_s: float) -> Question:
    """The question with another latency bound."""
    name = f"{question.serve.percentile}_s"
    return replace(question, serve=msgspec.structs.replace(question.serve, **{name: latency_s}))


def with_load(question: Question, rate_rps: float) -> Question:
    """The question with another highest load."""
    if rate_rps == question.serve.load.rate_rps:
        return question
    load = Load(rate_rps=rate_rps)
    return replace(question, serve=msgspec.structs.replace(question.serve, load=load))
