from __future__ import annotations

import os

import pytest

from tradewind.lab.profiling import probe
from tradewind.lab.profiling.host import (
    ISA_FLAGS,
    _cpu_model,
    _cpu_vendor,
    _ghz,
    _physical_cores,
    available_cores,
    available_memory_bytes,
    isa_words,
)
from tradewind.lab.profiling.speed import copy_bytes_per_s, gemm_flops_per_s

XEON = """processor : 0
vendor_id\t: GenuineIntel
model name\t: Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz
cpu MHz\t\t: 2699.998
physical id\t: 0
core id\t\t: 0
flags\t\t: fpu sse avx2 avx512f avx512_vnni avx512_bf16 amx_bf16 amx_tile amx_int8

processor : 1
vendor_id\t: GenuineIntel
model name\t: Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz
cpu MHz\t\t: 3100.0
physical id\t: 0
core id\t\t: 0
flags\t\t: fpu sse avx2 avx512f avx512_vnni avx512_bf16 amx_bf16 amx_tile amx_int8
"""
GRAVITON = """processor\t: 0
BogoMIPS\t: 2100.00
Features\t: fp asimd evtstrm aes sve i8mm bf16
CPU implementer\t: 0x41
"""


def write(root, **files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_instruction_sets_are_read_on_both_architectures():
    assert isa_words(XEON) == ("amx_bf16", "amx_int8", "avx2", "avx512", "avx512_bf16", "avx512_vnni")
    assert isa_words(GRAVITON) == ("i8mm", "neon", "sve")
    assert isa_words("") == ()


def test_the_names_of_the_processor():
    assert _cpu_model(XEON) == "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz"
    assert (_cpu_vendor(XEON), _cpu_vendor(GRAVITON), _cpu_vendor("")) == ("Intel", "ARM", "unknown")


def test_hyperthreads_of_a_core_count_once(tmp_path):
    siblings = "sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
    write(tmp_path, **{siblings.format(0): "0-1\n", siblings.format(1): "0-1\n", siblings.format(2): "2\n"})
    assert _physical_cores(tmp_path, XEON, {0, 1, 2}) == 2
    assert _physical_cores(tmp_path, XEON, {2}) == 1


def test_without_a_topology_the_processor_list_tells(tmp_path):
    assert _physical_cores(tmp_path, XEON, {0, 1}) == 1
    assert _physical_cores(tmp_path, GRAVITON, {0, 1, 2, 3}) == 4


def test_the_highest_clock_is_told_where_it_is_known(tmp_path):
    assert _ghz(tmp_path, XEON) == pytest.approx(3.1)
    assert _ghz(tmp_path, GRAVITON) is None
    write(tmp_path, **{"sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "3500000\n"})
    assert _ghz(tmp_path, XEON) == pytest.approx(3.5)


@pytest.mark.parametrize(
    ("files", "cores", "memory"),
    [
        ({}, None, 8 * 2**20),
        (
            {
                "proc/self/cgroup": "0::/job/inner\n",
                "sys/fs/cgroup/job/cpu.max": "100000 100000\n",
                "sys/fs/cgroup/job/inner/cpu.max": "max 100000\n",
                "sys/fs/cgroup/job/inner/memory.max": "4194304\n",
            },
            1,
            4 * 2**20,
        ),
        (
            {
                "proc/self/cgroup": "3:cpu,cpuacct:/job\n2:memory:/job\n",
                "sys/fs/cgroup/cpu/job/cpu.cfs_quota_us": "150000\n",
                "sys/fs/cgroup/cpu/job/cpu.cfs_period_us": "100000\n",
                "sys/fs/cgroup/memory/job/memory.limit_in_bytes": "2097152\n",
            },
            1,
            2 * 2**20,
        ),
        (
            {
                "proc/self/cgroup": "0::/\n",
                "sys/fs/cgroup/cpu.max": "50000 100000\n",
                "sys/fs/cgroup/memory.max": "max\n",
            },
            1,
            8 * 2**20,
        ),
    ],
)
def test_the_limits_of_a_container_hold(tmp_path, files, cores, memory):
    write(tmp_path, **{"proc/meminfo": "MemTotal:        8192 kB\nMemFree: 1 kB\n"}, **files)
    assert available_cores(tmp_path) == (cores or len(os.sched_getaffinity(0)))
    assert available_memory_bytes(tmp_path) == memory


def test_speeds_are_measured():
    assert gemm_flops_per_s() > 1e8
    assert copy_bytes_per_s(2) > 1e8


def test_the_probe_describes_this_machine():
    host = probe()
    assert 1 <= host.physical_cores <= host.logical_cores <= (os.cpu_count() or 1)
    assert host.cpu_architecture in ("x86_64", "arm64")
    assert set(host.isa) <= set(ISA_FLAGS.values())
    assert host.memory_bytes > 2**28
    assert host.memory_bandwidth_bytes_per_s > 1e8
    assert host.gemm_flops_per_s_per_core > 1e8
    assert host.cpu_model
