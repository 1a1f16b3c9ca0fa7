from __future__ import annotations

import msgspec

from tradewind.domain.noun import Range, Rejected
from tradewind.domain.plan import CostPart, LoadCurve, Relaxed, Rented, Scheduled, Simulated, Site
from tradewind.show import readings, words
from tradewind.show.report import plan as module
from tradewind.show.report.plan import plan_section


def test_the_map_of_costs_has_every_part_with_its_multiplication_source_and_date(story):
    body = plan_section(story.PLANNED).body

    for part in story.CHOICE.costs:
        assert words.quantity(part.usd_per_month, "money_per_month") in body
        assert part.because in body
        assert part.source in body
        assert part.as_of in body
        assert f"badge {part.origin}" in body
    assert words.quantity(story.CHOICE.cost_usd_per_month, "money_per_month") in body


def test_the_layout_is_told_in_words_with_the_reasons_of_the_estimate(story):
    body = plan_section(story.PLANNED).body

    assert words.layout_sentence(story.CHOICE.layout) in body
    for line in story.CHOICE.estimate.because:
        assert line in body


def test_every_candidate_is_in_the_plot_and_the_cheapest_in_the_table(story):
    section = plan_section(story.PLANNED)
    points = section.charts["plans"]["points"]

    assert len(points) == len(readings.candidates(story.PLAN))
    assert [point["standing"] for point in points].count("chosen") == 1
    for candidate in story.CANDIDATES[: module.MOST_ROWS - 1]:
        assert candidate.offer.instance_type in section.body
    assert f"{len(points) - module.MOST_ROWS} more are in plan.json" in section.body


def test_every_rejected_family_says_why(story):
    body = plan_section(story.PLANNED).body

    for family in story.REJECTED:
        assert family.reason in body
        assert f"{family.count:,}" in body


def test_very_many_rejected_families_are_cut_and_said_so(story):
    rejected = tuple(Rejected(name=f"family {n}", reason="dear") for n in range(module.MOST_REJECTED + 7))
    plan = msgspec.structs.replace(story.PLAN, rejected=rejected)

    assert "(7 more are in plan.json)" in plan_section(msgspec.structs.replace(story.PLANNED, plan=plan)).body


def test_what_is_unknown_is_called_unknown_and_not_drawn(story):
    estimate = msgspec.structs.replace(
        story.CHOICE.estimate, carbon_kgco2e_per_month=None, memory_bytes=None, capacity_rps=None
    )
    choice = msgspec.structs.replace(story.CHOICE, estimate=estimate)
    plan = msgspec.structs.replace(story.PLAN, choice=choice, pareto=(choice,), rejected=())
    section = plan_section(msgspec.structs.replace(story.PLANNED, plan=plan))

    assert "unknown" in section.body
    assert "carbon" not in section.charts["plans"]["points"][0]["values"]
    assert "What fell out" not in section.body


def test_the_nearest_answers_of_an_unmet_goal_are_in_the_table(story):
    section = plan_section(story.UNMET)

    assert "The nearest answers" in section.body
    assert len(section.charts["plans"]["points"]) == len(readings.candidates(story.UNMET.plan))


def test_a_managed_service_and_the_distance_from_home_are_parts_with_their_words(story):
    offer = msgspec.structs.replace(
        story.CHOICE.offer,
        managed_service="SageMaker",
        managed_ratio=1.25,
        managed_ratio_low=1.15,
        managed_ratio_high=1.4,
    )
    parts = tuple(
        CostPart(
            name=name, usd_per_month=7.0, because=f"because of {name}", source="goal", as_of="2026-08-21"
        )
        for name in ("managed_service", "footprint")
    )
    choice = msgspec.structs.replace(story.CHOICE, offer=offer, costs=(*story.CHOICE.costs, *parts))
    plan = msgspec.structs.replace(story.PLAN, choice=choice, pareto=(choice,))
    body = plan_section(msgspec.structs.replace(story.PLANNED, plan=plan)).body

    assert "SageMaker, which asks 1.25 (1.15 to 1.4) times the price of the bare machine" in body
    for name in ("managed_service", "footprint"):
        assert words.COST_PARTS[name].capitalize() in body
        assert f"because of {name}" in body


