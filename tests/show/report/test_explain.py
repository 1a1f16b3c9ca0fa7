"""The explanation as HTML: complete, self-contained, valid, and of use without a script."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import msgspec
import pytest

from tradewind.decide.planning.explaining import explain
from tradewind.domain.explanation import Bar, Curve, Explanation, Point
from tradewind.show import report
from tradewind.show.report.explain import explain_section, explanation_sections

AT = "2026-08-21T14:30:00+00:00"
VOID = {"meta", "link", "input", "br", "img", "hr"}


@pytest.fixture(scope="module")
def found(story) -> Explanation:
    told = explain(story.PLAN)
    points = tuple(
        Point(
            at=rate, usd=None if rate > 9000.0 else rate / 50.0, what=f"{place} x m5.large in eu-west-1, spot"
        )
        for place, rate in enumerate((3000.0, 6000.0, 12_000.0), start=1)
    )
    return msgspec.structs.replace(
        told, curves=(Curve(name="load", unit="rps", now=6000.0, points=points),), basis="replanned"
    )


@pytest.fixture(scope="module")
def page(found) -> str:
    return report.explanation_page(found, generated_at=AT)


class Checker(HTMLParser):
    """Whether every element is closed in order, and which addresses are loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loaded: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [given["id"]] if given.get("id") else []
        if tag != "a":
            self.loaded += [given[name] for name in ("src", "href", "data") if given.get(name)]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag


def checked(document: str) -> Checker:
    checker = Checker()
    checker.feed(document)
    checker.close()
    return checker


def test_the_page_is_valid_and_loads_nothing(page):
    checker = checked(page)
    assert checker.open == []
    assert len(checker.ids) == len(set(checker.ids))
    assert all(address.startswith("data:") for address in checker.loaded)
    assert not re.search(r"(src|href)=[\"']?https?:", page)
    assert "@import" not in page
    assert "url(http" not in page


def test_the_same_explanation_gives_the_same_page(found, page):
    assert report.explanation_page(found, generated_at=AT) == page


def test_every_rejected_family_is_named(found, page):
    text = html.unescape(page)
    for group in found.fallen:
        assert group.reason in text
        for name in group.families:
            assert name in text


def test_every_number_of_the_choice_has_its_badge_and_source(found):
    body = next(one for one in explanation_sections(found) if one.identifier == "sources").body
    for source in found.sources:
        assert f"badge {source.origin}" in body
        assert html.escape(source.source) in body
        assert source.as_of in body
    assert body.count('class="badge') >= len(found.sources)


def test_every_limit_neighbour_and_turn_is_told(found):
    body = html.unescape(explain_section(found).body)
    for bound in found.bounds:
        assert bound.name in body
        assert bound.because in body
    for one in found.neighbours:
        if one.option is not None:
            assert one.option.name in body
    for turn in found.turns:
        assert turn.name in body


def test_without_a_script_the_plot_is_a_drawing_of_every_option(found):
    body = next(one for one in explanation_sections(found) if one.identifier == "others").body
    still = body[body.index("<noscript>") : body.index("</noscript>")]
    assert still.count("<circle") == len(found.options)
    assert still.count("<title>") == len(found.options)


def test_the_plot_can_be_filtered_and_tells_the_parts_of_every_cost(found):
    charts = next(one for one in explanation_sections(found) if one.identifier == "others").charts
    plot = charts["options"]
    assert plot["filters"] == [["hue", "Cloud"], ["shape", "Purchase"]]
    assert len(plot["points"]) == len(found.options)
    assert [point["standing"] for point in plot["points"]].count("chosen") == 1
    for point, option in zip(plot["points"], found.options, strict=True):
        assert len(point["parts"]) == len(option.parts)


def test_the_stack_is_as_long_as_the_costs(found):
    body = explain_section(found).body
    lanes = re.findall(r'<span class="lane-bar">(.*?)</span><span class="lane-sum">', body)
    widths = [sum(float(width) for width in re.findall(r"width:([\d.]+)%", lane)) for lane in lanes]
    assert len(lanes) >= 2
    assert max(widths) <= 100.01
    costs = {round(option.cost_usd / found.choice.cost_usd, 3) for option in found.options}
    assert all(any(abs(width / widths[0] - cost) < 2e-3 for cost in costs) for width in widths)


