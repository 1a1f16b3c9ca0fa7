"""What lists call an accelerator, in the names of table accelerators."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tradewind.domain.noun import Cloud

__all__ = ["accelerator_of"]

_NAMES: Final = {
    # A name that means one accelerator, whoever rents it out.
    "a10": "A10",
    "a10g": "A10G",
    "b200": "B200",
    "b300": "B300",
    "gaudi": "Gaudi",
    "gb200": "GB200",
    "h200": "H200-SXM",
    "hl205": "Gaudi",  # Habana's name of the module
    "inferentia": "Inferentia",
    "inferentia2": "Inferentia2",
    "k520": "K520",
    "k80": "K80",
    "l4": "L4",
    "l40s": "L40S",
    "m60": "M60",
    "mi25": "MI25",
    "mi300x": "MI300X",
    "p100": "P100",
    "p4": "P4",
    "p40": "P40",
    "rtxpro4500": "RTX-PRO-4500-BSE",
    "rtxpro6000": "RTX-PRO-6000-BSE",
    "rtxproserver4500": "RTX-PRO-4500-BSE",
    "rtxproserver6000": "RTX-PRO-6000-BSE",
    "t4": "T4",
    "t4g": "T4G",
    "trainium": "Trainium",
    "trainium2": "Trainium2",
    "v520": "V520",
    "v620": "V620",
    "v710": "V710",
    # Google's words for the machines round a TPU: p stands for a slice of a pod, l for the lite chip.
    "ct3": "TPU-v3",
    "ct3p": "TPU-v3",
    "ct4p": "TPU-v4",
    "ct5l": "TPU-v5e",
    "ct5lp": "TPU-v5e",
    "ct5p": "TPU-v5p",
    "ct6e": "TPU-v6e",
    "tpu7x": "TPU-v7x",
}
"""Letters and digits of a model, in lower case and without its maker -> name in table accelerators."""

_MAKERS: Final = re.compile(r"^(nvidia|amd|habana|intel|aws|google|tesla|radeon|pro(?=v\d)|grid|instinct)+")

_AZURE_NAMES: Final = (
    # Azure's lists often leave the model out, but its sizes are called after it or after its generation.
    (re.compile(r"NCC?\d+[a-z]*_A100_v\d"), "A100-80GB-PCIe"),
    (re.compile(r"NCC?\d+[a-z]*_H100_v\d"), "H100-NVL"),
    (re.compile(r"ND\d+am[a-z]*_A100_v\d"), "A100-80GB"),
    (re.compile(r"ND\d+as[a-z]*(_A100)?_v4"), "A100-40GB"),
    (re.compile(r"ND\d+[a-z]*(_[a-zA-Z]+)?_H100_v\d"), "H100-SXM"),
    (re.compile(r"ND\d+[a-z]*_H200_v\d"), "H200-SXM"),
    (re.compile(r"ND\d+[a-z]*_MI300X_v\d"), "MI300X"),
    (re.compile(r"ND\d+[a-z]*(_NDR)?_GB200_v\d"), "GB200"),
    (re.compile(r"N[CV]\d+[a-z]*_A10_v\d"), "A10"),
    (re.compile(r"NC\d+[a-z]*_T4_v\d"), "T4"),
    (re.compile(r"NC\d+[a-z]*(_xl)?_RTXPRO6000BSE_v\d"), "RTX-PRO-6000-BSE"),
    (re.compile(r"NV\d+[a-z]*_V710_v\d"), "V710"),
    (re.compile(r"NG\d+[a-z]*_V620(_v\d)?"), "V620"),
    (re.compile(r"NC\d+r?(_Promo)?"), "K80"),
    (re.compile(r"NC\d+r?s_v2"), "P100"),
    (re.compile(r"NC\d+r?s_v3"), "V100-16GB"),
    (re.compile(r"ND\d+r?s"), "P40"),
    (re.compile(r"ND40r?s_v[23]"), "V100-32GB"),
    (re.compile(r"NV\d+(s_v2|s_v3|_Promo)?"), "M60"),
    (re.compile(r"NV\d+a[hs]+_v4"), "MI25"),
)
"""A size without `Standard_` -> its accelerator. NP sizes have programmable logic, which is none."""

_MOST_A100_40GB: Final = 60.0 * 2.0**30
_MOST_V100_16GB: Final = 24.0 * 2.0**30
"""Between the two memory sizes in which the model is sold, whatever the list takes off for itself."""


def accelerator_of(
    cloud: Cloud, instance_type: str, gpu_vendor: str, gpu_model: str, gpu_memory_bytes: float | None
) -> str | None:
    """The name in table accelerators of what a list says is in a machine; None when the table has none.

    `gpu_memory_bytes` is that of one whole accelerator; it tells the two sizes of an A100 or a V100 apart.
    Programmable logic and media cards are no accelerators here.

    >>> accelerator_of("gcp", "a2-highgpu-1g", "NVIDIA", "A100", 40 * 2.0**30)
    'A100-40GB'
    >>> accelerator_of("azure", "Standard_NC40ads_H100_v5", "NVIDIA", "H100", 95830 * 2.0**20)
    'H100-NVL'
    >>> accelerator_of("azure", "Standard_NV6ads_A10_v5", "", "", None)
    'A10'
    >>> accelerator_of("aws", "f2.6xlarge", "Xilinx", "Virtex UltraScale+ (VU47P)", None) is None
    True
    """
    if cloud == "azure":
        size = instance_type.removeprefix("Standard_")
        named = next((name for pattern, name in _AZURE_NAMES if pattern.fullmatch(size)), None)
        if named is not None:
            return named
    letters = re.sub(r"[^a-z0-9]", "", gpu_model.lower())
    if gpu_vendor.upper() != "XILINX":
        letters = _MAKERS.sub("", letters) or letters
    if letters == "h100":
        return "H100-SXM"
    if letters in ("a100", "v100"):
        return _by_memory(letters, instance_type, gpu_memory_bytes)
    return _NAMES.get(letters)


def _by_memory(letters: str, instance_type: str, memory_bytes: float | None) -> str | None:
    if letters == "v100":
        if memory_bytes is None:
            return None
        return "V100-16GB" if memory_bytes <= _MOST_V100_16GB else "V100-32GB"
    if memory_bytes is None:
        # The clouds' own names: p4de and ultragpu have the larger one.
        large = instance_type.startswith(("p4de.", "a2-ultragpu"))
        small = instance_type.startswith(("p4d.", "a2-highgpu", "a2-megagpu"))
        return "A100-80GB" if large else "A100-40GB" if small else None
    return "A100-40GB" if memory_bytes <= _MOST_A100_40GB else "A100-80GB"
