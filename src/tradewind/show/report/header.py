"""The head of the page: what was asked, the verdict in a sentence, and the four figures that carry it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tradewind.domain.story import Observed, Planned, Replanned
from tradewind.show import readings, words
from tradewind.show.report.markup import Html, badge, badges, element, gauge, number, text
from tradewind.show.report.section import emphasis, metric_name, purchase

if TYPE_CHECKING:
    from tradewind.domain.plan import Plan
    from tradewind.domain.profile import Front

__all__ = ["header"]


def header(story: Planned) -> Html:
    """The goal, the verdict and its figures."""
    plan = story.decision
    return element(
        "header",
        {"class": "verdict", "id": "verdict"},
        element(
            "p",
            {"class": "asked"},
            element("span", {"class": "eyebrow"}, "The goal"),
            words.goal_sentence(plan.goal),
        ),
        _state(story),
        element("h1", {}, _headline(plan)),
        _misses(plan),
        element(
            "div",
            {"class": "figures"},
            _cost(plan),
            _latency(plan),
            _quality(plan),
            _speed(story.front, plan),
        ),
        _legend(),
    )


def _state(story: Planned) -> Html:
    plan = story.decision
    if not plan.meets_goal:
        return element("p", {"class": "state missed"}, "✕ The goal cannot be met; this is the nearest answer")
    sure = f"✓ Meets the goal, {words.percent(plan.choice.confidence)} sure of {plan.goal.serve.percentile}"
    match story:
        case Replanned():
            sure += "; corrected by what was measured"
        case Observed():
            sure += "; checked by measurement"
        case _:
            sure += "; predicted, not served yet"
    return element("p", {"class": "state met"}, sure)


def _headline(plan: Plan) -> Html:
    choice = plan.choice
    return text(
        "Serve " if plan.meets_goal else "Nearest: serve ",
        emphasis(choice.variant_name),
        " on ",
        emphasis(number(f"{choice.layout.instances} × {choice.offer.instance_type}")),
        f", {purchase(choice)}, in ",
        number(words.offer_place(choice.offer)),
        ", for ",
        emphasis(number(words.quantity(plan.cost_usd_per_month, "money_per_month"))),
        ".",
    )


def _misses(plan: Plan) -> Html:
    if plan.meets_goal:
        return Html()
    items = (
        element("li", {}, emphasis(words.miss_sentence(miss)), element("span", {}, miss.advice))
        for miss in plan.misses
    )
    return element("ul", {"class": "misses"}, *items)


def _figure(label: str, sign: Html, value: str, drawn: Html, *below: str) -> Html:
    return element(
        "section",
        {"class": "figure"},
        element("h2", {}, label, " ", sign),
        element("p", {"class": "big"}, value),
        drawn,
        element("p", {"class": "below"}, *below),
    )


def _bar(kind: str, low: float, high: float, limit: float, end: float) -> list[tuple[str, float, float]]:
    """A bar whose part beyond a limit looks different."""
    edge = min(high, max(low, limit))
    return [(kind, low / end, (edge - low) / end), (f"{kind} over", edge / end, (high - edge) / end)]


def _cost(plan: Plan) -> Html:
    cost, budget = plan.cost_usd_per_month, plan.goal.budget_usd_per_month
    asked = words.given(budget, "money_per_month")
    share = f"{words.percent(cost / budget)} of the budget" if budget > 0.0 else "the budget is 0"
    end = max(cost, budget) or 1.0
    return _figure(
        "Cost a month",
        badges(part.origin for part in plan.choice.costs),
        words.quantity(cost, "money_per_month"),
        gauge(
            f"{share} of {asked}",
            [*_bar("bar", 0.0, cost, budget, end), ("limit", budget / end, 0.0)],
            [(f"budget {asked.removesuffix('/month')}", budget / end)],
        ),
        share,
    )


def _latency(plan: Plan) -> Html:
    serve = plan.goal.serve
    expected = plan.choice.estimate.latency_s[serve.percentile]
    end = 1.15 * max(serve.latency_s, expected.high if math.isfinite(expected.high) else 0.0)
    around = words.interval(expected, "time")
    bound = words.given(serve.latency_s, "time")
    level = words.percent(plan.choice.estimate.level)
    marks = [
        *_bar("bar interval", expected.low, expected.high, serve.latency_s, end),
        ("tick", expected.likely / end, 0.0),
        ("limit", serve.latency_s / end, 0.0),
    ]
    return _figure(
        f"{serve.percentile} latency",
        badge("predicted"),
        words.quantity(expected.likely, "time"),
        gauge(f"{around}, bound {bound}", marks, [(f"bound {bound}", serve.latency_s / end)]),
        number(around),
        f" in {level} of cases",
    )


def _quality(plan: Plan) -> Html:
    judged, goal = plan.variant.judgement, plan.goal
    if judged is None:
        return _figure("Quality", badge("measured"), "not judged", Html(), f"{goal.metric} was not measured")
    allowed = goal.quality.max_drop
    reach = 1.25 * max(allowed, abs(judged.delta_low), abs(judged.delta_high)) or 1.0
    around = f"{words.metric_change(judged.delta_low)} to {words.metric_change(judged.delta_high)}"

    def place(delta: float) -> float:
        return 0.5 + 0.5 * delta / reach

    edge = min(judged.delta_high, max(judged.delta_low, -allowed))
    marks = [
        ("zero", 0.5, 0.0),
        ("bar interval over", place(judged.delta_low), place(edge) - place(judged.delta_low)),
        ("bar interval", place(edge), place(judged.delta_high) - place(edge)),
        ("tick", place(judged.delta), 0.0),
        ("limit", place(-allowed), 0.0),
    ]
    return _figure(
        f"{metric_name(goal)} against the original",
        badge("measured"),
        words.metric_change(judged.delta),
        gauge(
            f"{around}, allowed {words.metric_change(-allowed)}",
            marks,
            [(f"allowed {words.digits(-allowed)}", place(-allowed))],
        ),
        number(around),
        f" with {words.percent(judged.level)} confidence; the value is {words.metric_value(judged.value)}",
    )


def _speed(front: Front, plan: Plan) -> Html:
    original, chosen = front.profiles[0], front.profile(plan.choice.variant_id)
    before, after = readings.at_rest(original), readings.at_rest(chosen)
    faster = before.low_s / after.low_s
    more = readings.best_throughput_rps(chosen) / readings.best_throughput_rps(original)
    longest = max(before.low_s, after.low_s)
    one_call = f"{words.quantity(after.low_s, 'time')} instead of {words.quantity(before.low_s, 'time')}"
    marks = [("bar before", 0.0, before.low_s / longest), ("bar", 0.0, after.low_s / longest)]
    return _figure(
        f"Faster than {words.engine_name(original)}",
        badge("measured"),
        words.ratio(faster),
        gauge(one_call, marks, [(one_call, 0.0)]),
        f"one call, {readings.at_rest_words(after)}; {words.ratio(more)} the best throughput",
    )


def _legend() -> Html:
    meanings = (
        (badge("measured"), "timed or judged here"),
        (badge("predicted"), "computed, with an interval"),
        (badge("quoted"), "from a price list or data sheet"),
        (badge("assumed"), "set without evidence"),
    )
    named = ("measured", "predicted", "quoted", "assumed")
    items = (
        element("li", {}, sign, " ", emphasis(name), " ", meaning)
        for (sign, meaning), name in zip(meanings, named, strict=True)
    )
    return element(
        "ul", {"class": "legend", "aria-label": "What the letters beside the numbers mean"}, *items
    )
