"""What a measured variant costs where it was not measured.

In: a Profile (measured here), an Offer or a Host, a Layout, a Calibration. Out: an Estimate with an
interval; and, after an Observation, a better Calibration.
"""

from __future__ import annotations

from tradewind.decide.prediction.calibrating import calibrate
from tradewind.decide.prediction.constants import LEVEL, default_calibration
from tradewind.decide.prediction.estimating import predict
from tradewind.decide.prediction.queueing import Queue, tabulate

__all__ = ["LEVEL", "Queue", "calibrate", "default_calibration", "predict", "tabulate"]
