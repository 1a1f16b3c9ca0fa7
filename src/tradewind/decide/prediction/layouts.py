"""Training layouts as columns, and what a mesh means for links: which ranks sit in one machine."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewind.decide.prediction.transformers import Column
    from tradewind.domain.layout import TrainingLayout

__all__ = ["LayoutColumns", "layout_columns"]


@dataclass(frozen=True)
class LayoutColumns:
    """The fields of `TrainingLayout` as float columns (n,); flags are 0 or 1."""

    tensor: Column
    pipeline: Column
    virtual_stages: Column
    context: Column
    expert: Column
    data: Column
    zero_stage: Column
    shard: Column
    """Devices over which ZeRO shards, never 0."""
    micro_batch: Column
    accumulation: Column
    full: Column
    """Share of the layers of which all activations but the inputs are computed again."""
    selective: Column
    """Those inside attention are."""
    sequence_parallel: Column
    gpipe: Column
    zero_bubble: Column
    lora_rank: Column

    def __len__(self) -> int:
        return len(self.tensor)

    def take(self, rows: np.ndarray) -> LayoutColumns:
        """The layouts of some rows, in that order."""
        return replace(self, **{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    @property
    def devices(self) -> Column:
        """Accelerators of the mesh."""
        return self.tensor * self.pipeline * self.context * self.data

    @property
    def global_batch(self) -> Column:
        """Samples of a step."""
        return self.micro_batch * self.accumulation * self.data


def layout_columns(layouts: Sequence[TrainingLayout]) -> LayoutColumns:
    """The columns of some layouts, one row each."""

    def column(values: list[float]) -> Column:
        return np.array(values, dtype=np.float64)

    return LayoutColumns(
        tensor=column([one.tensor for one in layouts]),
        pipeline=column([one.pipeline for one in layouts]),
        virtual_stages=column([one.virtual_stages for one in layouts]),
        context=column([one.context for one in layouts]),
        expert=column([one.expert for one in layouts]),
        data=column([one.data for one in layouts]),
        zero_stage=column([one.zero_stage for one in layouts]),
        shard=column([one.shard or one.data * one.context for one in layouts]),
        micro_batch=column([one.micro_batch for one in layouts]),
        accumulation=column([one.accumulation for one in layouts]),
        full=column([one.checkpointed_share if one.checkpointing == "full" else 0.0 for one in layouts]),
        selective=column([one.checkpointing == "selective" for one in layouts]),
        sequence_parallel=column([one.sequence_parallel for one in layouts]),
        gpipe=column([one.schedule == "gpipe" for one in layouts]),
        zero_bubble=column([one.schedule == "zero_bubble" for one in layouts]),
        lora_rank=column([one.lora_rank for one in layouts]),
    )
