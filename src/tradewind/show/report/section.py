"""Section: one part of the page, and the parts that several sections share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tradewind.show import readings, words
from tradewind.show.report.markup import Html, element, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradewind.domain.goal import Goal
    from tradewind.domain.noun import Range
    from tradewind.domain.plan import Candidate
    from tradewind.domain.profile import Front, Profile

__all__ = [
    "MOST_ROWS",
    "Section",
    "chart_frame",
    "emphasis",
    "metric_name",
    "paragraph",
    "plotted",
    "purchase",
    "standing",
]


MOST_ROWS: Final = 40
"""Candidates in the table of alternatives; plan.json has them all."""


class Section(NamedTuple):
    """A part of the page. `charts` is what the page's script draws into the frames of the body, by their ids."""

    identifier: str
    title: str
    takeaway: Html
    body: Html
    charts: Mapping[str, Any]


def paragraph(*parts: str) -> Html:
    """Running text."""
    return element("p", {}, *parts)


def chart_frame(identifier: str, label: str, still: str = "") -> Html:
    """The place into which the page's script draws a chart; without a script it shows a still drawing.

    Where there is no such drawing it points to the table.
    """
    without = element(
        "noscript", {}, still or paragraph("The chart needs JavaScript; the table below holds its numbers.")
    )
    return element("figure", {"class": "chart", "id": f"chart-{identifier}", "aria-label": label}, without)


def plotted(of: Range) -> list[float]:
    """A range as the page's script reads it: likely, low, high."""
    return [of.likely, of.low, of.high]


def standing(front: Front, profile: Profile, chosen_id: str) -> tuple[str, str]:
    """Where a variant stands, "chosen", "front" or "lost", and the sentence that says why."""
    if profile.variant.id == chosen_id:
        return "chosen", "chosen by the plan"
    return readings.standing(front, profile)


def emphasis(*parts: str) -> Html:
    """The words that matter most in a sentence."""
    return element("b", {}, text(*parts))


def metric_name(goal: Goal) -> str:
    """The goal's metric as people write it: a function's name without its module."""
    return goal.metric.rpartition(":")[2].replace("_", " ")


def purchase(candidate: Candidate) -> str:
    """How the machines of a candidate are paid for."""
    return words.PURCHASES[candidate.offer.purchase]
