"""Whether a snapshot can be trusted today: its files, its age, and every rule once more over every price."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from tradewind.decide.catalog.dates import age_days
from tradewind.decide.catalog.invariants import Facts, hold
from tradewind.decide.catalog.rows import AcceleratorRow, InstanceRow, PriceRow, QuarantineRow, SpecRow
from tradewind.decide.catalog.rules import RULES
from tradewind.domain.errors import InputError, nearest
from tradewind.domain.noun import Noun
from tradewind.run.market.snapshot import current, read_index, read_tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from typing import TypeVar

    from tradewind.domain.noun import Cloud

    N = TypeVar("N", bound=Noun)

__all__ = ["CheckReport", "RuleCaught", "check"]

OLD_DAYS: Final = 90
"""A snapshot whose newest price is older than this is worth a refresh: spot prices move within weeks."""


class RuleCaught(Noun, frozen=True, kw_only=True):
    """A rule, and how many rows it has put into quarantine."""

    invariant: str
    about: str
    """What it holds, in one sentence."""
    rows: int
    by_cloud: dict[str, int]


class CheckReport(Noun, frozen=True, kw_only=True):
    """What a check of a snapshot found."""

    snapshot: str
    path: str
    as_of: str
    """The newest day of a price."""
    age_days: int
    warning: str | None
    """What is not wrong, but should be known: that the prices are old."""
    files: int
    """How many files were read; each has the hash that the index gives."""
    prices: int
    """How many prices were held against the rules again."""
    broken: tuple[QuarantineRow, ...]
    """Those that break one now; none in a sound snapshot."""
    rules: tuple[RuleCaught, ...]
    """What stands in quarantine, by rule."""
    caught: tuple[QuarantineRow, ...]
    """The rows in quarantine that were asked for, the first `limit`."""
    total: int
    """How many were asked for."""


def check(
    today: str,
    folder: Path | None = None,
    *,
    invariant: str | None = None,
    clouds: Sequence[Cloud] = (),
    limit: int | None = 50,
) -> CheckReport:
    """Checks the files of a snapshot against its index, and every price against every rule once more.

    Where and until when types are sold is only known when the lists are read; these two rules are not repeated.
    The rows in quarantine can be narrowed to a rule and to clouds.

    Errors: InputError when a file is missing or damaged, and for an unknown rule, with the nearest one.
    """
    if invariant is not None and invariant not in RULES:
        near = nearest(invariant, list(RULES))
        hint = f"did you mean {near}?" if near else f"they are {', '.join(RULES)}"
        raise InputError(f"invariant: no rule is called {invariant!r}; {hint}")
    where = folder or current()
    index = read_index(where)
    for name, facts in index.files.items():
        _whole(where / name, facts.sha256)
    tables = read_tables(where)
    caught = _all(QuarantineRow, tables["quarantine"])
    prices = _all(PriceRow, tables["offers"])
    _, broken = hold(
        Facts(
            prices=tuple(prices),
            instances={(row.cloud, row.instance_type): row for row in _all(InstanceRow, tables["shapes"])},
            specs={(row.cloud, row.instance_type): row for row in _all(SpecRow, tables["specs"])},
            accelerators={row.name: row for row in _all(AcceleratorRow, tables["accelerators"])},
            today=today,
        )
    )
    asked = [
        row for row in caught if invariant in (None, row.invariant) and (not clouds or row.cloud in clouds)
    ]
    age = age_days(index.as_of, today)
    return CheckReport(
        snapshot=index.id,
        path=str(where),
        as_of=index.as_of,
        age_days=age,
        warning=f"the newest price is of {index.as_of}, {age} days old; tradewind catalog refresh asks for today's"
        if age > OLD_DAYS
        else None,
        files=len(index.files),
        prices=len(prices),
        broken=tuple(broken),
        rules=_by_rule(caught),
        caught=tuple(asked[:limit]),
        total=len(asked),
    )


def _whole(path: Path, sha256: str) -> None:
    """Errors: InputError when a file is not the one that the index describes."""
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        raise InputError(f"{path}: is missing; {_REPAIR}") from None
    if found != sha256:
        raise InputError(
            f"{path}: is damaged, its SHA-256 is {found[:12]}... and not {sha256[:12]}...; {_REPAIR}"
        )


_REPAIR: Final = "install the package again, or run: tradewind catalog refresh"


def _by_rule(caught: Iterable[QuarantineRow]) -> tuple[RuleCaught, ...]:
    """The rules that have caught something, those that caught most first."""
    counts: dict[str, dict[str, int]] = {}
    for row in caught:
        by_cloud = counts.setdefault(row.invariant, {})
        by_cloud[row.cloud] = by_cloud.get(row.cloud, 0) + 1
    return tuple(
        RuleCaught(
            invariant=name,
            about=RULES.get(name, ""),
            rows=sum(by_cloud.values()),
            by_cloud=dict(sorted(by_cloud.items())),
        )
        for name, by_cloud in sorted(counts.items(), key=lambda one: (-sum(one[1].values()), one[0]))
    )


def _all(noun: type[N], rows: Sequence[Noun]) -> list[N]:
    return [row for row in rows if isinstance(row, noun)]
