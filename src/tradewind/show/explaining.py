"""The page that explains a plan in a terminal.

In: an Explanation. Out: one page for 100 columns, readable at 80; and, asked for, every family that fell out. The
sentences are those of the HTML page too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.text import Text

from tradewind.show import blocks, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from tradewind.domain import units
    from tradewind.domain.explanation import Bound, Explanation, Fallen, Neighbour, Option, Turn

__all__ = [
    "amount",
    "beyond",
    "binding_sentence",
    "by_cloud",
    "choice_sentence",
    "difference",
    "direction",
    "families",
    "loosening",
    "money",
    "page",
    "readable",
    "room",
    "turn_sentence",
    "turn_values",
    "where",
]

BECAUSE: Final = 3
"""Reasons of the prediction that stand under the choice."""
NAMED: Final = 3
"""Families that a page names of each reason."""

_DIMENSIONS: Final[dict[str, units.Dimension]] = {
    "s": "time",
    "bytes": "bytes",
    "rps": "rate",
    "usd": "money",
    "usd/month": "money_per_month",
}


_LARGE: Final = ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"))


def amount(value: float, unit: str) -> str:
    """A value with its unit.

    >>> amount(0.0213, "s"), amount(0.9, "share"), amount(2.0, "cores"), amount(2e10, "tokens")
    ('21.3 ms', '90 %', '2 cores', '20 billion tokens')
    """
    if unit in _DIMENSIONS:
        return words.quantity(value, _DIMENSIONS[unit])
    if unit == "share":
        return words.percent(value)
    if unit in ("tokens", "samples"):
        size, word = next((pair for pair in _LARGE if value >= pair[0]), (1.0, ""))
        return " ".join(part for part in (words.digits(value / size), word, unit) if part)
    if unit in ("machines", "cores", "accelerators"):
        return words.counted(round(value), unit[:-1], unit)
    return f"{words.digits(value)} {unit}".strip()


def where(option: Option) -> str:
    """The machines, how they are paid for, and where they are."""
    purchase = words.PURCHASES[option.purchase].removesuffix(" commitment")
    return f"{option.name}, {purchase}, {option.cloud} {option.region}"


def money(found: Explanation, usd: float) -> str:
    """A cost of the subject: a month of serving, or a job."""
    return words.quantity(usd, "money_per_month" if found.subject == "serving" else "money")


def choice_sentence(found: Explanation) -> str:
    """The choice in a sentence."""
    choice = found.choice
    verb = "Serve" if found.subject == "serving" else "Train"
    held = words.quantity(choice.time_s, "time")
    if choice.time_low_s != choice.time_high_s:
        held += f" ({_interval(choice)})"
    largest = max(choice.parts, key=lambda part: part.usd, default=None)
    share = (
        f"; {words.percent(largest.usd / choice.cost_usd)} of it is"
        f" {words.COST_PARTS.get(largest.name, largest.name.replace('_', ' '))}"
        if largest is not None and choice.cost_usd > 0.0 and len(choice.parts) > 1
        else ""
    )
    what = f"{choice.what} on " if found.subject == "serving" else "on "
    return (
        f"{verb} {what}{where(choice)}: {money(found, choice.cost_usd)}{share}. "
        f"{found.time_name[0].upper()}{found.time_name[1:]} {held}, {words.percent(choice.confidence)} sure."
    )


def _interval(option: Option) -> str:
    low, high = words.quantity(option.time_low_s, "time"), words.quantity(option.time_high_s, "time")
    number, _, unit = low.partition(" ")
    return f"{number} to {high}" if high.endswith(f" {unit}") else f"{low} to {high}"


def binding_sentence(found: Explanation) -> str:
    """What holds the choice in place."""
    if not found.met:
        return "The goal is not met: " + "; ".join(found.misses)
    paid = [
        one
        for one in found.bounds
        if one.saves_usd is not None and one.saves_usd > 0.005 * found.choice.cost_usd
    ]
    tight = [one.name for one in found.bounds if one.tight and one not in paid]
    if paid:
        gains = [
            f"{one.name} ({readable(one.loosened)} would save {money(found, one.saves_usd or 0.0)})"
            for one in paid
        ]
        more = f"; also at its limit: {words.listed(tight, 'and')}" if tight else ""
        return f"Held by {words.listed(gains, 'and')}{more}."
    if tight:
        return f"At its limit: {words.listed(tight, 'and')}. Nothing else that was asked holds it back."
    return "No limit holds it back: it is the cheapest way there is among what the goal allows."


def room(bound: Bound) -> str:
    """How much of a limit is left."""
    if bound.room is None:
        return ""
    if bound.name == "fewest machines":
        return "none" if bound.room <= 0.0 else words.counted(round(bound.room), "machine", "machines")
    return words.percent(bound.room) if bound.room > 0.0 else "none" if bound.room == 0.0 else "missed"


def loosening(found: Explanation, bound: Bound) -> str:
    """What loosening a limit would save."""
    if bound.saves_usd is None:
        return ""
    gain = f"saves {money(found, bound.saves_usd)}" if bound.saves_usd > 0.005 else "saves nothing"
    return f"{readable(bound.loosened)} {gain}"


def readable(said: str) -> str:
    """A sentence with its ways of purchase in words.

    >>> readable("2 x m5.large in eu-west-1, on_demand")
    '2 x m5.large in eu-west-1, on demand'
    """
    for purchase, term in words.PURCHASES.items():
        said = said.replace(purchase, term)
    return said


def direction(name: str) -> str:
    """A direction in words.

    >>> direction("other purchase: on_demand"), direction("faster")
    ('other purchase: on demand', 'faster')
    """
    head, _, tail = name.rpartition(": ")
    said = {str(purchase): term for purchase, term in words.PURCHASES.items()}
    return f"{head}: {said.get(tail, tail)}" if head else name


def difference(found: Explanation, one: Neighbour) -> str:
    """By how much a neighbour differs from the choice, with the price of it: "cheaper, but slower"."""
    if one.option is None:
        return one.because
    choice, other = found.choice, one.option
    usd = abs(one.usd)
    cost = f"{money(found, usd)} {'more' if one.usd > 0.0 else 'less'}" if usd >= 0.005 else "as dear"
    if usd >= 0.005 and usd >= 0.001 * choice.cost_usd > 0.0:
        cost += f" ({_signed(one.usd / choice.cost_usd)})"
    parts = [cost]
    relative = one.time_s / choice.time_s if choice.time_s else 0.0
    if abs(relative) >= 0.005:
        parts.append(
            f"{words.quantity(abs(one.time_s), 'time')} {'slower' if one.time_s > 0 else 'faster'} ({_signed(relative)})"
        )
    if words.percent(other.confidence) != words.percent(choice.confidence):
        parts.append(f"{words.percent(other.confidence)} sure")
    if other.carbon_kg is not None and choice.carbon_kg is not None and choice.carbon_kg > 0.0:
        carbon = other.carbon_kg / choice.carbon_kg - 1.0
        if abs(carbon) >= 0.05:
            parts.append(f"{_signed(carbon)} carbon")
    elif other.carbon_kg is not None and choice.carbon_kg is None and one.direction == "cleaner":
        parts.append(f"{words.digits(other.carbon_kg)} kg CO2e; the choice's is unknown")
    return ", ".join(parts)


def _signed(share: float) -> str:
    text = words.percent(share)
    return text if text.startswith("−") else f"+{text}"


def turn_values(turn: Turn) -> tuple[str, str]:
    """Where a number stands, and where the choice turns with by how much it must move."""
    now = amount(turn.now, turn.unit)
    if turn.at is None:
        return now, f"none up to {amount(turn.tried, turn.unit)}" if turn.tried >= turn.now else (
            f"none down to {amount(turn.tried, turn.unit)}"
        )
    moved = turn.at / turn.now - 1.0 if turn.now else 0.0
    if turn.unit == "share":
        return now, amount(turn.at, turn.unit)
    change = words.ratio(turn.at / turn.now) if moved >= 1.0 else _signed(moved)
    return now, f"{amount(turn.at, turn.unit)} ({change})"


def turn_sentence(found: Explanation, turn: Turn) -> str:
    """What the choice would become."""
    cost = f", {money(found, turn.usd)}" if turn.usd is not None and turn.at is not None else ""
    return f"{readable(turn.then)}{cost}"


def by_cloud(names: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Families by cloud and purchase option, so that these words stand once; what is none stands for itself.

    >>> by_cloud(["aws m5 spot", "aws c5 spot", "variant int8", "gcp n2 on_demand"])
    [('aws, spot', ['m5', 'c5']), ('gcp, on demand', ['n2']), ('', ['variant int8'])]
    """
    groups: dict[str, list[str]] = {}
    others: list[str] = []
    for name in names:
        cloud, _, rest = name.partition(" ")
        family, _, purchase = rest.rpartition(" ")
        if cloud in ("aws", "azure", "gcp") and family and purchase in words.PURCHASES:
            groups.setdefault(f"{cloud}, {words.PURCHASES[purchase]}", []).append(family)
        else:
            others.append(name)
    return [*sorted(groups.items()), *([("", others)] if others else [])]


