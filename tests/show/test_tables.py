from __future__ import annotations

import io

import msgspec
import pytest
from rich.cells import cell_len
from rich.console import Console

from tradewind.domain.estimate import Comparison
from tradewind.domain.noun import Range, Rejected
from tradewind.show import tables, words


def printed(table, width: int = 100) -> str:
    written = io.StringIO()
    Console(width=width, highlight=False, no_color=True, file=written).print(table)
    return written.getvalue()


def everything(story):
    return {
        "host": tables.host(story.HOST),
        "profile": tables.profile(story.FRONT.profiles[0]),
        "front": tables.front(story.FRONT),
        "plan": tables.plan(story.PLAN),
        "unmet": tables.plan(story.UNMET.plan),
        "comparisons": tables.comparisons(story.COMPARISONS, story.OBSERVATION),
        "estimate": tables.estimate(story.CHOICE.estimate),
        "observation": tables.observation(story.OBSERVATION),
        "advice": tables.advice(story.ADVICE),
        "changes": tables.changes(story.CORRECTED.changes),
    }


@pytest.mark.parametrize("width", [80, 100, 200])
def test_no_line_is_wider_than_the_terminal(story, width):
    for name, table in everything(story).items():
        for line in printed(table, width).splitlines():
            assert cell_len(line) <= width, (name, line)


@pytest.mark.parametrize("width", [80, 100])
def test_numbers_are_never_folded(story, width):
    said = printed(tables.front(story.FRONT), width)
    for profile in story.FRONT.profiles:
        row = next(line for line in said.splitlines() if profile.variant.name in line)
        assert words.metric_change(profile.variant.judgement.delta) in row
        assert words.quantity(profile.latency_s(1, 1), "time") in row


def test_the_front_says_why_variants_were_lost_or_failed(story):
    said = printed(tables.front(story.FRONT))

    for one in (*story.FRONT.lost, *story.FRONT.failed):
        assert one.name in said
        assert one.reason[:40] in said


def test_the_plan_adds_up_and_names_its_choice(story):
    said = printed(tables.plan(story.PLAN))

    assert (
        f"{story.CHOICE.variant_name} on {story.CHOICE.layout.instances} × {story.CHOICE.offer.instance_type}"
        in said
    )
    assert f"{story.CHOICE.cost_usd_per_month:,.2f}" in said
    assert f"({len(story.CANDIDATES) - 1 - tables.RUNNERS_UP} more in the report)" in said
    assert "[assumed]" in said


def test_a_plan_that_misses_the_goal_says_so_first(story):
    said = printed(tables.plan(story.UNMET.plan), 200)

    assert said.strip().startswith("No plan meets the goal")
    for miss in story.MISSES:
        assert words.miss_sentence(miss) in said
        assert miss.advice in said


def test_a_mark_lies_on_the_interval_exactly_when_the_figure_is_within(story):
    said = printed(tables.comparisons(story.COMPARISONS, story.OBSERVATION))

    assert "6 of 8 within" in said
    assert said.count("●") == said.count("✓ within") == 6
    assert said.count("◆") == said.count("✕ outside") == 2


def test_figures_without_a_scale_are_numbers_only(story):
    zero = Comparison(figure="utilization", predicted=Range.exactly(0.0), measured=0.2, within=False)
    said = printed(tables.comparisons((zero,), story.OBSERVATION))

    assert "20 %" in said
    assert "◆" not in said


def test_nothing_to_advise_or_change_is_said(story):
    assert "Nothing is wrong enough" in printed(tables.advice(()))
    assert "no change" in printed(tables.changes(()))


def test_names_are_not_read_as_markup(story):
    rejected = (Rejected(name="[red]family[/red]", reason="[bold] [/nonsense] too dear"),)
    plan = msgspec.structs.replace(story.PLAN, rejected=rejected)
    failed = msgspec.structs.replace(story.FRONT, failed=rejected)

    for table in (tables.plan(plan), tables.front(failed)):
        said = printed(table, 200)
        assert "[red]family[/red]" in said
        assert "[bold] [/nonsense] too dear" in said


def test_a_profile_shows_the_ends_of_a_long_curve(story):
    said = printed(tables.profile(story.FRONT.profiles[0]))

    assert "536,065 parameters" in said
    assert "128" in said
    assert words.quantity(story.FRONT.profiles[0].latency_s(128, 2), "time") in said


def test_an_estimate_and_an_observation_show_every_known_figure(story):
    expected = printed(tables.estimate(story.CHOICE.estimate))
    seen = printed(tables.observation(story.OBSERVATION))

    for figure in ("p50 latency", "p99 latency", "throughput", "memory", "CPU time per request"):
        assert figure in expected
        assert figure in seen
    assert "capacity" in expected
    assert "capacity" not in seen
    assert "intervals hold 90 % of cases" in expected
    assert story.CHOICE.estimate.because[0] in printed(tables.estimate(story.CHOICE.estimate), 200)
    assert "11,812 at 1,180 rps in 10 s: 11,806 answered" in seen


def test_a_profile_without_counted_operators_and_a_host_with_an_accelerator_are_shown(story):
    profile = msgspec.structs.replace(story.FRONT.profiles[0], operators=())
    host = msgspec.structs.replace(story.HOST, accelerators=("L4",), ghz=None, isa=())

    assert "no operator counted" in printed(tables.profile(profile))
    assert "accelerators  L4" in printed(tables.host(host))
    assert "no extension known" in printed(tables.host(host))
