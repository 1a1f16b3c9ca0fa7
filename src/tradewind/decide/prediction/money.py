"""What a job costs from how long it takes: dollars, energy, carbon. Numbers or arrays that broadcast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from tradewind.domain.estimate import Calibration

__all__ = [
    "ACCELERATOR_IDLE_SHARE",
    "accelerators_w",
    "carbon_kgco2e",
    "cost_usd",
    "energy_kwh",
    "host_w",
]

Numbers = np.ndarray | float

ACCELERATOR_IDLE_SHARE: Final = 0.12
"""Of its rated power, by an accelerator that does nothing. Assumed: 40 to 60 of 400 W (A100), 70 to 90 of 700 W
(H100), as their drivers report it at rest."""


def cost_usd(duration_s: Numbers, machines: Numbers, usd_per_hour: Numbers) -> np.ndarray:
    """What so many machines cost for so long, at the second.

    >>> float(cost_usd(7200.0, 4, 2.5))
    20.0
    """
    return np.asarray(np.asarray(duration_s, float) / 3600.0 * machines * usd_per_hour)


def host_w(
    calibration: Calibration, vcpus: Numbers, memory_bytes: Numbers, maker: str, busy_share: Numbers
) -> np.ndarray:
    """Power of a machine beside its accelerators; `maker` is that of the processor: intel, amd or arm."""
    idle = calibration["idle_w_per_vcpu"].value
    busy = max(idle, calibration[f"busy_{maker}_w_per_vcpu"].value)
    processor = np.asarray(vcpus, float) * (idle + np.clip(busy_share, 0.0, 1.0) * (busy - idle))
    memory = calibration["memory_w_per_gib"].value * np.asarray(memory_bytes, float) / 2**30
    return np.asarray(processor + memory)


def accelerators_w(power_w: Numbers, count: Numbers, busy_share: Numbers) -> np.ndarray:
    """Power of so many accelerators of a rated power that are busy for a share of the time.

    `busy_share` is the share of the time in which kernels run, not the share of peak arithmetic: a step that
    waits for memory draws nearly as much.

    >>> float(accelerators_w(700.0, 8, 1.0)), float(accelerators_w(700.0, 8, 0.0))
    (5600.0, 672.0)
    """
    share = ACCELERATOR_IDLE_SHARE + (1.0 - ACCELERATOR_IDLE_SHARE) * np.clip(busy_share, 0.0, 1.0)
    return np.asarray(np.asarray(power_w, float) * count * share)


def energy_kwh(duration_s: Numbers, machines: Numbers, machine_w: Numbers, pue: Numbers) -> np.ndarray:
    """Energy of so many machines for so long, with what cools and feeds them (PUE: power usage effectiveness).

    >>> float(energy_kwh(3600.0, 2, 1000.0, 1.1))
    2.2
    """
    return np.asarray(np.asarray(duration_s, float) / 3600.0 * machines * machine_w * pue / 1e3)


def carbon_kgco2e(energy_kwh: Numbers, grid_gco2e_per_kwh: Numbers) -> np.ndarray:
    """Emissions of using so much electricity of a grid; NaN where the grid's intensity is not known.

    What making the machines emitted is not in it.

    >>> float(carbon_kgco2e(2.2, 500.0))
    1.1
    """
    return np.asarray(np.asarray(energy_kwh, float) * grid_gco2e_per_kwh / 1e3)
