"""The open loop in a process of its own, so that neither disturbs the other's interpreter."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from tradewind.domain import codec, errors
from tradewind.domain.errors import ResourceError
from tradewind.domain.estimate import Observation
from tradewind.domain.plan import Run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["Job", "Outcome", "drive_apart"]

EXTRA_S: Final = 120.0
"""Beyond the time that it measures, before the process is taken to hang."""
MAX_ROWS: Final = 1024
"""As many as the load generator sends at most."""


class Job(msgspec.Struct):
    """What the process is to do. The rows follow as an .npz file."""

    url: str
    model: str
    names: list[str]
    rate_rps: float
    seconds: float
    warmup_s: float
    connections: int
    seed: int
    bound_s: float


class Outcome(msgspec.Struct):
    """What came of it: an Observation as JSON, or an error and its class."""

    observation: str = ""
    error: str = ""
    kind: str = ""


def drive_apart(
    run_or_url: Run | str,
    *,
    model: str,
    rows: Mapping[str, NDArray[Any]],
    rate_rps: float,
    seconds: float,
    warmup_s: float,
    connections: int,
    seed: int,
    bound_s: float,
) -> Observation:
    """`drive` in a child process. Errors: those of `drive`, and ResourceError if the process fails."""
    count = min((len(array) for array in rows.values()), default=0)
    chosen = np.random.default_rng(seed).permutation(count)[:MAX_ROWS]
    job = Job(
        url=run_or_url.endpoint if isinstance(run_or_url, Run) else run_or_url,
        model=model,
        names=list(rows),
        rate_rps=rate_rps,
        seconds=seconds,
        warmup_s=warmup_s,
        connections=connections,
        seed=seed,
        bound_s=bound_s,
    )
    packed = io.BytesIO()
    packed.write(msgspec.json.encode(job) + b"\n")
    arrays: dict[str, Any] = {
        f"array_{place}": np.asarray(rows[name])[chosen] for place, name in enumerate(rows)
    }
    np.savez(packed, **arrays)
    root = str(Path(__file__).resolve().parents[3])
    before = os.environ.get("PYTHONPATH")
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "tradewind.run.loadgen"],
            input=packed.getvalue(),
            capture_output=True,
            env={**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{before}" if before else root},
            timeout=warmup_s + seconds + 10.0 * bound_s + EXTRA_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ResourceError(
            f"the load generator did not end within {error.timeout:.0f} s; is the machine overloaded?"
        ) from None
    try:
        outcome = msgspec.json.decode(ended.stdout, type=Outcome)
    except msgspec.DecodeError:
        last = ended.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise ResourceError(f"the load generator ended with status {ended.returncode}: {last}") from None
    if outcome.error:
        raise getattr(errors, outcome.kind, ResourceError)(outcome.error)
    return codec.decode(outcome.observation, Observation, source="the load generator")
