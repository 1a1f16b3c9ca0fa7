"""What the clouds rent out: price lists become tables that can be trusted, and offers for a goal.

In: published price lists and data sheets, and today's date (`normalise`), or the tables of a snapshot and fresh
prices (`refreshed`); or a Catalog, the user's own Overlay (`with_overlay`) and a Goal (`offers`). Out: tables
in the project's own words, each row with its source, day and confidence, and a quarantine with the reason for
each row that breaks an invariant; or the Offers that the goal allows; or where a price comes from (`explain`).
"""

from __future__ import annotations

from tradewind.decide.catalog.assembling import refreshed
from tradewind.decide.catalog.explaining import Explanation, explain, explain_quarantined
from tradewind.decide.catalog.normalise import FACT_FILES, SOURCE_FILES, Normalised, normalise
from tradewind.decide.catalog.overlaying import with_overlay
from tradewind.decide.catalog.places import GROUPS
from tradewind.decide.catalog.selection import Catalog, Columns, Region, offers

__all__ = [
    "FACT_FILES",
    "GROUPS",
    "SOURCE_FILES",
    "Catalog",
    "Columns",
    "Explanation",
    "Normalised",
    "Region",
    "explain",
    "explain_quarantined",
    "normalise",
    "offers",
    "refreshed",
    "with_overlay",
]
