"""Networks made cheaper: passes, the search over them, the judge of quality, and the measured front.

In: a Goal, the Profile of the original, the user's splits and metric. Out: a Front: every variant that
could be built, with its quality against the original and its speed beside it, who is beaten by whom,
and what failed, each with the reason. Importing this room loads no tensor library.
"""

from __future__ import annotations

from tradewind.lab.optimization.optimizer import optimize
from tradewind.lab.optimization.passes import PASSES, Applied, Job, Pass

__all__ = ["PASSES", "Applied", "Job", "Pass", "optimize"]
