"""Offer: a machine that somebody rents out. Offers: very many of them, as columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tradewind.domain.noun import Cloud, Noun, Purchase

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np

__all__ = ["Offer", "Offers", "StoragePrice", "TransferPrice"]


class Offer(Noun, frozen=True, kw_only=True):
    """A machine for rent. What no source states is None, never a guess."""

    cloud: Cloud
    region: str
    instance_type: str
    purchase: Purchase
    price_usd_per_hour: float
    vcpus: int
    memory_bytes: float
    physical_cores: int | None = None
    cpu_architecture: str | None = None
    """"x86_64" or "arm64"."""
    cpu_vendor: str | None = None
    cpu_model: str | None = None
    cpu_ghz: float | None = None
    isa: tuple[str, ...] | None = None
    """In the words of `Host.isa`; None when no source lists it."""
    memory_mt_per_s: float | None = None
    """Transfer rate of the memory modules, in mega-transfers per second."""
    shared_cpu: bool = False
    """Burstable or shared-core machines, which cannot be relied on for a sustained load."""
    accelerator: str | None = None
    accelerator_count: float = 0.0
    network_gbps: float | None = None
    local_disk_bytes: float | None = None
    interruptions_per_hour: float | None = None
    """Expected interruptions of one spot machine; None when no source states it."""
    grid_gco2e_per_kwh: float | None = None
    source: str
    as_of: str
    """ISO date of the price."""
    confidence: str
    """A: vendor's list; B: derived from a vendor's list; C: old or second-hand."""

    @property
    def key(self) -> str:
        """cloud/region/instance_type/purchase: names the offer in plans and messages."""
        return f"{self.cloud}/{self.region}/{self.instance_type}/{self.purchase}"


class StoragePrice(Noun, frozen=True, kw_only=True):
    """What it costs to keep data in an object store of a region, in its standard tier."""

    cloud: Cloud
    region: str
    service: str
    tier: str
    usd_per_gb_month: float
    source: str
    as_of: str


class TransferPrice(Noun, frozen=True, kw_only=True):
    """What it costs to move data out of a region, per GB (1e9 bytes), in one tier of volume.

    `kind` is "internet" (to users anywhere), "inter_region" (to another region of the same cloud) or
    "inter_zone". The tier holds from `from_gb` a month on, until the next one begins.
    """

    cloud: Cloud
    region: str
    """"*" when the source states one price for the whole cloud."""
    kind: str
    from_gb: float
    usd_per_gb: float
    source: str
    as_of: str


class Offers:
    """Offers as columns: one NumPy array a field, so that millions of candidates evaluate at once.

    Shapes: every column has shape (n,). Numbers are float64 with NaN for unknown; text columns are object
    arrays with None for unknown; `isa` holds tuples of words or None. The order is part of the value: equal
    inputs give equal order. `storage` and `transfer` are the prices that go with the regions.
    """

    def __init__(
        self,
        columns: Mapping[str, np.ndarray],
        *,
        storage: tuple[StoragePrice, ...] = (),
        transfer: tuple[TransferPrice, ...] = (),
        snapshot: str = "",
    ) -> None:
        missing = [name for name in Offer.__struct_fields__ if name not in columns]
        if missing:
            raise ValueError(f"columns are missing: {', '.join(missing)}")
        sizes = {name: len(columns[name]) for name in Offer.__struct_fields__}
        if len(set(sizes.values())) != 1:
            raise ValueError(f"columns differ in length: {sizes}")
        self.columns = {name: columns[name] for name in Offer.__struct_fields__}
        self.storage = storage
        self.transfer = transfer
        self.snapshot = snapshot

    def __len__(self) -> int:
        return len(self.columns["price_usd_per_hour"])

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    def __iter__(self) -> Iterator[Offer]:
        return (self.offer(index) for index in range(len(self)))

    def offer(self, index: int) -> Offer:
        """The offer of one row, as a noun."""
        fields: Any = {name: _plain(name, self.columns[name][index]) for name in Offer.__struct_fields__}
        return Offer(**fields)

    def take(self, rows: np.ndarray) -> Offers:
        """The offers of some rows (a boolean mask or indices), in that order."""
        return Offers(
            {name: column[rows] for name, column in self.columns.items()},
            storage=self.storage,
            transfer=self.transfer,
            snapshot=self.snapshot,
        )

    @classmethod
    def of(
        cls,
        offers: tuple[Offer, ...] | list[Offer],
        *,
        storage: tuple[StoragePrice, ...] = (),
        transfer: tuple[TransferPrice, ...] = (),
        snapshot: str = "",
    ) -> Offers:
        """Columns from nouns."""
        import numpy as np

        columns: dict[str, np.ndarray] = {}
        for name in Offer.__struct_fields__:
            values = [getattr(offer, name) for offer in offers]
            if name in NUMBERS:
                columns[name] = np.array(
                    [np.nan if v is None else float(v) for v in values], dtype=np.float64
                )
            else:
                column = np.empty(len(values), dtype=object)
                column[:] = values
                columns[name] = column
        return cls(columns, storage=storage, transfer=transfer, snapshot=snapshot)


NUMBERS = frozenset(
    {
        "price_usd_per_hour",
        "vcpus",
        "memory_bytes",
        "physical_cores",
        "cpu_ghz",
        "memory_mt_per_s",
        "accelerator_count",
        "network_gbps",
        "local_disk_bytes",
        "interruptions_per_hour",
        "grid_gco2e_per_kwh",
    }
)
"""The columns that are float64."""

_INTEGERS = frozenset({"vcpus", "physical_cores"})


def _plain(name: str, value: object) -> object:
    if name in NUMBERS:
        number = float(value)  # type: ignore[arg-type]
        if number != number:
            return None
        return int(number) if name in _INTEGERS else number
    return bool(value) if name == "shared_cpu" else value
