"""The starting constants: positive, with an error and a source."""

from __future__ import annotations

from tradewind.decide.prediction import default_calibration
from tradewind.domain import codec
from tradewind.domain.estimate import Calibration


def test_every_constant_has_a_positive_value_an_error_and_a_source() -> None:
    for name, constant in default_calibration().constants.items():
        assert constant.value > 0.0, name
        assert constant.standard_error >= 0.0, name
        assert len(constant.fitted_on) > 10, name


def test_names_say_the_unit() -> None:
    endings = ("_ratio", "_s", "_s_per_request", "_s_per_byte", "_bytes", "_per_hour", "_per_core")
    for name in default_calibration().constants:
        assert name.endswith((*endings, "_w_per_vcpu", "_w_per_gib")), name


def test_it_is_the_same_every_time_and_survives_a_file() -> None:
    calibration = default_calibration()
    assert calibration == default_calibration()
    assert codec.decode(codec.encode(calibration), Calibration, source="test") == calibration
