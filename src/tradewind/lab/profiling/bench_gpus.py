"""A child process of the full probe: each GPU that torch sees."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Any, Final

from tradewind.domain.host import Gpu, Product, Stream
from tradewind.domain.noun import Rejected
from tradewind.lab.profiling.bench_products import products
from tradewind.lab.profiling.speed import best_s, limit, report

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["main"]

PRECISIONS: Final = ("fp32", "tf32", "bf16", "fp16", "fp8", "int8")
FIRST: Final = {"tf32": (8, 0), "bf16": (8, 0), "fp16": (5, 3), "fp8": (8, 9), "int8": (7, 5)}
"""The compute capability from which on NVIDIA's GPUs calculate in a precision."""
STREAM_BYTES: Final = (2**22, 2**26, 2**30)
EACH_S: Final = 0.1
KERNELS: Final = 200


def main(arguments: list[str]) -> None:
    """Reports every GPU. Argument: the limit in seconds."""
    limit(float(arguments[0]))
    if importlib.util.find_spec("torch") is None:
        report(unmeasured=Rejected(name="gpus", reason="torch is not installed"))
        return
    import torch

    if not torch.cuda.is_available():
        report(unmeasured=Rejected(name="gpus", reason="torch sees none"))
        return
    measured: dict[str, Gpu] = {}
    for place in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(place)
        # GPUs of the same name are the same; measuring one is enough.
        if properties.name not in measured:
            gpu, failed = _measured(place, properties)
            measured[properties.name] = gpu
            for one in failed:
                report(unmeasured=one)
        report(gpu=measured[properties.name])


def _measured(place: int, properties: Any) -> tuple[Gpu, list[Rejected]]:
    import torch

    torch.cuda.set_device(place)
    device = f"cuda:{place}"
    capability = torch.cuda.get_device_capability(place)
    # Other makers' GPUs count otherwise: there, what fails says so.
    known = [one for one in PRECISIONS if torch.version.hip or capability >= FIRST.get(one, (0, 0))]
    found = list(products(device, (0,), known, each_s=EACH_S))
    failed = [one for one in found if isinstance(one, Rejected)]

    def attempt(name: str, measure: Callable[[], Any], otherwise: Any) -> Any:
        try:
            return measure()
        except RuntimeError as cause:
            reason = str(cause).strip().splitlines() or ["failed"]
            failed.append(Rejected(name=f"{name} of {device}", reason=reason[0][:160]))
            return otherwise

    gpu = Gpu(
        name=properties.name,
        memory_bytes=properties.total_memory,
        products=tuple(one for one in found if isinstance(one, Product)),
        streams=attempt("streams", lambda: _streams(device), ()),
        kernel_latency_s=attempt("kernel latency", lambda: _kernel_s(device), None),
        kernel_launch_s=attempt("kernel launch", lambda: _launch_s(device), None),
        from_host_bytes_per_s=attempt("copy from host", lambda: _host_copy(device, to_device=True), None),
        to_host_bytes_per_s=attempt("copy to host", lambda: _host_copy(device, to_device=False), None),
    )
    return gpu, failed


def _streams(device: str) -> tuple[Stream, ...]:
    import torch

    free, _ = torch.cuda.mem_get_info()
    found = []
    for size in STREAM_BYTES:
        if size > free // 2:
            continue
        source = torch.ones(size // 8, device=device)
        target = torch.empty_like(source)
        seconds = best_s(lambda a=source, b=target: b.copy_(a), EACH_S, torch.cuda.synchronize)  # type: ignore[misc]
        found.append(Stream(what="copy", cores=0, bytes_in_use=size, bytes_per_s=size / seconds))
    return tuple(found)


def _kernel_s(device: str) -> float:
    """A recorded graph needs no host between its kernels."""
    import torch

    number = torch.zeros(1, device=device)
    number.add_(1.0)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(KERNELS):
            number.add_(1.0)
    return best_s(graph.replay, EACH_S, torch.cuda.synchronize) / KERNELS


def _launch_s(device: str) -> float:
    import torch

    number = torch.zeros(1, device=device)
    return best_s(lambda: number.add_(1.0), EACH_S, torch.cuda.synchronize)


def _host_copy(device: str, *, to_device: bool) -> float:
    import torch

    size = 2**28
    here = torch.empty(size, dtype=torch.uint8).pin_memory()
    there = torch.empty(size, dtype=torch.uint8, device=device)
    target, source = (there, here) if to_device else (here, there)
    seconds = best_s(lambda: target.copy_(source, non_blocking=True), EACH_S, torch.cuda.synchronize)
    return size / seconds


if __name__ == "__main__":
    main(sys.argv[1:])
