"""Today's prices from the clouds themselves: gathered, doubted, and put in the place of yesterday's."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from tradewind.decide.catalog.assembling import refreshed
from tradewind.decide.catalog.live import believable
from tradewind.decide.catalog.normalise import Normalised, sources_of
from tradewind.decide.catalog.reading import Read, together
from tradewind.decide.catalog.rows import PartRow
from tradewind.domain.errors import CodecError, InputError
from tradewind.domain.noun import Cloud, Noun
from tradewind.files import atomic
from tradewind.run.market.build import write
from tradewind.run.market.live import SOURCES
from tradewind.run.market.live.answers import Answers
from tradewind.run.market.live.source import prices_of
from tradewind.run.market.live.web import Web
from tradewind.run.market.snapshot import adopt, read_index, read_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tradewind.decide.catalog.rows import PriceRow
    from tradewind.run.market.live.source import Gathered, PriceSource

__all__ = ["CloudRefresh", "RefreshReport", "refresh"]

_UNFINISHED: Final = ".refresh-"


class CloudRefresh(Noun, frozen=True, kw_only=True):
    """What became of a cloud's prices."""

    cloud: Cloud
    reason: str | None = None
    """Why yesterday's prices stay; None when they were renewed."""
    prices: int = 0
    """How many fresh ones are used."""
    stay: int = 0
    """How many of yesterday's the answers say nothing about, so that they still count."""
    caught: int = 0
    """How many fresh ones broke a rule of their source, before the invariants."""
    left_out: dict[str, int] = msgspec.field(default_factory=dict)
    """What is in order but of no interest, by kind."""
    asked: int = 0
    """Answers that were asked for."""
    reused: int = 0
    """Answers that an earlier refresh of the same day had kept."""
    notes: tuple[str, ...] = ()


class RefreshReport(Noun, frozen=True, kw_only=True):
    """What a refresh made of the answers of some clouds."""

    before: str
    """The snapshot that was renewed."""
    snapshot: str
    """The snapshot that holds now: the same when no cloud's prices could be renewed."""
    path: str
    """Where it is."""
    clouds: tuple[CloudRefresh, ...]


def refresh(
    clouds: Sequence[Cloud],
    folder: Path,
    base: Path,
    today: str,
    *,
    sources: Mapping[Cloud, PriceSource] = SOURCES,
    listener: Callable[[str], None] = lambda message: None,
    sleep: Callable[[float], None] = time.sleep,
    seed: int = 0,
) -> RefreshReport:
    """Renews the prices of some clouds and makes the result the current snapshot of `folder`.

    `base` is the snapshot to renew. What a cloud answers is kept under `folder/raw/<cloud>/<day>/`, so a
    refresh that was stopped goes on where it was, and asks nothing twice on one day. Where an answer is
    missing, cannot be read or is not to be believed, that cloud's prices stay as they were, with the reason
    in the report, and the other clouds go on. Whatever stops this process, the current snapshot is whole: the
    old one or the new one.

    `sleep` waits before a question is asked again; `seed` is that of the waits' chance part.

    Errors: InputError when `base` is no snapshot, or another refresh is at work in the folder; ResourceError
    when the disk refuses.
    """
    known: Mapping[str, Sequence[Noun]] = read_tables(base)
    before = read_index(base).id
    renewed: Normalised | None = None
    reports: list[CloudRefresh] = []
    with _alone(folder):
        for cloud in dict.fromkeys(clouds):
            listener(f"asking {cloud}")
            answers = Answers(
                folder / "raw" / cloud / today, today, Web(extra=cloud, sleep=sleep, seed=seed), listener
            )
            tables = known if renewed is None else renewed.tables
            try:
                gathered = sources[cloud].gather(answers, tables)
                renewed, report = _judged(cloud, gathered, answers, tables)
            except InputError as error:
                report = CloudRefresh(
                    cloud=cloud, reason=str(error), asked=answers.asked, reused=answers.reused
                )
            reports.append(report)
            listener(f"{cloud}: {report.reason or f'{report.prices} prices'}")
        if renewed is None:
            return RefreshReport(before=before, snapshot=before, path=str(base), clouds=tuple(reports))
        listener("writing the snapshot")
        name = _adopted(renewed, folder)
    return RefreshReport(before=before, snapshot=name, path=str(folder / name), clouds=tuple(reports))


def _judged(
    cloud: Cloud, gathered: Gathered, answers: Answers, tables: Mapping[str, Sequence[Noun]]
) -> tuple[Normalised, CloudRefresh]:
    """The tables with a cloud's fresh prices, doubted before and after the invariants have judged them.

    Errors: CodecError when they are not to be believed; everything will then be asked anew.
    """
    stay: list[PriceRow] = []
    told: list[PriceRow] = []
    for row in prices_of(cloud, tables):
        (stay if gathered.untold(row) else told).append(row)
    named = {origin.source for origin in gathered.origins}
    try:
        _doubt(cloud, gathered.read, told)
        renewed = refreshed(
            tables, {cloud: together([gathered.read, _beside(gathered.read, stay, tables)])}, answers.day
        )
        used = tuple(row for row in prices_of(cloud, renewed.tables) if row.source in named)
        _doubt(cloud, Read(prices=used), told)
    except InputError:
        answers.forget()
        raise
    listed = sources_of(renewed.tables, gathered.origins, {o.file: answers.sha256 for o in gathered.origins})
    described = {row.source: row for row in listed if row.source in named}
    sources = [described.get(getattr(row, "source", ""), row) for row in renewed.tables["sources"]]
    report = CloudRefresh(
        cloud=cloud,
        prices=len(used),
        stay=len(stay),
        caught=len(gathered.read.caught),
        left_out=dict(sorted((+gathered.read.left_out).items())),
        asked=answers.asked,
        reused=answers.reused,
        notes=gathered.notes,
    )
    return replace(renewed, tables={**renewed.tables, "sources": sources}), report


def _doubt(cloud: Cloud, fresh: Read, told: Sequence[PriceRow]) -> None:
    reason = believable(fresh, told)
    if reason is not None:
        raise CodecError(f"{cloud}: not believed: {reason}")


def _beside(fresh: Read, stay: Sequence[PriceRow], tables: Mapping[str, Sequence[Noun]]) -> Read:
    """The prices, with their parts, that stay where fresh ones replace all of a region's purchase option."""
    covered = {(row.region, row.purchase) for row in fresh.prices}
    prices = tuple(row for row in stay if (row.region, row.purchase) in covered)
    keys = {(row.cloud, row.region, row.instance_type, row.purchase) for row in prices}
    parts = (row for row in tables.get("price_parts", ()) if isinstance(row, PartRow))
    return Read(
        prices=prices,
        parts=tuple(p for p in parts if (p.cloud, p.region, p.instance_type, p.purchase) in keys),
    )


def _adopted(renewed: Normalised, folder: Path) -> str:
    """Writes the tables as a snapshot of the folder and makes it the current one. Its name."""
    with atomic.refusing(folder):
        unfinished = Path(tempfile.mkdtemp(dir=folder, prefix=_UNFINISHED))
        try:
            name = write(renewed, unfinished).snapshot
            unfinished.chmod(0o755)
            try:
                unfinished.rename(folder / name)
            except OSError as error:
                # A snapshot of this name has the same content, and may be the one that is being read.
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    adopt(folder, name)
    return name


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keeps other refreshes out of a folder, and clears away what killed ones have left unfinished."""
    with atomic.refusing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    with lock:
        try:
            # The system gives the lock back when the process ends, however it ends.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{folder}: another refresh is at work there; wait for it") from None
        for left in folder.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield
