from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tradewind.decide.catalog import offers as offers_of
from tradewind.domain.errors import InputError
from tradewind.domain.goal import Goal, Load, Serve
from tradewind.domain.plan import CostPart
from tradewind.run.market import SHIPPED, load_catalog, sql
from tradewind.run.market.explaining import explain, explanations

if TYPE_CHECKING:
    from types import ModuleType

TODAY = "2026-11-25"


def test_a_key_is_explained_from_the_list_to_the_price(snapshot: Path) -> None:
    (one,) = explain(["aws/us-east-1/g6.xlarge/on_demand"], TODAY, snapshot)
    assert one.price_usd_per_hour == 0.8048
    assert one.steps[0].startswith("stated: by aws/karpenter-provider-aws")
    assert "SHA-256" in one.steps[0]
    assert one.steps[-1].endswith("as of 2026-07-20 (day), 128 days before 2026-11-25")


def test_without_a_purchase_option_every_one_is_explained(snapshot: Path) -> None:
    found = explain(["gcp/europe-west4/g2-standard-4"], TODAY, snapshot)
    assert [one.key.rpartition("/")[2] for one in found] == ["commit_1y", "commit_3y", "on_demand", "spot"]
    assert any("on demand costs 0.78 usd/h there" in step for step in found[-1].steps)


def test_the_parts_of_a_composed_price_are_told(snapshot: Path) -> None:
    (one,) = explain(["gcp/us-central1/n1-standard-4+t4x2/on_demand"], TODAY, snapshot)
    parts = [step for step in one.steps if step.startswith("part: ")]
    assert len(parts) == 2
    assert "sum of the parts: 0.89 usd/h" in one.steps


def test_a_price_that_is_not_used_says_why(snapshot: Path) -> None:
    (one,) = explain(["azure/westeurope/Standard_D16s_v5/on_demand"], TODAY, snapshot)
    assert one.price_usd_per_hour is None
    assert "(rule linear_in_family)" in one.steps[-1]
    (host,) = explain(["azure/westeurope/Dsv3_Type3/on_demand"], TODAY, snapshot)
    assert "machine_is_virtual" in host.steps[-1]


def test_several_keys_come_in_their_order(snapshot: Path) -> None:
    keys = [
        "transfer/gcp/us-east1/internet",
        "aws/us-east-1/g6.xlarge/on_demand",
        "storage/aws/us-east-1/S3/standard",
    ]
    assert [one.key for one in explain(keys, TODAY, snapshot)] == [
        *keys[:2],
        "storage/aws/us-east-1/S3/Standard",
    ]


def test_storage_transfer_and_surcharges_are_explained(snapshot: Path) -> None:
    (stored,) = explain(["storage/gcp/europe-west4/Cloud Storage/Standard/storage"], TODAY, snapshot)
    assert stored.steps[0].endswith("stated 0.02 usd per GiB-month, / 1.073741824 = 0.0186265")
    (moved,) = explain(["transfer/gcp/europe-west4/internet/*"], TODAY, snapshot)
    assert moved.steps[0] == "price of: all regions of gcp; none is known of europe-west4 itself"
    assert (moved.usd, moved.unit) == (0.12, "GB")
    (asked,) = explain(["surcharge/aws/SageMaker/m5.xlarge"], TODAY, snapshot)
    assert "ratio: 0.23 / 0.192 = 1.198" in asked.steps


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("g6.xlarge", "the cloud is one of aws, azure, gcp"),
        ("", "the cloud is one of aws, azure, gcp"),
        ("aws/us-est-1/g6.xlarge/spot", "no region us-est-1 of aws; the nearest"),
        ("aws/us-east-1/g6.xlarg/spot", "the nearest are g6.xlarge"),
        ("aws/us-east-1/G6.xlarge/spot", "write the name as g6.xlarge"),
        ("aws/us-east-1/g6.xlarge/spot", "no such price of g6.xlarge in us-east-1; there is on_demand"),
        ("aws/us-west-2/g6.xlarge/spot", "no price of g6.xlarge is known in us-west-2; it is in us-east-1"),
        ("aws/us-east-1", "write cloud/region/machine type/purchase option"),
        ("storage/aws/us-east-1/S3/Standrd", "no such class there; the nearest is S3/Standard"),
        (
            "storage/aws/eu-west-1/S3/Standard",
            "no price of storage is known in eu-west-1; it is in us-east-1",
        ),
        ("transfer/aws/us-east-1/outwards", "kinds are internet, inter_region, inter_zone"),
        ("surcharge/aws/SageMaker/m5.large", "no such surcharge; the nearest is SageMaker/m5.xlarge"),
        ("surcharge/gcp/Vertex AI/n1", "no such surcharge; none is known there"),
    ],
)
def test_a_key_that_names_nothing_is_one_line_with_what_is_nearest(
    snapshot: Path, key: str, says: str
) -> None:
    with pytest.raises(InputError) as error:
        explain([key], TODAY, snapshot)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_every_kind_of_price_of_the_shipped_catalogue_can_be_explained() -> None:
    query = (
        "SELECT {} FROM (SELECT *, row_number() OVER (PARTITION BY {} ORDER BY {}) AS n FROM {}) WHERE n = 1"
    )
    machines = query.format(
        "cloud || '/' || region || '/' || instance_type || '/' || purchase",
        "source, purchase, stated_unit",
        "region, instance_type",
        "offers",
    )
    stored = query.format(
        "'storage/' || cloud || '/' || region || '/' || service || '/' || tier",
        "cloud, service, tier",
        "region",
        "storage",
    )
    moved = query.format(
        "'transfer/' || cloud || '/' || region || '/' || kind || '/' || \"to\"",
        "cloud, kind, source",
        "region, from_gb",
        "transfer",
    )
    for question in (machines, stored, moved):
        keys = [str(row[0]) for row in sql(question, SHIPPED)]
        assert len(keys) > 10
        for one in explain(keys, TODAY, SHIPPED):
            assert len(one.steps) >= 2
            assert all(": " in step for step in one.steps), one


