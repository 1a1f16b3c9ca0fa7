"""The offers of a catalogue that a goal allows."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from tradewind.decide.catalog.dates import is_day
from tradewind.decide.catalog.jurisdictions import stands_in
from tradewind.decide.catalog.managed import Managed, managed_services
from tradewind.decide.catalog.places import GROUPS, means
from tradewind.decide.catalog.provenance import confidence_on
from tradewind.domain.errors import InputError
from tradewind.domain.noun import Cloud, Noun
from tradewind.domain.offer import NUMBERS, Keyed, Offer, Offers, StoragePrice, TransferPrice

if TYPE_CHECKING:
    from tradewind.decide.catalog.rows import CapabilityRow, SurchargeRow
    from tradewind.domain.noun import Capability, Purchase

__all__ = ["Catalog", "Columns", "Region", "interruptions_per_hour", "is_accelerator", "offers"]


class Region(Noun, frozen=True, kw_only=True):
    """A region that the catalogue knows."""

    cloud: Cloud
    name: str
    place: str | None
    """City, state or country; None when no source says it."""
    group: str | None
    """A key of `places.GROUPS`."""
    country: str | None = None
    jurisdictions: tuple[str, ...] = ()
    """The bodies of law it stands under, such as de, eu, gdpr."""
    machine_types: int
    """How many machine types have a price here; 0 for a region that is known only by other facts."""


@dataclass(frozen=True, eq=False)
class Columns:
    """Columns of equal length: arrays of numbers (NaN is unknown), and tuples of anything else."""

    numbers: dict[str, np.ndarray]
    words: dict[str, tuple[Any, ...]]


@dataclass(frozen=True, eq=False)
class Catalog:
    """A dated snapshot of what the clouds rent out.

    Shapes: n prices, each with the number of its place (cloud, region, zone), of its machine (type) and of its
    origin (purchase option, terms, source, day, confidence), whose columns are held once for each number.
    `own` holds columns of the user's, such as quotas, (n,) each.
    """

    prices: np.ndarray
    place: np.ndarray
    machine: np.ndarray
    origin: np.ndarray
    places: Columns
    machines: Columns
    origins: Columns
    regions: tuple[Region, ...]
    storage: tuple[StoragePrice, ...]
    transfer: tuple[TransferPrice, ...]
    capabilities: tuple[CapabilityRow, ...]
    surcharges: tuple[SurchargeRow, ...]
    as_of: str
    """The newest day of a price."""
    snapshot: str
    """The name of the snapshot: its newest day, and the first digits of the hash of its content."""
    own: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.prices)


class Wish(Protocol):
    """What goals of every kind say about where and how one may rent."""

    @property
    def clouds(self) -> tuple[Cloud, ...]:
        """Where at all."""

    @property
    def regions(self) -> tuple[str, ...]:
        """Names or patterns."""

    @property
    def purchase(self) -> tuple[Purchase, ...]:
        """Ways to rent."""

    @property
    def jurisdiction(self) -> tuple[str, ...]:
        """Where the machines must stand by law."""

    @property
    def accelerator(self) -> tuple[str, ...]:
        """Machines with one of these only."""

    @property
    def memory_bytes(self) -> float | None:
        """The least of one machine."""

    @property
    def require(self) -> tuple[Capability, ...]:
        """Capabilities of the managed service."""


def offers(goal: Wish, catalog: Catalog, today: str) -> Offers:
    """The offers that the goal allows, in the catalogue's order.

    Allowed are its clouds, regions, jurisdictions and purchase options, machines with one of its accelerators and
    enough memory, and clouds whose managed service has every capability that it requires; then the machines
    are rented through that service, at its surcharge. A machine whose vCPUs or memory no source states cannot
    be planned with and is left out.

    A region pattern is a cloud's own region name, a shell pattern over these names, or a part of the world
    in all clouds (`europe-*`, see `places`). Confidence counts age: a price that is more than a year old
    on `today` is C. Prices of storage and transfer come along for all regions, because the data may live
    elsewhere.

    Errors: InputError for a pattern without a region, with the nearest names; for a region that only
    other clouds have; for whatever leaves no offer, with what there would be.
    """
    if not is_day(today):
        raise InputError(f"today is {today!r}; write a day such as {catalog.as_of}")
    managed = managed_services(goal.require, catalog.capabilities, catalog.surcharges, goal.clouds)
    rows = _in_places(goal, catalog, managed)
    rows = _of_machines(goal, catalog, rows)
    rows = _under_purchase(goal, catalog, rows)
    return _offers(catalog, rows, managed, today)


def _in_places(goal: Wish, catalog: Catalog, managed: dict[Cloud, Managed]) -> np.ndarray:
    """(n,) whether the offer is in a region that the goal allows. Errors: InputError."""
    chosen: set[tuple[str, str]] = set()
    for pattern in goal.regions:
        chosen |= {(region.cloud, region.name) for region in _regions(pattern, goal, catalog)}
    chosen = _under_law(goal, catalog, chosen)
    if goal.require:
        chosen = {(cloud, name) for cloud, name in chosen if cloud in managed}
    clouds, names = catalog.places.words["cloud"], catalog.places.words["region"]
    allowed = np.array([pair in chosen for pair in zip(clouds, names, strict=True)], dtype=bool)
    if not allowed.any():
        raise InputError(
            f"require: {', '.join(goal.require)}: no managed service in the goal's clouds and regions is known to "
            "have all of it; the table capabilities says which has what"
        )
    return np.asarray(allowed[catalog.place])


def _under_law(goal: Wish, catalog: Catalog, chosen: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The regions that stand under one of the goal's jurisdictions. Errors: InputError."""
    known = {word for region in catalog.regions for word in region.jurisdictions}
    asked = tuple(word.lower() for word in goal.jurisdiction)
    lawful = {(r.cloud, r.name) for r in catalog.regions if stands_in(asked, r.jurisdictions, known)}
    if not chosen & lawful:
        raise InputError(
            f"jurisdiction: none of the goal's regions stands in {', '.join(goal.jurisdiction)}; "
            "allow other regions"
        )
    return chosen & lawful


