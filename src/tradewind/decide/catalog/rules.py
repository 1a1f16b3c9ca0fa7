"""What each rule that can put a row into quarantine holds, in one sentence."""

from __future__ import annotations

from typing import Final

from tradewind.decide.catalog.invariants import INVARIANTS

__all__ = ["RULES"]

_OF_A_LIST: Final[dict[str, str]] = {
    "price_can_be_read": "A price is a number above zero.",
    "price_in_range": "A fresh price is above zero, and not more than any machine costs.",
    "machine_is_virtual": "What is priced is a virtual machine, not a dedicated host or a placeholder.",
    "shared_tenancy": "A price is that of shared tenancy: two sizes of the family bear it out, none is dearer.",
    "operating_system": "A spot price is that of Linux: other prices of the list bear its discount out.",
    "part_has_one_price": "A part of a machine has one price in a region.",
    "ladder_is_complete": "The steps of a price by volume begin at zero and leave no gap.",
    "price_falls_with_volume": "A larger volume is not dearer per unit.",
    "spec_is_consistent": "What is said to be inside a machine fits together.",
    "accelerator_is_described": "An accelerator has a name, a memory and a source.",
    "efficiency_is_a_fraction": "What was measured is not above the data sheet.",
    "surcharge_is_consistent": "The ratio of a managed machine is that of its two prices.",
    "carbon_is_plausible": "The carbon of a grid is a number in the range of grids.",
    "place_is_sourced": "A region's place has a source and a day.",
    "fact_is_sourced": "A fact of a service has a source and a day.",
}
"""The rules of single lists, and of tables other than that of the offers."""

RULES: Final[dict[str, str]] = {
    **{
        name: (rule.__doc__ or "").split("\n\n")[0].replace("\n    ", " ")
        for name, rule in INVARIANTS.items()
    },
    **_OF_A_LIST,
}
"""Every rule by its name: first those that all offers are held to, in the order in which they run."""
