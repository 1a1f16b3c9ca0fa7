from __future__ import annotations

import io

import msgspec
import pytest
from rich.cells import cell_len
from rich.console import Console

from tradewind.domain.estimate import Comparison
from tradewind.domain.noun import Range, Rejected
from tradewind.domain.plan import LoadCurve, Relaxed, Rented, Scheduled, Simulated, Site
from tradewind.show import tables, words


def printed(table, width: int = 100) -> str:
    written = io.StringIO()
    Console(width=width, highlight=False, no_color=True, file=written).print(table)
    return written.getvalue()


def by_the_hour(story, agrees: bool = True):
    """A plan with machines of two purchases that change over the day, simulated."""
    offer = story.CHOICE.offer
    by_purchase = {
        purchase: msgspec.structs.replace(offer, purchase=purchase) for purchase in ("commit_1y", "spot")
    }
    schedule = tuple(
        Scheduled(hour=hour, load_rps=6000.0, committed=2, spot=3 if 8 <= hour < 20 else 0)
        for hour in range(24)
    )
    fleet = (
        Rented(
            offer=by_purchase["commit_1y"], machines=2, machine_hours_per_month=1460.0, usd_per_month=71.5
        ),
        Rented(offer=by_purchase["spot"], machines=3, machine_hours_per_month=1095.0, usd_per_month=33.25),
    )
    simulated = Simulated(
        requests=30_000,
        load_rps=1000.0,
        latency_s={"p99": Range(low=0.0171, likely=0.0178, high=0.0185)},
        slow_s=Range.exactly(0.0191),
        bound_s=0.02,
        agrees=agrees,
        because="17.8 ms is over 11 ms",
    )
    load = LoadCurve(
        rates_rps=(500.0, 6000.0), shares=(0.5, 0.5), mean_rps=3250.0, because="a day that repeats"
    )
    choice = msgspec.structs.replace(story.CHOICE, fleet=fleet, schedule=schedule)
    return msgspec.structs.replace(story.PLAN, choice=choice, load=load, simulated=simulated)


def worldwide(story):
    """A plan for users in three parts of the world, of which one cannot be served."""

    def site(users, share, candidate):
        return Site(
            users=users,
            share=share,
            round_trip_s=0.012,
            bound_s=0.008,
            meets_goal=candidate is not None,
            candidate=candidate,
        )

    sites = (
        site("europe", 0.5, story.CHOICE),
        site("us", 0.3, story.CANDIDATES[3]),
        site("oceania", 0.2, None),
    )
    relaxed = (
        Relaxed(constraint="p99", asked="20 ms", given="31 ms", candidate=story.CANDIDATES[1]),
        Relaxed(constraint="budget", asked="500 usd/month", given="", candidate=None),
    )
    return msgspec.structs.replace(story.UNMET.plan, sites=sites, relaxed=relaxed)


def everything(story):
    return {
        "host": tables.host(story.HOST),
        "profile": tables.profile(story.FRONT.profiles[0]),
        "front": tables.front(story.FRONT),
        "plan": tables.plan(story.PLAN),
        "unmet": tables.plan(story.UNMET.plan),
        "by the hour": tables.plan(by_the_hour(story)),
        "worldwide": tables.plan(worldwide(story)),
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


def test_machines_that_change_are_told_by_purchase_and_hour(story):
    plan = by_the_hour(story)
    said = printed(tables.plan(plan), 200)

    assert "committed: 2 at all hours" in said
    assert "spot: 0 from 0:00, 3 from 8:00, 0 from 20:00" in said
    assert "on demand: " not in said
    assert "500 rps to 6,000 rps, mean 3,250 rps: a day that repeats" in said
    for one in plan.choice.fleet:
        assert words.PURCHASES[one.offer.purchase] in said
        assert f"{one.machine_hours_per_month:,.0f}" in said
        assert f"{one.usd_per_month:,.2f}" in said


def test_a_fleet_of_one_purchase_that_never_changes_is_told_once(story):
    said = printed(tables.plan(story.PLAN))

    for word in ("hours a month", "by the hour", "simulated", "served by", "have to give"):
        assert word not in said


def test_a_simulation_says_whether_it_agrees_and_why_not(story):
    seen = "request by request: p99 17.8 ms (17.1 to 18.5 ms), 30,000 requests, "

    assert seen + "agrees" in printed(tables.plan(by_the_hour(story)), 200)
    assert seen + "✕ disagrees: 17.8 ms is over 11 ms" in printed(
        tables.plan(by_the_hour(story, agrees=False)), 200
    )


def test_all_sites_are_told_and_together_cost_what_the_plan_costs(story):
    plan = worldwide(story)
    said = printed(tables.plan(plan), 200)

    assert f"{words.quantity(plan.cost_usd_per_month, 'money_per_month')} in 2 of 3 places" in said
    total = next(line for line in said.splitlines() if "together" in line)
    assert f"{plan.cost_usd_per_month:,.2f}" in total
    assert "bound 8 ms: 2 ms less 12 ms to europe and back" in said
    for site in plan.sites:
        row = next(line for line in said.splitlines() if f"{site.users}, " in line)
        served = f"{site.candidate.cost_usd_per_month:,.2f}" if site.candidate else "no offer keeps the bound"
        assert served in row
        assert ("✕ missed" in row) == (not site.meets_goal)


def test_what_would_have_to_give_has_a_price_or_is_not_enough(story):
    said = printed(tables.plan(worldwide(story)), 200)

    p99, budget = said[said.index("have to give") :].splitlines()[1:3]
    assert "31 ms" in p99
    assert f"{story.CANDIDATES[1].cost_usd_per_month:,.2f}" in p99
    assert budget.split()[0] == "budget"
    assert "not enough alone" in budget


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
