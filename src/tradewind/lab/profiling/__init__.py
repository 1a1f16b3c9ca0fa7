"""Networks traced, counted and timed; hosts probed.

In: variants and the folders that hold them, and rows of the user's data. Out: Profiles and Hosts.
Importing this room loads no tensor library.
"""

from __future__ import annotations

from tradewind.lab.profiling.host import probe
from tradewind.lab.profiling.operators import count_operators
from tradewind.lab.profiling.profiles import profile, profiles
from tradewind.lab.profiling.timing import measure

__all__ = ["count_operators", "measure", "probe", "profile", "profiles"]
