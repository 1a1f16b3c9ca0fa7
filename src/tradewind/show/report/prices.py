"""Where the prices of the plan come from: every one that the page links, from what a list states to what is used."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from tradewind.show import readings, words
from tradewind.show.report.markup import Html, element, text
from tradewind.show.report.section import MOST_ROWS, Section, emphasis, paragraph

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewind.domain.plan import Plan
    from tradewind.domain.story import Planned

__all__ = ["linked", "prices_section"]


def linked(plan: Plan, key: str, content: str) -> Html:
    """The content as a link to the explanation of its price; the content alone where the plan has none."""
    if key not in plan.explanations:
        return text(content)
    return element("a", {"href": f"#{_anchor(key)}", "class": "why"}, content)


def prices_section(story: Planned) -> tuple[Section, ...]:
    """The explanations of the prices in the plan's section; nothing for a plan that was made without."""
    plan = story.decision
    offers = {one.offer.key: one.offer for one in readings.candidates(plan)[:MOST_ROWS]}
    parts: dict[str, str] = {
        part.name: words.COST_PARTS.get(part.name, part.name).capitalize()
        for part in sorted(plan.choice.costs, key=lambda part: -part.usd_per_month)
    }
    chosen = [plan.choice.offer.key, *parts]
    told = [key for key in dict.fromkeys((*chosen, *offers)) if key in plan.explanations]
    if not told:
        return ()

    def drawn(key: str) -> Html:
        if key in parts:
            return _explanation(key, parts[key], "", plan.explanations[key])
        offer = offers[key]
        title = f"{offer.instance_type}, {words.purchase_terms(offer)}, {words.offer_place(offer)}"
        return _explanation(key, title, f"{offer.price_usd_per_hour:.4g} usd/h", plan.explanations[key])

    of_choice = [drawn(key) for key in told if key in chosen]
    others = [drawn(key) for key in told if key not in chosen]
    body = [element("h3", {}, "Of the choice"), element("div", {"class": "prices"}, *of_choice)]
    if others:
        body += [element("h3", {}, "Of its alternatives"), element("div", {"class": "prices"}, *others)]
    return (
        Section(
            identifier="prices",
            title="Where these prices come from",
            takeaway=paragraph(
                emphasis(words.counted(len(told), "price", "prices")),
                f" of the plan, as the catalogue {plan.snapshot} told on {plan.today}: who states it, in which "
                "file, what was done with it, and how sure it is.",
            ),
            body=text(*body),
            charts={},
        ),
    )


def _anchor(key: str) -> str:
    """The place of an explanation on the page."""
    return f"price-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def _explanation(key: str, title: str, price: str, steps: Sequence[str]) -> Html:
    """A price that opens into its steps. The place is inside, so that a browser that goes there opens it."""
    items = []
    for step in steps:
        name, colon, said = step.partition(": ")
        items += [element("dt", {}, name if colon else ""), element("dd", {}, said if colon else step)]
    return element(
        "details",
        {},
        element("summary", {}, title, " ", element("small", {}, price)),
        element("dl", {"class": "facts steps", "id": _anchor(key)}, *items),
    )
