"""What a training job may run on: kinds of machines, and what each may be rented for.

Machines of one kind compute alike, wherever they stand and however they are paid, so layouts are judged once for a
kind. What differs is held as tenders: an offer's price and what its region and purchase option add. A tender that
another of the same kind and option beats in every price is never the best and is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewind.decide.planning.tariffs import TransferRates, nearest_storage
from tradewind.decide.prediction.devices import device_of
from tradewind.decide.prediction.interruptions import NOTICE_S, failures_per_hour
from tradewind.decide.prediction.money import accelerators_w, host_w
from tradewind.domain.noun import Rejected
from tradewind.domain.training import TrainingCost
from tradewind.domain.units import HOURS_PER_MONTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewind.domain.device import Device
    from tradewind.domain.estimate import Calibration
    from tradewind.domain.noun import Origin
    from tradewind.domain.offer import Offer, Offers
    from tradewind.domain.training import TrainGoal

__all__ = ["Kind", "Market", "market_of"]

TERM_S: Final = {"commit_1y": 365.0 * 86400.0, "commit_3y": 3.0 * 365.0 * 86400.0}
"""A commitment is paid to its end, whether or not the job runs as long."""
_INFERENCE_ONLY: Final = ("Inferentia",)
"""Chips whose makers' software does not train (AWS Neuron: Inferentia serves, Trainium trains)."""
_RACK: Final = 16
"""GPUs that are joined by their link beyond this number are joined across machines (NVL72), whatever one machine has."""
_GB: Final = 1e9
COAL_GCO2E_PER_KWH: Final = 820.0
"""Of electricity from coal, the median over the life of plants (IPCC AR5, WG III, annex III, table A.III.2, 2014)."""


@dataclass(frozen=True)
class Kind:
    """Machines that compute alike."""

    device: Device
    per_machine: int
    domain: int
    """Devices that the fast link joins."""
    network_bytes_per_s: float | None
    """Per device and direction; None where the offer does not state it, and the device's usual machines decide."""

    @property
    def hosts(self) -> float:
        """Computers of one machine: a slice of TPUs has one for each 8 chips (Google Cloud, TPU v5e and v6e)."""
        return max(1.0, self.per_machine / 8.0) if self.device.kind == "tpu" else 1.0

    @property
    def words(self) -> str:
        """Such as "8 x H100-SXM, 3200 Gbit/s"."""
        rate = self.network_bytes_per_s
        stated = f", {rate * self.per_machine * 8e-9:.4g} Gbit/s" if rate else ""
        return f"{self.per_machine} x {self.device.name}{stated}"


@dataclass(frozen=True)
class Market:
    """Kinds, and tenders as columns (T,), those of one kind next to each other."""

    offers: Offers
    kinds: tuple[Kind, ...]
    first: np.ndarray
    """(kinds + 1,) where the tenders of each kind begin."""
    row: np.ndarray
    """Of the offer that stands for the tender."""
    kind: np.ndarray
    usd_per_hour: np.ndarray
    """Of one machine, a managed service's surcharge included."""
    prepaid_machines: np.ndarray
    prepaid_usd_per_hour: np.ndarray
    most_machines: np.ndarray
    term_s: np.ndarray
    """For which a commitment is paid at least; 0 for others."""
    taken_per_hour: np.ndarray
    """Interruptions of one spot machine."""
    notice_s: np.ndarray
    failures_per_hour: np.ndarray
    hosts: np.ndarray
    """Computers of one machine, each of which writes its share of a checkpoint."""
    fixed_usd: np.ndarray
    """Moving the data to the region, once."""
    storage_usd_per_s: np.ndarray
    """Keeping checkpoints."""
    watts: np.ndarray
    """Of one machine at work, with what cools it."""
    gco2e_per_kwh: np.ndarray
    """Of the grid; of one that burns coal where it is not known."""
    rejected: tuple[Rejected, ...]
    priced: int
    """Offers that the tenders stand for."""

    def usd_per_s(self, tender: np.ndarray, machines: np.ndarray) -> np.ndarray:
        """What so many machines cost each second beyond what is paid for already."""
        used = np.maximum(machines - self.prepaid_machines[tender], 0.0) * self.usd_per_hour[tender]
        return np.asarray(np.maximum(used - self.prepaid_usd_per_hour[tender], 0.0) / 3600.0)

    def cost_usd(self, tender: np.ndarray, machines: np.ndarray, duration_s: np.ndarray) -> np.ndarray:
        """What a job costs that takes so long; never falls when it takes longer."""
        rented_s = np.maximum(duration_s, self.term_s[tender])
        running = self.usd_per_s(tender, machines) * rented_s + self.storage_usd_per_s[tender] * duration_s
        return np.asarray(self.fixed_usd[tender] + running)

    def longest_s(self, tender: np.ndarray, machines: np.ndarray, budget_usd: float) -> np.ndarray:
        """How long a job may take that costs at most so much; negative where nothing can be had for it."""
        rate, storage = self.usd_per_s(tender, machines), self.storage_usd_per_s[tender]
        left = budget_usd - self.fixed_usd[tender]
        with np.errstate(divide="ignore", invalid="ignore"):
            beyond = left / (rate + storage)
            within = (left - rate * self.term_s[tender]) / storage
        beyond = np.where(rate + storage > 0.0, beyond, np.where(left >= 0.0, np.inf, -1.0))
        within = np.where(storage > 0.0, within, np.where(left >= rate * self.term_s[tender], np.inf, -1.0))
        return np.asarray(
            np.where(beyond >= self.term_s[tender], beyond, np.minimum(within, self.term_s[tender]))
        )

    def carbon_kg(self, tender: np.ndarray, machines: np.ndarray, duration_s: np.ndarray) -> np.ndarray:
        """Emissions of a job that takes so long."""
        kwh = self.watts[tender] * machines * duration_s / 3.6e6
        return np.asarray(kwh * self.gco2e_per_kwh[tender] / 1e3)


