"""A child process of the full probe: products of matrices, of several sizes and precisions.

With torch where it is installed, which is what networks are trained with; otherwise fp32 with NumPy.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Any, Final

from tradewind.domain.host import Product
from tradewind.domain.noun import Rejected
from tradewind.lab.profiling.speed import best_s, limit, report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["SHAPES", "main", "products"]

Shape = tuple[int, int, int]
SHAPES: Final[dict[str, tuple[Shape, ...]]] = {
    "cpu": ((256, 256, 256), (512, 512, 512), (1024, 1024, 1024), (2048, 2048, 2048), (1, 4096, 8192)),
    "cuda": (
        (1024, 1024, 1024), (4096, 4096, 4096), (8192, 8192, 8192), (2048, 8192, 8192), (4096, 4096, 16384),
        (8192, 14336, 4096), (32, 8192, 8192), (32, 4096, 16384),
    ),
}  # fmt: skip
"""Rows, inner, columns. Several large ones, because one shape may be 10 % faster than the next. The last have few rows,
as a step of a language model has: they read the weights. On processors a single row: libraries first rearrange the
weights for two or more, which engines do once for all steps."""
EACH_S: Final = 0.15
"""Enough for tens of runs of the largest product on 16 cores, and for two on one."""
LONGEST_S: Final = 0.5
"""A product that would take longer by the rate of the one before is left out."""
DIFFERENT_ROWS: Final = 256
"""Random numbers are dear; matrices repeat theirs after so many rows."""


def main(arguments: list[str]) -> None:
    """Reports products. Arguments: the limit in seconds, cores, precisions."""
    seconds, cores, precisions = float(arguments[0]), int(arguments[1]), arguments[2:]
    limit(seconds)
    if importlib.util.find_spec("torch") is None:
        for product in _numpy_products(cores):
            report(product=product)
        report(unmeasured=Rejected(name="products in other precisions", reason="torch is not installed"))
        return
    for found in products("cpu", sorted({1, cores}), precisions):
        report(**{"product" if isinstance(found, Product) else "unmeasured": found})


def products(
    device: str, counts: Sequence[int], precisions: Sequence[str], *, each_s: float = EACH_S
) -> Iterator[Product | Rejected]:
    """Products on a device of torch ("cpu", "cuda:0") as they are measured; why not, where there are none.

    Each is measured on every count of the processor's cores; (0,) on an accelerator.
    """
    import torch

    on_gpu = device.startswith("cuda")
    settle: Callable[[], object] = torch.cuda.synchronize if on_gpu else lambda: None
    for precision in precisions:
        rates = dict.fromkeys(counts, 0.0)
        for rows, inner, columns in SHAPES["cuda" if on_gpu else "cpu"]:
            flops = 2.0 * rows * inner * columns
            short = [count for count in counts if flops <= LONGEST_S * rates[count] or not rates[count]]
            try:
                work = _work(device, precision, rows, inner, columns)
                for count in short:
                    if count:
                        torch.set_num_threads(count)
                    seconds = best_s(work, each_s, settle)
                    rates[count] = flops / seconds
                    yield Product(
                        precision=precision,
                        cores=count,
                        rows=rows,
                        inner=inner,
                        columns=columns,
                        seconds=seconds,
                    )
            except (RuntimeError, NotImplementedError, TypeError, AttributeError, ValueError) as cause:
                reason = str(cause).strip().splitlines() or [type(cause).__name__]
                yield Rejected(name=f"{precision} products on {device}", reason=reason[0][:160])
                break


def _work(device: str, precision: str, rows: int, inner: int, columns: int) -> Callable[[], Any]:
    """One product, ready to run. Random numbers: zeros would draw less power, and so run faster."""
    import torch

    if precision == "int8":
        a, b = (
            _random(count, inner, device).mul_(40.0).clamp_(-127.0, 127.0).char() for count in (rows, columns)
        )
        # torch multiplies whole int8 matrices under this name alone.
        return lambda: torch._int_mm(a, b.t())
    a, b = _random(rows, inner, device), _random(columns, inner, device)
    if precision == "fp8":
        a, b = a.to(torch.float8_e4m3fn), b.to(torch.float8_e4m3fn)
        one = torch.ones((), device=device)
        return lambda: torch._scaled_mm(a, b.t(), scale_a=one, scale_b=one, out_dtype=torch.bfloat16)
    # torch rounds fp32 to the 10 bits of tf32 only where it is told so.
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    kind = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision, torch.float32)
    a, b = a.to(kind), b.to(kind)
    return lambda: torch.mm(a, b.t())


def _random(rows: int, columns: int, device: str) -> Any:
    import torch

    block = torch.randn(min(rows, DIFFERENT_ROWS), columns, device=device)
    return block.repeat(-(-rows // len(block)), 1)[:rows]


def _numpy_products(cores: int) -> Iterator[Product]:
    """With as many threads as the environment gave BLAS."""
    import numpy as np

    generator = np.random.default_rng(0)
    for rows, inner, columns in SHAPES["cpu"]:
        a = generator.standard_normal((rows, inner), dtype=np.float32)
        b = generator.standard_normal((inner, columns), dtype=np.float32)
        out = np.empty((rows, columns), dtype=np.float32)
        seconds = best_s(lambda a=a, b=b, out=out: np.matmul(a, b, out=out), EACH_S)  # type: ignore[misc]
        yield Product(precision="fp32", cores=cores, rows=rows, inner=inner, columns=columns, seconds=seconds)


if __name__ == "__main__":
    main(sys.argv[1:])
