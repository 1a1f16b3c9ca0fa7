"""The user's own world on top of the list prices: discounts, private prices, quotas, commitments."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Protocol

import numpy as np

from tradewind.domain.errors import InputError

if TYPE_CHECKING:
    from tradewind.decide.catalog.selection import Catalog
    from tradewind.domain.overlay import Overlay

__all__ = ["with_overlay"]


class _Rule(Protocol):
    @property
    def cloud(self) -> str: ...
    @property
    def instance_type(self) -> str: ...
    @property
    def region(self) -> str: ...


def with_overlay(catalog: Catalog, overlay: Overlay, today: str) -> Catalog:
    """The catalogue as this user finds it on `today`.

    Discounts lower list prices (never spot, unless the discount names it; the largest of several counts), private
    prices stand in the place of both, what is forbidden is not offered, quotas limit how many machines may be
    rented, and commitments that are paid for make so many machines, or so much spend, free on demand.

    Errors: InputError for a rule that matches nothing in the catalogue, since it is mistyped.
    """
    prices = catalog.prices.astype(np.float64, copy=True)
    discount = np.zeros(len(catalog))
    for number, rule in enumerate(overlay.discounts):
        rows = _rows(catalog, rule, f"discounts[{number}]")
        bought = _purchase(catalog, rule.purchase, all_but_spot=True)
        discount[rows & bought] = np.maximum(discount[rows & bought], rule.percent / 100.0)
    prices *= 1.0 - discount
    for number, private in enumerate(overlay.prices):
        rows = _rows(catalog, private, f"prices[{number}]") & _purchase(catalog, private.purchase)
        if not rows.any():
            raise InputError(
                f"overlay: prices[{number}]: the catalogue has no {private.purchase} price of "
                f"{private.instance_type} in {private.region}, so a private one has no machine to belong to"
            )
        prices[rows] = private.price_usd_per_hour
    forbidden = np.zeros(len(catalog), dtype=bool)
    for number, rule_out in enumerate(overlay.forbidden):
        forbidden |= _rows(catalog, rule_out, f"forbidden[{number}]") & _purchase(catalog, rule_out.purchase)
    return replace(
        catalog,
        prices=prices,
        own={
            "forbidden": forbidden,
            "most_machines": _quotas(catalog, overlay),
            **_commitments(catalog, overlay, today),
        },
    )


def _quotas(catalog: Catalog, overlay: Overlay) -> np.ndarray:
    """(n,) the machines that may be rented; NaN where nothing limits them."""
    most = np.full(len(catalog), np.inf)
    vcpus = catalog.machines.numbers["vcpus"][catalog.machine]
    for number, rule in enumerate(overlay.quotas):
        rows = _rows(catalog, rule, f"quotas[{number}]") & _purchase(catalog, rule.purchase)
        if rule.machines is not None:
            bound = np.full(len(catalog), float(rule.machines))
        else:
            assert rule.vcpus is not None, "a quota is in machines or in vCPUs"
            bound = np.floor(rule.vcpus / vcpus)
        # Of a machine with unknown vCPUs, a quota in vCPUs allows none.
        most[rows] = np.minimum(most[rows], np.nan_to_num(bound[rows], nan=0.0))
    return np.where(np.isinf(most), np.nan, most)


def _commitments(catalog: Catalog, overlay: Overlay, today: str) -> dict[str, np.ndarray]:
    """(n,) machines and spend that are paid for already; several commitments for an offer add up."""
    machines, spend = np.zeros(len(catalog)), np.zeros(len(catalog))
    on_demand = _purchase(catalog, "on_demand")
    for number, rule in enumerate(overlay.commitments):
        rows = _rows(catalog, rule, f"commitments[{number}]") & on_demand
        if rule.until is not None and rule.until < today:
            continue
        machines[rows] += float(rule.machines or 0)
        spend[rows] += rule.spend_usd_per_hour or 0.0
    return {"prepaid_machines": machines, "prepaid_usd_per_hour": spend}


def _rows(catalog: Catalog, rule: _Rule, where: str) -> np.ndarray:
    """(n,) whether the rule means the offer's cloud, region and type."""
    places, machines = catalog.places.words, catalog.machines.words
    here = np.array(
        [
            cloud == rule.cloud and fnmatchcase(region, rule.region)
            for cloud, region in zip(places["cloud"], places["region"], strict=True)
        ],
        dtype=bool,
    )
    these = np.array(
        [
            cloud == rule.cloud and fnmatchcase(name, rule.instance_type)
            for cloud, name in zip(machines["cloud"], machines["instance_type"], strict=True)
        ],
        dtype=bool,
    )
    for what, pattern, found in (("region", rule.region, here), ("instance_type", rule.instance_type, these)):
        if not found.any():
            raise InputError(f"overlay: {where}: no {what} of {rule.cloud} matches {pattern!r}; correct it")
    return np.asarray(here[catalog.place] & these[catalog.machine])


def _purchase(catalog: Catalog, purchase: str | None, *, all_but_spot: bool = False) -> np.ndarray:
    """(n,) whether the offer is bought so; None means every way, or every one but spot."""
    options = catalog.origins.words["purchase"]
    if purchase is None:
        meant = [not all_but_spot or option != "spot" for option in options]
    else:
        meant = [option == purchase for option in options]
    return np.asarray(np.array(meant, dtype=bool)[catalog.origin])