def market_of(
    goal: TrainGoal,
    offers: Offers,
    devices: Sequence[Device],
    calibration: Calibration,
    *,
    checkpoint_bytes: float,
) -> Market:
    """The kinds of machines among the offers, and their tenders.

    Left out are machines without whole accelerators, those whose accelerator is in no sheet of devices, and chips
    for inference only; `rejected` says so. Spot offers whose interruptions no source states get the calibration's
    prior for machines with accelerators.
    """
    codes, names = offers.coded("accelerator")
    found = [device_of(str(name), devices) if name else None for name in names]
    fits = np.array([device is not None and not _only_serves(device) for device in found], dtype=bool)
    count = offers["accelerator_count"]
    whole = (count >= 1.0) & (count == np.round(count)) & (count <= goal.accelerators_at_most)
    rows = np.nonzero(fits[codes] & whole)[0]
    network = offers["network_gbps"][rows]
    told = np.where(np.isnan(network), -1.0, network)
    keys = np.stack([codes[rows].astype(float), count[rows], told], axis=1)
    distinct, kind = np.unique(keys, axis=0, return_inverse=True)
    kinds = tuple(_kind(found[int(code)], int(per), float(gbps)) for code, per, gbps in distinct)
    kind = kind.reshape(-1)
    per_machine = np.array([one.per_machine for one in kinds] or [1], dtype=np.float64)
    hosts = np.array([one.hosts for one in kinds] or [1.0])
    columns = _columns(goal, offers, rows, hosts[kind], calibration, checkpoint_bytes)
    columns["failures_per_hour"] = (hosts * failures_per_hour(per_machine / hosts))[kind]
    columns["hosts"] = hosts[kind]
    columns["watts"] = columns["watts"] + _accelerators_w(kinds, kind) * columns["pue"]
    del columns["pue"]
    kept = _undominated(columns, kind)
    first = np.searchsorted(kind[kept], np.arange(len(kinds) + 1))
    return Market(
        offers=offers,
        kinds=kinds,
        first=first,
        row=rows[kept],
        kind=kind[kept],
        **{name: column[kept] for name, column in columns.items()},
        rejected=_rejected(offers, codes, names, found, whole),
        priced=len(rows),
    )


def _only_serves(device: Device) -> bool:
    return device.name.startswith(_INFERENCE_ONLY) or device.kind == "cpu"


def _kind(device: Device | None, per_machine: int, gbps: float) -> Kind:
    assert device is not None
    rack = device.kind == "gpu" and device.devices_per_machine > _RACK
    return Kind(
        device=device,
        per_machine=per_machine,
        domain=device.devices_per_machine if rack else per_machine,
        network_bytes_per_s=None if gbps < 0.0 else gbps * 1.25e8 / per_machine,
    )


def _accelerators_w(kinds: Sequence[Kind], kind: np.ndarray) -> np.ndarray:
    """Of one machine's accelerators while kernels run; 400 W each where no sheet states it (the median of 2020 on)."""
    watts = [float(accelerators_w(one.device.power_w or 400.0, one.per_machine, 1.0)) for one in kinds]
    return np.array(watts)[kind] if watts else np.zeros(0)


