"""Where to keep data, by the prices of a snapshot: storage by class, what reading and moving costs, disks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tradewind.decide.catalog.rows import StorageRow, StorageTierRow
from tradewind.decide.planning.placement import disks_at, egress_between, placed, placements, tiers_at
from tradewind.domain.errors import InputError
from tradewind.domain.errors import nearest as alike
from tradewind.run.market.reading import nouns
from tradewind.run.market.snapshot import load_catalog

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tradewind.decide.catalog import Catalog
    from tradewind.decide.planning.placement import Place, Reads, Tier
    from tradewind.domain.placing import DataPlan

__all__ = ["place_data"]

USUAL: Final = ("S3 Standard", "Blob Storage Hot LRS", "Cloud Storage Standard")
"""The classes that data are in unless one says otherwise."""
PAST: Final = "a class of the past"
"""How the catalogue words classes that nothing new is put into."""
_PRICES: Final = "SELECT * FROM storage ORDER BY ALL"
_CLASSES: Final = "SELECT * FROM storage_tiers ORDER BY ALL"


def place_data(
    reads: Reads,
    home: Place,
    *,
    kept_in: str | None = None,
    computes: Mapping[Place, float],
    folder: Path | None = None,
) -> DataPlan:
    """All ways to keep data that are at home now and are read where machines may be, the cheapest first.

    `kept_in` is their class of storage now, by default the usual one; `computes` has what the machines cost in each
    place over the months, 0 where that is decided already. Data may go to any class of storage at home or beside the
    machines, and be copied to a disk there. `folder` is a snapshot, by default the current one.

    Errors: InputError for a region or a class that the catalogue does not know, with the nearest.
    """
    catalog = load_catalog(folder)
    places = list(dict.fromkeys([home, *computes]))
    for place in places:
        _known(place, catalog)
    prices = nouns(StorageRow, _PRICES, folder)
    kinds = [kind for kind in nouns(StorageTierRow, _CLASSES, folder) if not kind.about.startswith(PAST)]
    tiers, left_out = tiers_at(places, prices, kinds)
    now = _tier(tiers, home, kept_in)
    egress = egress_between(places, catalog.transfer, float(reads.gigabytes))
    found = placements(reads, now, tiers, egress, computes, disks_at(list(computes), prices, kinds))
    about: dict[tuple[str, str], str] = {
        (kind.cloud, f"{kind.service} {kind.tier}"): kind.about for kind in kinds
    }
    return placed(found, reads, now, egress, about=about, left_out=left_out, snapshot=catalog.snapshot)


def _known(place: Place, catalog: Catalog) -> None:
    cloud, region = place
    regions = [one.name for one in catalog.regions if one.cloud == cloud]
    if not regions:
        clouds = ", ".join(sorted({one.cloud for one in catalog.regions}))
        raise InputError(f"{cloud}:{region}: no cloud {cloud!r} is known; there are {clouds}")
    if region not in regions:
        like = alike(region, regions)
        hint = f"did you mean {cloud}:{like}?" if like else f"there are {', '.join(regions)}"
        raise InputError(f"{cloud}:{region}: no region {region!r} is known; {hint}")


def _tier(tiers: Sequence[Tier], home: Place, kept_in: str | None) -> Tier:
    here = {tier.name: tier for tier in tiers if tier.place == home}
    if kept_in is None:
        usual = next((here[name] for name in USUAL if name in here), None)
        if usual is None:
            raise InputError(f"no price of storage in {home[0]} {home[1]} is known")
        return usual
    # The whole name or its end, which is how people call it: Standard-IA.
    meant = [name for name in here if f" {name}".lower().endswith(f" {kept_in.strip().lower()}")]
    if meant:
        return here[min(meant, key=len)]
    known = ", ".join(here)
    like = alike(kept_in, list(here))
    raise InputError(
        f"no class of storage {kept_in!r} is known in {home[0]} {home[1]};"
        + (f" did you mean {like}?" if like else f" there are {known}")
    )
