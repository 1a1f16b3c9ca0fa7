"""Nouns as files."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from tradewind.domain import codec
from tradewind.domain.errors import InputError
from tradewind.files import atomic

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["content", "read", "write"]

T = TypeVar("T")


def read(path: Path, type_: type[T]) -> T:
    """The noun in a JSON or YAML file. Errors: InputError when there is no such file, CodecError."""
    return codec.decode(content(path, f"a {type_.__name__} file"), type_, source=str(path))


def content(path: Path, what: str) -> bytes:
    """The bytes of a file that should be `what`. Errors: InputError when it is missing, closed or far too large."""
    try:
        if path.stat().st_size > codec.MAX_BYTES:
            raise InputError(
                f"{path}: {path.stat().st_size} bytes is over the limit of {codec.MAX_BYTES}; "
                f"this is not {what}"
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder; name the file in it") from None
    except PermissionError:
        raise InputError(f"{path}: no permission to read; check the owner of the file") from None


def write(path: Path, noun: object) -> None:
    """The noun as indented JSON, whole or not at all."""
    atomic.write_bytes(path, codec.encode(noun))
