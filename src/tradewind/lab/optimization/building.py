"""A candidate is built in a child process, so that no pass can crash, hang or starve the run.

The child (`tradewind.lab.optimization.child`) reads a `Request` and answers with a `Reply`, both as
files in a folder of their own. Whatever else it does ends as a CannotMeasure with one line.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import psutil

from tradewind.domain import units
from tradewind.domain.errors import CannotMeasure, CodecError, InputError, ResourceError
from tradewind.domain.noun import Noun, Precision
from tradewind.domain.variant import Variant
from tradewind.files import atomic, nouns

__all__ = ["SCRATCH", "Limits", "Reply", "Request", "build", "free_limits"]

TIME_LIMIT_S: Final = 900.0
"""Much longer than the slowest build that was measured (a minute, on a machine that was busy)."""
MEMORY_SHARE: Final = 0.85
"""Of the memory that is free when a build starts, which the build may take."""
SCRATCH: Final = ".build."
"""How the names of folders begin that a killed run may leave behind."""
POLL_S: Final = 0.02
POLLS_PER_LOOK: Final = 10
"""Memory is looked at in every so many polls: a look costs more than a poll."""


class Request(Noun, frozen=True, kw_only=True):
    """What the child is to build."""

    name: str
    """Of the variant."""
    pass_name: str
    module: str
    version: str
    engine: str
    writes: str
    precision: Precision
    calibrated: bool
    parameters: dict[str, str | int | float | bool]
    parent_folder: str
    golden_folder: str
    """The folder of the variant whose golden inputs are asked again."""
    calibration: str
    """The file of the calibration rows."""
    variants: str
    seed: int
    threads: int


class Reply(Noun, frozen=True, kw_only=True):
    """What came of it: exactly one of the three."""

    variant: Variant | None = None
    reason: str | None = None
    """Why this candidate cannot be built here."""
    refused: str | None = None
    """Why nothing can be built here: the disk is full, for instance."""


class Limits(Noun, frozen=True, kw_only=True):
    """What a build may take."""

    time_s: float
    memory_bytes: float


def free_limits() -> Limits:
    """The limits that suit this machine now."""
    return Limits(time_s=TIME_LIMIT_S, memory_bytes=MEMORY_SHARE * psutil.virtual_memory().available)


def build(request: Request, limits: Limits) -> Variant:
    """The variant, built in a child process and kept in the folder of variants.

    Errors: CannotMeasure in one line when the pass raises, crashes, takes too long or too much memory,
    ResourceError when the machine refuses.
    """
    variants = Path(request.variants)
    with atomic.refusing(variants), tempfile.TemporaryDirectory(dir=variants, prefix=SCRATCH) as temporary:
        folder = Path(temporary)
        nouns.write(folder / "request.json", request)
        status = _run(request, folder, limits)
        reply = _reply(folder)
    if status != 0 or reply is None:
        raise CannotMeasure(f"{request.pass_name} ended {_ending(status)}")
    if reply.refused is not None:
        raise ResourceError(reply.refused)
    if reply.variant is None:
        raise CannotMeasure(reply.reason or f"{request.pass_name} answered nothing")
    return reply.variant


def _run(request: Request, folder: Path, limits: Limits) -> int:
    """The exit status of the child, which is gone when this returns, however it returns."""
    command = [sys.executable, "-m", "tradewind.lab.optimization.child", str(folder)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with (folder / "log.txt").open("wb") as log:
        # The child ends itself when this pipe closes, so that it does not outlive a killed run.
        process = subprocess.Popen(
            command, env=environment, cwd=folder, stdin=subprocess.PIPE, stdout=log, stderr=log
        )
    try:
        return _watch(request, process, limits)
    finally:
        process.kill()
        process.wait()
        if process.stdin is not None:
            process.stdin.close()


def _watch(request: Request, process: subprocess.Popen[bytes], limits: Limits) -> int:
    begun = time.monotonic()
    polls = 0
    while True:
        try:
            return process.wait(POLL_S)
        except subprocess.TimeoutExpired:
            polls += 1
        if time.monotonic() - begun > limits.time_s:
            raise CannotMeasure(
                f"{request.pass_name} was stopped: it took over {units.show(limits.time_s, 'time')}"
            )
        if polls % POLLS_PER_LOOK == 0 and _resident_bytes(process.pid) > limits.memory_bytes:
            raise CannotMeasure(
                f"{request.pass_name} was stopped: it took over {units.show(limits.memory_bytes, 'bytes')} "
                "of memory, nearly all that was free; build on a machine with more"
            )


def _resident_bytes(pid: int) -> float:
    """Of the process and its children; a process that has just ended takes nothing."""
    total = 0.0
    try:
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            total += one.memory_info().rss
    except psutil.NoSuchProcess:
        pass
    return total


def _reply(folder: Path) -> Reply | None:
    try:
        return nouns.read(folder / "reply.json", Reply)
    except (CodecError, InputError):
        return None


def _ending(status: int) -> str:
    if status < 0:
        name = signal.Signals(-status).name
        killed = " (the system may have run out of memory)" if name == "SIGKILL" else ""
        return f"by {name}: it crashed{killed}"
    return f"with exit status {status} and without an answer"
