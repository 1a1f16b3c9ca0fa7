"""The timeline of a step: every piece of work where and as long as it is."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from tradewind.domain.explanation import Bar, Share
from tradewind.show.report.timeline import composition, timeline


def bar(stage: int, micro_batch: int, kind: str, start_s: float, end_s: float) -> Bar:
    return Bar(stage=stage, micro_batch=micro_batch, kind=kind, start_s=start_s, end_s=end_s)


def rects(drawn: str) -> list[tuple[float, float, float]]:
    found = re.findall(r'<rect x="([\d.]+)%" y="([\d.]+)" width="([\d.]+)%"[^>]*class="task task-', drawn)
    return [(float(x), float(y), float(width)) for x, y, width in found]


@given(
    works=st.lists(
        st.tuples(st.integers(0, 5), st.floats(0.0, 9.0), st.floats(0.01, 3.0)), min_size=1, max_size=20
    )
)
def test_bars_are_as_long_as_their_work_and_stay_inside(works: list[tuple[int, float, float]]) -> None:
    bars = [
        bar(stage, place, "forward", start, start + length)
        for place, (stage, start, length) in enumerate(works)
    ]
    end = max(one.end_s for one in bars)
    drawn = rects(timeline(bars, ""))
    assert len(drawn) == len(bars)
    for (x, _, width), one in zip(drawn, bars, strict=True):
        assert abs(x - 100.0 * one.start_s / end) < 0.01
        assert abs(width - 100.0 * (one.end_s - one.start_s) / end) < 0.01


def test_stages_have_lanes_kinds_have_keys_and_wide_bars_their_number() -> None:
    drawn = timeline(
        [bar(0, 0, "forward", 0.0, 1.0), bar(1, 0, "forward", 1.0, 2.0), bar(1, 0, "backward", 2.0, 4.0)],
        "a note",
    )
    assert "stage 1" in drawn
    assert "stage 2" in drawn
    assert "forward" in drawn
    assert "backward" in drawn
    assert "waiting" in drawn
    assert "a note" in drawn
    assert len({y for _, y, _ in rects(drawn)}) == 2
    assert drawn.count('class="on-task-') == 3


def test_no_work_is_no_drawing() -> None:
    assert timeline([], "") == ""


def test_shares_fill_the_bar_one_after_the_other() -> None:
    drawn = composition([Share(name="products", share=0.6), Share(name="tensor", share=0.4)])
    assert rects(drawn) == [(0.0, 0.0, 60.0), (60.0, 0.0, 40.0)]
    assert "60 %" in drawn
    assert "tensor" in drawn
    assert composition([]) == ""
