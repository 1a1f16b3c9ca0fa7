"""Training jobs as columns: what a step of each takes and holds, the best alternative of every row."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewind.decide.prediction.devices import DeviceColumns, columns_of
from tradewind.decide.prediction.layouts import LayoutColumns, layout_columns
from tradewind.decide.prediction.memory import (
    CONVENTIONS,
    MemoryParts,
    MemorySetting,
    memory_setting,
    training_memory,
)
from tradewind.decide.prediction.training import StepTimes, TrainingSetting, step_times
from tradewind.decide.prediction.transformers import Column, TransformerColumns, transformer_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewind.decide.prediction.jobs import Job

__all__ = ["JobColumns", "job_columns"]


_OPERAND_BYTES: Final = {"fp32": 4.0, "tf32": 4.0, "fp8": 1.0, "int8": 1.0, "fp4": 0.5}


@dataclass(frozen=True)
class JobColumns:
    """Jobs (alternatives of rows) as columns, ready to be priced again and again with other constants."""

    rows: np.ndarray
    """(n,) which row of the table each alternative belongs to."""
    network: TransformerColumns
    device: DeviceColumns
    half: DeviceColumns
    layout: LayoutColumns
    setting: TrainingSetting
    memory_setting: MemorySetting
    samples: Column

    def take(self, rows: np.ndarray) -> JobColumns:
        """Some alternatives, in that order."""
        return JobColumns(
            rows=self.rows[rows],
            network=self.network.take(rows),
            device=self.device.take(rows),
            half=self.half.take(rows),
            layout=self.layout.take(rows),
            setting=self.setting.take(rows),
            memory_setting=replace(
                self.memory_setting,
                **{one.name: getattr(self.memory_setting, one.name)[rows] for one in fields(MemorySetting)},
            ),
            samples=self.samples[rows],
        )

    def memory(self, constants: Mapping[str, float]) -> MemoryParts:
        """The parts of the memory of every alternative's fullest device."""
        return training_memory(self.network, self.layout, self.memory_setting, constants)

    def times(self, constants: Mapping[str, float]) -> StepTimes:
        """The parts of the step of every alternative."""
        return step_times(self.network, self.device, self.half, self.layout, self.setting, constants)


def job_columns(jobs: Sequence[Job]) -> JobColumns:
    """The columns of some jobs, one alternative each."""

    def column(values: list[float]) -> Column:
        return np.array(values, dtype=np.float64)

    halves = [job.precision if job.precision in ("fp32", "tf32", "fp16") else "bf16" for job in jobs]
    return JobColumns(
        rows=np.array([job.row for job in jobs]),
        network=transformer_columns([job.network for job in jobs]),
        device=columns_of([job.device for job in jobs], [job.precision for job in jobs]),
        half=columns_of([job.device for job in jobs], halves),
        layout=layout_columns([job.layout for job in jobs]),
        setting=TrainingSetting(
            tokens=column([job.tokens for job in jobs]),
            flash=column([job.flash for job in jobs]),
            compiled=column([job.compiled for job in jobs]),
            async_tensor=column([job.async_tensor for job in jobs]),
            graphs=column([job.graphs for job in jobs]),
            gradient_bytes=column([job.gradient_bytes for job in jobs]),
            products_again=column([0.5 * CONVENTIONS[job.convention].products for job in jobs]),
            rowwise=column([job.rowwise for job in jobs]),
            operand_bytes=column([_OPERAND_BYTES.get(job.precision, 2.0) for job in jobs]),
        ),
        memory_setting=memory_setting(
            [job.convention for job in jobs],
            tokens=column([job.tokens for job in jobs]),
            flash=column([job.flash for job in jobs]),
            compiled=column([job.compiled for job in jobs]),
            fused_loss=column([job.compiled or job.fused_loss for job in jobs]),
            loss_chunks=np.ones(len(jobs)),
            # Encoders and the models of before 2022 drop activations at random.
            dropout=column([not job.flash or not job.network.causal for job in jobs]),
            kept_gradients=column([job.layout.accumulation > 1 for job in jobs]),
        ),
        samples=column([job.samples for job in jobs]),
    )
