"""Writes that are whole or absent, whatever kills the process in between."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tradewind.domain.errors import ResourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["folder", "refusing", "write_bytes", "write_text"]

_REFUSALS: Final = {
    errno.ENOSPC: "the disk is full; free some space and run the same command again",
    errno.EDQUOT: "the disk quota is used up; free some space and run the same command again",
    errno.EACCES: "no permission; check the owner of the folder",
    errno.EPERM: "no permission; check the owner of the folder",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.EFBIG: "the file is over the size limit of this process; raise the limit (ulimit -f)",
}


@contextlib.contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Turns the refusals of the operating system into ResourceError, with the path."""
    try:
        yield
    except OSError as error:
        if error.errno in _REFUSALS:
            raise ResourceError(f"{path}: {_REFUSALS[error.errno]}") from error
        raise


def write_bytes(path: Path, data: bytes) -> None:
    """The file with this content; readers see the old one or the new one, never a part.

    Errors: ResourceError when the disk is full or refuses.
    """
    with refusing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
        _sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """`write_bytes` of the text in UTF-8."""
    write_bytes(path, text.encode())


@contextlib.contextmanager
def folder(path: Path) -> Iterator[Path]:
    """A temporary folder that becomes `path` when the block ends without an error.

    If `path` exists by then (its name is made from its content), the temporary one is dropped.
    """
    with refusing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name[:40]}."))
        try:
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    _sync_file(file)
            os.chmod(temporary, 0o755)  # noqa: S103 - results are there to be read
            try:
                os.rename(temporary, path)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            _sync_folder(path.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _sync_file(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
