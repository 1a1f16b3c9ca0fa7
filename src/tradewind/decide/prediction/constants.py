"""The constants of the cost model before anything was observed, each with its error and its source.

`calibrate` replaces what an observation knows better. Standard errors of names that end in `_ratio` are
relative; the others are in the unit of the name.
"""

from __future__ import annotations

from typing import Final

from tradewind.domain.estimate import Calibration, Constant

__all__ = ["LEVEL", "default_calibration"]

LEVEL: Final = 0.8
"""Share of outcomes that the interval of an Estimate is meant to hold."""

_LLAMA: Final = "llama.cpp on 1024 AWS instance types (SpareCores inspector, 2025)"
_CCF: Final = "Cloud Carbon Footprint coefficients (2020-2022, Apache-2.0)"

_CONSTANTS: Final[dict[str, tuple[float, float, str]]] = {
    # The HTTP server round the network.
    "front_cpu_s_per_request": (
        40e-6,
        15e-6,
        "assumed: 10 us of bare uvloop protocol, 12-15 us with validation and metrics, tripled for"
        " queueing and waking up",
    ),
    "front_cpu_s_per_byte": (
        4e-9,
        2e-9,
        "measured 2026-11: JSON to NumPy takes 2.4 us for a request of 738 bytes",
    ),
    "wake_cpu_s": (
        150e-6,
        120e-6,
        "assumed: from rest the event loop and the engine's thread are woken and their caches are cold;"
        " 230-350 us on a busy 2-core virtual machine, measured 2026-11",
    ),
    "service_time_ratio": (
        1.0,
        0.1,
        "assumed: a call inside the server takes as long as the profile measured",
    ),
    "jitter_s": (
        0.35e-3,
        0.2e-3,
        "measured 2026-11 on a 2-core virtual machine over loopback, 0.2-0.6 ms: mean of the exponentially"
        " distributed delay that schedulers and networks add",
    ),
    "memory_ratio": (1.0, 0.1, "assumed: the server keeps as much memory as the profiled process"),
    "server_memory_bytes": (10e6, 10e6, "measured 2026-11: sockets, queues and metrics beside the network"),
    "operating_system_memory_bytes": (0.6e9, 0.2e9, "assumed: a slim Linux with a container runtime"),
    "http_overhead_bytes": (250.0, 80.0, "assumed: response headers, TCP and IP around a small JSON body"),
    # Arithmetic: how much faster than fp32 on the same core.
    "avx512_efficiency_ratio": (
        0.75,
        0.15,
        "assumed: part of the doubled width that is left after lower clocks and smaller tiles",
    ),
    "int8_avx2_gain_ratio": (1.85, 0.2, "measured 2026-11: ONNX Runtime MLPs on AMD Zen 3, batch 16-64"),
    "int8_vnni_gain_ratio": (2.7, 0.4, "assumed: between AVX2 measured at 1.85 and the peak of 4"),
    "int8_amx_gain_ratio": (
        6.0,
        0.45,
        f"between 4, small networks on Sapphire Rapids (measured 2026-11), and 10, large products; {_LLAMA}",
    ),
    "int8_neon_gain_ratio": (1.5, 0.4, f"between 1.1 and half of the peak of 4; {_LLAMA}"),
    "int8_i8mm_gain_ratio": (
        2.0,
        0.5,
        f"between 1, kernels that do not use it, and half of the peak of 8; {_LLAMA}",
    ),
    "bf16_avx512_gain_ratio": (1.5, 0.3, "assumed: between none and the peak of 2"),
    "bf16_amx_gain_ratio": (
        4.0,
        0.45,
        "measured 2026-11: 3 to 3.5 with the overhead of calls, OpenVINO MLP, MiniLM on Sapphire Rapids",
    ),
    "bf16_arm_gain_ratio": (1.6, 0.4, "assumed: between none and the peak of 4"),
    "gemm_efficiency_ratio": (0.8, 0.1, "assumed: a large matrix product against the peak of the core"),
    "cache_bytes_per_core": (2e6, 1e6, "datasheets: 1 MiB of L2 and a share of L3 of servers since 2019"),
    # What one machine is against another.
    "clock_trust_ratio": (
        0.5,
        0.5,
        f"assumed: lists mix base and turbo clocks, so half of the deviation counts; {_LLAMA}",
    ),
    "clock_listed_ratio": (1.0, 0.06, f"spread of one CPU model between instance types; {_LLAMA}"),
    "clock_unlisted_ratio": (1.0, 0.12, "spread of clocks within a generation; datasheets"),
    "same_processor_ratio": (1.0, 0.08, f"spread of tokens/s per core of one CPU model; {_LLAMA}"),
    "other_processor_ratio": (1.0, 0.15, "assumed: published CPU predictors err 10-20 % without profiling"),
    "other_vendor_ratio": (1.0, 0.12, "assumed: other vendor, other caches and kernels"),
    "other_architecture_ratio": (1.0, 0.35, f"kernels differ up to 2.3 times per clock; {_LLAMA}"),
    "unknown_processor_ratio": (
        1.0,
        0.35,
        f"spread between x86 generations that are still rented out; {_LLAMA}",
    ),
    "guessed_processor_ratio": (1.0, 0.1, "spread between the generations that share an instruction set"),
    "guessed_cores_ratio": (1.0, 0.1, "assumed: two hyperthreads a core where no source counts the cores"),
    "bandwidth_ratio": (1.0, 0.15, f"residual of the bandwidth fit; {_LLAMA}"),
    "hyperthread_ratio": (0.6, 0.25, "assumed: speed of one hyperthread whose sibling is busy"),
    "unmeasured_threads_ratio": (1.0, 0.2, "assumed: per doubling of threads beyond those measured"),
    # Operation.
    "spot_interruptions_per_hour": (
        0.01,
        0.01,
        "assumed: between 20 % a month (vendors' advisors) and 0.55 an hour (traces of GPU machines)",
    ),
    "spot_accelerator_interruptions_per_hour": (
        0.55,
        0.2,
        "traces of g4dn and p3 spot clusters (Bamboo, 2020, MIT): 241 interruptions in 409 machine-hours",
    ),
    "spot_replacement_s": (
        300.0,
        120.0,
        "assumed: a new machine boots, pulls the image and loads the network",
    ),
    "spot_availability_ratio": (0.9999, 0.0, "chosen: share of time in which enough spot machines are up"),
    "idle_w_per_vcpu": (0.6, 0.2, _CCF),
    "busy_intel_w_per_vcpu": (3.9, 1.0, _CCF),
    "busy_amd_w_per_vcpu": (2.0, 0.6, _CCF),
    "busy_arm_w_per_vcpu": (1.7, 0.6, _CCF),
    "memory_w_per_gib": (0.39, 0.1, _CCF),
    "pue_aws_ratio": (1.135, 0.05, "AWS sustainability report, quoted 2026-05"),
    "pue_azure_ratio": (1.12, 0.05, "Microsoft sustainability report, quoted 2026-05"),
    "pue_gcp_ratio": (1.10, 0.05, "Google environmental report, quoted 2026-05"),
}


def default_calibration() -> Calibration:
    """The cost model's constants before anything was observed.

    >>> default_calibration()["service_time_ratio"].value
    1.0
    """
    return Calibration(
        constants={
            name: Constant(value=value, standard_error=error, fitted_on=source)
            for name, (value, error, source) in _CONSTANTS.items()
        }
    )
