from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tradewind.decide.catalog import Catalog, Columns, Region
from tradewind.decide.catalog.invariants import Facts
from tradewind.decide.catalog.machines import family_of
from tradewind.decide.catalog.rows import AcceleratorRow, InstanceRow, PriceRow, SpecRow
from tradewind.domain.offer import StoragePrice

if TYPE_CHECKING:
    from collections.abc import Callable

GIB = 2.0**30


def price(region: str = "us-east-1", instance_type: str = "c7g.xlarge", **changes: object) -> PriceRow:
    stated: dict[str, object] = {
        "cloud": "aws",
        "region": region,
        "instance_type": instance_type,
        "purchase": "on_demand",
        "price_usd_per_hour": 0.145,
        "stated_price_usd": 0.145,
        "stated_unit": "hour",
        "source": "a vendor's list",
        "as_of": "2026-07-20",
        "as_of_precision": "day",
        "confidence": "A",
    }
    return PriceRow(**{**stated, **changes})


def instance(cloud: str, instance_type: str, vcpus: int | None, **changes: object) -> InstanceRow:
    stated: dict[str, object] = {
        "cloud": cloud,
        "instance_type": instance_type,
        "family": family_of(cloud, instance_type),
        "vcpus": vcpus,
        "memory_bytes": None if vcpus is None else vcpus * 2.0 * GIB,
        "accelerator": None,
        "accelerator_count": 0.0,
        "network_gbps": None,
        "local_disk_bytes": None,
        "source": "a list of shapes",
        "as_of": "2026-07-20",
    }
    return InstanceRow(**{**stated, **changes})


def spec(cloud: str, instance_type: str, **changes: object) -> SpecRow:
    stated: dict[str, object] = {
        **dict.fromkeys(SpecRow.__struct_fields__),
        "cloud": cloud,
        "instance_type": instance_type,
        "active": True,
        "shared_cpu": False,
        "source": "data sheets",
        "as_of": "2026-01-31",
    }
    return SpecRow(**{**stated, **changes})


def accelerator(name: str, memory_gib: float) -> AcceleratorRow:
    stated: dict[str, object] = {
        **dict.fromkeys(AcceleratorRow.__struct_fields__),
        "name": name,
        "vendor": "NVIDIA",
        "memory_bytes": memory_gib * GIB,
        "source": "data sheet",
        "as_of": "2026-07-20",
        "as_of_precision": "compiled",
        "confidence": "A",
    }
    return AcceleratorRow(**stated)


def facts_of(*prices: PriceRow, **changes: object) -> Facts:
    """Facts in which every machine is known: c7g and g5 of AWS, D4as and D8as of Azure."""
    instances = [
        instance("aws", "c7g.xlarge", 4),
        instance("aws", "c7g.2xlarge", 8),
        instance("aws", "c7g.4xlarge", 16),
        instance("aws", "g5.xlarge", 4, accelerator="A10G", accelerator_count=1.0),
        instance("aws", "g5.12xlarge", 48, accelerator="A10G", accelerator_count=4.0),
        instance("azure", "Standard_D4as_v5", 4),
        instance("azure", "Standard_D8as_v5", 8),
        instance("azure", "Standard_D16as_v5", 16),
    ]
    stated: dict[str, object] = {
        "prices": prices,
        "instances": {(row.cloud, row.instance_type): row for row in instances},
        "specs": {},
        "accelerators": {"A10G": accelerator("A10G", 24.0)},
        "today": "2026-11-23",
    }
    return Facts(**{**stated, **changes})


@pytest.fixture
def make_price() -> Callable[..., PriceRow]:
    return price


@pytest.fixture
def make_instance() -> Callable[..., InstanceRow]:
    return instance


@pytest.fixture
def make_spec() -> Callable[..., SpecRow]:
    return spec


@pytest.fixture
def make_accelerator() -> Callable[..., AcceleratorRow]:
    return accelerator


@pytest.fixture
def make_facts() -> Callable[..., Facts]:
    return facts_of


def region(cloud: str, name: str, group: str, *laws: str, machine_types: int = 1) -> Region:
    return Region(
        cloud=cloud, name=name, place=None, group=group, jurisdictions=laws, machine_types=machine_types
    )


