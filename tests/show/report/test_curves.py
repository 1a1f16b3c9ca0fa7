from __future__ import annotations

import msgspec

from tradewind.show import words
from tradewind.show.report import curves
from tradewind.show.report.curves import curves_section


def test_every_measured_point_is_drawn_and_tabled(story):
    section = curves_section(story.PLANNED)
    chart = section.charts["curves"]
    measured = sum(len(profile.curve) for profile in story.FRONT.profiles)

    assert chart["threads"] == [1, 2]
    assert sum(len(points) for line in chart["series"] for points in line["points"].values()) == measured
    assert f"All {measured} measured points" in section.body
    point = story.FRONT.profiles[3].curve[5]
    assert [point.batch, point.low_s, point.median_s, point.high_s] in chart["series"][3]["points"]["1"]
    assert words.quantity(point.high_s, "time") in section.body


def test_a_single_thread_count_and_batch_is_enough(story):
    single = tuple(msgspec.structs.replace(one, curve=one.curve[:1]) for one in story.FRONT.profiles)
    front = msgspec.structs.replace(story.FRONT, profiles=single)
    section = curves_section(msgspec.structs.replace(story.PLANNED, front=front))

    assert section.charts["curves"]["threads"] == [1]
    assert "100 % of the time of a row alone" in section.takeaway


def test_very_many_points_are_cut_in_the_table_and_said_so(story):
    many = story.FRONT.profiles * 8
    front = msgspec.structs.replace(story.FRONT, profiles=many)
    body = curves_section(msgspec.structs.replace(story.PLANNED, front=front)).body

    assert f"the first {curves.MOST_ROWS}" in body
    assert body.count("<tr>") == curves.MOST_ROWS + 1