@pytest.fixture(scope="module")
def story() -> ModuleType:
    """The constructed run of the report's tests."""
    path = Path(__file__).parents[2] / "show" / "report" / "story.py"
    spec = importlib.util.spec_from_file_location("story", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def planned(story: ModuleType, snapshot: Path, **changes: Any) -> Any:
    """The plan of the story on an offer of the small catalogue, and the prices that it was made with."""
    catalog = load_catalog(snapshot)
    offers = [one for one in _offers(catalog) if one.key == "gcp/europe-west4/g2-standard-4/spot"]
    offer = msgspec.structs.replace(offers[0], **changes)
    stored = next(price for price in catalog.storage if price.region == "us-east-1")
    data = story.GOAL.data_at
    parts = (
        CostPart(name="compute", usd_per_month=1.0, because="", source=offer.source, as_of=offer.as_of),
        CostPart(
            name="storage",
            usd_per_month=data.size_bytes / 1e9 * stored.usd_per_gb_month,
            because="",
            source=stored.source,
            as_of=stored.as_of,
            origin="assumed",
        ),
        CostPart(name="egress_inter_region", usd_per_month=0.0, because="", source="goal", as_of=TODAY),
    )
    choice = msgspec.structs.replace(story.CHOICE, offer=offer, costs=parts)
    plan = msgspec.structs.replace(story.PLAN, choice=choice, pareto=(choice,), today=TODAY)
    return plan, catalog


def _offers(catalog: Any) -> Any:
    goal = Goal(
        name="all",
        model="a:b",
        data="a:c",
        metric="accuracy",
        serve=Serve(load=Load(rate_rps=1.0), p99_s=1.0),
        budget_usd_per_month=1.0,
    )
    return offers_of(goal, catalog, TODAY)


def test_a_plan_is_explained_by_offer_and_by_part_of_its_cost(story: ModuleType, snapshot: Path) -> None:
    plan, catalog = planned(story, snapshot)
    told = explanations(plan, catalog.storage, catalog.transfer, snapshot)
    assert set(told) == {plan.choice.offer.key, "storage"}
    assert told[plan.choice.offer.key] == explain([plan.choice.offer.key], TODAY, snapshot)[0].steps
    assert told["storage"][0] == "price: storage/aws/us-east-1/S3/Standard/storage"
    assert told["storage"][1].startswith("keeping data: 0.023 usd/GB-month")


def test_what_the_overlay_changes_is_said(story: ModuleType, snapshot: Path) -> None:
    plan, catalog = planned(story, snapshot, price_usd_per_hour=0.2)
    told = explanations(plan, catalog.storage, catalog.transfer, snapshot)
    assert told[plan.choice.offer.key][-1] == "yours: your overlay makes it 0.2 usd/h instead of 0.31"


def test_an_offer_that_the_catalogue_does_not_know_is_left_out(story: ModuleType, snapshot: Path) -> None:
    plan, catalog = planned(story, snapshot, instance_type="another")
    assert set(explanations(plan, catalog.storage, catalog.transfer, snapshot)) == {"storage"}
