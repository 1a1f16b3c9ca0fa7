"""What one core of a machine can do."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tradewind.decide.prediction import default_calibration
from tradewind.decide.prediction.machine import machine_of, precision_gain

CALIBRATION = default_calibration()


def test_a_host_is_as_fast_as_was_measured(make: SimpleNamespace) -> None:
    machine = machine_of(make.host, CALIBRATION)
    assert machine.fp32_flops_per_s == make.host.gemm_flops_per_s_per_core
    assert machine.bandwidth_bytes_per_s * machine.cores == make.host.memory_bandwidth_bytes_per_s
    assert machine.deviation == 0.0


def test_wider_vectors_and_a_higher_clock_are_faster(make: SimpleNamespace) -> None:
    zen = machine_of(make.offer(), CALIBRATION)
    wide = machine_of(
        make.offer(cpu_vendor="Intel", cpu_model="8375C", isa=("avx2", "avx512", "avx512_vnni")), CALIBRATION
    )
    fast = machine_of(make.offer(cpu_ghz=4.2), CALIBRATION)
    assert wide.fp32_flops_per_s > zen.fp32_flops_per_s
    assert fast.scalar_speed > zen.scalar_speed


@pytest.mark.parametrize("missing", ["cpu_model", "cpu_ghz", "physical_cores"])
def test_what_is_not_listed_widens_the_interval(make: SimpleNamespace, missing: str) -> None:
    known = machine_of(make.offer(), CALIBRATION)
    unknown = machine_of(make.offer(**{missing: None}), CALIBRATION)
    assert unknown.deviation > known.deviation


def test_nothing_listed_is_said_in_words(make: SimpleNamespace) -> None:
    machine = machine_of(
        make.offer(cpu_model=None, cpu_vendor=None, isa=None, cpu_ghz=None, physical_cores=None), CALIBRATION
    )
    assert machine.deviation > 0.35
    assert any("no source names the processor" in doubt for doubt in machine.doubts)
    assert any("cores not listed" in doubt for doubt in machine.doubts)


@pytest.mark.parametrize(
    ("fields", "cores"),
    [
        ({"vcpus": 8, "physical_cores": 4}, 4),
        ({"vcpus": 8, "physical_cores": None}, 4),
        ({"vcpus": 8, "physical_cores": None, "cpu_architecture": "arm64", "cpu_model": "Neoverse-V1"}, 8),
        ({"vcpus": 1, "physical_cores": None}, 1),
        ({"vcpus": 2, "physical_cores": 4}, 2),
    ],
)
def test_a_vcpu_of_x86_is_half_a_core(make: SimpleNamespace, fields: dict[str, object], cores: int) -> None:
    assert machine_of(make.offer(**fields), CALIBRATION).cores == cores


def test_a_lone_hyperthread_is_slower_than_a_core(make: SimpleNamespace) -> None:
    def speed(cloud: str, instance_type: str) -> float:
        offer = make.offer(cloud=cloud, instance_type=instance_type, vcpus=1, physical_cores=1)
        return machine_of(offer, CALIBRATION).fp32_flops_per_s

    whole = speed("aws", "c7a.medium")
    assert speed("gcp", "n2d-standard-1") == pytest.approx(
        whole * CALIBRATION["hyperthread_ratio"].value, rel=1e-9
    )
    assert speed("gcp", "t2d-standard-1") == whole


def test_memory_that_is_faster_or_shared_by_fewer_gives_a_core_more(make: SimpleNamespace) -> None:
    def bandwidth(**fields: object) -> float:
        return machine_of(make.offer(**fields), CALIBRATION).bandwidth_bytes_per_s

    assert bandwidth(memory_mt_per_s=4800.0) > bandwidth(memory_mt_per_s=3200.0)
    assert bandwidth(vcpus=4, physical_cores=2) > bandwidth(vcpus=64, physical_cores=32)


@pytest.mark.parametrize(
    ("precision", "isa", "words"),
    [
        ("fp32", None, "fp32"),
        ("int8", None, "AVX2"),
        ("int8", ("avx2", "avx512_vnni"), "AVX512-VNNI"),
        ("int8", ("amx_int8", "avx2", "avx512_vnni"), "AMX"),
        ("bf16", ("amx_bf16", "avx512_bf16"), "AMX"),
        ("bf16", ("avx512_bf16",), "AVX512-BF16"),
    ],
)
def test_a_precision_gains_by_the_best_instructions(
    make: SimpleNamespace, precision: str, isa: tuple[str, ...] | None, words: str
) -> None:
    gain = precision_gain(machine_of(make.offer(isa=isa), CALIBRATION), precision, CALIBRATION)
    assert gain is not None
    assert gain.instructions == words
    assert gain.ratio >= 1.0


def test_16_bit_needs_instructions_that_are_listed(make: SimpleNamespace) -> None:
    for isa in (("avx2",), None):
        machine = machine_of(make.offer(isa=isa), CALIBRATION)
        assert precision_gain(machine, "bf16", CALIBRATION) is None
        assert precision_gain(machine, "fp16", CALIBRATION) is None
