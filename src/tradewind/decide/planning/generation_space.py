"""What a language model may be served on: kinds of machines among the offers, and the ways to run a replica on each.

A replica has all weights on tensor x pipeline devices. Its time depends on the device, the precision and these degrees;
where the machine stands and how it is paid does not matter to it, so thousands of offers share a few hundred ways.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewind.decide.planning.grouping import truth
from tradewind.decide.planning.training_space import Kind
from tradewind.decide.prediction.answering import Way, computes
from tradewind.decide.prediction.devices import device_of
from tradewind.domain.noun import Rejected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewind.domain.architecture import Transformer
    from tradewind.domain.device import Device
    from tradewind.domain.generating import GenerationPrecision
    from tradewind.domain.offer import Offers

__all__ = ["Kinds", "Ways", "kinds_of", "ways_of"]

_PIPELINES: Final = (1, 2, 3, 4, 6, 8, 12, 16)
_RACK: Final = 16
"""GPUs that are joined by their link beyond this number are joined across machines (NVL72), whatever one machine has."""


@dataclass(frozen=True)
class Kinds:
    """Kinds of machines, and which of n offers are of which."""

    kinds: tuple[Kind, ...]
    rows: np.ndarray
    """(m,) offers with whole accelerators that are known, kind by kind."""
    first: np.ndarray
    """(kinds + 1,) where those of each kind begin in `rows`."""
    rejected: tuple[Rejected, ...]

    def of(self, kind: int) -> np.ndarray:
        """The offers of a kind."""
        return self.rows[self.first[kind] : self.first[kind + 1]]


def kinds_of(offers: Offers, devices: Sequence[Device], accelerators_at_most: int) -> Kinds:
    """The kinds of machines among the offers; parts of accelerators and unknown ones are rejected."""
    codes, names = offers.coded("accelerator")
    found = [device_of(str(name), devices) if name else None for name in names]
    usable = np.array([device is not None and device.kind != "cpu" for device in found], dtype=bool)
    count = offers["accelerator_count"]
    whole = (count >= 1.0) & (count == np.round(count)) & (count <= accelerators_at_most)
    own = ~truth(offers, "shared_cpu", bool)
    rows = np.nonzero(usable[codes] & whole & own)[0]
    gbps = offers["network_gbps"][rows]
    keys = np.stack([codes[rows].astype(float), count[rows], np.where(np.isnan(gbps), -1.0, gbps)], axis=1)
    distinct, kind = np.unique(keys, axis=0, return_inverse=True)
    kind = kind.reshape(-1)
    order = np.argsort(kind, kind="stable")
    kinds = tuple(_kind(found[int(code)], int(per), float(rate)) for code, per, rate in distinct)
    return Kinds(
        kinds=kinds,
        rows=rows[order],
        first=np.searchsorted(kind[order], np.arange(len(kinds) + 1)),
        rejected=_rejected(codes, names, found, whole),
    )


def _kind(device: Device | None, per_machine: int, gbps: float) -> Kind:
    assert device is not None
    rack = device.kind == "gpu" and device.devices_per_machine > _RACK
    return Kind(
        device=device,
        per_machine=per_machine,
        domain=device.devices_per_machine if rack else per_machine,
        network_bytes_per_s=None if gbps < 0.0 else gbps * 1.25e8 / per_machine,
    )


def _rejected(
    codes: np.ndarray, names: Sequence[object], found: Sequence[Device | None], whole: np.ndarray
) -> tuple[Rejected, ...]:
    out = []
    numbers = np.bincount(codes, minlength=len(names))
    for name, device, number in zip(names, found, numbers.tolist(), strict=True):
        if not number or (device is not None and device.kind != "cpu"):
            continue
        if name is None:
            reason = "no accelerator: plans of language models on processors alone are not made"
        else:
            reason = "the accelerator is in no sheet of devices, so its speed cannot be predicted"
        out.append(Rejected(name=str(name or "machines without accelerators"), reason=reason, count=number))
    known = np.array([device is not None for device in found], dtype=bool)[codes]
    parts = int(np.count_nonzero(~whole & known))
    if parts:
        reason = "weights need whole accelerators, at most accelerators_at_most"
        out.append(Rejected(name="parts of accelerators, and slices of too many", reason=reason, count=parts))
    return tuple(out)


_APART: Final = ("domain", "network_bytes_per_s", "precision", "tensor", "pipeline", "apart")


@dataclass(frozen=True)
class Ways:
    """Distinct ways, and which kind can run which, as pairs (p,) in the order of the kinds."""

    ways: tuple[Way, ...]
    kind: np.ndarray
    way: np.ndarray
    per_machine: np.ndarray
    """Replicas on one machine; 0 where one is spread over several."""
    machines: np.ndarray
    """Of one replica; 1 where several share one."""
    first: np.ndarray
    """(kinds + 1,) where the pairs of each kind begin."""


def ways_of(
    network: Transformer,
    kinds: Sequence[Kind],
    precisions: Sequence[GenerationPrecision],
    accelerators_at_most: int,
) -> Ways:
    """Every way to run a replica of the network on these kinds.

    Heads are shared by whole devices, a tensor group stays inside the fast link, and a replica that spans machines
    takes whole ones.
    """
    found: dict[tuple[object, ...], int] = {}
    distinct: list[Way] = []
    pairs: list[tuple[int, int, int, int]] = []
    for number, kind in enumerate(kinds):
        for tensor in _tensors(network, kind):
            for pipeline in _PIPELINES:
                devices = tensor * pipeline
                if devices > accelerators_at_most or pipeline > network.layers:
                    continue
                if tensor > kind.per_machine and tensor % kind.per_machine:
                    continue
                spans = devices > kind.per_machine
                if spans and devices % kind.per_machine:
                    continue
                for precision in precisions:
                    if not computes(kind.device, precision):
                        continue
                    able = network.experts > 0 and tensor > 1 and kind.device.kind == "gpu"
                    for apart in (False, True)[: 1 + able]:
                        way = Way(
                            kind.device,
                            kind.domain,
                            kind.network_bytes_per_s if spans else None,
                            precision,
                            tensor,
                            pipeline,
                            apart,
                        )
                        held = 0 if spans else kind.per_machine // devices
                        over = devices // kind.per_machine if spans else 1
                        key = (kind.device.name, *(getattr(way, one) for one in _APART))
                        if key not in found:
                            found[key] = len(distinct)
                            distinct.append(way)
                        pairs.append((number, found[key], held, over))
    table = np.array(pairs, dtype=np.int64).reshape(-1, 4)
    return Ways(
        ways=tuple(distinct),
        kind=table[:, 0],
        way=table[:, 1],
        per_machine=table[:, 2],
        machines=table[:, 3],
        first=np.searchsorted(table[:, 0], np.arange(len(kinds) + 1)),
    )


def _tensors(network: Transformer, kind: Kind) -> list[int]:
    most = min(kind.domain, max(network.heads, 1))
    return [t for t in range(1, most + 1) if kind.domain % t == 0 and (t == 1 or network.heads % t == 0)]