def _columns(
    goal: TrainGoal,
    offers: Offers,
    rows: np.ndarray,
    hosts: np.ndarray,
    calibration: Calibration,
    checkpoint_bytes: float,
) -> dict[str, np.ndarray]:
    def known(name: str, otherwise: np.ndarray | float) -> np.ndarray:
        column = offers[name][rows]
        return np.asarray(np.where(np.isnan(column), otherwise, column))

    def by(name: str, table: dict[str, float], otherwise: float) -> np.ndarray:
        codes, values = offers.coded(name)
        of_value = np.array([table.get(str(value), otherwise) for value in values] or [otherwise])
        return np.asarray(of_value[codes[rows]])

    spot = by("purchase", {"spot": 1.0}, 0.0) > 0.0
    prior = calibration["spot_accelerator_interruptions_per_hour"].value
    grid = offers["grid_gco2e_per_kwh"][rows]
    vcpus, memory = known("vcpus", 0.0), known("memory_bytes", 0.0)
    pue = by(
        "cloud", {cloud: calibration[f"pue_{cloud}_ratio"].value for cloud in ("aws", "azure", "gcp")}, 1.2
    )
    places, where = _places(offers, rows)
    fixed = np.array([_moving(goal, offers, *place)[0] for place in places] or [0.0])
    kept = checkpoint_bytes * goal.train.checkpoints_kept / _GB
    month_s = HOURS_PER_MONTH * 3600.0
    storage = np.array([_keeping(offers, *place)[0] * kept / month_s for place in places] or [0.0])
    return {
        "usd_per_hour": offers["price_usd_per_hour"][rows] * known("managed_ratio", 1.0),
        "prepaid_machines": known("prepaid_machines", 0.0),
        "prepaid_usd_per_hour": known("prepaid_usd_per_hour", 0.0),
        "most_machines": known("most_machines", np.inf),
        "term_s": by("purchase", TERM_S, 0.0),
        # The prior is for one computer; a slice of many is taken back when one of them is.
        "taken_per_hour": np.where(spot, known("interruptions_per_hour", prior * hosts), 0.0),
        "notice_s": np.where(spot, by("cloud", NOTICE_S, 0.0), 0.0),
        "fixed_usd": fixed[where],
        "storage_usd_per_s": storage[where],
        # Hosts of accelerators feed them and do little else: half busy.
        "watts": host_w(calibration, vcpus, memory, "intel", 0.5) * pue,
        "pue": pue,
        "gco2e_per_kwh": np.where(np.isnan(grid), COAL_GCO2E_PER_KWH, grid),
    }


