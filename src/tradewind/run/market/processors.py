"""The processors of machine types, as the catalogue lists them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tradewind.run.market.query import sql

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ProcessorOf", "processors"]


@dataclass(frozen=True)
class ProcessorOf:
    """What the catalogue says about the processor of one machine type; None where no source does."""

    cpu_vendor: str | None
    cpu_architecture: str | None
    cpu_model: str | None
    cpu_ghz: float | None
    isa: tuple[str, ...] | None
    vcpus: int
    physical_cores: int | None
    memory_mt_per_s: float | None


def processors(folder: Path | None = None) -> dict[str, ProcessorOf]:
    """Every machine type of the catalogue, by its name; where two clouds share one, the first by cloud."""
    found: dict[str, ProcessorOf] = {}
    query = (
        "select instance_type, cpu_vendor, cpu_architecture, cpu_model, cpu_ghz, isa, vcpus, physical_cores, memory_mt_per_s"
        " from instances order by cloud, instance_type"
    )
    for name, vendor, architecture, model, ghz, isa, vcpus, cores, rate in sql(query, folder).rows:
        words = tuple(isa.split()) if isinstance(isa, str) else tuple(isa) if isa else None
        found.setdefault(
            str(name),
            ProcessorOf(
                cpu_vendor=vendor,
                cpu_architecture=architecture,
                cpu_model=model,
                cpu_ghz=ghz,
                isa=words,
                vcpus=int(vcpus or 1),
                physical_cores=int(cores) if cores else None,
                memory_mt_per_s=rate,
            ),
        )
    return found
