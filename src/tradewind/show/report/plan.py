"""The plan: what to rent, what it costs and why, and what else was possible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tradewind.show import readings, words
from tradewind.show.report.markup import Cell, Column, Html, Row, badge, badges, element, table, text
from tradewind.show.report.prices import linked
from tradewind.show.report.section import (
    MOST_ROWS,
    Section,
    chart_frame,
    emphasis,
    paragraph,
    plotted,
    purchase,
)

if TYPE_CHECKING:
    from tradewind.domain.estimate import Estimate
    from tradewind.domain.offer import Offer
    from tradewind.domain.plan import Candidate, CostPart, Plan
    from tradewind.domain.story import Planned

__all__ = ["plan_section"]

MOST_POINTS: Final = 600
"""Candidates in the plot: keeps the page small when the front of plans is large."""
MOST_REJECTED: Final = 400
"""Families of rejected alternatives in the table."""

ROOM_FOR_NAME: Final = 0.2
"""Share of the map of costs from which on a piece has room for its name."""


def plan_section(story: Planned) -> Section:
    """The decision with its costs and alternatives."""
    plan = story.decision
    return Section(
        identifier="plan",
        title="The plan",
        takeaway=_takeaway(plan),
        body=text(
            _layout(plan),
            _costs(plan),
            chart_frame("plans", "Plans: cost against latency"),
            _alternatives(plan),
            _rejected(plan),
        ),
        charts={"plans": _chart(plan)},
    )


def _takeaway(plan: Plan) -> Html:
    refused = sum(family.count for family in plan.rejected)
    return text(
        paragraph(
            emphasis(words.counted(plan.considered, "way", "ways")),
            f" to serve this network were weighed, on prices of the snapshot {plan.snapshot}. ",
            f"{words.counted(refused, 'alternative', 'alternatives')} fell out for the reasons below; ",
            f"{words.counted(len(plan.pareto), 'plan', 'plans')} cannot be beaten in cost, latency, carbon and "
            "confidence at once.",
        )
    )


def _layout(plan: Plan) -> Html:
    choice, offer = plan.choice, plan.choice.offer
    machine = [words.counted(offer.vcpus, "vCPU", "vCPUs")]
    if offer.physical_cores is not None:
        machine.append(words.counted(offer.physical_cores, "core", "cores"))
    machine.append(words.given(offer.memory_bytes, "bytes"))
    machine += [fact for fact in (offer.cpu_model, offer.cpu_architecture) if fact]
    estimate = choice.estimate
    price = linked(plan, offer.key, f"{offer.price_usd_per_hour:.4g} usd/h")
    facts: list[tuple[str, str]] = [
        (
            "Machine",
            text(
                f"{offer.instance_type}, {words.purchase_terms(offer)}, {words.offer_place(offer)} for ",
                price,
                f": {', '.join(machine)}",
            ),
        ),
        *([("Service", _service(offer))] if offer.managed_service else []),
        ("Layout", words.layout_sentence(choice.layout)),
        ("Variant", f"{choice.variant_name}, {words.metric_value(choice.quality)} {plan.goal.metric}"),
    ]
    items = [text(element("dt", {}, name), element("dd", {}, fact)) for name, fact in facts]
    reasons = element("ol", {"class": "because"}, *(element("li", {}, line) for line in estimate.because))
    items.append(text(element("dt", {}, "Because ", badge("predicted")), element("dd", {}, reasons)))
    return text(element("dl", {"class": "facts"}, *items), _expected(estimate))


def _service(offer: Offer) -> str:
    """The managed service through which the machines are rented, and what it asks."""
    if offer.managed_ratio is None:
        return f"{offer.managed_service}"
    low, high = (
        offer.managed_ratio_low or offer.managed_ratio,
        offer.managed_ratio_high or offer.managed_ratio,
    )
    around = f" ({low:.3g} to {high:.3g})" if low < high else ""
    return f"{offer.managed_service}, which asks {offer.managed_ratio:.3g}{around} times the price of the bare machine"


def _expected(estimate: Estimate) -> Html:
    """The other figures of the estimate that are known."""
    figures = ("capacity_rps", "utilization", "memory_bytes", "cpu_s_per_request", "carbon_kgco2e_per_month")
    known = [
        (figure, getattr(estimate, figure)) for figure in figures if getattr(estimate, figure) is not None
    ]
    items = (
        element(
            "div",
            {},
            element("dt", {}, words.figure_name(figure), " ", badge("predicted")),
            element(
                "dd",
                {},
                words.figure_value(figure, found.likely),
                element("small", {}, words.figure_interval(figure, found)),
            ),
        )
        for figure, found in known
    )
    return element("dl", {"class": "stats"}, *items)


def _costs(plan: Plan) -> Html:
    """The map of costs: the parts side by side, as long as their share, and each multiplication below."""
    parts = sorted(plan.choice.costs, key=lambda part: -part.usd_per_month)
    total, budget = plan.choice.cost_usd_per_month, plan.goal.budget_usd_per_month
    end = max(total, budget) or 1.0
    pieces: list[Html] = []
    rows: list[Row] = []
    for place, part in enumerate(parts, start=1):
        share = part.usd_per_month / total if total else 0.0
        name = words.COST_PARTS.get(part.name, part.name).capitalize()
        amount = words.quantity(part.usd_per_month, "money_per_month")
        length = part.usd_per_month / end
        if length > 0.0:
            pieces.append(
                element(
                    "i",
                    {"class": f"piece piece-{place}", "style": f"flex-basis:{100 * length:.3f}%"},
                    element("span", {}, f"{name} {amount.removesuffix('/month')}")
                    if length > ROOM_FOR_NAME
                    else "",
                )
            )
        key = element("i", {"class": f"key piece-{place}", "aria-hidden": "true"})
        rows.append(
            (
                "",
                (
                    text(key, name),
                    Cell(
                        text(linked(plan, _key(plan, part), amount), " ", badge(part.origin)),
                        part.usd_per_month,
                    ),
                    Cell(words.percent(share), share),
                    part.because,
                    text(part.source, element("small", {}, part.as_of)),
                ),
            )
        )
    of_budget = f"{words.percent(total / budget)} of the budget" if budget else "the budget is 0"
    whole = Cell(words.quantity(total, "money_per_month"), total)
    rows.append(("total", ("Together", whole, "100 %", of_budget, "")))
    left: Html | str = ""
    if budget > total:
        spare = words.quantity(budget - total, "money_per_month")
        left = element("i", {"class": "piece left"}, element("span", {}, f"{spare} of the budget left"))
    bar = element("div", {"class": "costs", "aria-hidden": "true"}, *pieces, left)
    columns = (
        Column("Part", "short"),
        Column("A month", "number"),
        Column("Share", "number"),
        Column("Multiplied", "wide"),
        Column("Source", "wide"),
    )
    caption = text("What each part is, and why ", badges(part.origin for part in parts))
    return text(
        element("section", {}, element("h3", {}, "The map of costs"), bar),
        table(caption=caption, columns=columns, rows=rows, abilities=""),
    )


def _key(plan: Plan, part: CostPart) -> str:
    """Under which key the plan explains the price of a part."""
    return plan.choice.offer.key if part.name == "compute" else part.name


def _chart(plan: Plan) -> dict[str, Any]:
    serve = plan.goal.serve
    predicted = {"badge": "P", "origin": "predicted"}
    return {
        "kind": "scatter",
        "label": "Plans",
        "hue_order": ("azure", "aws", "gcp"),
        "shape_order": tuple(words.PURCHASES.values()),
        "filters": [["hue", "Cloud"], ["shape", "Purchase"]],
        "x": [
            {
                "key": "cost",
                "label": "cost a month",
                "unit": "money",
                "better": "less",
                "limit": {"at": plan.goal.budget_usd_per_month, "label": "budget"},
                "badge": "Q",
                "origin": "quoted",
            }
        ],
        "y": [
            {
                "key": "latency",
                "label": f"{serve.percentile} latency",
                "unit": "time",
                "better": "less",
                "limit": {"at": serve.latency_s, "label": f"{serve.percentile} bound"},
                **predicted,
            },
            {"key": "carbon", "label": "carbon a month", "unit": "carbon", "better": "less", **predicted},
            {"key": "confidence", "label": "confidence", "unit": "share", "better": "more", **predicted},
        ],
        "points": [_point(plan, candidate) for candidate in readings.candidates(plan)[:MOST_POINTS]],
    }


def _point(plan: Plan, candidate: Candidate) -> dict[str, Any]:
    offer, estimate, percentile = candidate.offer, candidate.estimate, plan.goal.serve.percentile
    latency, carbon = estimate.latency_s[percentile], estimate.carbon_kgco2e_per_month
    values: dict[str, Any] = {
        "cost": [candidate.cost_usd_per_month],
        "latency": plotted(latency),
        "confidence": [candidate.confidence],
    }
    more = [
        ["where", f"{words.offer_place(offer)}, {purchase(candidate)}"],
        ["variant", candidate.variant_name],
        ["cost", words.quantity(candidate.cost_usd_per_month, "money_per_month")],
        [f"{percentile}", f"{words.quantity(latency.likely, 'time')} ({words.interval(latency, 'time')})"],
        ["confidence", words.percent(candidate.confidence)],
    ]
    if carbon is not None:
        values["carbon"] = plotted(carbon)
        more.append(["carbon", words.figure_value("carbon_kgco2e_per_month", carbon.likely)])
    return {
        "name": f"{candidate.layout.instances} × {offer.instance_type}",
        "hue": offer.cloud,
        "shape": words.PURCHASES[offer.purchase],
        "standing": "chosen" if candidate == plan.choice else "front",
        "values": values,
        "more": more,
        "parts": [
            [
                words.COST_PARTS.get(part.name, part.name),
                words.quantity(part.usd_per_month, "money_per_month"),
            ]
            for part in sorted(candidate.costs, key=lambda part: -part.usd_per_month)
        ],
    }


def _alternatives(plan: Plan) -> Html:
    found = readings.candidates(plan)
    percentile = plan.goal.serve.percentile
    columns = (
        Column("Machines", "short"),
        Column("Purchase", "short"),
        Column("Variant", "short"),
        Column("A month", "number"),
        Column(percentile, "number"),
        Column("Confidence", "number"),
        Column("Carbon", "number"),
        Column("Quality", "number"),
    )
    rows = []
    for candidate in found[:MOST_ROWS]:
        offer, latency = candidate.offer, candidate.estimate.latency_s[percentile]
        carbon = candidate.estimate.carbon_kgco2e_per_month
        is_choice = candidate == plan.choice
        machines = text(
            element("span", {"class": "name"}, f"{candidate.layout.instances} × {offer.instance_type}"),
            element(
                "small",
                {},
                f"★ chosen, {words.offer_place(offer)}" if is_choice else words.offer_place(offer),
            ),
        )
        cost = candidate.cost_usd_per_month
        rows.append(
            (
                "chosen" if is_choice else "",
                (
                    Cell(machines, offer.instance_type),
                    text(
                        words.PURCHASES[offer.purchase],
                        element("small", {"class": "terms"}, offer.terms) if offer.terms else "",
                    ),
                    candidate.variant_name,
                    Cell(linked(plan, offer.key, words.quantity(cost, "money_per_month")), cost),
                    Cell(
                        text(
                            words.quantity(latency.likely, "time"),
                            element("small", {}, words.interval(latency, "time")),
                        ),
                        latency.likely,
                    ),
                    Cell(words.percent(candidate.confidence), candidate.confidence),
                    Cell("unknown", "")
                    if carbon is None
                    else Cell(f"{words.digits(carbon.likely)} kg", carbon.likely),
                    Cell(words.metric_value(candidate.quality), candidate.quality),
                ),
            )
        )
    what = "The nearest answers and their neighbours" if plan.nearest else "The choice and its runners-up"
    more = f"; {len(found) - MOST_ROWS:,} more are in plan.json" if len(found) > MOST_ROWS else ""
    caption = text(f"{what}{more} ", badge("predicted"), badge("quoted"))
    return table(caption=caption, columns=columns, rows=rows, abilities="sort filter")


def _rejected(plan: Plan) -> Html:
    if not plan.rejected:
        return Html()
    columns = (Column("Rejected"), Column("Alternatives", "number"), Column("Because", "wide"))
    rows = [
        ("", (family.name, Cell(f"{family.count:,}", family.count), family.reason))
        for family in plan.rejected[:MOST_REJECTED]
    ]
    more = (
        f" ({len(plan.rejected) - MOST_REJECTED:,} more are in plan.json)"
        if len(plan.rejected) > MOST_REJECTED
        else ""
    )
    return table(caption=f"What fell out, and why{more}", columns=columns, rows=rows, abilities="sort filter")
