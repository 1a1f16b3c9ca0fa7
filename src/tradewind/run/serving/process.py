"""The server as a process of its own: started, waited for, and stopped."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import Final

import msgspec

from tradewind.domain import codec, errors
from tradewind.domain.errors import ResourceError, TradewindError
from tradewind.domain.plan import Run
from tradewind.files.atomic import refusing

__all__ = ["DRAIN_TIMEOUT_S", "Told", "start", "stop"]

START_TIMEOUT_S: Final = 300.0
"""A large network may take long to load; it says when it fails, so this is for one that hangs."""
DRAIN_TIMEOUT_S: Final = 30.0
"""How long a server that is asked to end may take to answer what it has accepted."""
POLL_S: Final = 0.01
STATUS_DESCRIPTOR: Final = 3


class Told(msgspec.Struct):
    """What the server tells whoever started it, once: that it is ready, or why it is not."""

    run: str = ""
    """The Run as JSON."""
    error: str = ""
    kind: str = ""
    """The class of the error."""


def start(
    variant_folder: Path,
    *,
    model: str,
    threads: int,
    max_batch: int,
    latency_s: float,
    host: str = "127.0.0.1",
    port: int = 0,
    log: Path,
) -> Run:
    """A server of the variant in a new process, ready to answer. What it prints goes to `log`.

    It is not reached by Ctrl-C in this terminal. It drains and ends when `stop` is called, and when the
    thread that started it ends in any way, so that none is left behind.

    Errors: those of `serve`; ResourceError when it ends or hangs before it is ready.
    """
    with refusing(log):
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()
    heard, tell = os.pipe()
    try:
        pid = os.posix_spawn(
            sys.executable,
            [
                *(sys.executable, "-m", "tradewind.run.serving", str(variant_folder.absolute())),
                *("--model", model, "--threads", str(threads), "--max-batch", str(max_batch)),
                *("--latency-s", repr(latency_s), "--host", host, "--port", str(port)),
                *("--parent", str(os.getpid()), "--status", str(STATUS_DESCRIPTOR)),
            ],
            _environment(),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
                (os.POSIX_SPAWN_DUP2, tell, STATUS_DESCRIPTOR),
            ],
            setsid=True,
        )
    finally:
        os.close(tell)
    try:
        told = _hear(heard, time.monotonic() + START_TIMEOUT_S)
    except BaseException:
        _end(pid, signal.SIGKILL, 5.0)
        raise
    finally:
        os.close(heard)
    if told.run:
        return codec.decode(told.run, Run, source="the server")
    _end(pid, signal.SIGKILL, 5.0)
    if told.error:
        kind = getattr(errors, told.kind, ResourceError)
        raise kind(told.error)
    last = log.read_text(errors="replace").strip().rpartition("\n")[2]
    raise ResourceError(f"the server ended before it was ready: {last or 'it said nothing'}; see {log}")


def stop(run: Run) -> None:
    """Drains the server and waits until it has ended; nothing happens if it has ended before.

    Errors: TradewindError if it had to be killed because it did not drain in time.
    """
    if not _is_server(run.pid):
        _reap(run.pid)
        return
    if not _end(run.pid, signal.SIGTERM, DRAIN_TIMEOUT_S + 5.0):
        raise TradewindError(
            f"the server {run.id} did not drain within {DRAIN_TIMEOUT_S + 5.0:.0f} s and was killed; see its log"
        )


def _environment() -> dict[str, str]:
    """The environment, in which this very package is found first, installed or not."""
    root = str(Path(__file__).resolve().parents[3])
    before = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{before}" if before else root}


def _hear(descriptor: int, until_s: float) -> Told:
    """What the server tells; an empty one if it ends without a word. Errors: ResourceError when it hangs."""
    said = b""
    while True:
        readable, _, _ = select.select([descriptor], [], [], max(0.0, until_s - time.monotonic()))
        if not readable:
            raise ResourceError(
                f"the server was not ready after {START_TIMEOUT_S:.0f} s; is the machine overloaded? See its log"
            )
        part = os.read(descriptor, 2**16)
        if not part:
            return msgspec.json.decode(said, type=Told) if said else Told()
        said += part


def _is_server(pid: int) -> bool:
    """Whether the process is (still) a server of ours; a process id may be used again by another."""
    try:
        return b"tradewind.run.serving" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _end(pid: int, number: signal.Signals, timeout_s: float) -> bool:
    """Sends the signal and waits; kills after the time-out, and then returns False."""
    _send(pid, number)
    until_s = time.monotonic() + timeout_s
    while not _reap(pid):
        if time.monotonic() > until_s:
            _send(pid, signal.SIGKILL)
            while not _reap(pid):
                time.sleep(POLL_S)
            return False
        time.sleep(POLL_S)
    return True


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _reap(pid: int) -> bool:
    """Whether the process has ended; takes its exit status from the kernel if it is a child of this one."""
    try:
        ended, _ = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return not _is_server(pid)
    return ended == pid
