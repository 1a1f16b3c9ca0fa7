"""Ticks and shares of drawings."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from tradewind.show.report import drawing


@given(low=st.floats(1e-6, 1e6), ratio=st.floats(1.03, 1e8))
def test_ticks_are_inside_rising_and_few(low: float, ratio: float) -> None:
    high = low * ratio
    ticks = drawing.log_ticks(low, high)
    assert all(low * (1 - 1e-9) <= tick <= high * (1 + 1e-9) for tick in ticks)
    assert ticks == sorted(ticks)
    assert 1 <= len(ticks) <= 14


def test_a_mark_tells_its_lines_twice() -> None:
    drawn = drawing.mark(0.5, 0.25, 4.0, {"class": "dot"}, "a <b>", [("cost", "3 usd"), ("", "the choice")])
    assert 'cx="50%"' in drawn
    assert 'cy="25%"' in drawn
    assert "<title>a &lt;b&gt;: cost 3 usd; the choice</title>" in drawn
    assert "<b>" not in drawn


def test_a_tip_is_json_of_pairs() -> None:
    name, lines = json.loads(drawing.tip("one", [("a", "b")])["data-tip"])
    assert (name, lines) == ("one", [["a", "b"]])
