"""The closed loop: as many requests as are answered, one at a time on each connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tradewind.domain.errors import InputError
from tradewind.run import loadgen, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tradewind.domain.plan import Run

ROWS = {"x": np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)}


@pytest.fixture(scope="module")
def doubler(doubling: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    log = tmp_path_factory.mktemp("log") / "server.log"
    run = serving.start(doubling, model="doubling", threads=1, max_batch=16, latency_s=5.0, log=log)
    yield run
    serving.stop(run)


@pytest.mark.parametrize("connections", [1, 8])
def test_the_rate_is_what_was_answered(doubler: Run, connections: int) -> None:
    seen = loadgen.closed(
        doubler, model="doubling", rows=ROWS, connections=connections, seconds=0.3, seed=1, bound_s=5.0
    )
    assert seen.answered == seen.sent > connections
    assert seen.throughput_rps.likely == seen.answered / seen.window_s == seen.load_rps
    # Little's law: what is under way is never more than the connections.
    assert seen.latency_s["p50"].likely > 0.0


@pytest.mark.parametrize("options", [{"connections": 0}, {"seconds": 0.0}, {"bound_s": 0.0}])
def test_bad_input_is_one_line(doubler: Run, options: dict[str, Any]) -> None:
    chosen = {"connections": 1, "seconds": 0.1, "seed": 1, "bound_s": 1.0, **options}
    with pytest.raises(InputError, match="positive"):
        loadgen.closed(doubler, model="doubling", rows=ROWS, **chosen)