def beyond(group: Fallen) -> str:
    """How many families and alternatives fell out for a reason."""
    families = words.counted(len(group.families), "family", "families")
    return f"{families}, {words.counted(group.alternatives, 'alternative', 'alternatives')}"


# ---- The page


def page(found: Explanation) -> RenderableType:
    """Choice, what binds it, what is next to it, what would turn it, what fell out, and where the numbers come from."""
    replanned = found.basis == "replanned"
    verdict = "" if found.met else "nothing keeps the goal; the nearest answer"
    return Group(
        blocks.section(
            "The choice",
            verdict,
            Group(
                Text(choice_sentence(found), style="bold"),
                Text(f"asked: {found.goal}", style="dim"),
                *(Text(f"because {line}", style="dim") for line in found.because[:BECAUSE]),
                Text(
                    f"{found.considered:,} ways weighed, prices of {found.snapshot}, {found.today}",
                    style="dim",
                ),
            ),
        ),
        blocks.section("What binds it", binding_sentence(found), _bounds(found)),
        blocks.section("The next-best in each direction", "", _neighbours(found)),
        blocks.section(
            "What would change the choice", "asked again" if replanned else "not asked again", _turns(found)
        ),
        blocks.section(
            "What fell out, and why",
            words.counted(sum(len(group.families) for group in found.fallen), "family", "families"),
            _fallen(found),
        ),
        blocks.section("Where the numbers come from", "limits are the goal's", _sources(found)),
        Text(f"\n{found.basis_note}", style="dim"),
    )


