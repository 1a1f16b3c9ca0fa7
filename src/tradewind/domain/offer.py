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
    interruption_class: str | None = None
    """The cloud's own words for how often spot machines of this type are taken back, such as "<5%" a month."""
    grid_gco2e_per_kwh: float | None = None
    zone: str | None = None
    """Only where a price holds for one zone (spot); None when it holds for the whole region."""
    terms: str | None = None
    """What a commitment is, such as "standard reserved instance, all upfront"; None for other prices."""
    most_machines: float | None = None
    """How many the user may rent (a quota of the overlay); None when nothing limits it."""
    prepaid_machines: float = 0.0
    """How many are paid for already (a commitment of the overlay): these cost nothing more."""
    prepaid_usd_per_hour: float = 0.0
    """Spend an hour that is paid for already: up to it the use costs nothing more."""
    managed_service: str | None = None
    """The managed service through which the machine is rented; None for the bare machine."""
    managed_ratio: float | None = None
    """What the service asks over `price_usd_per_hour`: likely, and the interval. None for the bare machine."""
    managed_ratio_low: float | None = None
    managed_ratio_high: float | None = None
    managed_source: str | None = None
    """Who states the ratio; None when nobody does and it is a prior."""
    source: str
    as_of: str
    """ISO date of the price."""
    confidence: str
    """A: vendor's list; B: derived from a vendor's list; C: old or second-hand."""

    @property
    def key(self) -> str:
        """cloud/region/instance_type/purchase, with @zone where there is one: names the offer."""
        zone = f"@{self.zone}" if self.zone else ""
        return f"{self.cloud}/{self.region}/{self.instance_type}/{self.purchase}{zone}"


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

    `kind` is "internet" (to users), "inter_region" (to another region of the same cloud) or "inter_zone"
    (inside a region, to another zone). The tier holds from `from_gb` a month on, until the next one begins.
    """

    cloud: Cloud
    region: str
    """"*" when the source states one price for the whole cloud."""
    kind: str
    to: str
    """The region, or the part of the world, that the data go to; "*" for the price that holds for all others."""
    from_gb: float
    usd_per_gb: float
    source: str
    as_of: str


class Offers:
    """Offers as columns, so that a whole catalogue is filtered and priced at once.

    A column of numbers is float64 with NaN for unknown. Every other column is coded: (n,) integers into the
    distinct values of the column, because a hundred thousand offers share a few thousand words; `offers[name]`
    gives the values themselves as an object array with None for unknown. The order of the rows is part of the
    value: equal inputs give equal order. `storage` and `transfer` are the prices that go with the regions.
    """

    def __init__(
        self,
        numbers: Mapping[str, np.ndarray],
        words: Mapping[str, tuple[np.ndarray, tuple[object, ...]]],
        *,
        storage: tuple[StoragePrice, ...] = (),
        transfer: tuple[TransferPrice, ...] = (),
        snapshot: str = "",
    ) -> None:
        missing = [name for name in Offer.__struct_fields__ if name not in numbers and name not in words]
        if missing:
            raise ValueError(f"columns are missing: {', '.join(missing)}")
        sizes = {name: len(column) for name, column in numbers.items()}
        sizes |= {name: len(codes) for name, (codes, _) in words.items()}
        if len(set(sizes.values())) != 1:
            raise ValueError(f"columns differ in length: {sizes}")
        self._numbers = dict(numbers)
        self._words = dict(words)
        self._decoded: dict[str, np.ndarray] = {}
        self.storage = storage
        self.transfer = transfer
        self.snapshot = snapshot

    def __len__(self) -> int:
        return len(self._numbers["price_usd_per_hour"])

    def __getitem__(self, name: str) -> np.ndarray:
        if name in self._numbers:
            return self._numbers[name]
        if name not in self._decoded:
            codes, values = self._words[name]
            self._decoded[name] = _objects(values)[codes]
        return self._decoded[name]

    def __iter__(self) -> Iterator[Offer]:
        return (self.offer(index) for index in range(len(self)))

    def coded(self, name: str) -> tuple[np.ndarray, tuple[Any, ...]]:
        """A column that is not of numbers: (n,) codes, and the distinct values that they mean."""
        return self._words[name]

    def offer(self, index: int) -> Offer:
        """The offer of one row, as a noun."""
        fields: Any = {name: _plain(name, column[index]) for name, column in self._numbers.items()}
        fields |= {name: values[int(codes[index])] for name, (codes, values) in self._words.items()}
        return Offer(**fields)

    def take(self, rows: np.ndarray) -> Offers:
        """The offers of some rows (a boolean mask or indices), in that order."""
        return Offers(
            {name: column[rows] for name, column in self._numbers.items()},
            {name: (codes[rows], values) for name, (codes, values) in self._words.items()},
            storage=self.storage,
            transfer=self.transfer,
            snapshot=self.snapshot,
        )

    def replace(
        self,
        numbers: Mapping[str, np.ndarray] | None = None,
        words: Mapping[str, tuple[np.ndarray, tuple[object, ...]]] | None = None,
    ) -> Offers:
        """The same offers with other columns in the place of some."""
        return Offers(
            {**self._numbers, **(numbers or {})},
            {**self._words, **(words or {})},
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

        numbers: dict[str, np.ndarray] = {}
        words: dict[str, tuple[np.ndarray, tuple[object, ...]]] = {}
        for name in Offer.__struct_fields__:
            values = [getattr(offer, name) for offer in offers]
            if name in NUMBERS:
                numbers[name] = np.array([np.nan if v is None else float(v) for v in values], dtype=float)
            else:
                distinct: dict[object, int] = {}
                codes = [distinct.setdefault(value, len(distinct)) for value in values]
                words[name] = np.array(codes, dtype=np.int64), tuple(distinct)
        return cls(numbers, words, storage=storage, transfer=transfer, snapshot=snapshot)


def _objects(values: tuple[object, ...]) -> np.ndarray:
    import numpy as np

    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


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
        "most_machines",
        "prepaid_machines",
        "prepaid_usd_per_hour",
        "managed_ratio",
        "managed_ratio_low",
        "managed_ratio_high",
    }
)
"""The columns that are float64."""

_INTEGERS = frozenset({"vcpus", "physical_cores"})


def _plain(name: str, value: float) -> float | int | None:
    number = float(value)
    if number != number:
        return None
    return int(number) if name in _INTEGERS else number
