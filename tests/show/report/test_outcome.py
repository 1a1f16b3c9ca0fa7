from __future__ import annotations

import math
import re

import msgspec

from tradewind.domain.estimate import Comparison
from tradewind.domain.noun import Range
from tradewind.show import words
from tradewind.show.report.outcome import outcome_section


def places(body: str, kind: str) -> list[float]:
    return [float(place) for place in re.findall(rf'class="{kind}" style="left:([0-9.]+)%', body)]


def test_every_figure_stands_with_its_prediction_and_its_measurement(story):
    section = outcome_section(story.OBSERVED)

    assert "6 of 8" in section.takeaway
    for comparison in story.COMPARISONS:
        assert words.figure_name(comparison.figure) in section.body
        assert words.figure_value(comparison.figure, comparison.measured) in section.body
        assert words.figure_interval(comparison.figure, comparison.predicted) in section.body


def test_a_dot_lies_on_its_interval_exactly_when_it_is_within(story):
    body = outcome_section(story.OBSERVED).body
    drawn = re.findall(
        r'"bar interval" style="left:([0-9.]+)%;width:([0-9.]+)%".*?"dot (\w+)" style="left:([0-9.]+)%', body
    )

    assert len(drawn) == len(story.COMPARISONS)
    for low, width, verdict, dot in drawn:
        on_it = float(low) - 0.02 <= float(dot) <= float(low) + float(width) + 0.02
        assert on_it == (verdict == "within")


def test_all_figures_share_one_axis(story):
    body = outcome_section(story.OBSERVED).body

    assert set(places(body, "tick")) == {50.0}


def test_the_load_here_is_told_beside_the_load_of_the_goal(story):
    body = outcome_section(story.OBSERVED).body

    assert "6,000 rps became 1,180 rps here" in body
    assert story.REHEARSAL.because in body
    assert "11,806 answered, 31 late, 6 refused, 0 failed" in body


def test_advice_comes_with_its_evidence_and_its_gain(story):
    body = outcome_section(story.OBSERVED).body

    for advice in story.ADVICE:
        assert advice.cause in body
        assert advice.action in body
        assert words.figure_interval(advice.gain, advice.predicted_gain) in body
    assert "290 us measured, 172 to 260 us predicted" in body
    assert "The corrected plan" not in body


def test_a_corrected_plan_says_what_changed_and_why(story):
    body = outcome_section(story.REPLANNED).body

    for change in story.CORRECTED.changes:
        assert change.before in body
        assert change.after in body
        assert change.why in body


def test_nothing_is_compared_before_anything_was_served(story):
    planned, unmet = outcome_section(story.PLANNED), outcome_section(story.UNMET)

    assert "has not been served yet" in planned.takeaway
    assert "No plan meets the goal, so nothing was served" in unmet.takeaway
    for section in (planned, unmet):
        assert "The rehearsal " in section.body
        assert "badge measured" not in section.body


def test_figures_that_have_no_scale_are_shown_as_numbers(story):
    zero = Comparison(figure="utilization", predicted=Range.exactly(0.0), measured=0.2, within=False)
    endless = Comparison(
        figure="latency_p99_s",
        predicted=Range(low=0.01, likely=math.inf, high=math.inf),
        measured=0.02,
        within=True,
    )
    far = Comparison(figure="throughput_rps", predicted=Range.exactly(1.0), measured=1e6, within=False)
    told = msgspec.structs.replace(story.OBSERVED, comparisons=(zero, endless, far), advice=())
    body = outcome_section(told).body

    assert "unbounded" in body
    assert places(body, "dot outside") == [99.5]
    assert "Nothing is wrong enough" in body
