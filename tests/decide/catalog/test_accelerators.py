from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.decide.catalog.accelerators import accelerator_of
from tradewind.domain.noun import Cloud

MIB = 2.0**20

# Every maker and model of the published specifications, one machine of each memory size; what a list leaves out
# is empty here.
SPECIFIED = [
    ("aws", "g4ad.4xlarge", "AMD", "V520", 8192, "V520"),
    ("aws", "dl1.24xlarge", "Habana", "HL-205", 32768, "Gaudi"),
    ("aws", "p4d.24xlarge", "NVIDIA", "A100", 40960, "A100-40GB"),
    ("aws", "p4de.24xlarge", "NVIDIA", "A100", 81920, "A100-80GB"),
    ("aws", "g5.xlarge", "NVIDIA", "A10G", 22888, "A10G"),
    ("aws", "p6-b200.48xlarge", "NVIDIA", "B200", 183359, "B200"),
    ("aws", "p6-b300.48xlarge", "NVIDIA", "B300", 275040, "B300"),
    ("aws", "p5.48xlarge", "NVIDIA", "H100", 81920, "H100-SXM"),
    ("aws", "p5en.48xlarge", "NVIDIA", "H200", 144384, "H200-SXM"),
    ("aws", "p2.xlarge", "NVIDIA", "K80", 12288, "K80"),
    ("aws", "g6.xlarge", "NVIDIA", "L4", 22888, "L4"),
    ("aws", "g6f.large", "NVIDIA", "L4", 2861, "L4"),
    ("aws", "g6e.xlarge", "NVIDIA", "L40S", 45776, "L40S"),
    ("aws", "g3.4xlarge", "NVIDIA", "M60", 8192, "M60"),
    ("aws", "g7e.2xlarge", "NVIDIA", "RTX Pro 6000", 98304, "RTX-PRO-6000-BSE"),
    ("aws", "g4dn.xlarge", "NVIDIA", "T4", 16384, "T4"),
    ("aws", "g5g.xlarge", "NVIDIA", "T4G", 16384, "T4G"),
    ("aws", "p3.2xlarge", "NVIDIA", "V100", 16384, "V100-16GB"),
    ("aws", "p3dn.24xlarge", "NVIDIA", "V100", 32768, "V100-32GB"),
    ("azure", "Standard_NC24ads_A100_v4", "NVIDIA", "A100", 81920, "A100-80GB-PCIe"),
    ("azure", "Standard_NC40ads_H100_v5", "NVIDIA", "H100", 95830, "H100-NVL"),
    ("gcp", "a4-highgpu-8g", "", "B200", None, "B200"),
    ("gcp", "g4-standard-48", "", "RTX Pro 6000", None, "RTX-PRO-6000-BSE"),
    ("gcp", "ct3-hightpu-4t", "", "ct3", None, "TPU-v3"),
    ("gcp", "ct3p-hightpu-4t", "", "ct3p", None, "TPU-v3"),
    ("gcp", "ct5l-hightpu-1t", "", "ct5l", None, "TPU-v5e"),
    ("gcp", "ct5lp-hightpu-1t", "", "ct5lp", None, "TPU-v5e"),
    ("gcp", "ct5p-hightpu-1t", "", "ct5p", None, "TPU-v5p"),
    ("gcp", "ct6e-standard-1t", "", "ct6e", None, "TPU-v6e"),
    ("gcp", "tpu7x-standard-4t", "", "tpu7x", None, "TPU-v7x"),
    ("gcp", "a2-highgpu-1g", "NVIDIA", "A100", 40960, "A100-40GB"),
    ("gcp", "a2-ultragpu-1g", "NVIDIA", "A100", 81920, "A100-80GB"),
    ("gcp", "a3-highgpu-8g", "NVIDIA", "H100", 81559, "H100-SXM"),
    ("gcp", "a3-ultragpu-8g", "NVIDIA", "H200", 143771, "H200-SXM"),
    ("gcp", "g2-standard-12", "NVIDIA", "L4", 23034, "L4"),
]

# What the vendor's own description of its machine types calls them; the last two are not in the table.
DESCRIBED = [
    ("g5g.xlarge", "NVIDIA", "T4g", 16384, "T4G"),
    ("g7.2xlarge", "NVIDIA", "RTX PRO 4500", 32768, "RTX-PRO-4500-BSE"),
    ("g7e.2xlarge", "NVIDIA", "RTX PRO Server 6000", 98304, "RTX-PRO-6000-BSE"),
    ("inf1.xlarge", "AWS", "Inferentia", 8192, "Inferentia"),
    ("inf2.xlarge", "AWS", "Inferentia2", 32768, "Inferentia2"),
    ("trn1.32xlarge", "", "Trainium", 32768, "Trainium"),
    ("trn2.48xlarge", "", "Trainium2", 524288, "Trainium2"),
    ("f2.6xlarge", "Xilinx", "Virtex UltraScale+ (VU47P)", 81920, None),
    ("dl2q.24xlarge", "Qualcomm", "Qualcomm AI100", 16000, None),
    ("vt1.3xlarge", "Xilinx", "U30", 24576, None),
]

