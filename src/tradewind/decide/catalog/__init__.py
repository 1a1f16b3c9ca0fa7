"""What the clouds rent out: price lists become tables that can be trusted, and offers for a goal.

In: the rows of published price lists and data sheets, and today's date (`normalise`); or a Catalog and a
Goal (`offers`). Out: tables in the project's own words, each row with its source, day and confidence, and a
quarantine with the reason for each row that breaks an invariant; or the Offers that the goal allows.
"""

from __future__ import annotations

from tradewind.decide.catalog.normalise import SOURCE_FILES, Normalised, normalise
from tradewind.decide.catalog.places import GROUPS
from tradewind.decide.catalog.selection import Catalog, Region, offers

__all__ = ["GROUPS", "SOURCE_FILES", "Catalog", "Normalised", "Region", "normalise", "offers"]
