"""Where every number comes from: what was measured, predicted, quoted and assumed, by whom and when."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tradewind.domain.story import Observed, Planned
from tradewind.show import words
from tradewind.show.report.markup import Cell, Column, Html, Row, badge, element, table, text
from tradewind.show.report.prices import linked
from tradewind.show.report.section import Section, paragraph

if TYPE_CHECKING:
    from tradewind.domain.estimate import Constant
    from tradewind.domain.noun import Origin
    from tradewind.domain.plan import Plan
    from tradewind.domain.profile import Front

__all__ = ["sources_section"]


def sources_section(story: Planned) -> Section:
    """The provenance of the page."""
    plan = story.decision
    return Section(
        identifier="sources",
        title="Where every number comes from",
        takeaway=paragraph(
            "Nothing here is a number without an origin. Measured numbers have a host and a date, predictions an "
            "interval and its reasons, quoted prices a source and a day."
        ),
        body=text(_measured(story), _predicted(plan), _quoted(plan), _run(plan)),
        charts={},
    )


def _heading(origin: str, sign: Html) -> Html:
    return element("h3", {}, sign, f" {origin}")


def _facts(facts: list[tuple[str, str]]) -> Html:
    items = (text(element("dt", {}, name), element("dd", {}, fact)) for name, fact in facts)
    return element("dl", {"class": "facts"}, *items)


def _measured(story: Planned) -> Html:
    front: Front = story.front
    profile, host = front.profiles[0], front.profiles[0].host
    runs = [point.runs for one in front.profiles for point in one.curve]
    clock = f" at {words.digits(host.ghz)} GHz" if host.ghz is not None else ""
    facts = [
        (
            "Host",
            f"{host.cpu_model} ({host.cpu_architecture}){clock}, {words.counted(host.physical_cores, 'core', 'cores')}, "
            f"{words.given(host.memory_bytes, 'bytes')}, {', '.join(host.isa)}"
            + (f", {host.operating_system}" if host.operating_system else ""),
        ),
        (
            "Its speed",
            f"{words.quantity(host.memory_bandwidth_bytes_per_s, 'bytes')}/s memory bandwidth, "
            f"{words.digits(host.gemm_flops_per_s_per_core / 1e9)} GFLOP/s a core in fp32 matrix multiplication",
        ),
        (
            "Latency",
            f"{words.moment(profile.measured_at)}; all variants in turn, {min(runs):,} to {max(runs):,} runs a point; "
            f"a low quantile is the figure, the 90th percentile the spread; what differs by less than "
            f"{words.percent(profile.noise)} is the same",
        ),
    ]
    judged = next(
        (one.variant.judgement for one in front.profiles if one.variant.judgement is not None), None
    )
    if judged is not None:
        facts.append(
            (
                "Quality",
                f"{judged.metric} on {judged.rows:,} rows of the test split (sha256 {judged.data_sha256[:12]}), "
                f"{judged.method}, {words.percent(judged.level)} intervals",
            )
        )
    if isinstance(story, Observed):
        seen = story.observation
        facts.append(
            (
                "Serving",
                f"{words.moment(seen.started_at)}; {words.given(seen.window_s, 'time')} of independent arrivals at "
                f"{words.given(seen.load_rps, 'rate')}, timed from the moment each was due",
            )
        )
    return text(_heading("Measured", badge("measured")), _facts(facts))


def _predicted(plan: Plan) -> Html:
    estimate = plan.choice.estimate
    columns = (
        Column("Constant", "short"),
        Column("Value", "number"),
        Column("Standard error", "number"),
        Column("Stems from", "wide"),
    )
    rows = [
        (
            "",
            (
                name,
                Cell(words.figure_value(name, constant.value), constant.value),
                Cell(_error(name, constant), constant.standard_error),
                text(badge(_origin(constant)), " ", constant.fitted_on),
            ),
        )
        for name, constant in plan.calibration.constants.items()
    ]
    return text(
        _heading("Predicted", badge("predicted")),
        paragraph(
            f"Intervals hold the outcome in {words.percent(estimate.level)} of cases. The dominating terms of the "
            "choice stand with the plan; the constants of the cost model are these."
        ),
        table(caption="Constants of the cost model", columns=columns, rows=rows, abilities="sort"),
    )


_FIRST_WORDS: Final[dict[str, Origin]] = {"assumed": "assumed", "chosen": "assumed", "measured": "measured"}
"""How a constant's `fitted_on` begins when it is no quoted table or publication."""


def _origin(constant: Constant) -> Origin:
    first = re.match(r"\w*", constant.fitted_on)
    return _FIRST_WORDS.get(first[0] if first else "", "quoted")


def _error(name: str, constant: Constant) -> str:
    error = constant.standard_error
    around = words.percent(error) if name.endswith("_ratio") else words.figure_value(name, error)
    residuals = len(constant.residuals)
    return f"± {around}" + (f", {words.counted(residuals, 'residual', 'residuals')}" if residuals else "")


_CONFIDENCE = {"A": "the vendor's list", "B": "derived from a vendor's list", "C": "old or second-hand"}


def _quoted(plan: Plan) -> Html:
    offer = plan.choice.offer
    trust = f"{offer.confidence}: {_CONFIDENCE.get(offer.confidence, 'unknown')}"
    rows: list[Row] = [
        (
            "",
            (
                f"{offer.instance_type}, {words.offer_place(offer)}, {words.purchase_terms(offer)}",
                linked(plan, offer.key, f"{offer.price_usd_per_hour:.4g} usd/h a machine"),
                offer.source,
                offer.as_of,
                trust,
            ),
        )
    ]
    rows += [
        (
            "",
            (
                words.COST_PARTS.get(part.name, part.name),
                linked(plan, part.name, part.because),
                part.source,
                part.as_of,
                "",
            ),
        )
        for part in plan.choice.costs
        if part.name != "compute"
    ]
    others: dict[tuple[str, str, str], int] = {}
    for candidate in plan.pareto:
        key = (candidate.offer.source, candidate.offer.as_of, candidate.offer.confidence)
        others[key] = others.get(key, 0) + 1
    rows += [
        (
            "",
            (
                words.counted(count, "alternative plan", "alternative plans"),
                "price of the machine",
                source,
                as_of,
                f"{trust}: {_CONFIDENCE.get(trust, 'unknown')}",
            ),
        )
        for (source, as_of, trust), count in others.items()
    ]
    columns = (
        Column("What"),
        Column("Quoted", "wide"),
        Column("Source", "wide"),
        Column("As of", "short"),
        Column("How sure"),
    )
    quoted = table(caption=f"Prices, snapshot {plan.snapshot}", columns=columns, rows=rows, abilities="")
    return text(_heading("Quoted", badge("quoted")), quoted)


def _run(plan: Plan) -> Html:
    return text(
        element("h3", {}, "Doing it again"),
        paragraph(
            f"The plan was made for {plan.today} with seed {plan.seed}, on the catalogue {plan.snapshot}. The same "
            "input, seed and catalogue give the same plan."
        ),
    )
