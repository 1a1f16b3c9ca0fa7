"""Which processor a name or an instruction set means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tradewind.decide.prediction.processors import PROCESSORS, drawn_bytes_per_s, identify

if TYPE_CHECKING:
    from tradewind.decide.prediction.processors import Processor


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


@pytest.mark.parametrize("processor", PROCESSORS, ids=lambda one: one.name)
def test_more_cores_draw_more_but_each_less(processor: Processor) -> None:
    cores = np.arange(1.0, 97.0)
    drawn = drawn_bytes_per_s(processor, cores)
    assert np.all(np.diff(drawn) >= 0.0)
    assert np.all(drawn <= cores * 30e9)
    assert drawn[0] == pytest.approx(drawn_bytes_per_s(processor, 1.0))
    assert drawn_bytes_per_s(processor, 96.0, 0.5 * processor.memory_mt_per_s) < drawn[-1]


@pytest.mark.parametrize(
    ("model", "cores", "gb_per_s"),
    # One stream of llama-7B (4.08 GB) on AWS instances, SpareCores/sc-inspector-data 2025: GB read per second.
    [
        ("7R13", 2, 26.0), ("7R13", 8, 39.0), ("7R13", 24, 67.0),
        ("9R14", 2, 31.0), ("9R14", 8, 37.0), ("9R14", 32, 127.0), ("9R14", 96, 205.0),
        ("9R45", 1, 29.0), ("9R45", 8, 52.0), ("9R45", 32, 178.0), ("9R45", 96, 300.0),
    ],
)  # fmt: skip
def test_cores_share_the_way_of_their_die_to_memory(model: str, cores: int, gb_per_s: float) -> None:
    processor, _ = identify(vendor="AMD", architecture=None, model=model, isa=None)
    assert float(drawn_bytes_per_s(processor, cores)) / 1e9 == pytest.approx(gb_per_s, rel=0.15)
