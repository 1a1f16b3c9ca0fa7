"""What one core of a machine can do: of an Offer by what its vendor lists, of a Host by what was measured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tradewind.decide.prediction.processors import Certainty, Processor, identify
from tradewind.domain.offer import Offer

if TYPE_CHECKING:
    from tradewind.domain.estimate import Calibration
    from tradewind.domain.host import Host
    from tradewind.domain.noun import Precision

__all__ = ["Gain", "Machine", "machine_of", "precision_gain"]


@dataclass(frozen=True)
class Machine:
    """One core of a machine with all its cores busy, and how sure that is."""

    processor: Processor
    certainty: Certainty
    cores: int
    """Physical cores that replicas can use."""
    fp32_flops_per_s: float
    scalar_speed: float
    """Of code without wide vectors; one core of Zen 3 at 1 GHz = 1."""
    bandwidth_bytes_per_s: float
    """Of one core when all draw."""
    isa: tuple[str, ...] | None
    deviation: float
    """Standard deviation of the logarithm of its speed, from what is not known about it."""
    doubts: tuple[str, ...]
    """What is not known about it, in words."""


@dataclass(frozen=True)
class Gain:
    """How much faster a precision computes than fp32 on the same core."""

    ratio: float
    deviation: float
    """Standard deviation of its logarithm; 0 for fp32."""
    instructions: str
    """What it rests on, such as "AVX512-VNNI"."""


def machine_of(machine: Offer | Host, calibration: Calibration) -> Machine:
    """What one core of an offer, or of the host at hand, can do."""
    return _of_offer(machine, calibration) if isinstance(machine, Offer) else _of_host(machine, calibration)


def _of_host(host: Host, calibration: Calibration) -> Machine:
    processor, certainty = identify(
        vendor=host.cpu_vendor, architecture=host.cpu_architecture, model=host.cpu_model, isa=host.isa
    )
    flops = max(host.gemm_flops_per_s_per_core, 1e9)
    # The clock that the measured matrix product implies: the listed one may be a base or a turbo clock.
    clock_ghz = flops / (calibration["gemm_efficiency_ratio"].value * _flops_per_ghz(processor, calibration))
    clock_ghz = min(max(clock_ghz, 0.5 * processor.clock_ghz), 1.4 * processor.clock_ghz)
    return Machine(
        processor=processor,
        certainty=certainty,
        cores=max(1, host.physical_cores),
        fp32_flops_per_s=flops,
        scalar_speed=clock_ghz * processor.scalar_per_clock,
        bandwidth_bytes_per_s=max(host.memory_bandwidth_bytes_per_s, 1e8) / max(1, host.physical_cores),
        isa=host.isa,
        deviation=0.0,
        doubts=(),
    )


def _of_offer(offer: Offer, calibration: Calibration) -> Machine:
    processor, certainty = identify(
        vendor=offer.cpu_vendor, architecture=offer.cpu_architecture, model=offer.cpu_model, isa=offer.isa
    )
    doubts, variances = [], []

    def doubt(constant: str, words: str) -> None:
        variances.append(calibration[constant].standard_error ** 2)
        if words:
            doubts.append(words)

    if certainty == "guess":
        doubt("unknown_processor_ratio", f"no source names the processor: taken for {processor.name}")
    elif certainty == "instructions":
        doubt("guessed_processor_ratio", f"known by its instruction set only: taken for {processor.name}")
    clock_ghz = processor.clock_ghz
    if offer.cpu_ghz is None:
        doubt("clock_unlisted_ratio", "")
    else:
        doubt("clock_listed_ratio", "")
        deviation = min(max(offer.cpu_ghz / clock_ghz, 0.7), 1.4)
        clock_ghz *= deviation ** calibration["clock_trust_ratio"].value
    cores = _cores(offer, processor)
    if offer.physical_cores is None:
        doubt("guessed_cores_ratio", f"cores not listed: {cores} assumed for {offer.vcpus} vCPUs")
    share = 1.0
    if _is_one_hyperthread(offer, processor):
        share = calibration["hyperthread_ratio"].value
        doubt("hyperthread_ratio", "its one vCPU is a hyperthread whose sibling others use")
    flops = clock_ghz * _flops_per_ghz(processor, calibration) * calibration["gemm_efficiency_ratio"].value
    memory = (offer.memory_mt_per_s or processor.memory_mt_per_s) / processor.memory_mt_per_s
    socket = processor.socket_bandwidth_bytes_per_s * memory
    return Machine(
        processor=processor,
        certainty=certainty,
        cores=cores,
        fp32_flops_per_s=flops * share,
        scalar_speed=clock_ghz * processor.scalar_per_clock * share,
        # A core's own limit and its share of the socket add like resistances: fits 1 to 96 cores.
        bandwidth_bytes_per_s=1.0 / (1.0 / processor.core_bandwidth_bytes_per_s + cores / socket),
        isa=offer.isa,
        deviation=math.sqrt(sum(variances)),
        doubts=tuple(doubts),
    )


def _flops_per_ghz(processor: Processor, calibration: Calibration) -> float:
    width = calibration["avx512_efficiency_ratio"].value if processor.avx512 else 1.0
    return 1e9 * processor.flops_per_cycle * width


def _cores(offer: Offer, processor: Processor) -> int:
    if offer.physical_cores is not None:
        return max(1, min(offer.physical_cores, offer.vcpus))
    return max(1, offer.vcpus if processor.architecture == "arm64" else offer.vcpus // 2)


def _is_one_hyperthread(offer: Offer, processor: Processor) -> bool:
    """Whether the machine is half a core: x86 with one vCPU, where the cloud does not sell whole cores."""
    if offer.vcpus != 1 or processor.architecture == "arm64":
        return False
    if offer.cloud == "gcp":
        return not offer.instance_type.startswith("t2d-")  # sold without hyperthreading
    return offer.physical_cores is None


def precision_gain(machine: Machine, precision: Precision, calibration: Calibration) -> Gain | None:
    """How much faster than fp32 a precision computes there, or None when it would have to be emulated.

    int8 always runs; bf16 and fp16 need instructions that the machine is known to have.
    """
    if precision == "fp32":
        return Gain(1.0, 0.0, "fp32")
    isa = set(machine.isa or ())
    arm = machine.processor.architecture == "arm64"
    if precision == "int8":
        name, words = ("int8_neon", "NEON") if arm else ("int8_avx2", "AVX2")
        if "amx_int8" in isa:
            name, words = "int8_amx", "AMX"
        elif "avx512_vnni" in isa:
            name, words = "int8_vnni", "AVX512-VNNI"
        elif "i8mm" in isa:
            name, words = "int8_i8mm", "I8MM"
    elif precision == "bf16" and "amx_bf16" in isa:
        name, words = "bf16_amx", "AMX"
    elif precision == "bf16" and "avx512_bf16" in isa:
        name, words = "bf16_avx512", "AVX512-BF16"
    elif precision == "bf16" and arm and "i8mm" in isa:
        name, words = "bf16_arm", "BF16 of Armv8.6"
    else:
        return None
    constant = calibration[f"{name}_gain_ratio"]
    return Gain(constant.value, constant.standard_error, words)
