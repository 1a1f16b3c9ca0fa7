"""The front: every variant that was measured, as a plot and as tables, and what failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tradewind.show import readings, words
from tradewind.show.report.markup import Cell, Column, Html, badge, element, table, text
from tradewind.show.report.section import Section, chart_frame, emphasis, metric_name, paragraph, standing

if TYPE_CHECKING:
    from tradewind.domain.goal import Goal
    from tradewind.domain.profile import Front, Profile
    from tradewind.domain.story import Planned
    from tradewind.domain.variant import SliceJudgement, Variant

__all__ = ["PRECISIONS", "front_section"]


def front_section(story: Planned) -> Section:
    """Variants in quality against speed and size."""
    front, goal = story.front, story.decision.goal
    chosen = story.decision.choice.variant_id
    return Section(
        identifier="front",
        title="The front",
        takeaway=_takeaway(front, chosen),
        body=text(
            chart_frame("front", "Measured variants: quality against speed and size"),
            _variants(front, goal, chosen),
            _slices(front, goal, chosen),
            _failed(front),
            _recipes(front),
        ),
        charts={"front": _chart(front, goal, chosen)},
    )


def _takeaway(front: Front, chosen_id: str) -> Html:
    kept = sum(profile.variant.id in front.pareto for profile in front.profiles)
    chosen = front.profile(chosen_id).variant.name
    failed = f" {words.counted(len(front.failed), 'variant', 'variants')} could not be built or run here."
    return text(
        paragraph(
            f"{words.counted(len(front.profiles), 'variant', 'variants')} of the network were built and measured; ",
            emphasis(words.counted(kept, "is", "are") if kept else "none is"),
            " unbeaten in quality, latency, throughput, memory and size at once. The plan takes ",
            emphasis(chosen),
            ".",
            failed if front.failed else "",
        )
    )


def _chart(front: Front, goal: Goal, chosen_id: str) -> dict[str, Any]:
    rest = readings.at_rest(front.profiles[0])
    metric = metric_name(goal)
    return {
        "kind": "scatter",
        "label": "Measured variants",
        "hue_order": [],
        "shape_order": PRECISIONS,
        "x": [
            _axis("latency", f"latency, {readings.at_rest_words(rest)}", "time", "less"),
            _axis("throughput", "best throughput", "pace", "more"),
            _axis("memory", "peak memory", "bytes", "less"),
            _axis("size", "size on disk", "bytes", "less"),
        ],
        "y": [
            {
                **_axis("change", f"change of {metric}", "change", "more"),
                "limit": {"at": -goal.quality.max_drop, "label": "allowed loss"},
            },
            _axis("value", metric, "metric", "more"),
        ],
        "points": [_point(front, profile, chosen_id) for profile in front.profiles],
    }


def _axis(key: str, label: str, unit: str, better: str) -> dict[str, Any]:
    return {"key": key, "label": label, "unit": unit, "better": better, "badge": "M", "origin": "measured"}


def _point(front: Front, profile: Profile, chosen_id: str) -> dict[str, Any]:
    variant, rest = profile.variant, readings.at_rest(profile)
    stands, reason = standing(front, profile, chosen_id)
    values: dict[str, Any] = {
        "latency": [rest.low_s],
        "throughput": [readings.best_throughput_rps(profile)],
        "memory": [profile.peak_memory_bytes],
        "size": [float(variant.size_bytes)],
    }
    judged = variant.judgement
    if judged is not None:
        values["change"] = [judged.delta, judged.delta_low, judged.delta_high]
        values["value"] = [judged.value, judged.low, judged.high]
    return {
        "name": variant.name,
        "hue": variant.runtime.engine,
        "shape": variant.runtime.precision,
        "standing": stands,
        "values": values,
        "more": [
            ["quality", _quality_words(variant)],
            [f"latency, {readings.at_rest_words(rest)}", words.quantity(rest.low_s, "time")],
            ["best throughput", words.pace(readings.best_throughput_rps(profile))],
            ["memory, size", _memory_words(profile)],
            ["", reason],
        ],
    }


def _quality_words(variant: Variant) -> str:
    judged = variant.judgement
    if judged is None:
        return "not judged"
    return f"{words.metric_value(judged.value)} ({words.metric_change(judged.delta)})"


def _memory_words(profile: Profile) -> str:
    memory = words.quantity(profile.peak_memory_bytes, "bytes")
    return f"{memory}, {words.quantity(float(profile.variant.size_bytes), 'bytes')}"


PRECISIONS: Final = ("fp32", "bf16", "fp16", "int8")
"""In the order of the shapes and dashes of the charts."""

_SIGNS = {"chosen": "★ chosen", "front": "● on the front", "lost": "○ lost"}


def _variants(front: Front, goal: Goal, chosen_id: str) -> Html:
    original = front.profiles[0]
    rest = readings.at_rest(original)
    best = readings.best_throughput_rps(original)
    columns = (
        Column("Variant"),
        Column(metric_name(goal), "number"),
        Column("Against the original", "number"),
        Column(f"Latency, {readings.at_rest_words(rest)}", "number"),
        Column("Faster", "number"),
        Column("Best throughput", "number"),
        Column("Gain", "number"),
        Column("Memory", "number"),
        Column("Size", "number"),
    )
    rows = []
    for profile in front.profiles:
        variant, point = profile.variant, readings.at_rest(profile)
        throughput = readings.best_throughput_rps(profile)
        stands, reason = standing(front, profile, chosen_id)
        sign = f"{_SIGNS[stands]}: {reason}" if stands == "lost" else _SIGNS[stands]
        name = text(
            element("span", {"class": "name"}, variant.name),
            element("small", {}, "the original, " if profile is original else "", sign),
        )
        judged = variant.judgement
        quality = (
            (Cell("not judged", ""), Cell("", ""))
            if judged is None
            else (
                Cell(words.metric_value(judged.value), judged.value),
                _change(judged.delta, judged.delta_low, judged.delta_high),
            )
        )
        rows.append(
            (
                stands,
                (
                    Cell(name, variant.name),
                    *quality,
                    Cell(words.quantity(point.low_s, "time"), point.low_s),
                    Cell(words.ratio(rest.low_s / point.low_s), rest.low_s / point.low_s),
                    Cell(words.pace(throughput), throughput),
                    Cell(words.ratio(throughput / best), throughput / best),
                    Cell(words.quantity(profile.peak_memory_bytes, "bytes"), profile.peak_memory_bytes),
                    Cell(words.quantity(float(variant.size_bytes), "bytes"), variant.size_bytes),
                ),
            )
        )
    caption = text("All measured variants ", badge("measured"))
    return table(caption=caption, columns=columns, rows=rows, abilities="sort")


def _change(delta: float, low: float, high: float) -> Cell:
    around = element("small", {}, f"{words.metric_change(low)} to {words.metric_change(high)}")
    return Cell(text(words.metric_change(delta), around), delta)


def _slices(front: Front, goal: Goal, chosen_id: str) -> Html:
    """How each variant does in each slice, so that no group pays for the speed of all."""
    names: dict[str, int] = {}
    for profile in front.profiles:
        if profile.variant.judgement is not None:
            names |= {part.slice: part.rows for part in profile.variant.judgement.slices}
    if not names:
        return Html()
    columns = (
        Column("Variant"),
        *(Column(f"{name} ({rows:,} rows)", "number") for name, rows in names.items()),
    )
    rows = []
    for profile in front.profiles:
        judged = profile.variant.judgement
        if judged is None:
            continue
        found: dict[str, SliceJudgement] = {part.slice: part for part in judged.slices}
        cells: list[Cell | str] = [Cell(profile.variant.name, profile.variant.name)]
        for name in names:
            part = found.get(name)
            cells.append(
                Cell("", "") if part is None else _change(part.delta, part.delta_low, part.delta_high)
            )
        rows.append((standing(front, profile, chosen_id)[0], cells))
    allowed = goal.quality.slice_max_drop
    bound = f", at most {words.digits(allowed)} may be lost in any one" if allowed is not None else ""
    caption = text(f"Change against the original in each slice{bound} ", badge("measured"))
    return table(caption=caption, columns=columns, rows=rows, abilities="sort")


def _failed(front: Front) -> Html:
    if not front.failed:
        return Html()
    items = (
        element("li", {}, element("span", {"class": "name"}, failed.name), " ", failed.reason)
        for failed in front.failed
    )
    return element(
        "section",
        {"class": "failed"},
        element("h3", {}, "Could not be built or run here"),
        element("ul", {}, *items),
    )


def _recipes(front: Front) -> Html:
    items = []
    for profile in front.profiles:
        variant = profile.variant
        steps = [
            f"{step.name} ({step.version}; {', '.join(f'{key} = {value}' for key, value in step.parameters.items())})"
            if step.parameters
            else f"{step.name} ({step.version})"
            for step in variant.recipe
        ]
        made = " → ".join(steps) if steps else "the network as it was given"
        facts = (
            f"{variant.runtime.engine} {variant.runtime.engine_version}, {variant.runtime.precision}, "
            f"{words.counted(variant.parameters, 'parameter', 'parameters')}, id {variant.id}"
        )
        items.append(
            text(element("dt", {}, variant.name), element("dd", {}, made, element("small", {}, facts)))
        )
    return element(
        "details",
        {},
        element("summary", {}, "How each variant was made"),
        element("dl", {"class": "recipes"}, *items),
    )