def test_every_mark_tells_its_figures_also_as_a_title(page):
    tips = re.findall(r'data-tip="([^"]*)"', page)
    assert tips
    for tip in tips:
        name, lines = json.loads(html.unescape(tip))
        assert name
        assert all(len(pair) == 2 for pair in lines)


def test_what_nothing_keeps_is_hatched_in_the_curve(found):
    body = explain_section(found).body
    assert "nothing keeps it" in body
    assert "now 6,000 rps" in body


def test_text_from_outside_cannot_become_markup(found):
    evil = msgspec.structs.replace(found, name="x", goal="<script>alert(1)</script>", misses=("<img src=x>",))
    page = report.explanation_page(evil, generated_at=AT)
    assert "<script>alert" not in page
    assert "<img" not in page


def test_the_report_of_a_run_explains_its_plan(story):
    page = report.render(story.PLANNED, generated_at=AT)
    assert 'id="why"' in page
    assert checked(page).open == []
    assert "the planner was not asked again" in page


def test_a_given_explanation_stands_in_the_report(story, found):
    page = report.render_explained(story.PLANNED, found, generated_at=AT)
    assert 'id="chart-curve-rps"' in page


def test_only_training_has_a_step(found):
    assert "step" not in {one.identifier for one in explanation_sections(found)}
    bars = (Bar(stage=0, micro_batch=0, kind="forward", start_s=0.0, end_s=1.0),)
    trained = msgspec.structs.replace(found, timeline=bars, timeline_note="drawn")
    assert "step" in {one.identifier for one in explanation_sections(trained)}


def test_costs_of_nothing_are_drawn_as_nothing(found):
    bare = msgspec.structs.replace(found.choice, parts=(), cost_usd=0.0)
    free = msgspec.structs.replace(found, choice=bare, options=(bare,), neighbours=(), limits={}, curves=())
    assert checked(report.explanation_page(free, generated_at=AT)).open == []


DRIVER = """
<script>
addEventListener("load", () => {
  const result = {};
  try {
    const chart = document.getElementById("chart-options"), canvas = () => chart.querySelector("svg[role]");
    const marks = () => chart.querySelectorAll("svg[role] > g > path.mark").length;
    const press = (node, key) => node.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    result.all = marks();
    const cloud = [...chart.querySelectorAll("input[type=checkbox]")].find((input) => input.id.includes("hue"));
    cloud.checked = false;
    cloud.dispatchEvent(new Event("change"));
    result.fewer = marks();
    cloud.checked = true;
    cloud.dispatchEvent(new Event("change"));
    result.again = marks();
    press(canvas(), "Home");
    press(canvas(), "Enter");
    result.card = chart.querySelector(".card").textContent;
    chart.querySelector(".card button").click();
    result.closed = chart.querySelector(".card").hidden;
    const drawn = document.getElementById("chart-stack");
    press(drawn.querySelector(".stack"), "ArrowRight");
    result.spoken = drawn.querySelector("[aria-live]").textContent;
    press(drawn.querySelector(".stack"), "Escape");
    result.hushed = drawn.querySelector(".tip").hidden;
    result.wide = document.documentElement.scrollWidth <= innerWidth;
  } catch (error) { result.error = `${error}`; }
  const pre = document.createElement("pre");
  pre.id = "result";
  pre.textContent = JSON.stringify(result);
  document.body.append(pre);
});
</script>
"""


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_clouds_can_be_left_out_and_marks_speak_and_stay(found, page, tmp_path):
    driven = re.sub(r"<meta http-equiv=[^>]*>", "", page).replace("</body>", f"{DRIVER}</body>")
    path = tmp_path / "why.html"
    path.write_text(driven)
    command = [
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-quic",
    ]
    command += [
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    command += [
        f"--user-data-dir={tmp_path / 'profile'}",
        "--window-size=1440,900",
        "--virtual-time-budget=2000",
    ]
    done = subprocess.run(
        [*command, "--dump-dom", path.as_uri()], capture_output=True, text=True, timeout=180, check=False
    )
    told = re.search(r'<pre id="result">(.*?)</pre>', done.stdout, flags=re.DOTALL)
    assert told is not None, done.stderr[-2000:]
    result = json.loads(html.unescape(told[1]))
    assert "error" not in result, result
    assert result["all"] == result["again"] == len(found.options)
    assert 0 < result["fewer"] < result["all"]
    assert "usd/month" in result["card"]
    assert result["closed"]
    assert "usd/month" in result["spoken"]
    assert result["hushed"]
    assert result["wide"], "the page scrolls sideways"
