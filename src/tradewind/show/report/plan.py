"""The plan: what to rent, what it costs and why, and what else was possible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tradewind.show import readings, words
from tradewind.show.report import drawing
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
    from tradewind.domain.plan import Candidate, CostPart, LoadCurve, Plan, Simulated
    from tradewind.domain.story import Planned

__all__ = ["plan_section"]

MOST_POINTS: Final = 600
"""Candidates in the plot: keeps the page small when the front of plans is large."""
MOST_REJECTED: Final = 400
"""Families of rejected alternatives in the table."""

ROOM_FOR_NAME: Final = 0.2
"""Share of the map of costs from which on a piece has room for its name."""
DAY_PX: Final = 140.0
"""Height of the drawing of the machines over the day."""


def plan_section(story: Planned) -> Section:
    """The decision with its costs and alternatives."""
    plan = story.decision
    return Section(
        identifier="plan",
        title="The plan",
        takeaway=_takeaway(plan),
        body=text(
            _layout(plan),
            _relaxed(plan),
            _sites(plan),
            _by_the_hour(plan.choice),
            _fleet(plan.choice),
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
        *([("Load", _load(plan.load))] if plan.load and len(plan.load.rates_rps) > 1 else []),
    ]
    items = [text(element("dt", {}, name), element("dd", {}, fact)) for name, fact in facts]
    reasons = element("ol", {"class": "because"}, *(element("li", {}, line) for line in estimate.because))
    items.append(text(element("dt", {}, "Because ", badge("predicted")), element("dd", {}, reasons)))
    if plan.simulated is not None:
        name = element("dt", {}, "Simulated ", badge(plan.simulated.origin))
        said = _simulated(plan.simulated, plan.goal.serve.percentile)
        items.append(text(name, element("dd", {}, said)))
    return text(element("dl", {"class": "facts"}, *items), _expected(estimate))


def _load(load: LoadCurve) -> str:
    """The ends of a load that changes, and its mean; the estimate says where it comes from."""
    low, high = (words.quantity(rate, "rate") for rate in (load.rates_rps[0], load.peak_rps))
    return f"{low} to {high}, on average {words.quantity(load.mean_rps, 'rate')}"


def _simulated(found: Simulated, percentile: str) -> Html:
    """What a simulation of one replica found, and whether the plan promises as much."""
    latency = found.latency_s[percentile]
    verdict = "within" if found.agrees else "outside"
    return text(
        f"{found.requests:,} requests one by one through a replica, at {words.quantity(found.load_rps, 'rate')}: "
        f"{percentile} {words.quantity(latency.likely, 'time')} ({words.interval(latency, 'time')}), ",
        element("span", {"class": f"verdict-{verdict}"}, "agrees" if found.agrees else "disagrees"),
        "." if found.agrees else f": {found.because}.",
    )


def _relaxed(plan: Plan) -> Html:
    """What each constraint of a goal that nothing keeps would have to become alone, and what the plan then costs."""
    if not plan.relaxed:
        return Html()
    columns = (
        Column("Constraint", "short"),
        Column("Asked", "wide"),
        Column("Becomes", "wide"),
        Column("A month", "number"),
        Column("Machines", "short"),
    )
    rows: list[Row] = []
    for one in plan.relaxed:
        candidate = one.candidate
        answer = (
            (
                emphasis(one.given),
                Cell(words.quantity(one.usd_per_month, "money_per_month"), one.usd_per_month),
                _machines(candidate),
            )
            if candidate
            else ("not enough alone", Cell("", one.usd_per_month), "")
        )
        rows.append(("", (one.constraint, one.asked, *answer)))
    # Where there are several sites, the others stay as they are.
    where = f" for {plan.sites[0].users}" if plan.sites else ""
    caption = text(
        f"What would have to give{where}: each constraint alone, at its price ", badge("predicted")
    )
    return table(caption=caption, columns=columns, rows=rows, abilities="")


def _machines(candidate: Candidate) -> Html:
    """How many of what, and below how they are paid for and where they stand."""
    several = list(dict.fromkeys(words.PURCHASES[one.offer.purchase] for one in candidate.fleet))
    ways = words.listed(several, "and") if several else purchase(candidate)
    return text(
        element("span", {"class": "name"}, f"{candidate.layout.instances} × {candidate.offer.instance_type}"),
        element("small", {}, f"{ways}, {words.offer_place(candidate.offer)}"),
    )


def _sites(plan: Plan) -> Html:
    """Where the users of each part of the world are served, and what the way to them leaves of the bound."""
    if not plan.sites:
        return Html()
    columns = (
        Column("Users", "short"),
        Column("Load", "number"),
        Column("Served by", "short"),
        Column("A month", "number"),
        Column("Way to them and back", "number"),
        Column("Left of the bound", "number"),
        Column("Goal", "short"),
    )
    rows: list[Row] = []
    for site in plan.sites:
        one = site.candidate
        cost = (
            Cell(words.quantity(one.cost_usd_per_month, "money_per_month"), one.cost_usd_per_month)
            if one
            else ""
        )
        verdict = "within" if site.meets_goal else "outside"
        rows.append(
            (
                "",
                (
                    site.users,
                    Cell(words.percent(site.share), site.share),
                    _machines(one) if one else "no offer keeps the bound",
                    cost,
                    Cell(words.quantity(site.round_trip_s, "time"), site.round_trip_s),
                    Cell(words.quantity(site.bound_s, "time"), site.bound_s),
                    element("span", {"class": f"verdict-{verdict}"}, "kept" if site.meets_goal else "missed"),
                ),
            )
        )
    total = words.quantity(plan.cost_usd_per_month, "money_per_month")
    rows.append(("total", ("Together", "100 %", "", Cell(total, plan.cost_usd_per_month), "", "", "")))
    caption = text("Where the users are served ", badge("predicted"))
    return table(caption=caption, columns=columns, rows=rows, abilities="")


def _by_the_hour(choice: Candidate) -> Html:
    """The machines of every hour of the day as columns, the committed ones at the bottom."""
    schedule = choice.schedule
    if not schedule:
        return Html()
    kinds = [
        (kind, name)
        for kind, name in (("committed", "committed"), ("on_demand", "on demand"), ("spot", "spot"))
        if any(getattr(hour, kind) for hour in schedule)
    ]
    most = max(hour.committed + hour.on_demand + hour.spot for hour in schedule)
    drawn: list[Html] = []
    for hour in schedule:
        lines = [(name, f"{getattr(hour, kind)}") for kind, name in kinds]
        lines.append(("load", words.quantity(hour.load_rps, "rate")))
        below = 0
        name = f"{hour.hour}:00"
        for place, (kind, _) in enumerate(kinds, start=1):
            number = getattr(hour, kind)
            if number:
                top_px = DAY_PX * (1.0 - (below + number) / most)
                attributes = {"class": f"task task-{place}", **drawing.tip(name, lines)}
                size = (1.0 / len(schedule), DAY_PX * number / most)
                at = hour.hour / len(schedule)
                drawn.append(drawing.rect(at, top_px, *size, attributes, drawing.title(name, lines)))
            below += number
        if hour.hour % 3 == 0:
            drawn.append(drawing.words_at(hour.hour / len(schedule), 1.0, name, {"dy": "18"}))
    for number, y in ((most, 0.0), (0, 1.0)):
        drawn.append(drawing.words_at(0.0, y, f"{number}", {"dx": "-8", "dy": "4", "text-anchor": "end"}))
    label = "Machines over the day"
    return drawing.frame(
        "day",
        label,
        element("p", {"class": "chart-title"}, f"{label}, spare ones included ", badge("predicted")),
        drawing.canvas(label, DAY_PX, *drawn, margin="12px 12px 30px 44px"),
        drawing.keys([(f"task-{place}", name) for place, (_, name) in enumerate(kinds, start=1)]),
    )


def _fleet(choice: Candidate) -> Html:
    """The machines by purchase, where there are several of them or they change over the day."""
    if len(choice.fleet) < 2 and not (choice.fleet and choice.schedule):
        return Html()
    columns = (
        Column("Machine", "short"),
        Column("Purchase", "short"),
        Column("At most", "number"),
        Column("Hours a month", "number"),
        Column("A month", "number"),
    )
    rows: list[Row] = []
    for one in choice.fleet:
        place = element("small", {}, words.offer_place(one.offer))
        rows.append(
            (
                "",
                (
                    text(element("span", {"class": "name"}, one.offer.instance_type), place),
                    words.purchase_terms(one.offer),
                    Cell(f"{one.machines:,}", one.machines),
                    Cell(f"{one.machine_hours_per_month:,.0f}", one.machine_hours_per_month),
                    Cell(words.quantity(one.usd_per_month, "money_per_month"), one.usd_per_month),
                ),
            )
        )
    caption = text("The fleet: machines by purchase ", badge("predicted"), badge("quoted"))
    return table(caption=caption, columns=columns, rows=rows, abilities="")


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
    total, budget = plan.cost_usd_per_month, plan.goal.budget_usd_per_month
    end = max(total, budget) or 1.0
    pieces: list[Html] = []
    rows: list[Row] = []
    for place, part in enumerate(parts, start=1):
        name = words.COST_PARTS.get(part.name, part.name).capitalize()
        amount = words.quantity(part.usd_per_month, "money_per_month")
        pieces += _piece(place, name, part.usd_per_month, end)
        key = element("i", {"class": f"key piece-{place}", "aria-hidden": "true"})
        share = part.usd_per_month / total if total else 0.0
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
    for site in plan.sites[1:]:
        if site.candidate:
            usd, name = site.candidate.cost_usd_per_month, f"For {site.users}"
            pieces += _piece(6, name, usd, end)
            key = element("i", {"class": "key piece-6", "aria-hidden": "true"})
            share = usd / total if total else 0.0
            cost = Cell(words.quantity(usd, "money_per_month"), usd)
            rows.append(
                ("", (text(key, name), cost, Cell(words.percent(share), share), "All parts of that site", ""))
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


def _piece(place: int, name: str, usd: float, end_usd: float) -> list[Html]:
    """A piece of the map, as long as its share, with its name where there is room."""
    length = usd / end_usd
    if length <= 0.0:
        return []
    amount = words.quantity(usd, "money_per_month").removesuffix("/month")
    said = element("span", {}, f"{name} {amount}") if length > ROOM_FOR_NAME else ""
    style = {"class": f"piece piece-{place}", "style": f"flex-basis:{100 * length:.3f}%"}
    return [element("i", style, said)]


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
