"""Google Cloud: SKUs of the Billing Catalog, and the machines whose prices are composed of them.

The catalogue has no prices of machines. It has what a vCPU, a GiB of memory, a GPU, a TPU chip and a GiB of
local disk of each family cost, and says which family and what thing only in the words of a description: "Spot
Preemptible A3 Instance Core running in Americas". A machine's price is the sum of all its parts. If one of
them has no price, there is no sum: a2-highgpu-1g without its GPU would stand here at a quarter of what it
costs.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from tradewind.decide.catalog.lists.origin import Origin, Words, price
from tradewind.decide.catalog.live.bounds import MOST_USD_PER_HOUR, bounded, decoded, number, sifted
from tradewind.decide.catalog.machines import shares_cpu
from tradewind.decide.catalog.reading import Read, together
from tradewind.decide.catalog.rows import PartRow, QuarantineRow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from tradewind.decide.catalog.rows import InstanceRow, PriceRow, SpecRow
    from tradewind.domain.noun import Purchase

__all__ = ["Page", "Parts", "Shape", "billing_catalog", "compose", "page", "read_parts", "shapes", "untold"]

_LIST: Final = "Cloud Billing Catalog"

_GIB: Final = 2.0**30


def billing_catalog(day: str) -> Origin:
    """Who states the prices of parts that were read on `day`."""
    return Origin(
        source=f"Cloud Billing Catalog, summed by parts ({day})",
        publisher=_LIST,
        as_of=day,
        as_of_precision="day",
        licence="the vendor's public price list",
        confidence="B",
        file="https://cloudbilling.googleapis.com/v1/services/6F81-5844-456A/skus",
        locator="the SKUs with region {region} in their serviceRegions and usageType {key}; see price_parts",
        keys={
            "on_demand": "OnDemand",
            "spot": "Preemptible",
            "commit_1y": "Commit1Yr",
            "commit_3y": "Commit3Yr",
        },
        read_as="the sum of vCPUs, memory, accelerators and local disk, at the prices in price_parts",
    )


class _Amount(msgspec.Struct, rename="camel"):
    """Money: whole units, and billionths."""

    units: str | int = 0
    nanos: int = 0
    currency_code: str = "USD"

    @property
    def usd(self) -> float:
        return number(str(self.units)) + self.nanos / 1e9


class _Rate(msgspec.Struct, rename="camel"):
    unit_price: _Amount


class _Expression(msgspec.Struct, rename="camel"):
    usage_unit: str
    tiered_rates: list[_Rate]


class _Pricing(msgspec.Struct, rename="camel"):
    pricing_expression: _Expression


class _Category(msgspec.Struct, rename="camel"):
    resource_family: str
    resource_group: str
    usage_type: str


class _Sku(msgspec.Struct, rename="camel"):
    sku_id: str
    description: str
    category: _Category
    service_regions: list[str]
    pricing_info: list[_Pricing]


class Page(msgspec.Struct, rename="camel"):
    """A page of SKUs, and the token of the next one; "" at the end."""

    skus: list[_Sku]
    next_page_token: str = ""


def page(answer: bytes) -> Page:
    """A page. Errors: CodecError."""
    found = decoded(answer, Page, _LIST)
    bounded(len(found.skus), _LIST)
    return found


@dataclass(frozen=True)
class Parts:
    """What parts cost: (region, purchase option, part) -> US dollars per unit and hour.

    Parts are called `N2 core`, `N2 memory`, `local disk`, `T4` (any accelerator's name) or `TPU-v5e chip`.
    """

    usd_per_hour: Mapping[tuple[str, Purchase, str], float]
    priced: Mapping[Purchase, frozenset[str]]
    """The parts that have a price in some region, by purchase option."""
    caught: tuple[QuarantineRow, ...]
    left_out: Counter[str]


_PURCHASES: Final[tuple[Purchase, ...]] = ("on_demand", "spot", "commit_1y", "commit_3y")
_USAGE: Final[dict[str, Purchase]] = {
    "OnDemand": "on_demand",
    "Preemptible": "spot",
    "Commit1Yr": "commit_1y",
    "Commit3Yr": "commit_3y",
}

_OTHER: Final = (
    ("Sole Tenancy", "sole tenancy"),
    ("Calendar Mode", "capacity by the calendar (DWS Calendar Mode)"),
    ("DWS", "capacity of a defined duration (DWS)"),
    ("Reserved", "reserved capacity"),
    ("Premium", "premiums on top of other prices"),
    ("Custom", "custom shapes"),
    ("Extended", "extended memory of custom shapes"),
    ("suspended", "suspended machines"),
    ("Workstation", "virtual workstations"),
    ("Pod", "TPU pods, which have prices of their own"),
)
"""(a word of the description, what such a SKU is)."""

_PREFIX: Final = re.compile(r"^(Commitment( v1)?:|(Spot )?Preemptible)\s+", re.IGNORECASE)
_SUFFIX: Final = re.compile(
    r"(\s+attached to (Spot )?Preemptible VMs)?(\s+(running\s+)?in\s.*|\s+for [13] years?)?$", re.IGNORECASE
)

_ACCELERATORS: Final = {
    "nvidia tesla t4": "T4",
    "nvidia tesla p4": "P4",
    "nvidia tesla p100": "P100",
    "nvidia tesla v100": "V100-16GB",
    "nvidia l4": "L4",
    "nvidia tesla a100": "A100-40GB",
    "nvidia tesla a100 80gb": "A100-80GB",
    "nvidia h100 80gb": "H100-SXM",
    "nvidia h100 80gb mega": "H100-SXM of a3-megagpu",
    "nvidia h100 mega 80gb": "H100-SXM of a3-megagpu",
    "nvidia h100 80gb plus": "H100-SXM of a3-megagpu",
    "h200 141gb": "H200-SXM",
    "nvidia h200 141gb": "H200-SXM",
    "rtx 6000 96gb": "RTX-PRO-6000-BSE",
    "a4 nvidia b200 (1 gpu slice)": "B200 slice",
}
"""The description without place and purchase -> part. In a3-megagpu the same H100 has another price."""

_CHIPS: Final = re.compile(r"^tpu[ -]?v?(\d+[a-z]*)( accelerator.*)?$", re.IGNORECASE)
_CHIPS_PER_DEVICE: Final = {"v2": 4.0, "v3": 4.0}
"""The price of v2 and v3 is that of a device with four chips; from v5e on it is the chip's own."""

_FAMILY: Final = re.compile(r"^([a-z]\d+[a-z]*)$")
_FAMILIES: Final = {
    "": "N1",  # "Commitment v1: Cpu in ..." names none
    "compute optimized": "C2",
    "memory-optimized": "M1",
    "a3plus": "A3-MEGAGPU",
    "a3ultra": "A3-ULTRAGPU",
    "m4ultramem224": "M4-ULTRAMEM-224",
}
"""What a description calls a family -> what its machine types are called."""
_FILLING: Final = re.compile(r"\b(instance|amd|arm|predefined)\b", re.IGNORECASE)

_UNITS: Final = {
    "core": {"h": 1.0},
    "memory": {"GiBy.h": 1.0, "GBy.h": _GIB / 1e9},
    "local disk": {"GiBy.mo": 1.0 / 730.0},
    "accelerator": {"h": 1.0},
}
"""What a kind of part may be priced by -> its size in core-hours, GiB-hours or accelerator-hours."""


def read_parts(pages: Iterable[Page], day: str) -> Parts:
    """The prices of all parts. Caught: two prices for one part; a unit or a number that cannot be."""
    stated: defaultdict[tuple[str, Purchase, str], dict[float, str]] = defaultdict(dict)
    caught: list[QuarantineRow] = []
    left_out: Counter[str] = Counter()
    for sku in (sku for found in pages for sku in found.skus):
        part = _part_of(sku)
        if isinstance(part, str):
            left_out[f"{_LIST}: {part}"] += 1
            continue
        purchase, kind, name = part
        usd, problem = _usd_per_hour(sku, kind, name)
        for region in sku.service_regions:
            if problem:
                caught.append(_caught(region, purchase, name, None, problem, sku.sku_id, day))
            elif usd > 0.0:
                stated[region, purchase, name][usd] = sku.sku_id
            else:
                left_out[f"{_LIST}: parts at 0, which stand for no price"] += 1
    for (region, purchase, name), prices in stated.items():
        if len(prices) > 1:
            reason = f"several prices for one part: {' and '.join(f'{usd:g}' for usd in prices)}"
            for usd, sku_id in prices.items():
                caught.append(_caught(region, purchase, name, usd, reason, sku_id, day))
    found = {key: next(iter(prices)) for key, prices in stated.items() if len(prices) == 1}
    return Parts(
        usd_per_hour=found,
        priced={
            purchase: frozenset(part for _, option, part in stated if option == purchase)
            for purchase in _PURCHASES
        },
        caught=tuple(caught),
        left_out=left_out,
    )


def _part_of(sku: _Sku) -> tuple[Purchase, str, str] | str:
    """Purchase option, kind and name of the part that a SKU prices; or what the SKU is that prices none."""
    text, category = sku.description, sku.category
    other = next((kind for word, kind in _OTHER if word.lower() in text.lower()), None)
    if category.usage_type not in _USAGE:
        return "other ways of use"
    if other is not None:
        return other
    purchase = _USAGE[category.usage_type]
    # Some spot prices are filed under OnDemand: the description is right.
    if "spot preemptible" in text.lower():
        purchase = "spot"
    thing = _SUFFIX.sub("", _PREFIX.sub("", text)).strip()
    if category.resource_group == "LocalSSD":
        return purchase, "local disk", _local_disk(thing)
    if category.resource_family != "Compute":
        return "what is no part of a machine"
    words = thing.lower().removesuffix(" gpu")
    if words in _ACCELERATORS:
        return purchase, "accelerator", _ACCELERATORS[words]
    chip = _CHIPS.match(thing)
    if chip is not None:
        return purchase, "accelerator", f"TPU-v{chip.group(1).lower()} chip"
    label, _, last = thing.rpartition(" ")
    resource = {"core": "core", "cpu": "core", "ram": "memory"}.get(last.lower())
    if resource is None:
        return "what is no part of a machine"
    family = _family(label)
    return (
        f"parts of unknown machines, such as {label[:40]}"
        if family is None
        else (purchase, resource, f"{family} {resource}")
    )


def _local_disk(thing: str) -> str:
    family = _family(re.sub(r"local ssd$", "", thing, flags=re.IGNORECASE))
    return "local disk" if family in (None, "N1") else f"{family} local disk"


def _family(label: str) -> str | None:
    words = " ".join(_FILLING.sub(" ", label).split()).lower()
    if words.startswith("m3 memory-optimized"):
        return "M3"
    plain = _FAMILY.match(words)
    return _FAMILIES.get(words, plain.group(1).upper() if plain else None)


def _usd_per_hour(sku: _Sku, kind: str, name: str) -> tuple[float, str]:
    """The price for an hour, and what is wrong with it; 0 for a part that costs nothing."""
    rates = [info.pricing_expression for info in sku.pricing_info[:1]]
    if not rates or not rates[0].tiered_rates:
        return 0.0, ""
    unit = rates[0].usage_unit
    if unit not in _UNITS[kind]:
        return 0.0, f"priced by {unit}; {kind} is priced by {' or '.join(_UNITS[kind])}"
    # A first tier at 0 is what is free in a month; the price is that of the first tier that costs something.
    amount = next((rate.unit_price for rate in rates[0].tiered_rates if rate.unit_price.usd > 0.0), _Amount())
    if amount.currency_code != "USD":
        return 0.0, f"priced in {amount.currency_code}; ask for US dollars"
    usd = (
        amount.usd
        * _UNITS[kind][unit]
        / _CHIPS_PER_DEVICE.get(name.partition(" ")[0].removeprefix("TPU-"), 1.0)
    )
    if usd > MOST_USD_PER_HOUR:
        return 0.0, f"{usd:g} usd/h is over {MOST_USD_PER_HOUR:g}"
    return usd, ""


def _caught(
    region: str, purchase: str, part: str, usd: float | None, reason: str, sku_id: str, day: str
) -> QuarantineRow:
    return QuarantineRow(
        of_table="price_parts",
        cloud="gcp",
        region=region,
        item=part,
        purchase=purchase,
        price_usd=usd,
        invariant="part_has_one_price",
        reason=f"SKU {sku_id}: {reason}",
        source=billing_catalog(day).source,
        as_of=day,
    )


@dataclass(frozen=True)
class Shape:
    """How much a machine type has of each part. None: not known."""

    instance_type: str
    vcpus: int | None
    memory_gib: float | None
    accelerator: str | None
    accelerator_count: float
    local_disk_gib: float | None


def shapes(instances: Iterable[InstanceRow], specs: Iterable[SpecRow]) -> dict[str, Shape]:
    """Google's machine types by name, from lists of shapes and, where those say nothing, specifications."""
    sheets = {spec.instance_type: spec for spec in specs if spec.cloud == "gcp"}
    found: dict[str, Shape] = {}
    for row in instances:
        if row.cloud != "gcp":
            continue
        sheet = sheets.get(row.instance_type)
        memory, disk = row.memory_bytes, row.local_disk_bytes
        found[row.instance_type] = Shape(
            instance_type=row.instance_type,
            vcpus=row.vcpus if row.vcpus is not None or sheet is None else sheet.vcpus,
            memory_gib=_gib(memory if memory is not None or sheet is None else sheet.memory_bytes),
            accelerator=row.accelerator,
            accelerator_count=row.accelerator_count,
            local_disk_gib=_disk_gib(disk if disk is not None or sheet is None else sheet.local_disk_bytes),
        )
    return found


def _gib(size_bytes: float | None) -> float | None:
    return None if size_bytes is None else size_bytes / _GIB


def _disk_gib(size_bytes: float | None) -> float | None:
    """Local disks come in pieces of 375 GiB, which Google, and who copies it, calls 375 GB."""
    return size_bytes / 1e9 if size_bytes and size_bytes % 375e9 == 0.0 else _gib(size_bytes)


_UNLIKE: Final = re.compile(r"m2-.*|(.*-)?custom(-.*)?")
"""M2 is M1 and a premium, custom shapes have a surcharge; the SKUs of neither are summed here."""
_WITH_ACCELERATOR: Final = re.compile(r"(a\d|g\d|ct\d|tpu\d|v\d).*")
_WITH_DISK: Final = re.compile(r".*lssd.*|a3-.*|a2-ultragpu-.*|z3-.*")
_DISKLESS: Final = re.compile(r".*-nolssd.*")


def _recipe(shape: Shape) -> list[tuple[str, float, str]] | str:
    """Part, quantity and unit of all that a machine is composed of; or what is missing to know it."""
    host = shape.instance_type.partition("+")[0]
    if shares_cpu("gcp", host, ""):
        return "which share of a core it has"
    if _UNLIKE.fullmatch(host):
        return "what it costs over the family that its SKUs name"
    if shape.accelerator is None and (host != shape.instance_type or _WITH_ACCELERATOR.fullmatch(host)):
        return "which accelerator it has"
    if shape.accelerator is not None and shape.accelerator.startswith("TPU-"):
        return [(f"{shape.accelerator} chip", shape.accelerator_count, "accelerator")]
    if shape.accelerator == "B200":
        # The SKU of a slice covers its share of the whole machine.
        return [("B200 slice", shape.accelerator_count, "accelerator")]
    if shape.vcpus is None or shape.memory_gib is None:
        return "its vCPUs and memory"
    if _WITH_DISK.fullmatch(host) and not _DISKLESS.fullmatch(host) and not shape.local_disk_gib:
        return "the size of its local disk"
    family = next((name for name in _FAMILIES.values() if f"{host.upper()}-".startswith(f"{name}-")), "")
    family = family or host.partition("-")[0].upper()
    parts = [
        (f"{family} core", float(shape.vcpus), "vCPU"),
        (f"{family} memory", shape.memory_gib, "GiB of memory"),
    ]
    if shape.accelerator is not None:
        of = " of a3-megagpu" if family == "A3-MEGAGPU" else ""
        parts.append((f"{shape.accelerator}{of}", shape.accelerator_count, "accelerator"))
    if shape.local_disk_gib:
        own = host.partition("-")[0].upper()
        parts.append(
            (f"{own} local disk" if own in _OWN_DISKS else "local disk", shape.local_disk_gib, "GiB of disk")
        )
    return parts


_OWN_DISKS: Final = ("C4", "C4A", "C4D")
"""Families whose local disk has a price of its own."""

_COMMITTED: Final = Words(terms="committed use of resources, paid by the month")


def compose(
    parts: Parts, shaped: Mapping[str, Shape], offered: Collection[tuple[str, str]], day: str
) -> Read:
    """The price of every machine that is offered and all of whose parts have a price, with these parts.

    `offered` are pairs of region and type, because SKUs price machines also where they are not offered. What
    cannot be composed is counted by what is missing, unless a purchase option has none of its parts.
    """
    rows: list[PriceRow] = []
    used: dict[tuple[str, str, str], list[PartRow]] = {}
    left_out: Counter[str] = Counter(parts.left_out)
    for region, name in sorted(offered):
        recipe = _recipe(shaped[name]) if name in shaped else "its shape"
        if isinstance(recipe, str):
            left_out[f"{_LIST}: machines not composed, not known is {recipe}"] += 1
            continue
        for purchase in _PURCHASES:
            prices = {part: parts.usd_per_hour.get((region, purchase, part)) for part, _, _ in recipe}
            missing = [part for part, usd in prices.items() if usd is None]
            if missing:
                if purchase == "on_demand" or len(missing) < len(prices):
                    left_out[f"{_LIST}: machines not composed, no {purchase} price of {missing[0]}"] += 1
                continue
            whole = _sum(region, name, purchase, recipe, prices, day)
            rows.append(whole[0])
            used[region, name, purchase] = whole[1]
    read = sifted(rows, left_out, _LIST)
    kept = {(row.region, row.instance_type, row.purchase) for row in read.prices}
    composed = tuple(part for key, found in used.items() if key in kept for part in found)
    return together([read, Read(parts=composed, caught=parts.caught)])


def _sum(
    region: str,
    name: str,
    purchase: Purchase,
    recipe: Iterable[tuple[str, float, str]],
    prices: Mapping[str, float | None],
    day: str,
) -> tuple[PriceRow, list[PartRow]]:
    origin = billing_catalog(day)
    rows = [
        PartRow(
            cloud="gcp",
            region=region,
            instance_type=name,
            purchase=purchase,
            part=part,
            quantity=quantity,
            unit=unit,
            usd_per_unit_hour=prices[part] or 0.0,
            source=origin.source,
            as_of=day,
        )
        for part, quantity, unit in recipe
    ]
    total = sum(row.quantity * row.usd_per_unit_hour for row in rows)
    words = _COMMITTED if purchase.startswith("commit") else Words()
    whole = price(origin, "gcp", region, name, purchase, total, "hour", words)
    return msgspec.structs.replace(whole, stated_unit="parts"), rows


def untold(parts: Parts, shaped: Mapping[str, Shape], row: PriceRow) -> bool:
    """Whether the SKUs cannot say what a machine costs, so that an older price is all that is known.

    So it is where it is not known what the machine is composed of; where some of its parts have a price here
    and others have none; where its parts have a price in no region, so that their SKUs may go by new words;
    and with TPUs, of which the catalogue does not list every price. Parts that are priced, only not here, are
    not sold here.
    """
    recipe = _recipe(shaped[row.instance_type]) if row.instance_type in shaped else "its shape"
    if isinstance(recipe, str):
        return True
    priced = parts.priced[row.purchase]
    here = [(row.region, row.purchase, part) in parts.usd_per_hour for part, _, _ in recipe]
    elsewhere = any(part in priced for part, _, _ in recipe)
    # An option without any price at all is no lack of a part: that answer is not to be believed.
    return not all(here) and (any(here) or bool(priced and not elsewhere) or recipe[0][0].startswith("TPU-"))