# Azure's lists say nothing: its sizes are called after what is in them.
NAMED = [
    ("Standard_NC6", "K80"),
    ("Standard_NC24r_Promo", "K80"),
    ("Standard_NC6s_v2", "P100"),
    ("Standard_NC24rs_v3", "V100-16GB"),
    ("Standard_NC4as_T4_v3", "T4"),
    ("Standard_NC8ads_A10_v4", "A10"),
    ("Standard_NC96ads_A100_v4", "A100-80GB-PCIe"),
    ("Standard_NC80adis_H100_v5", "H100-NVL"),
    ("Standard_NCC40ads_H100_v5", "H100-NVL"),
    ("Standard_NC128ds_xl_RTXPRO6000BSE_v6", "RTX-PRO-6000-BSE"),
    ("Standard_ND24rs", "P40"),
    ("Standard_ND40rs_v2", "V100-32GB"),
    ("Standard_ND96asr_v4", "A100-40GB"),
    ("Standard_ND96amsr_A100_v4", "A100-80GB"),
    ("Standard_ND96isr_H100_v5", "H100-SXM"),
    ("Standard_ND96is_flex_H100_v5", "H100-SXM"),
    ("Standard_ND96isr_H200_v5", "H200-SXM"),
    ("Standard_ND96isr_MI300X_v5", "MI300X"),
    ("Standard_ND128isr_NDR_GB200_v6", "GB200"),
    ("Standard_NG32adms_V620_v1", "V620"),
    ("Standard_NG32adms_V620", "V620"),
    ("Standard_NP10s", None),
    ("Standard_NV6", "M60"),
    ("Standard_NV12s_v3", "M60"),
    ("Standard_NV4as_v4", "MI25"),
    ("Standard_NV6ads_A10_v5", "A10"),
    ("Standard_NV28adms_V710_v5", "V710"),
    ("Standard_D4s_v5", None),
]


@pytest.mark.parametrize(("cloud", "instance_type", "maker", "model", "memory_mib", "name"), SPECIFIED)
def test_every_model_of_the_specifications_has_its_name(
    cloud: Cloud, instance_type: str, maker: str, model: str, memory_mib: int | None, name: str
) -> None:
    memory = None if memory_mib is None else memory_mib * MIB
    assert accelerator_of(cloud, instance_type, maker, model, memory) == name


@pytest.mark.parametrize(("instance_type", "maker", "model", "memory_mib", "name"), DESCRIBED)
def test_every_model_of_the_vendors_description_has_its_name(
    instance_type: str, maker: str, model: str, memory_mib: int, name: str | None
) -> None:
    assert accelerator_of("aws", instance_type, maker, model, memory_mib * MIB) == name


@pytest.mark.parametrize(("instance_type", "name"), NAMED)
def test_azures_sizes_are_called_after_what_is_in_them(instance_type: str, name: str | None) -> None:
    assert accelerator_of("azure", instance_type, "", "", None) == name


def test_without_a_memory_size_the_machine_tells_which_a100_it_has() -> None:
    assert accelerator_of("aws", "p4de.24xlarge", "NVIDIA", "A100", None) == "A100-80GB"
    assert accelerator_of("gcp", "a2-megagpu-16g", "NVIDIA", "A100", None) == "A100-40GB"
    assert accelerator_of("gcp", "x1-unheard-of", "NVIDIA", "A100", None) is None
    assert accelerator_of("aws", "x1.unheard-of", "NVIDIA", "V100", None) is None


@given(st.sampled_from(SPECIFIED), st.sampled_from(["", "NVIDIA ", "nvidia-", "Tesla "]), st.booleans())
def test_the_way_of_writing_does_not_matter(
    machine: tuple[Cloud, str, str, str, int | None, str], maker: str, upper: bool
) -> None:
    cloud, instance_type, _, model, memory_mib, name = machine
    written = maker + (model.upper() if upper else model.lower().replace(" ", "-"))
    memory = None if memory_mib is None else memory_mib * MIB
    assert accelerator_of(cloud, instance_type, "", written, memory) == name


@given(st.text(), st.text(), st.none() | st.floats(min_value=0.0, max_value=1e13))
def test_an_unknown_model_has_no_name_and_no_error(maker: str, model: str, memory: float | None) -> None:
    assert accelerator_of("aws", "x9.large", maker, f"unheard-of {model}", memory) is None
