"""What the name and the data sheet of a machine type say, in the project's words."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["architecture", "family_of", "instruction_sets", "shares_cpu"]

_ISA_WORDS: Final = {
    "avx2": "avx2",
    "avx512f": "avx512",
    "avx512_vnni": "avx512_vnni",
    "avx512_bf16": "avx512_bf16",
    "amx_bf16": "amx_bf16",
    "amx_int8": "amx_int8",
    "asimddp": "neon",  # the dot-product extension of Advanced SIMD, which is NEON
    "asimd": "neon",
    "neon": "neon",
    "sve": "sve",
    "i8mm": "i8mm",
}
"""The kernel's flag -> the word of `Host.isa`; flags without such a word say nothing that is used here."""

_ARCHITECTURES: Final = {"X86_64": "x86_64", "ARM64": "arm64"}


def instruction_sets(flags: str) -> tuple[str, ...] | None:
    """The flags in the words of `Host.isa`, sorted; None when there are none, which is unknown, not "no".

    >>> instruction_sets("avx2 avx512f avx512_vnni avx_vnni")
    ('avx2', 'avx512', 'avx512_vnni')
    >>> instruction_sets("") is None
    True
    """
    words = {_ISA_WORDS[flag] for flag in flags.split() if flag in _ISA_WORDS}
    return tuple(sorted(words)) if words else None


def architecture(stated: str, vendor: str, model: str) -> str | None:
    """The words x86_64 or arm64; None for anything else, and for x86_64 without a vendor or a model.

    The specifications fill in X86_64 where they know nothing of the processor: they say it of GCP's C4A,
    which is an Arm machine. So without a vendor or a model it is no fact.

    >>> architecture("ARM64", "", "Neoverse-N1"), architecture("X86_64", "", "")
    ('arm64', None)
    """
    known = _ARCHITECTURES.get(stated)
    if known == "x86_64" and not vendor and not model:
        return None
    return known


_SHARED: Final = {
    "aws": re.compile(r"t(1|2|3|3a|4g)\..*"),
    "azure": re.compile(r"Standard_B\d.*|Basic_A.*"),
    "gcp": re.compile(r"e2-(micro|small|medium)|f1-micro|g1-small"),
}
"""Families that the clouds themselves call burstable or shared-core."""


def shares_cpu(cloud: str, instance_type: str, allocation: str) -> bool:
    """Whether the machine cannot be relied on for a sustained load.

    >>> shares_cpu("aws", "t3.large", ""), shares_cpu("gcp", "e2-standard-4", "DEDICATED")
    (True, False)
    """
    if allocation in ("SHARED", "BURSTABLE"):
        return True
    pattern = _SHARED.get(cloud)
    return pattern is not None and pattern.fullmatch(instance_type) is not None


_AZURE_SIZE = re.compile(r"^((?:Standard_|Basic_)?[A-Z]+)(\d+)(-\d+)?")
_GCP_SIZE = re.compile(r"-\d+[a-z]?(?=-|$)")


def family_of(cloud: str, instance_type: str) -> str:
    """The name without its size: types of one family differ only in how much they have of everything.

    >>> family_of("aws", "c7g.2xlarge"), family_of("azure", "Standard_D16as_v5")
    ('c7g', 'Standard_Das_v5')
    >>> family_of("gcp", "n2-highmem-8"), family_of("gcp", "a2-highgpu-1g"), family_of("gcp", "c3-standard-4-lssd")
    ('n2-highmem', 'a2-highgpu', 'c3-standard-lssd')
    """
    if cloud == "aws":
        return instance_type.partition(".")[0]
    if cloud == "azure":
        # A constrained size, such as E4-2s, has fewer vCPUs at the same price: a family of its own.
        return _AZURE_SIZE.sub(lambda size: size.group(1) + (size.group(3) or ""), instance_type)
    return _GCP_SIZE.sub("", instance_type, count=1)
