"""Every price on the page leads to where it comes from."""

from __future__ import annotations

import re

import msgspec
import pytest

from tradewind.show import report, words
from tradewind.show.report.prices import linked, prices_section

AT = "2026-11-25T14:12:00+00:00"


@pytest.fixture
def explained(story):
    """The planned story, in which the choice, its parts and some alternatives are explained."""
    told = {
        candidate.offer.key: (f"stated: by a list of {candidate.offer.cloud}", "price: as stated")
        for candidate in story.CANDIDATES[:12]
    }
    told["storage"] = ("price: storage/aws/eu-west-1/S3/Standard/storage", "keeping data: 0.023 usd/GB-month")
    told["egress_internet"] = ("price: transfer/aws/eu-west-1/internet/*", "from 0 GB a month: free")
    plan = msgspec.structs.replace(story.PLAN, explanations=told)
    return msgspec.structs.replace(story.PLANNED, plan=plan)


def test_every_link_has_its_target_and_every_explanation_is_linked(explained):
    document = report.render(explained, generated_at=AT)
    links = set(re.findall(r'href="#(price-[0-9a-f]+)"', document))
    targets = re.findall(r'id="(price-[0-9a-f]+)"', document)
    assert links == set(targets)
    assert len(targets) == len(set(targets)) == len(explained.plan.explanations)
    for identifier in re.findall(r'href="#([^"]+)"', document):
        assert f'id="{identifier}"' in document, identifier


def test_an_explanation_tells_its_steps_in_order(explained):
    (section,) = prices_section(explained)
    for key, steps in explained.plan.explanations.items():
        place = re.search(r"#(price-[0-9a-f]+)", linked(explained.plan, key, "here"))
        assert place is not None
        told = section.body.partition(f'id="{place[1]}">')[2].partition("</dl>")[0]
        said = list(
            zip(re.findall(r"<dt>(.*?)</dt>", told), re.findall(r"<dd>(.*?)</dd>", told), strict=True)
        )
        assert said == [tuple(step.split(": ", 1)) for step in steps], key
    assert explained.plan.snapshot in section.takeaway
    assert f"{len(explained.plan.explanations)} prices" in section.takeaway


def test_the_choice_and_its_parts_come_before_the_alternatives(explained):
    (section,) = prices_section(explained)
    own, _, others = section.body.partition("Of its alternatives")
    assert explained.plan.choice.offer.instance_type in own
    assert "Storage" in own
    assert words.COST_PARTS["egress_internet"].capitalize() in own
    assert others.count("<details>") == len(explained.plan.explanations) - 3


def test_a_plan_without_explanations_has_neither_section_nor_links(story):
    assert prices_section(story.PLANNED) == ()
    document = report.render(story.PLANNED, generated_at=AT)
    assert 'id="price' not in document
    assert 'href="#price' not in document
    assert linked(story.PLAN, "storage", "a < b") == "a &lt; b"


def test_a_hostile_key_and_step_stay_text(explained):
    hostile = '"><script>alert(1)</script>'
    told = {
        **explained.plan.explanations,
        explained.plan.choice.offer.key: (f"{hostile}: {hostile}", hostile),
    }
    plan = msgspec.structs.replace(explained.plan, explanations=told)
    document = report.render(msgspec.structs.replace(explained, plan=plan), generated_at=AT)
    assert hostile not in document
    assert document.count("<script>") == 1


def test_all_parts_of_a_cost_have_words(story):
    from tradewind.domain.plan import CostPart

    named = {field.name: field for field in msgspec.structs.fields(CostPart)}["name"].type
    assert set(words.COST_PARTS) == set(named.__args__)
