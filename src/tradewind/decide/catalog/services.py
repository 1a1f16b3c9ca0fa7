"""Managed services: what they are, what they can do, where they exist, and the classes of storage.

In: the rows of the hand-kept tables `services`, `capabilities`, `service_regions` and `storage_tiers`. Out: rows
in the project's words, sorted, and a quarantine with the reason for each row that says something without a
source or in words that nobody knows.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any, Final, cast

from tradewind.decide.catalog.dates import is_day
from tradewind.decide.catalog.rows import (
    CapabilityRow,
    QuarantineRow,
    ServiceRegionRow,
    ServiceRow,
    StorageTierRow,
)
from tradewind.decide.catalog.texts import Row, text
from tradewind.domain.errors import InputError, nearest
from tradewind.domain.goal import CLOUDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tradewind.decide.catalog.rows import SurchargeRow
    from tradewind.domain.noun import Capability, Cloud

__all__ = [
    "CAPABILITIES",
    "CAPABILITY_COLUMNS",
    "SERVICE_COLUMNS",
    "SERVICE_KINDS",
    "SERVICE_REGION_COLUMNS",
    "STORAGE_ACCESS",
    "STORAGE_KINDS",
    "STORAGE_TIER_COLUMNS",
    "capable",
    "read_capabilities",
    "read_service_regions",
    "read_services",
    "read_storage_tiers",
]

CAPABILITIES: Final[dict[Capability, str]] = {
    "explainability": "says which inputs a prediction rests on",
    "bias_detection": "measures how data or predictions differ between groups of people",
    "model_registry": "keeps versions of models with their lineage and approval",
    "data_labelling": "organises people who label data",
    "hybrid": "trains or serves outside the cloud too: on premises or in other clouds",
    "kubernetes": "trains or serves on a Kubernetes cluster",
    "private_networking": "is reached without the public internet",
    "tpu": "trains or serves on Google's TPUs",
    "customization": "runs own code or containers",
    "support": "is covered by a support plan of the vendor",
    "documentation": "has public documentation",
    "governance": "has roles, policies or records for who may do what with a model",
    "collaboration": "lets a team share notebooks, data or compute",
    "responsible_ai": "has tools or records for judging whether a model should be used",
}
"""Each word of `require` in a goal, and what a service must do to have it."""

SERVICE_KINDS: Final = ("machine_learning", "data_lake")
STORAGE_KINDS: Final = ("object", "block", "local_disk", "data_lake")
STORAGE_ACCESS: Final = ("hot", "cool", "cold", "archive")

SERVICE_COLUMNS: Final = (
    "cloud",
    "service",
    "kind",
    "about",
    "spot",
    "autoscaling",
    "price_note",
    "source",
    "as_of",
)
CAPABILITY_COLUMNS: Final = ("cloud", "service", "capability", "supported", "how", "source", "as_of")
SERVICE_REGION_COLUMNS: Final = ("cloud", "service", "region", "source", "as_of")
STORAGE_TIER_COLUMNS: Final = (
    "cloud",
    "service",
    "tier",
    "kind",
    "access",
    "minimum_days",
    "first_byte",
    "about",
    "source",
    "as_of",
)

_YES_OR_NO: Final = {"true": True, "false": False, "": None}
"""What a cell may say; an empty one says that nobody knows."""


def read_services(
    rows: Iterable[Row], surcharges: Iterable[SurchargeRow]
) -> tuple[list[ServiceRow], list[QuarantineRow]]:
    """The services with what they ask over a bare machine, sorted; caught: unknown words, no source, twice.

    The surcharge is the lowest, the median and the highest ratio known of any machine type; null where none is.
    """
    ratios: dict[tuple[str, str], list[float]] = {}
    for surcharge in surcharges:
        ratios.setdefault((surcharge.cloud, surcharge.service), []).append(surcharge.ratio)
    found: dict[tuple[str, ...], ServiceRow] = {}
    caught: list[QuarantineRow] = []
    for row in _in_order(rows, "cloud", "service"):
        key = (row["cloud"], row["service"])
        problem = (
            _unsourced(row)
            or _outside(row, "kind", SERVICE_KINDS)
            or _outside(row, "spot", _YES_OR_NO)
            or _outside(row, "autoscaling", _YES_OR_NO)
            or _twice(key, found)
        )
        if problem:
            caught.append(_quarantined("services", row, problem))
            continue
        known = ratios.get(key)
        found[key] = ServiceRow(
            cloud=cast("Cloud", row["cloud"]),
            service=row["service"],
            kind=row["kind"],
            about=row["about"],
            surcharge_low=min(known) if known else None,
            surcharge_likely=median(known) if known else None,
            surcharge_high=max(known) if known else None,
            spot=_YES_OR_NO[row["spot"]],
            autoscaling=_YES_OR_NO[row["autoscaling"]],
            price_note=text(row, "price_note"),
            source=row["source"],
            as_of=row["as_of"],
        )
    return list(found.values()), caught


def read_capabilities(rows: Iterable[Row]) -> tuple[list[CapabilityRow], list[QuarantineRow]]:
    """Which service has which capability, sorted; caught: unknown words, a statement without a source, twice.

    A row either says yes or no, with how, source and day, or it says nothing at all: then it is unknown.
    """
    found: dict[tuple[str, ...], CapabilityRow] = {}
    caught: list[QuarantineRow] = []
    for row in _in_order(rows, "cloud", "service", "capability"):
        key = (row["cloud"], row["service"], row["capability"])
        said = row["supported"]
        problem = (
            _outside(row, "cloud", CLOUDS)
            or _outside(row, "capability", CAPABILITIES)
            or _outside(row, "supported", _YES_OR_NO)
            or _twice(key, found)
        )
        if not problem and said:
            problem = _unsourced(row) or ("" if row["how"].strip() else f"says {said} but not how")
        if not problem and not said and any(row[column].strip() for column in ("how", "source", "as_of")):
            problem = "says how or who, but neither true nor false"
        if problem:
            caught.append(_quarantined("capabilities", row, problem))
            continue
        found[key] = CapabilityRow(
            cloud=cast("Cloud", row["cloud"]),
            service=row["service"],
            capability=row["capability"],
            supported=_YES_OR_NO[said],
            how=text(row, "how"),
            source=text(row, "source"),
            as_of=text(row, "as_of"),
        )
    return list(found.values()), caught


def read_service_regions(rows: Iterable[Row]) -> tuple[list[ServiceRegionRow], list[QuarantineRow]]:
    """Where services exist, sorted; caught: no region, no source, twice.

    A service without any row is one whose regions no source lists, not one that exists nowhere.
    """
    found: dict[tuple[str, ...], ServiceRegionRow] = {}
    caught: list[QuarantineRow] = []
    for row in _in_order(rows, "cloud", "service", "region"):
        key = (row["cloud"], row["service"], row["region"])
        problem = _unsourced(row) or ("" if row["region"].strip() else "no region") or _twice(key, found)
        if problem:
            caught.append(_quarantined("service_regions", row, problem))
            continue
        found[key] = ServiceRegionRow(
            cloud=cast("Cloud", row["cloud"]),
            service=row["service"],
            region=row["region"],
            source=row["source"],
            as_of=row["as_of"],
        )
    return list(found.values()), caught


def read_storage_tiers(rows: Iterable[Row]) -> tuple[list[StorageTierRow], list[QuarantineRow]]:
    """The classes of storage, sorted; caught: unknown words, a time that is no number of days, no source, twice."""
    found: dict[tuple[str, ...], StorageTierRow] = {}
    caught: list[QuarantineRow] = []
    for row in _in_order(rows, "cloud", "service", "tier"):
        key = (row["cloud"], row["service"], row["tier"])
        days = row["minimum_days"].strip()
        whole = days.isdecimal() or not days
        problem = (
            _unsourced(row)
            or _outside(row, "kind", STORAGE_KINDS)
            or _outside(row, "access", STORAGE_ACCESS)
            or ("" if whole else f"minimum_days is {days!r}; write whole days, or nothing")
            or _twice(key, found)
        )
        if problem:
            caught.append(_quarantined("storage_tiers", row, problem))
            continue
        found[key] = StorageTierRow(
            cloud=cast("Cloud", row["cloud"]),
            service=row["service"],
            tier=row["tier"],
            kind=row["kind"],
            access=row["access"],
            minimum_days=int(days) if days else None,
            first_byte=text(row, "first_byte"),
            about=row["about"],
            source=row["source"],
            as_of=row["as_of"],
        )
    return list(found.values()), caught


def capable(
    capabilities: Sequence[CapabilityRow], cloud: str, required: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which required words a cloud's managed service lacks, and of which nobody knows; in the order required.

    Both are empty when the service has all. Where a cloud has several services, one that has the word is enough,
    and a word is lacked only when each of them is known to lack it.

    Errors: InputError for a word that is no capability, with the nearest one.

    >>> row = CapabilityRow(
    ...     cloud="gcp", service="Vertex AI", capability="tpu", supported=True, how="TPUs", source="s", as_of="d"
    ... )
    >>> capable([row], "gcp", ["tpu", "hybrid"])
    ((), ('hybrid',))
    """
    for word in required:
        if problem := _unknown(word, CAPABILITIES):
            raise InputError(f"require: {problem}")
    said: dict[str, list[bool | None]] = {}
    for row in capabilities:
        if row.cloud == cloud:
            said.setdefault(row.capability, []).append(row.supported)
    lacking = [word for word in required if True not in said.get(word, [])]
    lacks = tuple(word for word in lacking if said.get(word) and None not in said[word])
    return lacks, tuple(word for word in lacking if word not in lacks)


