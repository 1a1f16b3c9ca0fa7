"""Offer: a machine that somebody rents out. Offers: very many of them, as columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tradewind.domain.noun import Cloud, Noun, Purchase

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np

__all__ = ["Keyed", "Offer", "Offers", "StoragePrice", "TransferPrice"]


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


class Keyed:
    """A column that depends on a key: its values by key, an array of numbers or a sequence of anything else."""

    __slots__ = ("key", "values")

    def __init__(self, key: str, values: Any) -> None:
        self.key = key
        self.values = values


class Offers:
    """Offers as columns, so that a whole catalogue is filtered and priced at once.

    A column of numbers is float64 with NaN for unknown. Every other column is coded: (n,) integers into the
    distinct values of the column, because a hundred thousand offers share a few thousand words; `offers[name]`
    gives the values themselves as an object array with None for unknown. The order of the rows is part of the
    value: equal inputs give equal order. `storage` and `transfer` are the prices that go with the regions.

    Most columns depend on less than the row: the memory on the machine type, the country on the region. Such a
    column may be given `Keyed`: the values of each machine type, and one array of keys for all of these
    columns. It is spread over the rows when it is first asked for.
    """

    def __init__(
        self,
        numbers: Mapping[str, np.ndarray | Keyed],
        words: Mapping[str, tuple[np.ndarray, tuple[object, ...]] | Keyed],
        *,
        keys: Mapping[str, np.ndarray] | None = None,
        storage: tuple[StoragePrice, ...] = (),
        transfer: tuple[TransferPrice, ...] = (),
        snapshot: str = "",
    ) -> None:
        missing = [name for name in Offer.__struct_fields__ if name not in numbers and name not in words]
        if missing:
            raise ValueError(f"columns are missing: {', '.join(missing)}")
        self._keys = dict(keys or {})
        self._numbers = dict(numbers)
        self._words = dict(words)
        self._spread: dict[str, np.ndarray] = {}
        self._coded: dict[str, tuple[np.ndarray, tuple[Any, ...]]] = {}
        self.storage = storage
        self.transfer = transfer
        self.snapshot = snapshot
        sizes = {name: len(column) for name, column in self._keys.items()}
        sizes |= {name: len(column) for name, column in numbers.items() if not isinstance(column, Keyed)}
        sizes |= {name: len(column[0]) for name, column in words.items() if not isinstance(column, Keyed)}
        if len(set(sizes.values())) != 1:
            raise ValueError(f"columns differ in length: {sizes}")
        self._size = next(iter(sizes.values()))

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._spread:
            if name in self._numbers:
                column = self._numbers[name]
                values = column.values[self._keys[column.key]] if isinstance(column, Keyed) else column
            else:
                codes, distinct = self.coded(name)
                values = _objects(distinct)[codes]
            self._spread[name] = values
        return self._spread[name]

    def __iter__(self) -> Iterator[Offer]:
        return (self.offer(index) for index in range(len(self)))

    def coded(self, name: str) -> tuple[np.ndarray, tuple[Any, ...]]:
        """A column that is not of numbers: (n,) codes, and the distinct values that they mean."""
        if name not in self._coded:
            column = self._words[name]
            if isinstance(column, Keyed):
                of_key, distinct = _codes(column.values)
                self._coded[name] = of_key[self._keys[column.key]], distinct
            else:
                self._coded[name] = column
        return self._coded[name]

    def offer(self, index: int) -> Offer:
        """The offer of one row, as a noun."""
        fields: dict[str, Any] = {}
        for name, column in self._numbers.items():
            place = self._keys[column.key][index] if isinstance(column, Keyed) else index
            values = column.values if isinstance(column, Keyed) else column
            fields[name] = _plain(name, values[place])
        for name, words in self._words.items():
            if isinstance(words, Keyed):
                fields[name] = words.values[int(self._keys[words.key][index])]
            else:
                fields[name] = words[1][int(words[0][index])]
        return Offer(**fields)

    def take(self, rows: np.ndarray) -> Offers:
        """The offers of some rows (a boolean mask or indices), in that order."""
        return Offers(
            {n: column if isinstance(column, Keyed) else column[rows] for n, column in self._numbers.items()},
            {n: c if isinstance(c, Keyed) else (c[0][rows], c[1]) for n, c in self._words.items()},
            keys={name: keys[rows] for name, keys in self._keys.items()},
            storage=self.storage,
            transfer=self.transfer,
            snapshot=self.snapshot,
        )

    def replace(
        self,
        numbers: Mapping[str, np.ndarray | Keyed] | None = None,
        words: Mapping[str, tuple[np.ndarray, tuple[object, ...]] | Keyed] | None = None,
    ) -> Offers:
        """The same offers with other columns in the place of some."""
        return Offers(
            {**self._numbers, **(numbers or {})},
            {**self._words, **(words or {})},
            keys=self._keys,
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

        numbers: dict[str, np.ndarray | Keyed] = {}
        words: dict[str, tuple[np.ndarray, tuple[object, ...]] | Keyed] = {}
        for name in Offer.__struct_fields__:
            values = [getattr(offer, name) for offer in offers]
            if name in NUMBERS:
                numbers[name] = np.array([np.nan if v is None else float(v) for v in values], dtype=float)
            else:
                words[name] = _codes(values)
        return cls(numbers, words, storage=storage, transfer=transfer, snapshot=snapshot)


def _codes(values: Sequence[object]) -> tuple[np.ndarray, tuple[object, ...]]:
    """Codes in the order of first appearance, and the distinct values."""
    import numpy as np

    distinct: dict[object, int] = {}
    codes = [distinct.setdefault(value, len(distinct)) for value in values]
    return np.array(codes, dtype=np.int64), tuple(distinct)


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
