"""Where to put data that are read again and again, and in which class of storage: the least total over the options.

| option | the data | each reading |
|---|---|---|
| stay | where they are | from there, across regions where the machines are elsewhere |
| move | copied once, deleted where they were | from the new place |
| copy | copied once, and kept where they were | from the new place |

each with or without a disk beside the machines that is filled once and read from then on. The cost is all that
is paid over a number of months; every option, class of storage, place and disk is priced, so the first of the
ranking is the least. Prices by volume hold for each month; the move has a month of its own.

A price that nobody states is never zero: an option that needs one is refused, with that reason.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING, Final, Literal, cast

import numpy as np

from tradewind.decide.planning.tariffs import TransferRates
from tradewind.domain.errors import InputError
from tradewind.domain.noun import Rejected
from tradewind.domain.placing import DataOption, DataPlace, DataPlan
from tradewind.domain.units import HOURS_PER_MONTH

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tradewind.decide.catalog.rows import StorageRow, StorageTierRow
    from tradewind.domain.noun import Cloud
    from tradewind.domain.offer import TransferPrice

__all__ = [
    "Disk",
    "Egress",
    "Ladder",
    "Option",
    "Place",
    "Placements",
    "Reads",
    "Tier",
    "break_even",
    "disks_at",
    "egress_between",
    "ladder_usd",
    "parts_usd",
    "placed",
    "placements",
    "tiers_at",
    "total_usd",
]

Place = tuple[str, str]
"""Cloud and region."""
Ladder = tuple[tuple[float, float], ...]
"""Steps of a price by monthly volume: from how many GB on, and US dollars per GB; the first from 0."""
Numbers = np.ndarray | float
_GB: Final = 1e9
_DAYS_PER_MONTH: Final = HOURS_PER_MONTH / 24.0


def ladder_usd(ladder: Ladder, gigabytes: Numbers) -> np.ndarray:
    """What a volume costs, step by step.

    >>> float(ladder_usd(((0.0, 0.09), (10_000.0, 0.085)), 12_000.0))
    1070.0
    """
    volume = np.asarray(gigabytes, float)
    ends = [start for start, _ in ladder[1:]] + [np.inf]
    total = np.zeros_like(volume)
    for (start, usd_per_gb), end in zip(ladder, ends, strict=True):
        total = total + np.maximum(np.minimum(volume, end) - start, 0.0) * usd_per_gb
    return np.asarray(total)


@dataclass(frozen=True)
class Tier:
    """A class of storage in a region, and what all of it costs."""

    place: Place
    name: str
    """Service and class, such as "S3 Standard-IA"."""
    access: str
    """hot, cool, cold or archive."""
    storage: Ladder
    """US dollars per GB and month."""
    retrieval_usd_per_gb: float = 0.0
    read_usd_per_1000: float = 0.0
    write_usd_per_1000: float = 0.0
    minimum_months: float = 0.0
    """What is deleted earlier is paid as if it had stayed so long."""
    offline: bool = False
    """Must be restored, for hours, before it can be read: nothing that is read each month may be in it."""
    origin: Literal["quoted", "assumed"] = "quoted"
    because: str = ""
    """What was assumed."""


@dataclass(frozen=True)
class Disk:
    """What can hold a copy beside the machines: their own disk (which costs nothing more), or block storage."""

    name: str
    usd_per_gb_month: float
    size_bytes: float = float("inf")
    """Of all machines together that share the copy."""
    places: frozenset[Place] | None = None
    """Where it can be had; None: everywhere."""


@dataclass(frozen=True)
class Egress:
    """What moving data from one place to another costs."""

    ladder: Ladder
    because: str = ""


@dataclass(frozen=True)
class Reads:
    """How much data there are, for how long, and how they are read. Numbers may be arrays that broadcast."""

    size_bytes: Numbers
    months: Numbers
    passes_per_month: Numbers
    """How often all of it (or `fraction` of it) is read: epochs of a training run, or restarts of a service."""
    fraction: Numbers = 1.0
    fills_per_month: Numbers = 1.0
    """How often a disk beside the machines must be filled anew: new machines, after interruptions or idle nights."""
    object_bytes: float = 64e6
    """Of one object, for what requests cost."""
    age_months: float = 0.0
    """How long the data have been where they are."""
    needed_at_home: bool = False
    """Others read them there too: they may be copied, not moved."""

    @property
    def gigabytes(self) -> np.ndarray:
        """All of it."""
        return np.asarray(self.size_bytes, float) / _GB


@dataclass(frozen=True)
class Option:
    """One way: what is done with the data, where they end up, and where and through what they are read."""

    action: Literal["stay", "move", "copy"]
    tier: Tier
    """Where they are read from (before any disk)."""
    compute: Place
    disk: Disk | None = None

    @property
    def name(self) -> str:
        """In a line: move to gcp us-central1 Cloud Storage Standard, read in gcp us-central1 from local disk."""
        where = f"{self.tier.place[0]} {self.tier.place[1]} {self.tier.name}"
        done = {"stay": f"stay in {where}", "move": f"move to {where}", "copy": f"keep, and copy to {where}"}
        through = f" from {self.disk.name}" if self.disk else ""
        away = "" if self.compute == self.tier.place or self.disk else " across regions"
        return f"{done[self.action]}, read in {self.compute[0]} {self.compute[1]}{through}{away}"


@dataclass(frozen=True)
class _Priced:
    option: Option
    usd: float
    parts: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Placements:
    """Every option that can be priced, the cheapest first, and why the others cannot."""

    ranked: tuple[Option, ...]
    usd: tuple[float, ...]
    """The total of each."""
    parts: tuple[dict[str, float], ...]
    """What each consists of: storage, early_deletion, moving, egress, retrieval, requests, disk, compute."""
    rejected: tuple[Rejected, ...]
    break_evens: tuple[str, ...]
    """In words: when another way than the first becomes the better one."""

    @property
    def best(self) -> Option:
        """The cheapest."""
        return self.ranked[0]


def placements(
    reads: Reads,
    home: Tier,
    tiers: Sequence[Tier],
    egress: Mapping[tuple[Place, Place], Egress],
    computes: Mapping[Place, float],
    disks: Sequence[Disk] = (),
) -> Placements:
    """All options, ranked by what they cost over the months.

    `home` is where the data are, `tiers` where they may be put, `egress` what moving costs for each pair of
    different places, `computes` where the machines may be, each with what they cost there over the months
    (0 where that is decided already). Equals are ranked by name. Errors: InputError when no option can be priced.

    >>> standard = Tier(("aws", "us-east-1"), "S3 Standard", "hot", ((0.0, 0.023),))
    >>> there = Tier(("aws", "us-west-2"), "S3 Standard", "hot", ((0.0, 0.023),))
    >>> found = placements(
    ...     Reads(size_bytes=1e12, months=1.0, passes_per_month=10.0), standard, [there],
    ...     {(standard.place, there.place): Egress(((0.0, 0.02),))}, {there.place: 0.0})
    >>> found.best.name, round(found.usd[0], 2)
    ('move to aws us-west-2 S3 Standard, read in aws us-west-2', 43.0)
    """
    priced: list[_Priced] = []
    refused: dict[str, int] = {}
    for option in _options(home, tiers, computes, disks):
        reason = _refusal(option, reads, home, egress)
        if reason:
            refused[reason] = refused.get(reason, 0) + 1
        else:
            parts = {
                name: float(usd) for name, usd in parts_usd(option, reads, home, egress, computes).items()
            }
            priced.append(_Priced(option, sum(parts.values()), parts))
    if not priced:
        raise InputError(f"no place for the data can be priced: {'; '.join(refused) or 'none was given'}")
    priced.sort(key=lambda one: (one.usd, one.option.name))
    return Placements(
        ranked=tuple(one.option for one in priced),
        usd=tuple(one.usd for one in priced),
        parts=tuple(one.parts for one in priced),
        rejected=tuple(
            Rejected(name=reason.split(":")[0], reason=reason, count=n) for reason, n in refused.items()
        ),
        break_evens=_break_evens(priced, reads, home, egress, computes),
    )


def _options(
    home: Tier, tiers: Sequence[Tier], computes: Mapping[Place, float], disks: Sequence[Disk]
) -> Iterable[Option]:
    elsewhere = [tier for tier in tiers if (tier.place, tier.name) != (home.place, home.name)]
    ways: list[tuple[Literal["stay", "move", "copy"], Tier]] = [("stay", home)]
    ways += [("move", tier) for tier in elsewhere] + [("copy", tier) for tier in elsewhere]
    for (action, tier), compute, disk in product(ways, computes, (None, *disks)):
        yield Option(action, tier, compute, disk)


def _refusal(option: Option, reads: Reads, home: Tier, egress: Mapping[tuple[Place, Place], Egress]) -> str:
    tier, disk = option.tier, option.disk
    if tier.offline and np.any(np.asarray(reads.passes_per_month) > 0.0):
        return f"{tier.name}: must be restored for hours before it is read"
    if option.action == "move" and reads.needed_at_home:
        return f"move from {home.place[0]} {home.place[1]}: the data are needed there too"
    legs = [(tier.place, option.compute)] + ([(home.place, tier.place)] if option.action != "stay" else [])
    for leg in legs:
        if leg[0] != leg[1] and leg not in egress:
            return f"{leg[0][0]} {leg[0][1]} to {leg[1][0]} {leg[1][1]}: no price of transfer is known"
    if disk is not None:
        if np.any(np.asarray(reads.size_bytes) > disk.size_bytes):
            return f"{disk.name}: the data do not fit"
        if disk.places is not None and option.compute not in disk.places:
            return f"{disk.name}: not to be had in {option.compute[0]} {option.compute[1]}"
    return ""


def parts_usd(
    option: Option,
    reads: Reads,
    home: Tier,
    egress: Mapping[tuple[Place, Place], Egress],
    computes: Mapping[Place, float],
) -> dict[str, np.ndarray]:
    """What an option costs over the months, by part; arrays where `reads` has arrays."""
    size = reads.gigabytes
    months = np.asarray(reads.months, float)
    moved = option.action != "stay"
    tier, disk = option.tier, option.disk
    left = max(home.minimum_months - reads.age_months, 0.0)

    # Kept: what is deleted before its time is paid to the end of it.
    at_home = months * (option.action != "move")
    early = np.maximum(left - at_home, 0.0) * ladder_usd(home.storage, size)
    storage = at_home * ladder_usd(home.storage, size)
    if moved:
        storage = storage + months * ladder_usd(tier.storage, size)
        early = early + np.maximum(tier.minimum_months - months, 0.0) * ladder_usd(tier.storage, size)

    objects = size * _GB / reads.object_bytes / 1000.0
    once = size * home.retrieval_usd_per_gb + ladder_usd(_leg(egress, home.place, tier.place), size)
    moving = moved * (once + objects * (home.read_usd_per_1000 + tier.write_usd_per_1000))

    passes = np.asarray(reads.passes_per_month, float) * np.asarray(reads.fraction, float)
    if disk is not None:
        passes = np.minimum(passes, np.asarray(reads.fills_per_month, float))
    volume = passes * size
    return {
        "storage": storage,
        "early_deletion": early,
        "moving": np.asarray(moving),
        "egress": months * ladder_usd(_leg(egress, tier.place, option.compute), volume),
        "retrieval": months * volume * tier.retrieval_usd_per_gb,
        "requests": months * passes * objects * tier.read_usd_per_1000,
        "disk": months * size * (disk.usd_per_gb_month if disk else 0.0),
        "compute": np.asarray(computes[option.compute]),
    }


def total_usd(
    option: Option,
    reads: Reads,
    home: Tier,
    egress: Mapping[tuple[Place, Place], Egress],
    computes: Mapping[Place, float],
) -> np.ndarray:
    """The sum of the parts."""
    return np.asarray(sum(parts_usd(option, reads, home, egress, computes).values()))


def _leg(egress: Mapping[tuple[Place, Place], Egress], start: Place, end: Place) -> Ladder:
    return ((0.0, 0.0),) if start == end else egress[start, end].ladder


_POINTS: Final = 200
_ZOOMS: Final = 4
_LEAST: Final = 1e-3
_MOST: Final = 1e4
_ROUNDING: Final = 1e-12

Asked = Literal["passes_per_month", "months"]
_UNITS: Final[dict[Asked, str]] = {"passes_per_month": "passes a month", "months": "months"}


def break_even(
    one: Option,
    other: Option,
    reads: Reads,
    home: Tier,
    egress: Mapping[tuple[Place, Place], Egress],
    computes: Mapping[Place, float],
    *,
    of: Asked,
    least: float = _LEAST,
    most: float = _MOST,
) -> float | None:
    """The number of passes a month, or of months, between two bounds beyond which `one` is dearer than `other`.

    The smallest one, to a relative 1e-6; None when `one` never is, or is already at the lower bound.
    """
    grid = np.geomspace(least, most, _POINTS)
    for zoom in range(_ZOOMS):
        at = _at(reads, of, grid)
        mine, others = (total_usd(option, at, home, egress, computes) for option in (one, other))
        dearer = np.broadcast_to(mine - others > _ROUNDING * others, grid.shape)
        if not dearer.any() or (zoom == 0 and dearer[0]):
            return None
        first = int(dearer.argmax())
        grid = np.linspace(grid[max(first - 1, 0)], grid[first], _POINTS)
    return float(grid[-1])


def _at(reads: Reads, of: Asked, values: np.ndarray) -> Reads:
    return replace(reads, months=values) if of == "months" else replace(reads, passes_per_month=values)


def _break_evens(
    priced: Sequence[_Priced],
    reads: Reads,
    home: Tier,
    egress: Mapping[tuple[Place, Place], Egress],
    computes: Mapping[Place, float],
) -> tuple[str, ...]:
    """Which option is the cheapest from which passes a month, and from which months, on."""
    lines = []
    for of, unit in _UNITS.items():
        # What must be restored first is no way for data that are read at all.
        among = [one for one in priced if of == "months" or not one.option.tier.offline]
        if not among:
            continue
        grid = np.geomspace(_LEAST, _MOST, _POINTS)
        at = _at(reads, of, grid)
        usd = np.array(
            [np.broadcast_to(total_usd(one.option, at, home, egress, computes), grid.shape) for one in among]
        )
        # Rounding must not tell equals apart: the first of the ranking is taken.
        first = (usd <= usd.min(axis=0) * (1.0 + 1e-9)).argmax(axis=0)
        starts = np.flatnonzero(np.diff(first)) + 1
        if len(starts):
            lines.append(f"with the fewest {unit}: {among[first[0]].option.name}")
        for before, start in zip(first[starts - 1], starts, strict=True):
            now = among[first[start]].option
            bounds = {"least": float(grid[start - 1]), "most": float(grid[start])}
            point = break_even(among[before].option, now, reads, home, egress, computes, of=of, **bounds)
            lines.append(f"from {point or bounds['least']:.4g} {unit} on: {now.name}")
    return tuple(lines)


_ByRegion = dict[str, "list[StorageRow]"]
_Class = tuple[str, str, str]
"""Cloud, service and tier."""


def _classes(
    prices: Iterable[StorageRow], kinds: Iterable[StorageTierRow], kind: str
) -> tuple[dict[_Class, StorageTierRow], dict[_Class, dict[tuple[str, str], _ByRegion]]]:
    """The classes of one kind, and their prices by (item, detail) and region."""
    known: dict[_Class, StorageTierRow] = {
        (row.cloud, row.service, row.tier): row for row in kinds if row.kind == kind
    }
    found: dict[_Class, dict[tuple[str, str], _ByRegion]] = {}
    for row in prices:
        if (row.cloud, row.service, row.tier) in known:
            items = found.setdefault((row.cloud, row.service, row.tier), {})
            items.setdefault((row.item, row.detail), {}).setdefault(row.region, []).append(row)
    return known, found


def disks_at(
    places: Sequence[Place], prices: Iterable[StorageRow], kinds: Iterable[StorageTierRow]
) -> list[Disk]:
    """Block storage that can hold a copy beside the machines in some places, at the price of its first step.

    What is provisioned beside (operations, throughput) is not in it. A disk of a region without a price of its own
    costs what it costs in the dearest of its cloud.
    """
    known, classes = _classes(prices, kinds, "block")
    found = []
    for (cloud, region), (key, items) in product(places, classes.items()):
        if key[0] == cloud and ("storage", "") in items and known[key].access == "hot":
            rows, own = _of_region(items["storage", ""], region)
            name = f"{key[1]} {key[2]}" + ("" if own else f" at the price of {rows[0].region}")
            found.append(Disk(name, rows[0].usd, places=frozenset({(cloud, region)})))
    return found


def tiers_at(
    places: Sequence[Place], prices: Iterable[StorageRow], kinds: Iterable[StorageTierRow]
) -> tuple[list[Tier], list[Rejected]]:
    """The classes of object storage of some places, from the catalogue's tables `storage` and `storage_tiers`.

    Where a region has no price of its own, the dearest of its cloud stands in and the tier says "assumed". A
    class whose reading costs, by all that is known, but at an unknown price is left out with that reason.
    """
    known, by_class = _classes(prices, kinds, "object")
    found: list[Tier] = []
    left_out: list[Rejected] = []
    for (cloud, region), (key, items) in product(places, by_class.items()):
        if key[0] != cloud or ("storage", "") not in items:
            continue
        kind, name = known[key], f"{key[1]} {key[2]}"
        storage, own = _of_region(items["storage", ""], region)
        retrieval = _usd(items, region, _RETRIEVALS)
        if retrieval is None and kind.access != "hot":
            left_out.append(
                Rejected(name=f"{cloud} {region} {name}", reason="no price of reading it is known")
            )
            continue
        reading = _usd(items, region, (("read_requests", ""), ("retrieval_requests", "standard")))
        writing = _usd(items, region, (("write_requests", ""),))
        anywhere = [
            row.usd for other, sold in by_class.items() if other[0] == cloud for row in _of_item(sold, "read")
        ]
        found.append(
            Tier(
                place=(cloud, region),
                name=name,
                access=kind.access,
                storage=tuple((row.from_gb, row.usd) for row in storage),
                retrieval_usd_per_gb=retrieval or 0.0,
                read_usd_per_1000=reading if reading is not None else max(anywhere, default=_DEAR_REQUEST),
                write_usd_per_1000=writing if writing is not None else _DEAR_REQUEST,
                minimum_months=(kind.minimum_days or 0) / _DAYS_PER_MONTH,
                offline=kind.access == "archive" and "hours" in (kind.first_byte or ""),
                origin="quoted" if own else "assumed",
                because="" if own else f"the price of {storage[0].region}: none is known in {region}",
            )
        )
    return found, left_out


_RETRIEVALS: Final = (("retrieval", ""), ("retrieval", "standard"))
_DEAR_REQUEST: Final = 0.05
"""US dollars per 1000 requests where none is known: the dearest that any class asks (S3 Glacier Deep Archive)."""


def _of_item(
    items: Mapping[tuple[str, str], Mapping[str, list[StorageRow]]], what: str
) -> Iterable[StorageRow]:
    for rows in items.get((f"{what}_requests", ""), {}).values():
        yield from rows


def _of_region(by_region: Mapping[str, list[StorageRow]], region: str) -> tuple[list[StorageRow], bool]:
    """The steps of a region, or else the dearest of its cloud, and whether they are its own."""
    own = by_region.get(region) or by_region.get("*")
    rows = own or max(by_region.values(), key=lambda rows: max(row.usd for row in rows))
    return sorted(rows, key=lambda row: row.from_gb), own is not None


def _usd(
    items: Mapping[tuple[str, str], Mapping[str, list[StorageRow]]],
    region: str,
    names: Sequence[tuple[str, str]],
) -> float | None:
    for name in names:
        if name in items:
            return _of_region(items[name], region)[0][0].usd
    return None


def egress_between(
    places: Sequence[Place], transfer: Sequence[TransferPrice], gigabytes: float
) -> dict[tuple[Place, Place], Egress]:
    """What moving between all pairs of different places costs, where anything is known of it.

    `gigabytes` is about how much moves in a month, by which the dearest is told where a stand-in is needed.
    """
    # The rules that say which price stands in for an unknown one are those of the monthly tariffs.
    prices = TransferRates(transfer)
    found: dict[tuple[Place, Place], Egress] = {}
    for start, end in product(places, places):
        if start == end:
            continue
        kind = "inter_region" if start[0] == end[0] else "internet"
        tiers = prices.tiers(kind, start[0], start[1], end[1], gigabytes)
        if tiers is not None:
            steps = tuple((price.from_gb, price.usd_per_gb) for price in tiers.prices)
            found[start, end] = Egress(steps, tiers.words)
    return found


def placed(
    found: Placements,
    reads: Reads,
    home: Tier,
    egress: Mapping[tuple[Place, Place], Egress],
    *,
    about: Mapping[tuple[str, str], str],
    left_out: Sequence[Rejected] = (),
    snapshot: str = "",
) -> DataPlan:
    """The placements as a noun, each option with what was assumed for it. `reads` has numbers, not arrays.

    `about` has by cloud and name what the classes of storage are; `left_out` what was never an option.
    """
    options = []
    for option, usd, parts in zip(found.ranked, found.usd, found.parts, strict=True):
        assumed = _assumed(option, home, egress)
        options.append(
            DataOption(
                action=option.action,
                place=_place(option.tier.place),
                tier=option.tier.name,
                about=about.get((option.tier.place[0], option.tier.name), ""),
                compute=_place(option.compute),
                disk=option.disk.name if option.disk else None,
                usd=usd,
                parts=parts,
                origin="assumed" if assumed else "quoted",
                assumed=assumed,
            )
        )
    return DataPlan(
        size_bytes=float(reads.size_bytes),
        months=float(reads.months),
        passes_per_month=float(reads.passes_per_month),
        fraction=float(reads.fraction),
        object_bytes=reads.object_bytes,
        needed_at_home=reads.needed_at_home,
        home=_place(home.place),
        home_tier=home.name,
        options=tuple(options),
        break_evens=found.break_evens,
        rejected=(*(one for one in map(_said_once, found.rejected) if one), *left_out),
        snapshot=snapshot,
    )


def _said_once(one: Rejected) -> Rejected | None:
    """Without the name in the reason; None for disks elsewhere than the machines, which nobody would expect."""
    reason = one.reason.partition(": ")[2] or one.reason
    return (
        None
        if reason.startswith("not to be had in")
        else Rejected(name=one.name, reason=reason, count=one.count)
    )


def _place(place: Place) -> DataPlace:
    return DataPlace(cloud=cast("Cloud", place[0]), region=place[1])


def _assumed(option: Option, home: Tier, egress: Mapping[tuple[Place, Place], Egress]) -> tuple[str, ...]:
    """What stands in for prices that nobody states, of those that the option pays."""
    said = [
        f"{tier.place[0]} {tier.place[1]} {tier.name}: {tier.because}"
        for tier in dict.fromkeys((home, option.tier))
        if tier.because
    ]
    legs = [(home.place, option.tier.place), (option.tier.place, option.compute)]
    for start, end in dict.fromkeys(legs):
        words = egress[start, end].because if start != end else ""
        if words:
            said.append(f"{start[0]} {start[1]} to {end[0]} {end[1]}{words}")
    if option.disk is not None and " at the price of " in option.disk.name:
        said.append(option.disk.name)
    return tuple(said)
