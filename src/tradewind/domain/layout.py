"""Layout: how the work is spread."""

from __future__ import annotations

from typing import Literal

from tradewind.domain.noun import Noun

__all__ = ["Checkpointing", "Layout", "Schedule", "TrainingLayout"]


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


Checkpointing = Literal["none", "selective", "full"]
"""Activations that are computed again in the backward pass: none, those inside attention, or all but layer inputs."""
Schedule = Literal["gpipe", "1f1b", "interleaved", "zero_bubble"]


class TrainingLayout(Noun, frozen=True, kw_only=True):
    """How one step of training is spread: the mesh is tensor x pipeline x context x data = devices.

    A step handles `micro_batch * accumulation * data` samples. Experts are spread over `expert` devices of the
    data (and context) dimension, so they do not multiply the mesh.
    """

    tensor: int = 1
    pipeline: int = 1
    virtual_stages: int = 1
    """Stages per device (interleaved schedules)."""
    context: int = 1
    """Devices that share the tokens of one sample."""
    expert: int = 1
    data: int = 1
    zero_stage: Literal[0, 1, 2, 3] = 0
    """What is sharded over the data dimension: 1 optimizer states, 2 gradients too, 3 weights too (FSDP)."""
    shard: int = 0
    """Devices over which ZeRO shards; 0: the whole data dimension. Less means hybrid sharding (HSDP)."""
    micro_batch: int = 1
    accumulation: int = 1
    checkpointing: Checkpointing = "none"
    checkpointed_share: float = 1.0
    """Of the layers, with full checkpointing."""
    sequence_parallel: bool = False
    """Norms and dropout are split over the tensor dimension too."""
    schedule: Schedule = "1f1b"
    precision: str = "bf16"
    lora_rank: int = 0
    """Rank of the adapters when only these are trained; 0: all weights are."""
    stages: tuple[int, ...] = ()
    """Layers of each pipeline stage; empty: as even as possible."""

    @property
    def devices(self) -> int:
        """Accelerators of the mesh."""
        return self.tensor * self.pipeline * self.context * self.data

    @property
    def global_batch(self) -> int:
        """Samples of one step."""
        return self.micro_batch * self.accumulation * self.data
