"""What a person's words mean in the catalogue: regions, laws, accelerators and machine types, by name or pattern.

A word that means nothing at all is mistyped, and an error with the nearest known words. A word that means something
which other words leave out is in order: then nothing is found, which is an answer.
"""

from __future__ import annotations

import difflib
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from tradewind.decide.catalog.jurisdictions import stands_in
from tradewind.decide.catalog.places import GROUPS, means
from tradewind.decide.catalog.selection import is_accelerator
from tradewind.domain.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from tradewind.decide.catalog.rows import RegionRow
    from tradewind.domain.noun import Cloud

__all__ = [
    "accelerators_meant",
    "alike",
    "machine_meant",
    "machines_meant",
    "regions_meant",
    "some",
    "under_law",
]


def regions_meant(patterns: Sequence[str], regions: Iterable[RegionRow]) -> list[RegionRow]:
    """The regions with prices that any of the patterns means, as in a goal; all of them without a pattern.

    Regions that are kept for a government are meant only by who names them. Errors: InputError for a pattern
    that means no region of any cloud.
    """
    known = [region for region in regions if region.machine_types]
    chosen: set[tuple[str, str]] = set()
    for pattern in patterns or ("*",):
        lower = pattern.strip().lower()
        meant = [r for r in known if means(lower, r.region, r.place_group, r.jurisdictions)]
        if not meant:
            groups = {region.place_group for region in known}
            words = [
                *sorted({r.region for r in known}),
                *(f"{group}-*" for group in GROUPS if group in groups),
            ]
            raise InputError(f"region: {pattern!r} matches no region of any cloud; {alike(lower, words)}")
        chosen |= {(region.cloud, region.region) for region in meant}
    return [region for region in known if (region.cloud, region.region) in chosen]


def under_law(jurisdiction: Sequence[str], regions: Iterable[RegionRow]) -> list[RegionRow]:
    """The regions that stand under one of these jurisdictions; all of them when none is asked for.

    Errors: InputError for a word that is no jurisdiction of any region.
    """
    every = list(regions)
    words = tuple(word.lower() for word in jurisdiction)
    known = {word for region in every for word in region.jurisdictions}
    return [region for region in every if stands_in(words, region.jurisdictions, known)]


def accelerators_meant(asked: Sequence[str], known: Collection[str]) -> list[str]:
    """The names of accelerators that are meant, as in a goal: H100 means every kind of H100.

    Errors: InputError for a word that means none.

    >>> accelerators_meant(["h100"], ["A100-80GB", "H100-NVL", "H100-SXM", "L4"])
    ['H100-NVL', 'H100-SXM']
    """
    found: set[str] = set()
    for word in asked:
        meant = [name for name in known if is_accelerator(word, name)]
        if not meant:
            raise InputError(
                f"accelerator: {word!r} is in no machine of the catalogue; {alike(word, sorted(known))}"
            )
        found |= set(meant)
    return sorted(found)


def machines_meant(patterns: Sequence[str], known: Collection[tuple[Cloud, str]]) -> list[tuple[Cloud, str]]:
    """The machine types, each with its cloud, that any of the patterns means, whatever the case.

    Azure's names may be written without their `Standard_`. Errors: InputError for a pattern that means none.

    >>> machines_meant(["nc4*"], [("azure", "Standard_NC4as_T4_v3"), ("aws", "c7g.large")])
    [('azure', 'Standard_NC4as_T4_v3')]
    """
    found: set[tuple[Cloud, str]] = set()
    for pattern in patterns:
        lower = pattern.strip().lower()
        meant = {one for one in known if any(fnmatchcase(name, lower) for name in _names(one[1]))}
        if not meant:
            raise InputError(
                f"type: {pattern!r} matches no machine type of the catalogue; {_alike_types(lower, known)}"
            )
        found |= meant
    return sorted(found)


def machine_meant(name: str, known: Collection[tuple[Cloud, str]]) -> list[tuple[Cloud, str]]:
    """The machine type of this name, with its cloud; several when clouds share the name.

    Errors: InputError when there is none, with the nearest names.

    >>> machine_meant("G6.XLarge", [("aws", "g6.xlarge"), ("aws", "g6.2xlarge")])
    [('aws', 'g6.xlarge')]
    """
    lower = name.strip().lower()
    found = sorted(one for one in known if lower in _names(one[1]))
    if not found:
        raise InputError(f"{name!r} is no machine type of the catalogue; {_alike_types(lower, known)}")
    return found


def _names(instance_type: str) -> tuple[str, ...]:
    """What a person may write for a type, in lower case."""
    lower = instance_type.lower()
    return lower, lower.removeprefix("standard_")


def _alike_types(lower: str, known: Collection[tuple[Cloud, str]]) -> str:
    by_name = {written: name for _, name in sorted(known) for written in _names(name)}
    near = difflib.get_close_matches(lower, by_name, n=6, cutoff=0.5)
    names = list(dict.fromkeys(by_name[written] for written in near))[:3]
    if names:
        return f"the nearest are {', '.join(names)}"
    return "patterns such as c7g.* find more: tradewind catalog find --type PATTERN"


def alike(word: str, known: Sequence[str]) -> str:
    """The words that look most like this one, as the end of a sentence.

    >>> alike("L40", ["H100-SXM", "L4", "L40S"])
    'the nearest are L40S, L4'
    """
    by_lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), by_lower, n=3, cutoff=0.5)
    if near:
        return f"the nearest {'is' if len(near) == 1 else 'are'} {', '.join(by_lower[name] for name in near)}"
    shown = ", ".join(known[:8])
    return f"known are {shown}{', ...' if len(known) > 8 else ''}"


def some(words: Iterable[str]) -> str:
    """The first six of some words by the alphabet, and how many more there are.

    >>> some("hgfedcba"), some([])
    ('a, b, c, d, e, f and 2 more', '')
    """
    every = sorted(words)
    more = f" and {len(every) - 6} more" if len(every) > 6 else ""
    return ", ".join(every[:6]) + more
