"""Host: a machine at hand, as the probe found it."""

from __future__ import annotations

from tradewind.domain.noun import Noun

__all__ = ["Host"]


class Host(Noun, frozen=True, kw_only=True):
    """A machine at hand. Bandwidth and speed are measured with all `physical_cores` unless the name says core."""

    cpu_model: str
    cpu_vendor: str
    cpu_architecture: str
    """"x86_64" or "arm64"."""
    physical_cores: int
    logical_cores: int
    ghz: float | None
    isa: tuple[str, ...]
    """Of avx2, avx512, avx512_vnni, avx512_bf16, amx_bf16, amx_int8, neon, sve, i8mm; sorted."""
    memory_bytes: int
    memory_bandwidth_bytes_per_s: float
    gemm_flops_per_s_per_core: float
    """Measured: fp32 matrix multiplication on one core, best of several runs."""
    accelerators: tuple[str, ...] = ()
    operating_system: str = ""
