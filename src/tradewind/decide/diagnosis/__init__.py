"""What is wrong, by what it shows, and what would set it right.

In: a Plan and what was observed of its rehearsal. Out: predicted against measured, figure by figure, and
Advice where they disagree beyond the interval or the goal is missed; none where all is as predicted.
"""

from __future__ import annotations

from tradewind.decide.diagnosis.comparing import compare
from tradewind.decide.diagnosis.diagnosing import diagnose

__all__ = ["compare", "diagnose"]
