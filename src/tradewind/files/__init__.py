"""Everything that touches the disk on behalf of the other rooms.

In: nouns and bytes. Out: files that are either whole or absent (write, fsync, rename), results that are
kept by the content of what they were made from, and folders that one process at a time may work in.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["package_data"]


def package_data(name: str) -> Path:
    """The path of a file or folder that ships with the package.

    >>> package_data("catalog").name
    'catalog'
    """
    return Path(__file__).parent / "data" / name
