"""DataPlan: where data that are read again and again are kept best, and what every other way costs."""

from __future__ import annotations

from typing import Literal

from tradewind.domain.noun import Cloud, Noun, Origin, Rejected

__all__ = ["DataOption", "DataPlace", "DataPlan"]


class DataPlace(Noun, frozen=True, kw_only=True):
    """A region of a cloud.

    >>> DataPlace(cloud="aws", region="us-east-1").words
    'aws us-east-1'
    """

    cloud: Cloud
    region: str

    @property
    def words(self) -> str:
        """Cloud and region."""
        return f"{self.cloud} {self.region}"


class DataOption(Noun, frozen=True, kw_only=True):
    """One way to keep and read the data, and what all of it costs over the months."""

    action: Literal["stay", "move", "copy"]
    place: DataPlace
    """Where they are read from."""
    tier: str
    about: str
    """What the class of storage is, in a line: how often it is meant to be read, and what loses it."""
    compute: DataPlace
    """Where the machines are that read them."""
    disk: str | None
    """Block storage beside the machines that is filled and read from then on; None: every pass reads the store."""
    usd: float
    parts: dict[str, float]
    """storage, early_deletion, moving, egress, retrieval, requests, disk, compute: they add up to `usd`."""
    origin: Origin
    """quoted, or assumed where some price stands in for one that nobody states."""
    assumed: tuple[str, ...]
    """What stands in for what."""


class DataPlan(Noun, frozen=True, kw_only=True):
    """Every way that can be priced, the cheapest first."""

    size_bytes: float
    months: float
    passes_per_month: float
    fraction: float
    """Of the data that one pass reads."""
    object_bytes: float
    needed_at_home: bool
    home: DataPlace
    home_tier: str
    options: tuple[DataOption, ...]
    break_evens: tuple[str, ...]
    """When another way becomes the cheapest, in words."""
    rejected: tuple[Rejected, ...]
    snapshot: str