def test_zone_and_terms_of_an_offer_are_told(story):
    offer = msgspec.structs.replace(
        story.CHOICE.offer,
        zone="euw1-az2",
        purchase="commit_1y",
        terms="standard reserved instance, all upfront",
    )
    choice = msgspec.structs.replace(story.CHOICE, offer=offer)
    plan = msgspec.structs.replace(story.PLAN, choice=choice, pareto=(choice,))
    body = plan_section(msgspec.structs.replace(story.PLANNED, plan=plan)).body

    assert f"{offer.cloud} {offer.region} (euw1-az2)" in body
    assert "1-year commitment (standard reserved instance, all upfront)" in body


def body_of(story, plan) -> str:
    return plan_section(msgspec.structs.replace(story.PLANNED, plan=plan)).body


def test_the_machines_of_every_hour_are_drawn_and_the_fleet_is_a_table(story):
    offers = [
        msgspec.structs.replace(story.CHOICE.offer, purchase=purchase) for purchase in ("commit_1y", "spot")
    ]
    fleet = tuple(
        Rented(offer=offer, machines=2, machine_hours_per_month=1460.0, usd_per_month=71.5)
        for offer in offers
    )
    schedule = tuple(
        Scheduled(hour=hour, load_rps=10.0 + hour, committed=2, spot=2 if hour >= 12 else 0)
        for hour in range(24)
    )
    choice = msgspec.structs.replace(story.CHOICE, fleet=fleet, schedule=schedule)
    load = LoadCurve(rates_rps=(10.0, 33.0), shares=(0.5, 0.5), mean_rps=20.0)
    body = body_of(story, msgspec.structs.replace(story.PLAN, choice=choice, load=load))

    assert body.count('class="task task-1"') == 24
    assert body.count('class="task task-2"') == 12
    assert "33.0 rps" in body
    assert "The fleet" in body
    assert body.count("1,460") >= len(fleet)


def test_a_plain_plan_has_no_empty_tables(story):
    body = plan_section(story.PLANNED).body

    for word in ("The fleet", "Machines over the day", "have to give", "users are served", "Simulated"):
        assert word not in body


def test_a_simulation_that_disagrees_says_why(story):
    simulated = Simulated(
        requests=30_000,
        load_rps=1000.0,
        latency_s={"p99": Range(low=0.0171, likely=0.0178, high=0.0185)},
        slow_s=Range.exactly(0.0191),
        bound_s=0.02,
        agrees=True,
        because="17.8 ms is over 11 ms",
    )
    agreeing = body_of(story, msgspec.structs.replace(story.PLAN, simulated=simulated))
    other = msgspec.structs.replace(simulated, agrees=False)
    disagreeing = body_of(story, msgspec.structs.replace(story.PLAN, simulated=other))

    assert "17.8 ms (17.1 to 18.5 ms)" in agreeing
    assert "verdict-within" in agreeing
    assert simulated.because not in agreeing
    assert "verdict-outside" in disagreeing
    assert simulated.because in disagreeing


def test_sites_add_up_to_the_cost_of_the_plan(story):
    shares = (("europe", 0.5, story.CHOICE), ("us", 0.3, story.CANDIDATES[3]), ("oceania", 0.2, None))
    sites = tuple(
        Site(
            users=users,
            share=share,
            round_trip_s=0.012,
            bound_s=0.008,
            meets_goal=candidate is not None,
            candidate=candidate,
        )
        for users, share, candidate in shares
    )
    plan = msgspec.structs.replace(story.PLAN, sites=sites)
    body = body_of(story, plan)

    total = words.quantity(plan.cost_usd_per_month, "money_per_month")
    assert total != words.quantity(plan.choice.cost_usd_per_month, "money_per_month")
    # Under the sites and under the map of costs.
    assert body.count(f">{total}<") == 2
    assert "no offer keeps the bound" in body
    assert "For us" in body
    assert "For oceania" not in body


def test_what_would_have_to_give_has_a_price_or_is_not_enough(story):
    cheapest = story.CANDIDATES[1]
    relaxed = (
        Relaxed(constraint="p99", asked="2 ms", given="31 ms", candidate=cheapest),
        Relaxed(constraint="budget", asked="60 usd/month", given="", candidate=None),
    )
    body = body_of(story, msgspec.structs.replace(story.UNMET.plan, relaxed=relaxed))

    assert "What would have to give: each constraint alone" in body
    assert "31 ms" in body
    assert words.quantity(cheapest.cost_usd_per_month, "money_per_month") in body
    assert body.count("not enough alone") == 1
