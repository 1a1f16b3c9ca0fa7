"""The probe: what machine is this, and how fast is it really?"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Final

from tradewind.domain.errors import CannotMeasure
from tradewind.domain.host import Host
from tradewind.lab.profiling.processes import child_command, child_path

__all__ = ["ISA_FLAGS", "available_cores", "available_memory_bytes", "cache_bytes", "isa_words", "probe"]

ISA_FLAGS: Final = {
    "avx2": "avx2",
    "avx512f": "avx512",
    "avx512_vnni": "avx512_vnni",
    "avx512_bf16": "avx512_bf16",
    "amx_bf16": "amx_bf16",
    "amx_int8": "amx_int8",
    "asimd": "neon",
    "sve": "sve",
    "i8mm": "i8mm",
}
"""Linux's names of the instruction sets that decide the speed of networks, and ours."""

SPEED_TIMEOUT_S: Final = 60.0
ONE_THREAD: Final = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
"""The number of BLAS threads can only be set before NumPy is imported, so a child process measures."""


def probe() -> Host:
    """The machine at hand: what it says about itself within the limits of its container, and measured speeds.

    Takes about two seconds. Errors: CannotMeasure when the measuring child process fails.
    """
    root = Path("/")
    cpuinfo = _read(root / "proc/cpuinfo")
    logical = available_cores(root)
    physical = max(1, min(_physical_cores(root, cpuinfo, os.sched_getaffinity(0)), logical))
    gemm, bandwidth = _speeds(physical)
    return Host(
        cpu_model=_cpu_model(cpuinfo),
        cpu_vendor=_cpu_vendor(cpuinfo),
        cpu_architecture=_architecture(),
        physical_cores=physical,
        logical_cores=logical,
        ghz=_ghz(root, cpuinfo),
        isa=isa_words(cpuinfo),
        memory_bytes=available_memory_bytes(root),
        memory_bandwidth_bytes_per_s=bandwidth,
        gemm_flops_per_s_per_core=gemm,
        accelerators=_accelerators(root),
        cache_bytes=cache_bytes(root, os.sched_getaffinity(0)),
        operating_system=f"{platform.system()} {platform.release()}",
    )


def isa_words(cpuinfo: str) -> tuple[str, ...]:
    """Our words for the instruction sets in the text of /proc/cpuinfo, sorted.

    >>> isa_words("flags : fpu avx2 avx512f avx512_vnni")
    ('avx2', 'avx512', 'avx512_vnni')
    """
    flags = set(_field(cpuinfo, "flags", "Features").split())
    return tuple(sorted(word for flag, word in ISA_FLAGS.items() if flag in flags))


def available_cores(root: Path) -> int:
    """Logical cores that this process may use: its affinity, and the quota of its container."""
    cores = len(os.sched_getaffinity(0))
    for folder in _cgroups(root, "cpu"):
        quota = _read(folder / "cpu.max").split()
        if len(quota) == 2 and quota[0].isdigit():
            cores = min(cores, _whole_cores(int(quota[0]), int(quota[1])))
        old_quota, old_period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
        if old_quota.strip().isdigit() and old_period.strip().isdigit():
            cores = min(cores, _whole_cores(int(old_quota), int(old_period)))
    return max(1, cores)


