"""Host: a machine at hand, as the probe found it, and the nouns of what it measured."""

from __future__ import annotations

from typing import Literal

from tradewind.domain.noun import Noun, Rejected

__all__ = ["Gpu", "Host", "Product", "Reduction", "Stream"]


class Product(Noun, frozen=True, kw_only=True):
    """One measured product of matrices, C[rows, columns] = A[rows, inner] B[inner, columns]: the best of several."""

    precision: str
    """fp32, tf32, bf16, fp16, fp8 or int8."""
    cores: int
    """Of the processor; 0 on an accelerator."""
    rows: int
    inner: int
    columns: int
    seconds: float

    @property
    def flops_per_s(self) -> float:
        """Its rate.

        >>> Product(precision="fp32", cores=1, rows=10, inner=10, columns=10, seconds=1e-6).flops_per_s
        2000000000.0
        """
        return 2.0 * self.rows * self.inner * self.columns / self.seconds


class Stream(Noun, frozen=True, kw_only=True):
    """The measured rate of going through memory from end to end: the best of several."""

    what: Literal["read", "copy"]
    cores: int
    """That go through their parts at the same time; 0 on an accelerator."""
    bytes_in_use: int
    """By all cores together: what is small stays in their caches."""
    bytes_per_s: float
    """Of a copy, bytes read plus bytes written."""


class Reduction(Noun, frozen=True, kw_only=True):
    """One measured all-reduce inside the machine: the best of several."""

    library: Literal["gloo", "nccl"]
    """gloo: between processes, over loopback; nccl: between GPUs, over their links."""
    members: int
    bytes_each: int
    seconds: float


class Gpu(Noun, frozen=True, kw_only=True):
    """One accelerator of the machine. None or empty where it was not measured."""

    name: str
    memory_bytes: int
    products: tuple[Product, ...] = ()
    streams: tuple[Stream, ...] = ()
    kernel_latency_s: float | None = None
    """From one tiny kernel to the next in a recorded graph: what a kernel takes on the device's own clock."""
    kernel_launch_s: float | None = None
    """Of the host's time to launch one kernel from Python."""
    from_host_bytes_per_s: float | None = None
    """From pinned memory of the host."""
    to_host_bytes_per_s: float | None = None


class Host(Noun, frozen=True, kw_only=True):
    """A machine at hand. Bandwidth and speed are measured with all `physical_cores` unless the name says core.

    The quick probe fills the fields without a default; the full one fills the others too. None or empty where
    something was not measured; `unmeasured` says why.
    """

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
    cache_bytes: int | None = None
    """Of the last level, all that these cores can use together."""
    products: tuple[Product, ...] = ()
    """On one core and on all, by precision and size."""
    streams: tuple[Stream, ...] = ()
    """On one core and on all, from what fits into the caches to what does not."""
    reductions: tuple[Reduction, ...] = ()
    disk_folder: str | None = None
    """Where the disk was measured."""
    disk_write_bytes_per_s: float | None = None
    """Sequential, until the data were safe (fsync)."""
    disk_read_bytes_per_s: float | None = None
    """Sequential, after the system was asked to forget the file."""
    loopback_bytes_per_s: float | None = None
    """One TCP connection of the machine with itself: what its network stack allows."""
    loopback_round_trip_s: float | None = None
    """The median, of one byte and its answer."""
    peer: str | None = None
    """host:port of another machine, where the network to it was measured."""
    peer_bytes_per_s: float | None = None
    peer_round_trip_s: float | None = None
    gpus: tuple[Gpu, ...] = ()
    unmeasured: tuple[Rejected, ...] = ()
    """Parts of the full probe that gave nothing, each with its reason."""
    load_per_core: float | None = None
    """What others did just before a full probe: processes that ran or waited for a core, over a minute, by the cores
    there are. Far above 0, the machine is faster than was measured."""
    probe_s: float | None = None
    """How long the full probe took; None of a quick one."""
