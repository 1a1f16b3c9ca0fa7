"""What a required capability costs: machines are rented through a managed service, at its surcharge."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

from tradewind.decide.catalog.services import capable
from tradewind.domain.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewind.decide.catalog.rows import CapabilityRow, SurchargeRow
    from tradewind.domain.noun import Capability, Cloud

__all__ = ["PRIOR", "Managed", "Surcharge", "managed_services"]


@dataclass(frozen=True)
class Surcharge:
    """What the managed machine costs over the bare one. `source` is None when nobody states it."""

    low: float
    likely: float
    high: float
    source: str | None


PRIOR: Final = Surcharge(low=1.0, likely=1.2, high=1.5, source=None)
"""Where no source states a surcharge: from nothing to half as much again. The known ones, all of SageMaker, lie
between 1.15 and 1.40; a service that charges nothing over the machine is possible."""


@dataclass(frozen=True)
class Managed:
    """The managed service of a cloud with the surcharges that are known."""

    service: str
    known: dict[str, SurchargeRow]

    def surcharge(self, instance_type: str) -> Surcharge:
        """Of one machine type: as quoted; else the range of the service's others; else the prior."""
        row = self.known.get(instance_type)
        if row is not None:
            return Surcharge(low=row.ratio, likely=row.ratio, high=row.ratio, source=row.source)
        ratios = [other.ratio for other in self.known.values()]
        if not ratios:
            return PRIOR
        return Surcharge(low=min(ratios), likely=median(ratios), high=max(ratios), source=None)


def managed_services(
    required: Sequence[Capability],
    capabilities: Sequence[CapabilityRow],
    surcharges: Sequence[SurchargeRow],
    clouds: Sequence[Cloud],
) -> dict[Cloud, Managed]:
    """The managed service of each cloud that is known to have all that is required; none when nothing is required.

    Errors: InputError when no cloud has it, with what each of them lacks or does not tell.
    """
    if not required:
        return {}
    found: dict[Cloud, Managed] = {}
    why: list[str] = []
    for cloud in clouds:
        lacks, unknown = capable(capabilities, cloud, required)
        names = [row.service for row in capabilities if row.cloud == cloud]
        if lacks or unknown or not names:
            told = [f"lacks {', '.join(lacks)}"] if lacks else []
            told += [f"no source tells of {', '.join(unknown)}"] if unknown else []
            why.append(f"{names[0] if names else cloud} {' and '.join(told) or 'is not described'}")
            continue
        own = {row.instance_type: row for row in surcharges if row.cloud == cloud}
        found[cloud] = Managed(service=names[0], known=own)
    if not found:
        raise InputError(f"require: {'; '.join(why)}; ask for less, or allow other clouds")
    return found
