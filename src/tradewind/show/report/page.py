"""The whole page: sections, style, script and data in one file that works offline."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from tradewind.decide.planning.explaining import explain
from tradewind.files import atomic
from tradewind.show import words
from tradewind.show.report.curves import curves_section
from tradewind.show.report.explain import explain_section, explanation_header, explanation_sections
from tradewind.show.report.front import front_section
from tradewind.show.report.header import header
from tradewind.show.report.markup import Html, element, json_script, text
from tradewind.show.report.outcome import outcome_section
from tradewind.show.report.plan import plan_section
from tradewind.show.report.prices import prices_section
from tradewind.show.report.sources import sources_section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewind.domain.explanation import Explanation
    from tradewind.domain.story import Planned
    from tradewind.show.report.section import Section

__all__ = ["explanation_page", "render", "render_explained", "write"]


def render(story: Planned, *, generated_at: str) -> str:
    """The report of a run as one HTML document, its plan explained by what the plan keeps.

    It loads nothing: style, script and data are inside, and its own policy forbids any request. Text of the
    user is escaped, and only the page's own script may run. `generated_at` is an ISO date and time.
    """
    return render_explained(story, explain(story.decision), generated_at=generated_at)


def render_explained(story: Planned, explanation: Explanation, *, generated_at: str) -> str:
    """The report with an explanation for which the planner may have been asked again."""
    sections = (
        front_section(story),
        curves_section(story),
        plan_section(story),
        explain_section(explanation),
        *prices_section(story),
        outcome_section(story),
        sources_section(story),
    )
    return _document(story.decision.goal.name, "report", header(story), sections, generated_at)


def explanation_page(found: Explanation, *, generated_at: str) -> str:
    """The explanation of a plan, for serving or for training, as one HTML document of its own."""
    return _document(
        found.name, "explanation", explanation_header(found), explanation_sections(found), generated_at
    )


def _document(name: str, what: str, heading: Html, sections: Sequence[Section], generated_at: str) -> str:
    charts: dict[str, Any] = {}
    for section in sections:
        charts |= section.charts
    script = _own("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return Template(_own("page.html")).substitute(
        policy=f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'",
        title=text(f"{name}: Tradewind {what}"),
        name=text(name),
        what=what.capitalize(),
        generated=text(words.moment(generated_at)),
        style=_own("style.css"),
        links=text(*(_link(section) for section in sections)),
        header=heading,
        sections=text(*(_section(number, section) for number, section in enumerate(sections, start=1))),
        data=json_script("story", charts),
        script=script,
    )


def write(path: Path, story: Planned, *, generated_at: str) -> None:
    """Writes the report of a run. Errors: ResourceError when the disk refuses."""
    atomic.write_text(path, render(story, generated_at=generated_at))


def _own(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _link(section: Section) -> Html:
    return element("a", {"href": f"#{section.identifier}"}, section.title)


def _section(number: int, section: Section) -> Html:
    heading = f"{section.identifier}-title"
    margin = element(
        "div",
        {"class": "margin"},
        element("p", {"class": "count", "aria-hidden": "true"}, str(number)),
        element("h2", {"id": heading}, section.title),
        section.takeaway,
    )
    return element(
        "section",
        {"class": "chapter", "id": section.identifier, "aria-labelledby": heading},
        margin,
        element("div", {"class": "evidence"}, section.body),
    )
