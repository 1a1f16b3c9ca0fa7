"""The full probe: everything about this machine that a prediction can use, in less than a minute.

Each part is a short child process with its own limit of time. A part that fails or takes too long gives nothing but
a line that says why; what it had reported before is kept.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tradewind.domain.host import Gpu, Host, Product, Reduction, Stream
from tradewind.domain.noun import Rejected
from tradewind.lab.profiling.host import ONE_THREAD, probe
from tradewind.lab.profiling.processes import child_command, child_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

__all__ = ["PARTS", "survey"]

PARTS: Final = ("network", "disk", "gpus", "reductions", "streams", "products")
"""The short and bounded ones first: what has no time left should be what counts least."""
TOTAL_S: Final = 55.0
"""The parts end by then together, whatever their own limits."""
LIMITS_S: Final = {
    "gpus": 25.0,
    "products": 25.0,
    "streams": 12.0,
    "reductions": 15.0,
    "disk": 10.0,
    "network": 5.0,
}
KINDS: Final[dict[str, tuple[str, type]]] = {
    "product": ("products", Product),
    "stream": ("streams", Stream),
    "reduction": ("reductions", Reduction),
    "gpu": ("gpus", Gpu),
    "unmeasured": ("unmeasured", Rejected),
}
"""What children report one by one: the field of `Host` that collects them."""


def survey(
    folder: Path,
    *,
    parts: Sequence[str] = PARTS,
    peer: tuple[str, int] | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> Host:
    """This machine with everything that can be measured of it.

    Args:
        folder: On the disk to be measured; nothing is left there.
        parts: Of PARTS, in the order of measuring.
        peer: Host and port of a machine that serves `tradewind probe`, to measure the network to it.
        tell: Called with what is about to be measured.

    Errors: CannotMeasure when not even the quick probe succeeds.
    """
    begun = time.perf_counter()
    load = os.getloadavg()[0]
    tell("processor")
    found = probe()
    collected: dict[str, list[Any]] = {field: [] for field, _ in KINDS.values()}
    numbers: dict[str, Any] = {}
    for title, part, module, arguments, environment in _children(
        found, folder, parts, peer, collected["gpus"]
    ):
        left = TOTAL_S - (time.perf_counter() - begun)
        tell(title)
        lines, reason = _run(module, arguments, environment, min(LIMITS_S[part], left))
        for line in lines:
            for name, value in line.items():
                if name in KINDS:
                    field, kind = KINDS[name]
                    collected[field].append(msgspec.convert(value, kind))
                else:
                    numbers[name] = value
        if reason:
            collected["unmeasured"].append(Rejected(name=title, reason=reason))
    if "disk_write_bytes_per_s" in numbers:
        numbers["disk_folder"] = str(folder)
    if "peer_bytes_per_s" in numbers and peer is not None:
        numbers["peer"] = f"{peer[0]}:{peer[1]}"
    gpus = collected["gpus"]
    return msgspec.structs.replace(
        found,
        accelerators=found.accelerators or tuple(gpu.name for gpu in gpus),
        **numbers,
        **{field: tuple(values) for field, values in collected.items()},
        load_per_core=load / found.physical_cores,
        probe_s=time.perf_counter() - begun,
    )


Child = tuple[str, str, str, list[str], dict[str, str]]
"""Title, part, module, arguments after the limit, environment."""


def _children(
    host: Host, folder: Path, parts: Sequence[str], peer: tuple[str, int] | None, gpus: Sequence[Gpu]
) -> Iterator[Child]:
    """The children to run, one after the other: `gpus` fills meanwhile, and says how many a later one may use."""
    cores = host.physical_cores
    precisions = _precisions(host)
    for part in parts:
        if part == "gpus":
            if host.accelerators or _driver_is_here():
                yield "GPUs", part, "bench_gpus", [], {}
        elif part == "products":
            arguments = [str(cores), *precisions]
            yield "products of matrices", part, "bench_products", arguments, _threads(cores)
        elif part == "streams":
            yield "memory bandwidth", part, "bench_streams", [str(cores), str(host.memory_bytes)], ONE_THREAD
        elif part == "reductions":
            yield "all-reduce of 2 processes", part, "bench_reductions", ["gloo", "2"], ONE_THREAD
            if len(gpus) > 1:
                members = str(len(gpus))
                title = f"all-reduce of {members} GPUs"
                yield title, part, "bench_reductions", ["nccl", members], ONE_THREAD
        elif part == "disk":
            yield f"disk of {folder}", part, "bench_disk", [str(folder)], {}
        else:
            yield "loopback", part, "bench_network", [], {}
            if peer is not None:
                title = f"network to {peer[0]}:{peer[1]}"
                yield title, part, "bench_network", [peer[0], str(peer[1])], {}


def _precisions(host: Host) -> list[str]:
    """Without instructions for it, bf16 is emulated, and slower than fp32."""
    bf16 = {"avx512_bf16", "amx_bf16"} & set(host.isa) or (
        host.cpu_architecture == "arm64" and "i8mm" in host.isa
    )
    return ["fp32", *(["bf16"] if bf16 else []), "int8"]


def _threads(count: int) -> dict[str, str]:
    # Threads that wait by spinning take the core from those they wait for, where others use the machine too.
    return {**dict.fromkeys(ONE_THREAD, str(count)), "OMP_WAIT_POLICY": "PASSIVE"}


def _driver_is_here() -> bool:
    """Whether the machine has a GPU that the driver's list of models does not name (AMD's, and inside containers)."""
    return any(os.path.exists(path) for path in ("/dev/nvidia0", "/dev/kfd"))


def _run(
    module: str, arguments: Sequence[str], environment: dict[str, str], limit_s: float
) -> tuple[list[dict[str, Any]], str]:
    """What the child reported, and why it did not finish ("" when it did)."""
    if limit_s < 1.0:
        return [], "no time was left"
    # The child ends itself a little later, also when this process is killed meanwhile.
    command = child_command(f"tradewind.lab.profiling.{module}", f"{limit_s + 1.0:.1f}", *arguments)
    child = subprocess.Popen(
        command,
        env=os.environ | child_path() | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A group of its own: its children end with it.
        start_new_session=True,
    )
    reason = ""
    try:
        output, errors = child.communicate(timeout=limit_s)
        if child.returncode:
            reason = (errors.strip().splitlines() or [f"exit status {child.returncode}"])[-1][:200]
    except subprocess.TimeoutExpired:
        _end(child)
        output, _ = child.communicate()
        reason = f"not finished within {limit_s:.0f} s"
    except BaseException:
        _end(child)
        child.wait()
        raise
    lines = []
    for line in output.splitlines():
        # A line that is no object stems from a library, or was cut off.
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            lines.append(value)
    return lines, reason


def _end(child: subprocess.Popen[str]) -> None:
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