def _places(offers: Offers, rows: np.ndarray) -> tuple[list[tuple[str, str]], np.ndarray]:
    cloud, clouds = offers.coded("cloud")
    region, regions = offers.coded("region")
    both = cloud[rows].astype(np.int64) * len(regions) + region[rows]
    distinct, where = np.unique(both, return_inverse=True)
    named = [
        (str(clouds[one // len(regions)]), str(regions[one % len(regions)])) for one in distinct.tolist()
    ]
    return named, where.reshape(-1)


def _moving(goal: TrainGoal, offers: Offers, cloud: str, region: str) -> tuple[float, str, str, str, Origin]:
    """What it costs to move the data to a region, once: dollars, words, source, day, origin."""
    data = goal.data_at
    if data is None or data.size_bytes is None:
        return 0.0, "the goal does not say where how much data are (data_at.size)", "goal", "", "assumed"
    if data.cloud is None:
        return 0.0, f"{data.uri} is in none of the clouds: its network is not priced", "goal", "", "assumed"
    if (data.cloud, data.region) == (cloud, region):
        return 0.0, f"the data are in {region} too", "goal", "", "quoted"
    gigabytes = data.size_bytes / _GB
    same = data.cloud == cloud
    tiers = TransferRates(offers.transfer).tiers(
        "inter_region" if same else "internet", data.cloud, data.region or "*", region, gigabytes
    )
    if tiers is None:
        return 0.0, "no price of transfer is known", "goal", "", "assumed"
    usd = tiers.usd(gigabytes)
    words = (
        f"{gigabytes:,.4g} GB once from {data.cloud} {data.region or '*'} to {cloud} {region}{tiers.words}"
    )
    return usd, words, tiers.prices[0].source, tiers.prices[0].as_of, tiers.origin


def _keeping(offers: Offers, cloud: str, region: str) -> tuple[float, str, str, str, Origin]:
    """Dollars for a GB that is kept for a month, words, source, day, origin."""
    found = nearest_storage(offers.storage, cloud, region)
    if found is None:
        return 0.0, "no price of storage is known", "goal", "", "assumed"
    price, origin, words = found
    return (
        price.usd_per_gb_month,
        f"{price.usd_per_gb_month:.4g} usd/GB a month, {price.service} {price.tier} in {price.region}{words}",
        price.source,
        price.as_of,
        origin,
    )


_LESS: Final = ("usd_per_hour", "fixed_usd", "storage_usd_per_s", "watts", "gco2e_per_kwh")
"""Less of each is never worse."""
_ALIKE: Final = (
    "prepaid_machines",
    "prepaid_usd_per_hour",
    "most_machines",
    "term_s",
    "taken_per_hour",
    "notice_s",
)
"""What must be the same before prices decide."""


def _undominated(columns: dict[str, np.ndarray], kind: np.ndarray) -> np.ndarray:
    """The rows that no other row of the same kind and option beats or equals in everything; by kind, cheapest first."""
    alike = np.stack([kind.astype(float), *(columns[name] for name in _ALIKE)], axis=1)
    _, group = np.unique(alike, axis=0, return_inverse=True) if len(kind) else (None, np.zeros(0, dtype=int))
    less = np.stack([columns[name] for name in _LESS], axis=1)
    order = np.lexsort((np.arange(len(kind)), *less.T[::-1], group.reshape(-1)))
    kept: list[int] = []
    begun, last = 0, -1
    for row in order.tolist():
        if group.reshape(-1)[row] != last:
            begun, last = len(kept), group.reshape(-1)[row]
        if not any((less[other] <= less[row]).all() for other in kept[begun:]):
            kept.append(row)
    chosen = np.array(kept, dtype=np.intp)
    return chosen[np.lexsort((chosen, columns["usd_per_hour"][chosen], kind[chosen]))]


def _rejected(
    offers: Offers,
    codes: np.ndarray,
    names: Sequence[object],
    found: Sequence[Device | None],
    whole: np.ndarray,
) -> tuple[Rejected, ...]:
    out = []
    numbers = np.bincount(codes, minlength=len(names))
    for name, device, number in zip(names, found, numbers.tolist(), strict=True):
        if name is None:
            reason = "no accelerator: networks of this size are not trained on processors alone"
        elif device is None:
            reason = "the accelerator is in no sheet of devices, so its speed cannot be predicted"
        elif _only_serves(device):
            reason = "the maker's software for this chip serves networks and does not train them"
        else:
            continue
        if number:
            out.append(
                Rejected(name=str(name or "machines without accelerators"), reason=reason, count=number)
            )
    parts = int(np.count_nonzero(~whole & np.array([device is not None for device in found])[codes]))
    if parts:
        out.append(
            Rejected(
                name="parts of accelerators, and slices of more than the goal allows",
                reason="a mesh needs whole accelerators, at most accelerators_at_most",
                count=parts,
            )
        )
    return tuple(out)


def parts_of(
    goal: TrainGoal, market: Market, tender: int, machines: int, duration_s: float, checkpoint_bytes: float
) -> tuple[TrainingCost, ...]:
    """The parts of the expected cost of a job, in words."""
    offer: Offer = market.offers.offer(int(market.row[tender]))
    one, many = np.array([tender]), np.array([float(machines)])
    rate = float(market.usd_per_s(one, many)[0])
    rented_s = max(duration_s, float(market.term_s[tender]))
    words = f"{machines} x {float(market.usd_per_hour[tender]):.6g} usd/h x {rented_s / 3600.0:,.1f} h"
    if rented_s > duration_s:
        words += f": the commitment is paid to its end, the job takes {duration_s / 3600.0:,.1f} h"
    if market.prepaid_machines[tender] or market.prepaid_usd_per_hour[tender]:
        words += ", less what is paid for already"
    if offer.managed_ratio is not None:
        words += f", {offer.managed_service} included"
    moved = _moving(goal, market.offers, offer.cloud, offer.region)
    kept = _keeping(market.offers, offer.cloud, offer.region)
    gigabytes = checkpoint_bytes * goal.train.checkpoints_kept / _GB
    return (
        TrainingCost(
            name="compute", usd=rate * rented_s, because=words, source=offer.source, as_of=offer.as_of
        ),
        TrainingCost(
            name="storage",
            usd=float(market.storage_usd_per_s[tender]) * duration_s,
            because=f"checkpoints of {gigabytes:,.4g} GB for {duration_s / 86400.0:.3g} d, {kept[1]}",
            source=kept[2],
            as_of=kept[3] or offer.as_of,
            origin=kept[4],
        ),
        TrainingCost(
            name="data_transfer",
            usd=float(market.fixed_usd[tender]),
            because=moved[1],
            source=moved[2],
            as_of=moved[3] or offer.as_of,
            origin=moved[4],
        ),
    )
