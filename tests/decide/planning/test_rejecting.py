"""The reason says which gate stopped a family."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tradewind.decide.planning import plan
from tradewind.decide.prediction import default_calibration
from tradewind.domain.offer import Offers


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"shared_cpu": True}, "shares its CPU with others"),
        ({"memory_bytes": 0.7e9}, "too small: a replica needs"),
        ({"cpu_ghz": 1.0, "cpu_model": "7571"}, "is out of reach: at rest it is"),
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
    line = next(line for line in found.rejected if line.name == "aws x9 on_demand")
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
