"""Google Cloud: N1 machines with GPUs attached, composed of the machine and the GPUs, which are priced apart."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

import msgspec

from tradewind.decide.catalog.lists.origin import Origin, price
from tradewind.decide.catalog.reading import Read
from tradewind.decide.catalog.rows import InstanceRow, PartRow, PriceRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tradewind.decide.catalog.texts import Row

__all__ = ["COMPOSED", "LIMIT_COLUMNS", "OFFERED_COLUMNS", "PRICE_COLUMNS", "read"]

PRICE_COLUMNS: Final = ("accelerator", "region", "purchase", "usd_per_hour", "source", "as_of")
LIMIT_COLUMNS: Final = ("accelerator", "list_name", "count", "most_vcpus", "most_memory_gb", "source")
OFFERED_COLUMNS: Final = ("NAME", "ZONE")

COMPOSED: Final = Origin(
    source="composed: N1 machine and attached GPUs",
    publisher="Cyclenerd",
    as_of="2026-07-30",
    as_of_precision="day",
    licence="Apache-2.0",
    confidence="B",
    file="raw/gcp_pricing_2026-07-30_cyclenerd.yml.gz",
    locator=None,
    read_as="the machine's price and so many GPUs at their own price; the parts are in price_parts",
)


def read(
    hosts: Iterable[PriceRow],
    shapes: Mapping[str, InstanceRow],
    gpu_prices: Iterable[Row],
    limits: Iterable[Row],
    offered: Iterable[Row],
) -> Read:
    """Every N1 machine with every number of GPUs that it may have, where both are priced and the GPU is offered.

    Names: n1-standard-8+t4x1. The age and the confidence of a composed price are those of its worst part.
    """
    here = {(row["NAME"], row["ZONE"]) for row in offered}
    by_place: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in gpu_prices:
        by_place[(row["region"], row["purchase"])].append(row)
    allowed = list(limits)
    prices: list[PriceRow] = []
    parts: list[PartRow] = []
    instances: dict[str, InstanceRow] = {}
    for host in hosts:
        shape = shapes.get(host.instance_type)
        if (
            not host.instance_type.startswith("n1-")
            or shape is None
            or not shape.vcpus
            or not shape.memory_bytes
        ):
            continue
        for gpu in by_place[(host.region, host.purchase)]:
            for limit in allowed:
                if (
                    limit["accelerator"] != gpu["accelerator"]
                    or (limit["list_name"], host.region) not in here
                    or shape.vcpus > int(limit["most_vcpus"])
                    or shape.memory_bytes > float(limit["most_memory_gb"]) * 2.0**30
                ):
                    continue
                composed = _name(host.instance_type, gpu["accelerator"], limit["count"])
                count = int(limit["count"])
                prices.append(_price(host, gpu, composed, count))
                parts += _parts(host, gpu, composed, count)
                instances[composed] = msgspec.structs.replace(
                    shape,
                    instance_type=composed,
                    family=f"n1+{gpu['accelerator'].lower()}",
                    accelerator=gpu["accelerator"],
                    accelerator_count=float(count),
                )
    return Read(prices=tuple(prices), instances=tuple(instances.values()), parts=tuple(parts))


def _name(host: str, accelerator: str, count: str) -> str:
    return f"{host}+{accelerator.partition('-')[0].lower()}x{count}"


def _price(host: PriceRow, gpu: Row, composed: str, count: int) -> PriceRow:
    total = host.price_usd_per_hour + count * float(gpu["usd_per_hour"])
    row = price(COMPOSED, "gcp", host.region, composed, host.purchase, total)
    return msgspec.structs.replace(
        row, stated_unit="parts", as_of=min(host.as_of, gpu["as_of"]), terms=host.terms
    )


def _parts(host: PriceRow, gpu: Row, composed: str, count: int) -> list[PartRow]:
    def part(what: str, quantity: float, unit: str, usd: float, source: str, as_of: str) -> PartRow:
        return PartRow(
            cloud="gcp",
            region=host.region,
            instance_type=composed,
            purchase=host.purchase,
            part=what,
            quantity=quantity,
            unit=unit,
            usd_per_unit_hour=usd,
            source=source,
            as_of=as_of,
        )

    return [
        part(host.instance_type, 1.0, "machine", host.price_usd_per_hour, host.source, host.as_of),
        part(
            gpu["accelerator"],
            float(count),
            "accelerator",
            float(gpu["usd_per_hour"]),
            gpu["source"],
            gpu["as_of"],
        ),
    ]
