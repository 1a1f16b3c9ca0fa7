"""What offers have in common: the machine, the kind, the family, the place."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from tradewind.decide.planning.fleet import Fleet
from tradewind.decide.prediction import default_calibration
from tradewind.decide.prediction.machine import machine_of
from tradewind.domain.offer import Offer, Offers

CALIBRATION = default_calibration()
INTEL = {
    "cpu_vendor": "Intel",
    "cpu_model": "8375C",
    "isa": ("avx2", "avx512", "avx512_vnni"),
    "cpu_ghz": 3.5,
}


def fleet(*offers: Offer, memory_matters: bool = False) -> Fleet:
    return Fleet.of(Offers.of(offers), CALIBRATION, memory_matters=memory_matters)


def machines(found: Fleet) -> list[int]:
    return [found.machine_at(row) for row in range(len(found.offers))]


def test_equal_processors_share_a_machine(make: SimpleNamespace) -> None:
    small, large = make.offer(), make.offer(vcpus=64, physical_cores=32)
    other = make.offer(**INTEL)
    assert machines(fleet(small, large, other)) == [0, 0, 1]
    assert machines(fleet(small, large, other, memory_matters=True)) == [0, 1, 2]
    found = fleet(small, large)
    assert [int(found.cores[found.kind(row)]) for row in range(2)] == [2, 32]


def test_offers_of_one_kind_differ_in_price_and_place_only(make: SimpleNamespace) -> None:
    here = make.offer()
    there = make.offer(region="us-east-1", price_usd_per_hour=9.0, grid_gco2e_per_kwh=None)
    alias = make.offer(instance_type="m6a.xlarge", most_machines=3.0, managed_ratio=1.2)
    assert len(fleet(here, there, alias).kinds) == 1
    for fields in (
        {"memory_bytes": 16 * 2.0**30},
        {"vcpus": 8, "physical_cores": 4},
        {"purchase": "spot"},
        {"shared_cpu": True},
        INTEL,
    ):
        assert len(fleet(here, make.offer(**fields)).kinds) == 2, fields


def test_kinds_of_a_machine_stand_side_by_side(make: SimpleNamespace) -> None:
    offers = [
        make.offer(**fields, memory_bytes=size * 2.0**30) for size in (8, 16, 32) for fields in ({}, INTEL)
    ]
    found = fleet(*offers)
    assert found.machine.tolist() == sorted(found.machine.tolist())
    for machine in range(len(found.machines)):
        assert set(found.machine[found.kinds_with(machine)].tolist()) == {machine}
    for row, offer in enumerate(offers):
        kind = found.kind(row)
        assert row in found.kinds.rows(kind)
        assert found.memory_bytes[kind] == offer.memory_bytes
        assert found.machines[found.machine[kind]] == machine_of(offer, CALIBRATION)


def test_unknown_is_like_unknown(make: SimpleNamespace) -> None:
    nothing: dict[str, Any] = {
        "cpu_vendor": None,
        "cpu_model": None,
        "cpu_ghz": None,
        "isa": None,
        "physical_cores": None,
        "memory_mt_per_s": None,
    }
    assert len(fleet(make.offer(**nothing), make.offer(**nothing, region="us-east-1")).kinds) == 1


def test_a_single_vcpu_is_a_core_or_half_of_one_by_its_series(make: SimpleNamespace) -> None:
    lone: dict[str, Any] = {"cloud": "gcp", "vcpus": 1, "physical_cores": 1}
    whole, half = (make.offer(instance_type=f"{name}-standard-1", **lone) for name in ("t2d", "n1"))
    found = fleet(whole, half)
    assert machines(found) == [0, 1]
    assert found.machines[0].fp32_flops_per_s > found.machines[1].fp32_flops_per_s


def test_only_spot_is_interrupted_and_accelerators_more_often(make: SimpleNamespace) -> None:
    found = fleet(
        make.offer(),
        make.offer(purchase="spot"),
        make.offer(purchase="spot", accelerator="T4", accelerator_count=1.0),
        make.offer(purchase="spot", interruptions_per_hour=0.002),
    )
    rates = [float(found.interruptions_per_hour[found.kind(row)]) for row in range(4)]
    assert rates == [0.0, 0.01, 0.55, 0.002]
    assert found.assumed_interruptions.tolist() == [False, True, True, False]


def test_families_and_places_are_named(make: SimpleNamespace) -> None:
    offers = [
        make.offer(instance_type=name, region=region, purchase=purchase)
        for name in ("c6a.xlarge", "c6a.4xlarge", "m6a.large")
        for region in ("eu-west-1", "us-east-1")
        for purchase in ("on_demand", "spot")
    ]
    found = fleet(*offers)
    families = {found.family_name(group): found.families.rows(group) for group in range(len(found.families))}
    assert {name: len(rows) for name, rows in families.items()} == {
        ("aws", "c6a", "on_demand"): 4,
        ("aws", "c6a", "spot"): 4,
        ("aws", "m6a", "on_demand"): 2,
        ("aws", "m6a", "spot"): 2,
    }
    assert found.place_names == (("aws", "eu-west-1"), ("aws", "us-east-1"))
    assert [offers[row].region for row in found.places.rows(1)] == ["us-east-1"] * 6
    assert np.array_equal(np.sort(np.concatenate(list(families.values()))), np.arange(len(offers)))
