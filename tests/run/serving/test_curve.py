"""The measured curve has a positive time for each size; a slow network is not measured for ever."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tradewind.domain.variant import Variant
from tradewind.files import nouns
from tradewind.lab import engines
from tradewind.run.serving import curve
from tradewind.run.serving.curve import measure_curve, sizes_up_to

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pytest


@given(st.integers(1, 5000))
def test_sizes_rise_from_one_to_the_largest(largest: int) -> None:
    sizes = sizes_up_to(largest)
    assert sizes[0] == 1
    assert sizes[-1] == largest
    assert sizes == sorted(set(sizes))
    assert len(sizes) < 30


def test_a_real_network_is_measured(doubling: Path) -> None:
    variant = nouns.read(doubling / "manifest.json", Variant)
    session = engines.load(doubling, variant, threads=1)
    golden, _ = engines.read_golden(doubling, variant)
    points = measure_curve(session, golden, [1, 4, 20])
    assert list(points) == [1, 4, 20]
    assert all(0.0 < seconds < 1.0 for seconds in points.values())


def test_sizes_that_would_take_too_long_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curve, "LONGEST_S", 0.2)
    asked: list[int] = []

    class Slow:
        def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
            rows = len(inputs["x"])
            asked.append(rows)
            time.sleep(0.08 * rows)
            return {}

        def close(self) -> None:
            pass

    points = measure_curve(Slow(), {"x": np.zeros((1, 1))}, [1, 2, 4, 8])
    assert list(points) == [1, 2]
    assert max(asked) == 2
