from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tradewind.decide.catalog.invariants import Facts
from tradewind.decide.catalog.machines import family_of
from tradewind.decide.catalog.rows import AcceleratorRow, InstanceRow, PriceRow, SpecRow

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
