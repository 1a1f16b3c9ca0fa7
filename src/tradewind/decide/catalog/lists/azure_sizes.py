"""Azure: what the name of a size and the vendor's pages say of its shape, where no free list describes it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tradewind.decide.catalog.machines import family_of
from tradewind.decide.catalog.rows import InstanceRow

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["read", "vcpus_of"]

_NAMING: Final = (
    "the number in the size's name is its vCPUs (learn.microsoft.com: VM size naming conventions)"
)

_NAME: Final = re.compile(r"Standard_[A-Z]+(\d+)(?:-(\d+))?[a-z]*(?:_|$)")
"""Letters of the family, vCPUs, and after a hyphen the vCPUs of a constrained size."""

_COUNT_ANOTHER_THING: Final = re.compile(
    r"Standard_(A\d+|D\d+|DS\d+|D\d+_v2|DS\d+_v2|G\d|GS\d|NC\d+s_v3|PB.*)(_Promo)?$"
)
"""Older families: their number orders the sizes."""


def read(names: Iterable[str], as_of: str) -> tuple[InstanceRow, ...]:
    """A shape for each size, of which only the vCPUs are known, and those only where the name states them."""
    return tuple(_shape(name, as_of) for name in sorted(names))


def _shape(name: str, as_of: str) -> InstanceRow:
    vcpus = vcpus_of(name)
    return InstanceRow(
        cloud="azure",
        instance_type=name,
        family=family_of("azure", name),
        vcpus=vcpus,
        memory_bytes=None,
        accelerator=None,
        accelerator_count=0.0,
        network_gbps=None,
        local_disk_bytes=None,
        vcpus_from=_NAMING if vcpus is not None else None,
        source=_NAMING,
        as_of=as_of,
    )


def vcpus_of(name: str) -> int | None:
    """The vCPUs that the name of a size states; None for families whose number means something else.

    >>> vcpus_of("Standard_D16as_v5"), vcpus_of("Standard_E8-2as_v5"), vcpus_of("Standard_D14_v2")
    (16, 2, None)
    """
    if _COUNT_ANOTHER_THING.match(name):
        return None
    found = _NAME.match(name)
    return int(found.group(2) or found.group(1)) if found else None
