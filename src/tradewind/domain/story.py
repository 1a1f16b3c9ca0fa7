"""Story: exactly what a run has produced so far. Each type adds what the next step of the loop brings.

Planned      the front and the plan; also all that exists when nothing meets the goal
Observed     and what happened when the plan was carried out, against what was predicted
Replanned    and the plan that corrects it
"""

from __future__ import annotations

from tradewind.domain.estimate import Comparison, Observation
from tradewind.domain.noun import Noun
from tradewind.domain.plan import Advice, Plan
from tradewind.domain.profile import Front

__all__ = ["Observed", "Planned", "Replanned"]


class Planned(Noun, frozen=True, kw_only=True):
    """What was measured and decided; nothing has been served yet, or nothing meets the goal."""

    front: Front
    plan: Plan

    @property
    def decision(self) -> Plan:
        """The plan that holds now."""
        return self.plan


class Observed(Planned, frozen=True, kw_only=True):
    """The plan was carried out, and the prediction held or was good enough to keep."""

    observation: Observation
    comparisons: tuple[Comparison, ...]
    """The rehearsal's estimate against the observation."""
    advice: tuple[Advice, ...]


class Replanned(Observed, frozen=True, kw_only=True):
    """What was observed led to another plan; its `changes` say what differs and why."""

    replanned: Plan

    @property
    def decision(self) -> Plan:
        """The plan that holds now: the corrected one."""
        return self.replanned