PLACES = [
    ("aws", "eu-west-1", None),
    ("aws", "us-east-1", None),
    ("aws", "us-east-1", "us-east-1a"),
    ("aws", "us-gov-west-1", None),
    ("azure", "westeurope", None),
    ("gcp", "europe-west4", None),
    ("gcp", "us-central1", None),
]
MACHINES = [
    # cloud, type, vCPUs, GiB, accelerator, count
    ("aws", "m", 4.0, 16.0, None, 0.0),
    ("aws", "p5", 192.0, 2048.0, "H100-SXM", 8.0),
    ("aws", "new", np.nan, np.nan, None, 0.0),
    ("azure", "m", 4.0, 16.0, None, 0.0),
    ("gcp", "m", 4.0, 16.0, None, 0.0),
    ("gcp", "tpu", 24.0, 48.0, "TPU-v5e", 1.0),
]
ORIGINS = [
    ("on_demand", None, "2026-07-20", "A"),
    ("spot", "5-10%", "2024-08-09", "A"),
    ("commit_1y", None, "2026-07-20", "B"),
]
ROWS = [
    # place, machine, origin, price
    (0, 0, 0, 0.1),
    (0, 0, 1, 0.05),
    (1, 0, 0, 0.09),
    (2, 0, 1, 0.03),
    (1, 1, 0, 55.0),
    (1, 2, 0, 0.2),
    (3, 0, 0, 0.12),
    (4, 3, 0, 0.11),
    (5, 4, 2, 0.07),
    (6, 4, 0, 0.1),
    (6, 5, 0, 1.2),
]


def columns(names: str, rows: list, numbers: str = "") -> Columns:
    by_name = dict(zip(names.split(), zip(*rows, strict=True), strict=True))
    wanted = numbers.split()
    return Columns(
        numbers={name: np.array(by_name[name], dtype=float) for name in wanted},
        words={name: tuple(values) for name, values in by_name.items() if name not in wanted},
    )


@pytest.fixture
def catalog() -> Catalog:
    absent = ("physical_cores", "cpu_ghz", "memory_mt_per_s", "network_gbps", "local_disk_bytes")
    machines = columns(
        "cloud instance_type vcpus memory_bytes accelerator accelerator_count",
        [(c, t, v, g * GIB, a, n) for c, t, v, g, a, n in MACHINES],
        "vcpus memory_bytes accelerator_count",
    )
    machines.numbers.update({name: np.full(len(MACHINES), np.nan) for name in absent})
    machines.words.update(
        {name: (None,) * len(MACHINES) for name in ("cpu_architecture", "cpu_vendor", "cpu_model", "isa")}
    )
    machines.words["shared_cpu"] = (False,) * len(MACHINES)
    origins = columns("purchase interruption as_of confidence", ORIGINS)
    origins.words.update({"terms": (None,) * len(ORIGINS), "source": ("a list",) * len(ORIGINS)})
    places = columns("cloud region zone", PLACES)
    places.numbers["grid_gco2e_per_kwh"] = np.full(len(PLACES), np.nan)
    place, machine, origin, prices = zip(*ROWS, strict=True)
    storage = StoragePrice(
        cloud="aws",
        region="us-east-1",
        service="S3",
        tier="Standard",
        usd_per_gb_month=0.023,
        source="s",
        as_of="2026-05-04",
    )
    return Catalog(
        prices=np.array(prices),
        place=np.array(place),
        machine=np.array(machine),
        origin=np.array(origin),
        places=places,
        machines=machines,
        origins=origins,
        regions=(
            region("aws", "eu-west-1", "europe", "ie", "eu", "eea", "gdpr"),
            region("aws", "eu-west-3", "europe", "fr", "eu", "eea", "gdpr", machine_types=0),
            region("aws", "us-east-1", "us", "us"),
            region("aws", "us-gov-west-1", "us", "us", "us_gov"),
            region("azure", "westeurope", "europe", "nl", "eu", "eea", "gdpr"),
            region("gcp", "europe-west4", "europe", "nl", "eu", "eea", "gdpr"),
            region("gcp", "us-central1", "us", "us"),
        ),
        storage=(storage,),
        transfer=(),
        capabilities=(),
        surcharges=(),
        as_of="2026-07-20",
        snapshot="2026-07-20-abc",
    )