def available_memory_bytes(root: Path) -> int:
    """Memory that this process may use: the machine's, or the limit of its container."""
    found = re.search(r"MemTotal:\s+(\d+) kB", _read(root / "proc/meminfo"))
    memory = int(found[1]) * 1024 if found else os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for folder in _cgroups(root, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            limit = _read(folder / name).strip()
            if limit.isdigit():
                memory = min(memory, int(limit))
    return memory


def cache_bytes(root: Path, usable: set[int]) -> int | None:
    """Bytes of the last level of cache that some logical cores have together; None where the system does not say."""
    found: dict[tuple[int, str], int] = {}
    for cpu in usable:
        for index in (root / f"sys/devices/system/cpu/cpu{cpu}/cache").glob("index*"):
            level, size = _read(index / "level").strip(), _read(index / "size").strip()
            shared = _read(index / "shared_cpu_list").strip()
            if level.isdigit() and (amount := re.fullmatch(r"(\d+)([KM])", size)):
                found[int(level), shared] = int(amount[1]) * {"K": 2**10, "M": 2**20}[amount[2]]
    last = max((level for level, _ in found), default=0)
    # The first level is the core's own, and says nothing about what is shared.
    return sum(size for (level, _), size in found.items() if level == last) if last > 1 else None


def _whole_cores(quota: int, period: int) -> int:
    return max(1, quota // period)


def _cgroups(root: Path, controller: str) -> list[Path]:
    """The control groups of this process and their parents, for version 2 and version 1."""
    base = root / "sys/fs/cgroup"
    found = []
    for line in _read(root / "proc/self/cgroup").splitlines():
        parts = line.split(":", 2)
        if len(parts) != 3 or (parts[1] and controller not in parts[1].split(",")):
            continue
        top = base / parts[1] if parts[1] else base
        if not top.is_dir():
            top = base / controller
        inner = Path(parts[2].lstrip("/"))
        found += [top / inner, *(top / parent for parent in inner.parents)]
    return found or [base]


def _physical_cores(root: Path, cpuinfo: str, usable: set[int]) -> int:
    """Distinct cores among the usable logical ones; hyperthreads of a core count once."""
    groups = set()
    for cpu in usable:
        siblings = _read(root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").strip()
        groups.add(siblings or f"alone {cpu}")
    if any(not group.startswith("alone") for group in groups):
        return len(groups)
    pairs = set(re.findall(r"physical id\s*: (\d+)[\s\S]*?core id\s*: (\d+)", cpuinfo))
    return len(pairs) or len(usable)


def _cpu_model(cpuinfo: str) -> str:
    return _field(cpuinfo, "model name", "Model") or platform.processor() or platform.machine()


ARM_VENDORS: Final = {"0x41": "ARM", "0x48": "HiSilicon", "0x4e": "NVIDIA", "0x61": "Apple", "0xc0": "Ampere"}
"""The implementer codes of the Arm architecture's main ID register."""


def _cpu_vendor(cpuinfo: str) -> str:
    vendor = _field(cpuinfo, "vendor_id")
    known = {"AuthenticAMD": "AMD", "GenuineIntel": "Intel"}
    if vendor:
        return known.get(vendor, vendor)
    implementer = _field(cpuinfo, "CPU implementer")
    return ARM_VENDORS.get(implementer, implementer or "unknown")


def _architecture() -> str:
    machine = platform.machine().lower()
    return {"amd64": "x86_64", "aarch64": "arm64"}.get(machine, machine)


def _ghz(root: Path, cpuinfo: str) -> float | None:
    """The highest clock that the system knows of, else the present one; None where neither is told."""
    highest = _read(root / "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq").strip()
    if highest.isdigit():
        return int(highest) / 1e6
    megahertz = [float(value) for value in re.findall(r"cpu MHz\s*: ([\d.]+)", cpuinfo)]
    return round(max(megahertz) / 1e3, 3) if megahertz else None


def _accelerators(root: Path) -> tuple[str, ...]:
    """The models of NVIDIA's GPUs, as their driver lists them."""
    folder = root / "proc/driver/nvidia/gpus"
    models = [_field(_read(path), "Model") for path in sorted(folder.glob("*/information"))]
    return tuple(model for model in models if model)


def _field(text: str, *names: str) -> str:
    """The value of the first line "name : value"."""
    for name in names:
        found = re.search(rf"^{re.escape(name)}\s*:[ \t]*(.*)$", text, re.MULTILINE)
        if found:
            return found[1].strip()
    return ""


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _speeds(cores: int) -> tuple[float, float]:
    """Measured FLOP/s of one core and bytes/s of all cores."""
    try:
        done = subprocess.run(
            child_command("tradewind.lab.profiling.speed", str(cores)),
            env=os.environ | child_path() | ONE_THREAD,
            capture_output=True,
            text=True,
            timeout=SPEED_TIMEOUT_S,
            check=True,
        )
        found = json.loads(done.stdout.splitlines()[-1])
        return float(found["gemm_flops_per_s"]), float(found["copy_bytes_per_s"])
    except subprocess.CalledProcessError as cause:
        last = (cause.stderr.strip().splitlines() or ["no message"])[-1]
        raise CannotMeasure(f"the speed of this machine cannot be measured: {last}") from cause
    except (subprocess.TimeoutExpired, IndexError, KeyError, ValueError) as cause:
        raise CannotMeasure(f"the speed of this machine cannot be measured: {cause}") from cause