def _bounds(found: Explanation) -> RenderableType:
    table = blocks.table("", "limit", "choice", "room", "", "loosened")
    table.columns[4].justify = table.columns[5].justify = "left"
    for one in found.bounds:
        if one.asked is None and one.saves_usd is None:
            continue
        blocks.add(
            table,
            f"{'●' if one.tight else '○'} {one.name}",
            "as asked" if one.asked is None else amount(one.asked, one.unit),
            "" if one.asked is None else amount(one.got, one.unit),
            room(one),
            Text(one.origin, style="dim"),
            loosening(found, one),
        )
    return table


def _neighbours(found: Explanation) -> RenderableType:
    table = blocks.table("", "", "")
    table.show_header = False
    table.columns[1].justify = table.columns[2].justify = "left"
    # What runs is told where it is a variant with a name; a layout has a sentence.
    variants = any(one.direction == "other variant" for one in found.neighbours)
    for one in found.neighbours:
        if one.option is not None:
            name = where(one.option)
            if variants and one.option.what != found.choice.what:
                name += f", {one.option.what}"
            blocks.add(table, direction(one.direction), name, difference(found, one))
    missing: dict[str, list[str]] = {}
    for one in found.neighbours:
        if one.option is None:
            missing.setdefault(one.because, []).append(
                direction(one.direction).removeprefix("other purchase: ")
            )
    lines = blocks.facts()
    for because, names in missing.items():
        blocks.add(lines, "none", f"{words.listed(names, 'or')}: {because}")
    return Group(table, lines)


def _turns(found: Explanation) -> RenderableType:
    table = blocks.table("", "now", "turns at", "then")
    table.columns[3].justify = "left"
    for one in found.turns:
        if one.at is not None:
            now, at = turn_values(one)
            blocks.add(table, one.name, now, at, turn_sentence(found, one))
    lines = blocks.facts()
    for one in found.turns:
        if one.at is None:
            blocks.add(lines, "stays", f"{one.name}: {turn_values(one)[1]}; {one.then}")
    return Group(table, lines)


def _fallen(found: Explanation) -> RenderableType:
    table = blocks.table("reason", "families", "ways", "the nearest of them")
    table.columns[3].justify = "left"
    for group in found.fallen:
        more = len(group.families) - NAMED
        blocks.add(
            table,
            group.reason,
            f"{len(group.families):,}",
            f"{group.alternatives:,}",
            ", ".join(group.families[:NAMED]) + (f", … --all names {more:,} more" if more > 0 else ""),
        )
    return table


def _sources(found: Explanation) -> RenderableType:
    """Numbers of one source share a line."""
    lines: dict[tuple[str, str, str], list[str]] = {}
    for one in found.sources:
        name = one.what
        if name.startswith("cost: "):
            part = name.removeprefix("cost: ")
            name = words.COST_PARTS.get(part, part.replace("_", " "))
        lines.setdefault((one.origin, one.source, one.as_of), []).append(
            f"{name} {amount(one.value, one.unit)}"
        )
    table = blocks.table("", "", "", "as of")
    table.columns[1].justify = table.columns[2].justify = "left"
    for (origin, source, as_of), numbers in lines.items():
        blocks.add(table, ", ".join(numbers), origin, Text(source, style="dim"), as_of)
    return table


def families(found: Explanation) -> RenderableType:
    """Every family that fell out, by reason, cloud and purchase option."""
    parts: list[RenderableType] = []
    for group in found.fallen:
        table = blocks.facts()
        for name, members in by_cloud(group.families):
            blocks.add(table, name or "others", ", ".join(members))
        parts.append(
            blocks.section(group.reason, beyond(group), Group(Text(f"nearest: {group.nearest}"), table))
        )
    return Group(*parts)
