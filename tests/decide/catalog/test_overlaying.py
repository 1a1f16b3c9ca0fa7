from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tradewind.decide.catalog import Catalog, offers, with_overlay
from tradewind.domain import codec
from tradewind.domain.errors import CodecError, InputError
from tradewind.domain.goal import Goal, Load, Serve
from tradewind.domain.offer import Offer
from tradewind.domain.overlay import Overlay

TODAY = "2026-11-23"


def overlay(text: str) -> Overlay:
    return codec.decode(text, Overlay, source="overlay.yaml")


def found(catalog: Catalog, text: str, today: str = TODAY) -> dict[str, Offer]:
    goal = Goal(
        name="x",
        model="m:build",
        data="d:load",
        metric="accuracy",
        serve=Serve(load=Load(rate_rps=1.0), p99_s=0.1),
        budget_usd_per_month=100.0,
        purchase=("on_demand", "spot", "commit_1y"),
    )
    return {one.key: one for one in offers(goal, with_overlay(catalog, overlay(text), today), today)}


def test_an_empty_overlay_changes_nothing(catalog: Catalog) -> None:
    assert {key: one.price_usd_per_hour for key, one in found(catalog, "{}").items()} == {
        key: one.price_usd_per_hour for key, one in found(catalog, "discounts: []").items()
    }
    one = found(catalog, "{}")["aws/eu-west-1/m/on_demand"]
    assert (one.price_usd_per_hour, one.most_machines, one.prepaid_machines) == (0.1, None, 0.0)


def test_the_largest_discount_counts_and_none_lowers_spot_unless_it_says_so(catalog: Catalog) -> None:
    text = "discounts: [{cloud: aws, percent: 10}, {cloud: aws, instance_type: 'm*', region: 'eu-*', percent: 25}]"
    offered = found(catalog, text)
    assert offered["aws/eu-west-1/m/on_demand"].price_usd_per_hour == pytest.approx(0.075)
    assert offered["aws/us-east-1/m/on_demand"].price_usd_per_hour == pytest.approx(0.081)
    assert offered["aws/eu-west-1/m/spot"].price_usd_per_hour == 0.05
    assert offered["azure/westeurope/m/on_demand"].price_usd_per_hour == 0.11
    named = found(catalog, "discounts: [{cloud: aws, purchase: spot, percent: 50}]")
    assert named["aws/eu-west-1/m/spot"].price_usd_per_hour == 0.025


def test_a_private_price_stands_instead_of_list_price_and_discount(catalog: Catalog) -> None:
    text = (
        "discounts: [{cloud: aws, percent: 10}]\n"
        "prices: [{cloud: aws, region: eu-west-1, instance_type: m, price: 0.06 usd/h}]"
    )
    offered = found(catalog, text)
    assert offered["aws/eu-west-1/m/on_demand"].price_usd_per_hour == 0.06
    assert offered["aws/eu-west-1/m/spot"].price_usd_per_hour == 0.05


def test_what_is_forbidden_is_not_offered(catalog: Catalog) -> None:
    offered = found(catalog, "forbidden: [{cloud: gcp}, {cloud: aws, region: 'us-*', purchase: on_demand}]")
    assert set(offered) == {
        "aws/eu-west-1/m/on_demand",
        "aws/eu-west-1/m/spot",
        "aws/us-east-1/m/spot@us-east-1a",
        "azure/westeurope/m/on_demand",
    }
    with pytest.raises(InputError, match="overlay: it forbids every offer"):
        found(catalog, "forbidden: [{cloud: gcp}, {cloud: aws}, {cloud: azure}]")


def test_quotas_are_in_machines_or_in_vcpus_and_the_tightest_counts(catalog: Catalog) -> None:
    text = "quotas: [{cloud: aws, vcpus: 10}, {cloud: aws, instance_type: m, region: eu-west-1, machines: 1}]"
    offered = found(catalog, text)
    assert offered["aws/us-east-1/m/on_demand"].most_machines == 2.0
    assert offered["aws/us-east-1/p5/on_demand"].most_machines == 0.0
    assert offered["aws/eu-west-1/m/on_demand"].most_machines == 1.0
    assert offered["gcp/us-central1/m/on_demand"].most_machines is None


def test_commitments_are_for_on_demand_add_up_and_end(catalog: Catalog) -> None:
    text = (
        "commitments: [{cloud: aws, instance_type: m, machines: 4, until: 2026-11-23}, "
        "{cloud: aws, machines: 1}, {cloud: aws, spend: 2 usd/h}]"
    )
    offered = found(catalog, text)
    assert offered["aws/eu-west-1/m/on_demand"].prepaid_machines == 5.0
    assert offered["aws/eu-west-1/m/on_demand"].prepaid_usd_per_hour == 2.0
    assert offered["aws/eu-west-1/m/spot"].prepaid_machines == 0.0
    assert found(catalog, text, "2026-11-24")["aws/eu-west-1/m/on_demand"].prepaid_machines == 1.0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.floats(0.5, 99.0), second=st.floats(0.5, 99.0))
def test_discounts_never_make_anything_dearer_and_their_order_is_nothing(
    catalog: Catalog, first: float, second: float
) -> None:
    def prices(*percents: float) -> np.ndarray:
        rules = ", ".join(f"{{cloud: aws, percent: {percent!r}}}" for percent in percents)
        return with_overlay(catalog, overlay(f"discounts: [{rules}]"), TODAY).prices

    both = prices(first, second)
    assert (both == prices(second, first)).all()
    assert (both <= catalog.prices).all()
    assert (both == np.minimum(prices(first), prices(second))).all()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "discounts: [{cloud: aws, instance_type: 'c99.*', percent: 1}]",
            "no instance_type of aws matches 'c99",
        ),
        (
            "quotas: [{cloud: azure, region: eastus, machines: 1}]",
            r"quotas\[0\]: no region of azure matches 'eastus'",
        ),
        ("prices: [{cloud: gcp, instance_type: m, purchase: spot, price: 1 usd/h}]", "no spot price of m"),
    ],
)
def test_a_rule_that_means_nothing_is_mistyped(catalog: Catalog, text: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint) as error:
        found(catalog, text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "quotas: [{cloud: aws}]",
        "quotas: [{cloud: aws, machines: 1, vcpus: 2}]",
        "commitments: [{cloud: aws, machines: 1, spend: 1 usd/h}]",
        "discounts: [{cloud: aws, percent: 0}]",
        "discount: [{cloud: aws, percent: 5}]",
        "prices: [{cloud: aws, instance_type: m, price: 5}]",
    ],
)
def test_overlays_that_contradict_themselves_are_refused(text: str) -> None:
    with pytest.raises(CodecError):
        overlay(text)
