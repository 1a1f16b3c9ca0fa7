"""Dollars, energy and carbon of a job."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decide.conftest import offer
from tradewind.decide.prediction.constants import default_calibration
from tradewind.decide.prediction.estimating import energy_kwh_per_month
from tradewind.decide.prediction.money import (
    accelerators_w,
    carbon_kgco2e,
    cost_usd,
    energy_kwh,
    host_w,
)
from tradewind.domain.layout import Layout
from tradewind.domain.units import HOURS_PER_MONTH

positive = st.floats(1e-3, 1e6)


@given(positive, positive, positive, st.floats(1.0, 100.0))
def test_everything_is_proportional_to_time_and_machines(seconds, machines, price, factor):
    assert cost_usd(seconds * factor, machines, price) == pytest.approx(
        factor * cost_usd(seconds, machines, price)
    )
    assert energy_kwh(seconds, machines * factor, 100.0, 1.1) == pytest.approx(
        factor * energy_kwh(seconds, machines, 100.0, 1.1)
    )


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_a_busier_machine_never_draws_less(one, other):
    low, high = sorted((one, other))
    constants = default_calibration()
    assert accelerators_w(700.0, 8, low) <= accelerators_w(700.0, 8, high) + 1e-9
    assert host_w(constants, 96, 2**40, "amd", low) <= host_w(constants, 96, 2**40, "amd", high) + 1e-9


def test_a_machine_without_accelerators_draws_what_a_service_on_it_is_said_to_draw():
    constants, machine = default_calibration(), offer()
    layout = Layout(instances=3, replicas_per_instance=2, threads=1, max_batch=1)
    watts = host_w(constants, machine.vcpus, machine.memory_bytes, "amd", 0.7)
    pue = constants["pue_aws_ratio"].value
    assert energy_kwh(HOURS_PER_MONTH * 3600.0, 3, watts, pue) == pytest.approx(
        energy_kwh_per_month(machine, layout, 0.7, constants)
    )


def test_the_dgx_h100_draws_about_what_its_maker_states_at_most():
    # NVIDIA DGX H100 user guide: 10.2 kW at most, of which 8 x 700 W are the accelerators'.
    constants = default_calibration()
    watts = accelerators_w(700.0, 8, 1.0) + host_w(constants, 224, 2 * 2**40, "intel", 1.0)
    assert 6500.0 < float(watts) < 10200.0


def test_carbon_of_an_unknown_grid_is_unknown_and_arrays_broadcast():
    found = carbon_kgco2e(np.array([1.0, 2.0]), np.array([[np.nan], [400.0]]))
    assert found.shape == (2, 2)
    assert np.isnan(found[0]).all()
    assert found[1] == pytest.approx([0.4, 0.8])