def _of_machines(goal: Wish, catalog: Catalog, rows: np.ndarray) -> np.ndarray:
    """The rows whose machine is described, big enough, and has what is asked. Errors: InputError."""
    numbers, words = catalog.machines.numbers, catalog.machines.words
    fits = ~np.isnan(numbers["vcpus"]) & ~np.isnan(numbers["memory_bytes"])
    accelerators = np.array([name or "" for name in words["accelerator"]], dtype=object)
    if goal.accelerator:
        known = sorted({name for name in words["accelerator"] if name})
        wanted: set[str] = set()
        for asked in goal.accelerator:
            meant = [name for name in known if is_accelerator(asked, name)]
            if not meant:
                like = difflib.get_close_matches(asked, known, n=3, cutoff=0.4)
                raise InputError(
                    f"accelerator: {asked!r} is in no machine of the catalogue; the nearest are "
                    f"{', '.join(like or known)}"
                )
            wanted |= set(meant)
        fits &= np.array([name in wanted for name in accelerators], dtype=bool)
    here = rows & fits[catalog.machine]
    if goal.accelerator and not here.any():
        raise InputError(
            f"accelerator: no machine with {', '.join(goal.accelerator)} in the goal's clouds and regions; "
            "allow other regions or accelerators"
        )
    if goal.memory_bytes is not None:
        most = float(np.max(numbers["memory_bytes"][catalog.machine[here]], initial=0.0))
        here &= (numbers["memory_bytes"] >= goal.memory_bytes)[catalog.machine]
        if not here.any():
            raise InputError(
                f"memory: no machine in the goal's clouds and regions has {goal.memory_bytes / 2**30:.0f} GiB; "
                f"the largest has {most / 2**30:.0f} GiB"
            )
    return np.asarray(here)


def is_accelerator(asked: str, name: str) -> bool:
    """Whether a user who writes `asked` means this accelerator: its name, or the beginning before a hyphen.

    >>> is_accelerator("h100", "H100-SXM"), is_accelerator("A10", "A100-40GB"), is_accelerator("v5e", "TPU-v5e")
    (True, False, True)
    """
    asked, name = asked.lower(), name.lower()
    return name == asked or name.startswith(f"{asked}-") or name.endswith(f"-{asked}")


def _under_purchase(goal: Wish, catalog: Catalog, rows: np.ndarray) -> np.ndarray:
    """The rows under one of the goal's purchase options. Errors: InputError."""
    purchases = catalog.origins.words["purchase"]
    allowed = np.array([purchase in goal.purchase for purchase in purchases], dtype=bool)
    wanted = rows & allowed[catalog.origin]
    forbidden = catalog.own.get("forbidden")
    if not wanted.any():
        known = ", ".join(sorted({purchases[number] for number in np.unique(catalog.origin[rows])}))
        raise InputError(
            f"purchase: the catalogue has no price for {', '.join(goal.purchase)} in the goal's clouds and "
            f"regions; it has {known or 'none'} there"
        )
    if forbidden is not None:
        wanted &= ~forbidden
        if not wanted.any():
            raise InputError("overlay: it forbids every offer that the goal allows; allow some of them")
    return np.asarray(wanted)


