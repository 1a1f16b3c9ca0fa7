"""Which processor a name or an instruction set means."""

from __future__ import annotations

import pytest

from tradewind.decide.prediction.processors import PROCESSORS, identify


@pytest.mark.parametrize(
    ("vendor", "model", "name"),
    [
        ("AMD", "7571", "AMD Zen 1"),
        ("AMD", "7R32", "AMD Zen 2"),
        ("AMD", "7B12", "AMD Zen 2"),
        ("AMD", "7763", "AMD Zen 3"),
        ("AuthenticAMD", "AMD EPYC 7V73X 64-Core Processor", "AMD Zen 3"),
        ("AMD", "9V74", "AMD Zen 4"),
        ("AMD", "9R45", "AMD Zen 5"),
        ("Intel", "E5-2686 v4", "Intel Haswell/Broadwell"),
        ("Intel", "E5-2670 v2", "Intel Ivy Bridge"),
        ("GenuineIntel", "Intel(R) Xeon(R) Platinum 8175M CPU @ 2.50GHz", "Intel Skylake"),
        ("Intel", "8259CL", "Intel Cascade Lake"),
        ("Intel", "8370C", "Intel Ice Lake"),
        ("Intel", "8481C", "Intel Sapphire Rapids"),
        ("Intel", "6455B", "Intel Sapphire Rapids"),
        ("Intel", "8573C", "Intel Emerald Rapids"),
        ("Intel", "6975P-C", "Intel Granite Rapids"),
        ("AWS", "Neoverse-V1", "Arm Neoverse-V1"),
        ("Microsoft", "Neoverse-N2", "Arm Neoverse-N2"),
        (None, "Neoverse-N1", "Arm Neoverse-N1"),
    ],
)
def test_models_as_clouds_write_them(vendor: str | None, model: str, name: str) -> None:
    processor, certainty = identify(vendor=vendor, architecture=None, model=model, isa=None)
    assert (processor.name, certainty) == (name, "model")


@pytest.mark.parametrize(
    ("vendor", "isa", "name"),
    [
        ("Intel", ("avx2", "avx512", "avx512_vnni"), "Intel Cascade Lake"),
        ("Intel", ("amx_bf16", "amx_int8", "avx2", "avx512", "avx512_vnni"), "Intel Sapphire Rapids"),
        ("AMD", ("avx2",), "AMD Zen 3"),
        (None, ("avx2", "avx512"), "Intel Skylake"),
    ],
)
def test_without_a_model_the_oldest_with_the_instructions(
    vendor: str | None, isa: tuple[str, ...], name: str
) -> None:
    processor, certainty = identify(vendor=vendor, architecture="x86_64", model=None, isa=isa)
    assert (processor.name, certainty) == (name, "instructions")


def test_nothing_known_is_a_guess_that_promises_little() -> None:
    processor, certainty = identify(vendor=None, architecture=None, model=None, isa=None)
    assert certainty == "guess"
    assert processor.flops_per_cycle <= 32
    assert identify(vendor=None, architecture="arm64", model=None, isa=None)[0].vendor == "arm"


def test_names_are_unique_and_facts_are_positive() -> None:
    assert len({processor.name for processor in PROCESSORS}) == len(PROCESSORS)
    for processor in PROCESSORS:
        assert 0.0 < processor.core_bandwidth_bytes_per_s < processor.socket_bandwidth_bytes_per_s
        assert processor.flops_per_cycle in (8, 16, 32, 64)
