"""Laws of the whole page; what its sections say is tested beside them."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from tradewind.domain.noun import Rejected
from tradewind.show import report

PAGE = Path(report.__file__).parent
AT = "2026-08-21T14:12:00+00:00"
HOSTILE = "</script><script>alert(1)</script><img src=x onerror='alert(2)'> & \"]]> {{ $name ${title}"
STORIES = ("PLANNED", "UNMET", "OBSERVED", "REPLANNED")
VOID = {"meta", "link", "br"}


class Structure(HTMLParser):
    """The elements of a document in order, and whether each is closed where it should be."""

    def __init__(self, document: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.open: list[str] = []
        self.ids: list[str] = []
        self.problems: list[str] = []
        self.links: list[str] = []
        self.feed(document)
        self.close()
        self.problems += [f"{tag} is never closed" for tag in self.open]

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        named = dict(attrs)
        if "id" in named:
            self.ids.append(str(named["id"]))
        self.links += [str(named[key]) for key in ("href", "src") if key in named]
        self.problems += [f"{tag} has the handler {key}" for key in named if key.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"{tag} is closed at {self.getpos()}, but is not the innermost")


KEPT = {"cloud", "purchase", "precision", "origin", "verdict", "kind", "id", "variant_id"}
"""Fields that hold one of a few words, or by which nouns find each other."""


def hostile(noun):
    """The noun with every free text replaced by one that tries to break out."""
    if isinstance(noun, msgspec.Struct):
        kept = KEPT | ({"name"} if type(noun).__name__ == "CostPart" else set())
        values = {field: getattr(noun, field) for field in noun.__struct_fields__}
        return msgspec.structs.replace(
            noun, **{field: value if field in kept else hostile(value) for field, value in values.items()}
        )
    if isinstance(noun, tuple):
        return tuple(hostile(value) for value in noun)
    if isinstance(noun, dict):
        return {key: hostile(value) for key, value in noun.items()}
    return HOSTILE if isinstance(noun, str) else noun


@pytest.fixture(scope="module", params=STORIES)
def told(request, story):
    return getattr(story, request.param)


def keep_ids(before, after):
    """Hostile text in `front.pareto`, which holds ids, would only make all variants lost."""
    front = msgspec.structs.replace(after.front, pareto=before.front.pareto)
    return msgspec.structs.replace(after, front=front)


def test_no_text_of_a_user_changes_the_structure_of_the_page(told):
    document = report.render(keep_ids(told, hostile(told)), generated_at=AT)
    seen = Structure(document)

    assert not seen.problems, seen.problems[:3]
    assert seen.tags.count("script") == 2
    assert "img" not in seen.tags
    assert HOSTILE not in document
    assert html.escape(HOSTILE) in document


def test_every_element_is_closed_and_every_id_is_unique(told):
    seen = Structure(report.render(told, generated_at=AT))

    assert not seen.problems, seen.problems[:3]
    assert sorted(seen.ids) == sorted(set(seen.ids))


def test_the_page_loads_nothing(told):
    document = report.render(told, generated_at=AT)
    outside = [link for link in Structure(document).links if not link.startswith(("#", "data:"))]

    assert not outside, f"links that leave the page: {outside}"
    assert "default-src &#x27;none&#x27;" in document or "default-src 'none'" in document
    for name in ("page.html", "style.css", "report.js"):
        own = (PAGE / name).read_text()
        assert "http://" not in own, name
        assert "https://" not in own, name
        assert "url(" not in own, name
        assert "@import" not in own, name


def test_only_the_pages_own_script_may_run(told):
    document = report.render(told, generated_at=AT)
    script = re.findall(r"<script>(.*?)</script>", document, flags=re.DOTALL)
    allowed = re.search(r"script-src 'sha256-([^']+)'", document)

    assert len(script) == 1
    assert allowed is not None
    assert base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode() == allowed[1]


def test_the_same_story_gives_the_same_page(told):
    assert report.render(told, generated_at=AT) == report.render(told, generated_at=AT)


def test_a_usual_page_is_small(told):
    assert len(report.render(told, generated_at=AT).encode()) < 300_000


def test_a_huge_page_stays_under_two_megabytes(story):
    told = story.REPLANNED
    variants = tuple(
        msgspec.structs.replace(
            one, variant=msgspec.structs.replace(one.variant, id=f"{one.variant.id}{number}")
        )
        for number in range(10)
        for one in told.front.profiles
    )
    front = msgspec.structs.replace(told.front, profiles=told.front.profiles + variants)
    pareto = tuple(
        msgspec.structs.replace(one, layout=msgspec.structs.replace(one.layout, max_batch=number + 1))
        for number in range(60)
        for one in told.plan.pareto
    )
    rejected = tuple(Rejected(name=f"family {number}", reason="too dear " * 20) for number in range(5000))
    plan = msgspec.structs.replace(told.replanned, pareto=pareto, rejected=rejected)
    document = report.render(msgspec.structs.replace(told, front=front, replanned=plan), generated_at=AT)

    assert len(document.encode()) < 2_000_000
    assert "more are in plan.json" in document


def test_a_story_with_unbounded_numbers_is_still_told(story):
    latency = {
        name: msgspec.structs.replace(around, high=float("inf"))
        for name, around in story.CHOICE.estimate.latency_s.items()
    }
    estimate = msgspec.structs.replace(story.CHOICE.estimate, latency_s=latency)
    choice = msgspec.structs.replace(story.CHOICE, estimate=estimate)
    plan = msgspec.structs.replace(story.PLAN, choice=choice)

    assert "unbounded" in report.render(msgspec.structs.replace(story.PLANNED, plan=plan), generated_at=AT)


def test_write_makes_the_file(story, tmp_path):
    path = tmp_path / "run" / "report.html"
    report.write(path, story.PLANNED, generated_at=AT)

    assert path.read_text() == report.render(story.PLANNED, generated_at=AT)


DRIVER = """
<script>
addEventListener("load", () => {
  const result = {}, chart = (name) => document.getElementById(`chart-${name}`);
  const canvas = (name) => chart(name).querySelector("svg[role=application]");
  const press = (name, key) => canvas(name).dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  const choose = (name, word) => [...chart(name).querySelectorAll("label")].find((l) => l.textContent === word).click();
  try {
    for (const name of ["front", "curves", "plans"]) result[name] = canvas(name).getAttribute("aria-label");
    result.marks = canvas("front").querySelectorAll("path.mark").length;
    result.plan_marks = canvas("plans").querySelectorAll("path.mark").length;
    result.lines = canvas("curves").querySelectorAll("path.line").length;
    choose("front", "size on disk");
    result.switched = canvas("front").getAttribute("aria-label");
    press("front", "ArrowRight");
    result.spoken = chart("front").querySelector("[aria-live]").textContent;
    press("front", "Escape");
    result.hushed = chart("front").querySelector(".tip").hidden;
    choose("curves", "2 threads");
    result.threads = canvas("curves").getAttribute("aria-label");
    press("curves", "ArrowRight");
    result.curve = chart("curves").querySelector("[aria-live]").textContent;
    choose("plans", "carbon a month");
    result.carbon = canvas("plans").getAttribute("aria-label");
    const table = document.querySelector("#front table"), head = table.querySelectorAll("thead th")[3];
    head.querySelector("button").click();
    result.sorted = [...table.tBodies[0].rows].map((row) => row.querySelector(".name").textContent);
    result.order = head.getAttribute("aria-sort");
    const filter = document.querySelector("#plan .filter input");
    filter.value = "azure spot";
    filter.dispatchEvent(new Event("input"));
    const rows = [...filter.closest(".table").querySelectorAll("tbody tr")].filter((row) => !row.hidden);
    result.filtered = rows.map((row) => row.textContent);
    const why = document.querySelector("#plan a.why"), steps = document.getElementById(why.hash.slice(1));
    result.shut = steps.closest("details").open;
    why.click();
    dispatchEvent(new HashChangeEvent("hashchange"));
    result.opened = steps.closest("details").open;
    document.getElementById("theme").click();
    result.theme = document.documentElement.dataset.theme;
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
def test_the_charts_and_tables_work_in_a_browser(story, tmp_path):
    told = {story.CORRECTED_CHOICE.offer.key: ("stated: by a list", "price: as stated")}
    plan = msgspec.structs.replace(story.CORRECTED, explanations=told)
    document = report.render(msgspec.structs.replace(story.REPLANNED, replanned=plan), generated_at=AT)
    # The page forbids any script but its own; the test's own one has to be let in.
    driven = re.sub(r"<meta http-equiv=[^>]*>", "", document).replace("</body>", f"{DRIVER}</body>")
    path = tmp_path / "report.html"
    path.write_text(driven)
    command = [
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
    ]
    command += [
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-quic",
    ]
    command += [
        f"--user-data-dir={tmp_path / 'profile'}",
        "--window-size=1440,900",
        "--virtual-time-budget=3000",
    ]
    done = subprocess.run(
        [*command, "--dump-dom", path.as_uri()], capture_output=True, text=True, timeout=180, check=False
    )
    found = re.search(r'<pre id="result">(.*?)</pre>', done.stdout, flags=re.DOTALL)
    assert found is not None, done.stderr[-2000:]
    result = json.loads(html.unescape(found[1]))

    assert "error" not in result, result
    assert result["marks"] == len(story.FRONT.profiles)
    assert result["lines"] == len(story.FRONT.profiles)
    assert result["plan_marks"] == len(story.CORRECTED_CANDIDATES)
    assert "against latency, batch 1, 1 thread, 7 points" in result["front"]
    assert "against size on disk" in result["switched"]
    assert result["spoken"].startswith("onnxruntime-int8-dynamic. quality 0.8260")
    assert result["hushed"]
    assert "with 2 threads, 7 variants" in result["threads"]
    assert result["curve"].startswith("onnxruntime-int8-dynamic. 1 row ")
    assert "carbon a month against cost a month" in result["carbon"]
    by_latency = sorted(story.FRONT.profiles, key=lambda profile: profile.latency_s(1, 1))
    assert result["sorted"] == [profile.variant.name for profile in by_latency]
    assert result["order"] == "ascending"
    assert result["filtered"]
    assert all("azure" in row and "spot" in row for row in result["filtered"])
    assert not result["shut"]
    assert result["opened"], "a link to an explanation does not open it"
    assert result["theme"] in ("light", "dark")
    assert result["wide"], "the page scrolls sideways"