def _offers(catalog: Catalog, rows: np.ndarray, managed: dict[Cloud, Managed], today: str) -> Offers:
    graded = tuple(
        confidence_on(letter, as_of, today)
        for letter, as_of in zip(
            catalog.origins.words["confidence"], catalog.origins.words["as_of"], strict=True
        )
    )
    classes = catalog.origins.words["interruption"]
    rates = np.array([interruptions_per_hour(words) for words in classes], dtype=np.float64)
    numbers: dict[str, np.ndarray | Keyed] = {
        "price_usd_per_hour": catalog.prices[rows],
        "interruptions_per_hour": Keyed("origin", rates),
        "grid_gco2e_per_kwh": Keyed("place", catalog.places.numbers["grid_gco2e_per_kwh"]),
    }
    words: dict[str, tuple[np.ndarray, tuple[object, ...]] | Keyed] = {
        "confidence": Keyed("origin", graded),
        "interruption_class": Keyed("origin", classes),
    }
    for key, columns in (
        ("machine", catalog.machines),
        ("place", catalog.places),
        ("origin", catalog.origins),
    ):
        for name in Offer.__struct_fields__:
            if name in columns.numbers and name not in numbers:
                numbers[name] = Keyed(key, columns.numbers[name])
            elif name in columns.words and name not in words and name not in numbers:
                words[name] = Keyed(key, columns.words[name])
    numbers |= _through_services(catalog, managed, words)
    count = int(np.count_nonzero(rows))
    for name in Offer.__struct_fields__:
        if name in catalog.own:
            numbers[name] = catalog.own[name][rows]
        elif name in NUMBERS and name not in numbers:
            numbers[name] = np.full(count, _ABSENT.get(name, np.nan))
    return Offers(
        numbers,
        words,
        keys={
            "place": catalog.place[rows],
            "machine": catalog.machine[rows],
            "origin": catalog.origin[rows],
        },
        storage=catalog.storage,
        transfer=catalog.transfer,
        snapshot=catalog.snapshot,
    )


_ABSENT: Final = {"prepaid_machines": 0.0, "prepaid_usd_per_hour": 0.0}
"""What a column of the overlay says where there is no overlay; else unknown."""


def _through_services(
    catalog: Catalog,
    managed: dict[Cloud, Managed],
    words: dict[str, tuple[np.ndarray, tuple[object, ...]] | Keyed],
) -> dict[str, np.ndarray | Keyed]:
    """The surcharge of each machine in the managed service of its cloud; puts the service's name into `words`."""
    machines = list(
        zip(catalog.machines.words["cloud"], catalog.machines.words["instance_type"], strict=True)
    )
    found = [managed[cloud].surcharge(name) if cloud in managed else None for cloud, name in machines]
    words["managed_service"] = Keyed(
        "machine", tuple(managed[cloud].service if cloud in managed else None for cloud, _ in machines)
    )
    words["managed_source"] = Keyed("machine", tuple(one.source if one else None for one in found))
    return {
        "managed_ratio": Keyed("machine", np.array([one.likely if one else np.nan for one in found])),
        "managed_ratio_low": Keyed("machine", np.array([one.low if one else np.nan for one in found])),
        "managed_ratio_high": Keyed("machine", np.array([one.high if one else np.nan for one in found])),
    }


_MONTHLY: Final = {"<5%": 0.025, "5-10%": 0.075, "10-15%": 0.125, "15-20%": 0.175, ">20%": 0.3}
"""AWS's classes of the share of spot machines taken back in a month -> the middle of the class; the last is open,
and its middle a guess."""


def interruptions_per_hour(interruption_class: str | None) -> float:
    """Expected interruptions of one spot machine in an hour by the cloud's class; NaN when unknown.

    >>> round(interruptions_per_hour("5-10%") * 730, 3)
    0.075
    """
    monthly = _MONTHLY.get(interruption_class or "")
    return float("nan") if monthly is None else monthly / 730.0


def _regions(pattern: str, goal: Wish, catalog: Catalog) -> list[Region]:
    """The regions with prices, in the goal's clouds, that a pattern means. Errors: InputError.

    Regions that are kept for a government are meant only by who names them, or their law.
    """
    lower = pattern.strip().lower()
    meant = [
        region
        for region in catalog.regions
        if means(lower, region.name, region.group, region.jurisdictions, goal.jurisdiction)
    ]
    if not meant:
        raise InputError(
            f"regions: {pattern!r} matches no region of any cloud; {_nearest(lower, goal, catalog)}"
        )
    asked = [region for region in meant if region.cloud in goal.clouds]
    if not asked:
        clouds = " and ".join(sorted({region.cloud for region in meant}))
        raise InputError(
            f"regions: {pattern!r} is in {clouds}, which the goal's clouds ({', '.join(goal.clouds)}) leave out; "
            f"add {clouds} to clouds, or choose other regions: {_nearest(lower, goal, catalog)}"
        )
    priced = [region for region in asked if region.machine_types]
    if not priced:
        raise InputError(
            f"regions: the catalogue of {catalog.as_of} has no machine prices for {pattern!r} in "
            f"{', '.join(sorted({region.cloud for region in asked}))}; {_nearest(lower, goal, catalog)}"
        )
    return priced


def _nearest(pattern: str, goal: Wish, catalog: Catalog) -> str:
    """The names with prices that look most like the pattern, in words."""
    priced = [region for region in catalog.regions if region.machine_types and region.cloud in goal.clouds]
    names = sorted({region.name for region in priced})
    groups = {region.group for region in priced}
    patterns = [f"{group}-*" for group in GROUPS if group in groups]
    alike = difflib.get_close_matches(pattern, [*names, *patterns], n=3, cutoff=0.5)
    if alike:
        return f"the nearest are {', '.join(alike)}"
    return f"known are {', '.join(patterns)} and names such as {', '.join(names[:3])}"
