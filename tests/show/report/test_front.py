from __future__ import annotations

import msgspec
import pytest

from tradewind.show import words
from tradewind.show.report.front import front_section


def test_every_variant_stands_in_the_table_with_its_quality_and_its_reason(story):
    section = front_section(story.PLANNED)

    for profile in story.FRONT.profiles:
        judged = profile.variant.judgement
        assert profile.variant.name in section.body
        assert words.metric_change(judged.delta_low) in section.body
    for lost in story.FRONT.lost:
        assert lost.reason in section.body
    for failed in story.FRONT.failed:
        assert failed.name in section.body
        assert failed.reason in section.body


def test_every_slice_is_shown_with_its_rows(story):
    body = front_section(story.PLANNED).body

    for name, rows in story.SLICES:
        assert f"{name} ({rows:,} rows)" in body


def test_every_recipe_can_be_read(story):
    body = front_section(story.PLANNED).body

    assert "quantize-dynamic (onnxruntime 1.32.0; per_channel = True, rows = 300)" in body
    assert "the network as it was given" in body


def test_the_chart_has_a_point_for_each_variant_and_a_value_for_each_axis(story):
    chart = front_section(story.PLANNED).charts["front"]
    keys = {axis["key"] for side in "xy" for axis in chart[side]}

    assert len(chart["points"]) == len(story.FRONT.profiles)
    for point in chart["points"]:
        assert set(point["values"]) == keys
    assert [point["standing"] for point in chart["points"]].count("chosen") == 1
    latencies = {point["name"]: point["values"]["latency"] for point in chart["points"]}
    assert latencies["torch-fp32"] == [story.FRONT.profiles[0].latency_s(1, 1)]


def test_a_front_without_judgements_and_failures_is_shown(story):
    bare = tuple(
        msgspec.structs.replace(one, variant=msgspec.structs.replace(one.variant, judgement=None))
        for one in story.FRONT.profiles
    )
    front = msgspec.structs.replace(story.FRONT, profiles=bare, failed=(), lost=())
    section = front_section(msgspec.structs.replace(story.PLANNED, front=front))

    assert "not judged" in section.body
    assert "Could not be built" not in section.body
    assert all(
        set(p["values"]) == {"latency", "throughput", "memory", "size"}
        for p in section.charts["front"]["points"]
    )


@pytest.mark.parametrize("bound", [None, 0.015])
def test_the_bound_of_a_slice_is_told_where_the_goal_has_one(story, bound):
    quality = msgspec.structs.replace(story.GOAL.quality, slice_max_drop=bound)
    goal = msgspec.structs.replace(story.GOAL, quality=quality)
    told = msgspec.structs.replace(story.PLANNED, plan=msgspec.structs.replace(story.PLAN, goal=goal))

    assert ("at most 0.015 may be lost" in front_section(told).body) == (bound is not None)
