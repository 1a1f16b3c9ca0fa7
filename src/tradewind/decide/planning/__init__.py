"""Which variant on which machines, and why.

In: a Goal, the measured front, Offers, a Calibration. Out: a Plan, always: the cheapest way that keeps the
goal, or the nearest with what it misses; and, after an Observation, the corrected Plan.
"""

from __future__ import annotations

from tradewind.decide.planning.loads import Trace
from tradewind.decide.planning.planning import plan
from tradewind.decide.planning.relaxing import opened
from tradewind.decide.planning.replanning import replan

__all__ = ["Trace", "opened", "plan", "replan"]
