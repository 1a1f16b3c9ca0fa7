from __future__ import annotations

import pytest

from tradewind.decide.catalog.machines import architecture, family_of, instruction_sets, shares_cpu

HOST_WORDS = {
    "avx2",
    "avx512",
    "avx512_vnni",
    "avx512_bf16",
    "amx_bf16",
    "amx_int8",
    "neon",
    "sve",
    "i8mm",
}


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("avx2", ("avx2",)),
        ("avx2 avx512f avx512_vnni", ("avx2", "avx512", "avx512_vnni")),
        (
            "avx2 avx512f avx512_vnni avx512_bf16 avx512_fp16 amx_tile amx_int8 amx_bf16 avx_vnni",
            ("amx_bf16", "amx_int8", "avx2", "avx512", "avx512_bf16", "avx512_vnni"),
        ),
        ("asimddp", ("neon",)),
        ("asimddp sve sve2 i8mm bf16", ("i8mm", "neon", "sve")),
    ],
)
def test_instruction_sets_in_the_words_of_the_host(flags: str, words: tuple[str, ...]) -> None:
    assert instruction_sets(flags) == words
    assert set(words) <= HOST_WORDS


def test_no_listed_instruction_set_is_unknown_not_none() -> None:
    assert instruction_sets("") is None
    assert instruction_sets("sse2") is None


def test_x86_without_a_processor_is_only_a_default() -> None:
    assert architecture("X86_64", "", "") is None
    assert architecture("X86_64", "Intel", "") == "x86_64"
    assert architecture("X86_64", "", "8481C") == "x86_64"
    assert architecture("ARM64", "", "") == "arm64"
    assert architecture("I386", "Intel", "E5") is None


@pytest.mark.parametrize(
    ("cloud", "instance_type", "allocation", "shared"),
    [
        ("aws", "t3.large", "", True),
        ("aws", "t4g.small", "BURSTABLE", True),
        ("aws", "trn1.2xlarge", "DEDICATED", False),
        ("azure", "Standard_B2s", "", True),
        ("azure", "Standard_D2s_v5", "", False),
        ("gcp", "e2-micro", "", True),
        ("gcp", "e2-standard-2", "DEDICATED", False),
        ("gcp", "anything", "SHARED", True),
    ],
)
def test_shared_processors(cloud: str, instance_type: str, allocation: str, shared: bool) -> None:
    assert shares_cpu(cloud, instance_type, allocation) is shared


@pytest.mark.parametrize(
    ("cloud", "types", "family"),
    [
        ("aws", ["m7i.large", "m7i.48xlarge", "m7i.metal-24xl"], "m7i"),
        ("azure", ["Standard_D4as_v5", "Standard_D32as_v5"], "Standard_Das_v5"),
        ("azure", ["Standard_E4-2s_v5"], "Standard_E-2s_v5"),
        ("gcp", ["n2-standard-4", "n2-standard-32"], "n2-standard"),
        ("gcp", ["a3-highgpu-1g", "a3-highgpu-8g"], "a3-highgpu"),
    ],
)
def test_families_differ_only_in_size(cloud: str, types: list[str], family: str) -> None:
    assert {family_of(cloud, name) for name in types} == {family}


def test_other_processors_memory_or_disks_are_other_families() -> None:
    names = ["Standard_D4s_v5", "Standard_D4as_v5", "Standard_D4ds_v5", "Standard_D4s_v6", "Standard_E4s_v5"]
    assert len({family_of("azure", name) for name in names}) == len(names)
    assert family_of("gcp", "n2-highmem-4") != family_of("gcp", "n2-standard-4")
