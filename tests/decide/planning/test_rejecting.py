"""The reason says which gate stopped a family."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from tradewind.decide.planning import plan
from tradewind.decide.prediction import default_calibration
from tradewind.domain.offer import Offer, Offers


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"shared_cpu": True}, "shares its CPU with others"),
        ({"memory_bytes": 0.7e9}, "too small: a replica needs"),
        ({"cpu_ghz": 1.0, "cpu_model": "7571"}, "is out of reach: at rest it is"),
        ({"most_machines": 0.0}, "quota of 0 machines: 10.0 rps need at least 1"),
        ({"purchase": "spot", "most_machines": 1.0}, "quota of 1 machine: 10.0 rps need at least 2"),
        ({"price_usd_per_hour": 0.5}, "dearer"),
        ({"price_usd_per_hour": 40.0}, "times"),
        ({"price_usd_per_hour": 0.17}, "as dear, but not faster"),
        (
            {"accelerator": "T4", "accelerator_count": 1.0, "price_usd_per_hour": 1.0},
            "its T4 would stay unused",
        ),
    ],
)
def test_a_family_is_rejected_for_its_first_gate(
    make: SimpleNamespace, fields: dict[str, Any], reason: str
) -> None:
    front = make.front(make.profile(overhead_s=2e-3, row_s=1e-5))
    other = make.offer(**{"instance_type": "x9.large", "price_usd_per_hour": 0.01, **fields})
    market = Offers.of([make.offer(), other], storage=make.storage, transfer=make.transfer)
    goal = make.goal(p99_s=0.006, load_rps=10.0)
    found = plan(goal, front, market, default_calibration(), host=make.host, today="2026-02-03", seed=0)
    line = next(line for line in found.rejected if line.name.startswith("aws x9"))
    assert reason in line.reason, line.reason
    assert line.count == 1


def test_others_of_the_chosen_family_are_told(make: SimpleNamespace) -> None:
    dearer = make.offer(region="us-east-1", price_usd_per_hour=0.2)
    market = Offers.of([make.offer(), dearer], storage=make.storage, transfer=make.transfer)
    found = plan(
        make.goal(),
        make.front(),
        market,
        default_calibration(),
        host=make.host,
        today="2026-02-03",
        seed=0,
    )
    (line,) = found.rejected
    assert line.reason.startswith("others of the chosen family, dearer")
    assert "us-east-1" in line.reason


def test_of_very_many_families_the_dear_ones_are_told_by_a_bound(make: SimpleNamespace) -> None:
    families = [
        make.offer(
            instance_type=f"x{number}.large",
            price_usd_per_hour=0.2 + 0.01 * number,
            cpu_ghz=2.6 + 0.02 * number,
        )
        for number in range(90)
    ]

    def reasons(*offers: Offer) -> dict[str, str]:
        market = Offers.of(offers, storage=make.storage, transfer=make.transfer)
        goal = make.goal(p99_s=0.0046, load_rps=30_000.0)
        calibration = default_calibration()
        found = plan(goal, make.front(), market, calibration, host=make.host, today="2026-02-03", seed=0)
        return {line.name: line.reason for line in found.rejected}

    told = reasons(make.offer(), *families)
    assert len(told) == len(families)
    bounds = [name for name, reason in told.items() if "at least" in reason]
    assert 0 < len(bounds) <= len(families) - 12
    for name in (bounds[0], bounds[-1]):
        offer = next(offer for offer in families if name == f"aws {offer.instance_type[:-6]} on_demand")
        assert usd_in(told[name]) <= usd_in(reasons(make.offer(), offer)[name]) * 1.01


def usd_in(reason: str) -> float:
    """The monthly cost that a reason tells, as rounded for people."""
    found = re.search(r"([0-9,.]+) usd/month", reason)
    assert found, reason
    return float(found.group(1).replace(",", ""))