def _in_order(rows: Iterable[Row], *columns: str) -> list[Row]:
    return sorted(rows, key=lambda row: tuple(row[column] for column in columns))


def _unsourced(row: Row) -> str:
    """What is wrong with the cloud, the source and the day; empty when nothing is."""
    if problem := _outside(row, "cloud", CLOUDS):
        return problem
    if not row["source"].strip():
        return "no source"
    return "" if is_day(row["as_of"]) else f"as_of is {row['as_of']!r}; write a day such as 2026-11-25"


def _outside(row: Row, column: str, known: Iterable[str]) -> str:
    problem = _unknown(row[column], known)
    return f"{column}: {problem}" if problem else ""


def _unknown(word: str, known: Iterable[str]) -> str:
    words = tuple(known)
    if word in words:
        return ""
    alike = nearest(word, words)
    hint = f"the nearest is {alike!r}" if alike else f"known are {', '.join(w for w in words if w)}"
    return f"{word!r} is not a known word; {hint}"


def _twice(key: tuple[str, ...], found: dict[tuple[str, ...], Any]) -> str:
    return "a second row for the same" if key in found else ""


def _quarantined(table: str, row: Row, problem: str) -> QuarantineRow:
    return QuarantineRow(
        of_table=table,
        cloud=row["cloud"],
        region=row.get("region", ""),
        item=row["service"],
        purchase=row.get("capability") or row.get("tier") or "",
        price_usd=None,
        invariant="fact_is_sourced",
        reason=problem,
        source=row["source"],
        as_of=row["as_of"],
    )
