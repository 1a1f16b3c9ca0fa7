"""Layout: how the work is spread."""

from __future__ import annotations

from tradewind.domain.noun import Noun

__all__ = ["Layout"]


class Layout(Noun, frozen=True, kw_only=True):
    """How a service is spread over machines.

    `instances` machines each run `replicas_per_instance` server processes; each process runs its network
    with `threads` cores and forms batches of at most `max_batch` rows. `spare_instances` of the machines
    stand in for interrupted ones.
    """

    instances: int
    replicas_per_instance: int
    threads: int
    max_batch: int
    spare_instances: int = 0

    @property
    def replicas(self) -> int:
        """Server processes that carry load: those on machines that are not spare."""
        return (self.instances - self.spare_instances) * self.replicas_per_instance
