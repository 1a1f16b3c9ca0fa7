"""What is asked of the small catalogue has answers on paper; the shipped one must keep the laws."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tradewind.decide import catalog
from tradewind.domain.errors import InputError
from tradewind.domain.goal import CLOUDS, Goal, Load, Serve
from tradewind.run.market import SHIPPED, load_catalog, sql
from tradewind.run.market.asking import Asked, compare, find, show

if TYPE_CHECKING:
    from pathlib import Path

TODAY = "2026-11-25"


def names(snapshot: Path, **words: Any) -> list[str]:
    """The offers that are found, as region, type and purchase option."""
    found = find(Asked(**{"limit": None, **words}), TODAY, snapshot)
    return [f"{one.region}/{one.instance_type}/{one.purchase}" for one in found.offers]


def nothing(snapshot: Path, **words: Any) -> str:
    """Why nothing is found."""
    found = find(Asked(**words), TODAY, snapshot)
    assert (found.offers, found.total) == ((), 0)
    assert found.nothing_because is not None
    return found.nothing_because


def test_an_offer_is_found_with_all_that_a_person_reads(snapshot: Path) -> None:
    (one,) = find(Asked(types=("p5.*",), purchase=("spot",)), TODAY, snapshot).offers
    assert (one.cloud, one.region, one.place) == ("aws", "us-west-2", "Oregon")
    assert (one.accelerator, one.accelerator_count) == ("H100-SXM", 8.0)
    assert (one.price_usd_per_hour, one.usd_per_accelerator_hour) == (24.1, 24.1 / 8.0)
    assert (one.confidence, one.as_of, one.age_days) == ("B", "2026-01-01", 328)


def test_the_cheapest_come_first_and_the_limit_says_how_many_there_are(snapshot: Path) -> None:
    found = find(Asked(limit=3), TODAY, snapshot)
    prices = [one.price_usd_per_hour for one in found.offers]
    assert prices == sorted(prices)
    assert len(prices) == 3
    assert (
        found.total == sql("SELECT count(*) FROM offers WHERE region <> 'us-gov-east-1'", snapshot).rows[0][0]
    )


def test_every_word_narrows(snapshot: Path) -> None:
    assert names(snapshot, clouds=("azure",), purchase=("spot",)) == [
        "westeurope/Standard_D4s_v5/spot",
        "westeurope/Standard_D8s_v5/spot",
    ]
    assert names(snapshot, types=("C7G.2*",)) == [
        "us-east-1/c7g.2xlarge/on_demand",
        "eu-west-1/c7g.2xlarge/on_demand",
    ]
    assert names(snapshot, accelerator=("l4",), purchase=("on_demand",)) == [
        "europe-west4/g2-standard-4/on_demand",
        "us-east-1/g6.xlarge/on_demand",
    ]
    assert names(snapshot, vcpus=128, clouds=("aws",), purchase=("commit_3y",)) == []
    assert names(snapshot, memory_bytes=1024 * 2.0**30, clouds=("aws",)) == [
        "us-west-2/p5.48xlarge/spot",
        "us-east-1/p5.48xlarge/on_demand",
        "us-west-2/p5.48xlarge/on_demand",
    ]
    assert names(snapshot, jurisdiction=("nl",), purchase=("commit_1y",)) == [
        "europe-west4/g2-standard-4/commit_1y"
    ]


def test_an_old_price_is_of_confidence_c_on_the_day_of_asking(snapshot: Path) -> None:
    asked = Asked(types=("g6.xlarge",))
    (now,) = find(asked, TODAY, snapshot).offers
    (later,) = find(asked, "2028-01-01", snapshot).offers
    assert (now.confidence, later.confidence) == ("A", "C")


@pytest.mark.parametrize(
    ("sort", "figure"),
    [
        ("price", "price_usd_per_hour"),
        ("price-per-accelerator", "usd_per_accelerator_hour"),
        ("price-per-vcpu", "usd_per_vcpu_hour"),
        ("carbon", "grid_gco2e_per_kwh"),
    ],
)
def test_the_order_is_that_of_the_figure_and_unknown_comes_last(sort: Any, figure: str) -> None:
    offers = find(Asked(sort=sort, types=("*8*",), limit=None), TODAY, SHIPPED).offers
    values = [getattr(one, figure) for one in offers]
    known = [value for value in values if value is not None]
    assert known == sorted(known)
    assert all(value is None for value in values[len(known) :])


@pytest.mark.parametrize(
    "words",
    [
        {"regions": ("europe-*",), "accelerator": ("H100", "L4")},
        {"regions": ("eu-west-?", "westeurope"), "purchase": ("spot", "commit_1y")},
        {"clouds": ("gcp", "aws"), "jurisdiction": ("eu",), "memory_bytes": 2048 * 2.0**30},
        {"regions": ("us-gov-*",)},
        {},
    ],
)
def test_words_find_what_they_allow_in_a_goal(words: dict[str, Any]) -> None:
    everything = {
        "purchase": ("on_demand", "spot", "commit_1y", "commit_3y"),
        "clouds": CLOUDS,
        "regions": ("*",),
    }
    goal = Goal(
        name="same",
        model="a:b",
        data="a:c",
        metric="accuracy",
        serve=Serve(load=Load(rate_rps=1.0), p99_s=1.0),
        budget_usd_per_month=1.0,
        **{**everything, **words},
    )
    allowed = catalog.offers(goal, load_catalog(SHIPPED), TODAY)
    found = find(Asked(limit=None, **words), TODAY, SHIPPED)
    # A goal leaves out what cannot be planned with: machines of unknown size.
    usable = [one for one in found.offers if one.vcpus is not None and one.memory_bytes is not None]
    assert len(usable) == len(allowed)
    assert sum(one.price_usd_per_hour for one in usable) == pytest.approx(allowed["price_usd_per_hour"].sum())


def test_nothing_says_which_word_leaves_nothing_and_what_is_nearest(snapshot: Path) -> None:
    said = nothing(snapshot, clouds=("gcp",), regions=("eu-west-1",))
    assert said == "region: eu-west-1 is in aws, and only gcp is asked for"
    said = nothing(snapshot, jurisdiction=("eu",), regions=("us-*",))
    assert said == "jurisdiction: none of the regions asked for stands in eu; they stand in us"
    said = nothing(snapshot, types=("c7g.*",), regions=("us-west-2",))
    assert said == "type: none of these is priced in the regions asked for; it is in eu-west-1, us-east-1"
    said = nothing(snapshot, accelerator=("L4",), regions=("us-west-2",))
    assert said == "accelerator: no L4 there; there is H100-SXM; L4 is in europe-west4, us-east-1"
    assert nothing(snapshot, vcpus=100_000) == "vcpus: none there has 100000; the largest has 7168"
    said = nothing(snapshot, memory_bytes=2.0**60, clouds=("aws",))
    assert said == "memory: none there has 1.07374e+09 GiB; the largest has 2,048 GiB"
    said = nothing(snapshot, types=("c7g.2xlarge",), purchase=("spot", "commit_3y"))
    assert said == "purchase: no spot, commit_3y price there; there is on_demand"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"regions": ("us-eest-1",)}, "the nearest are us-east-1"),
        ({"accelerator": ("H10",)}, "accelerator: 'H10' is in no machine"),
        ({"types": ("c8h.*",)}, "type: 'c8h.*' matches no machine type"),
        ({"jurisdiction": ("eurozone",)}, "jurisdiction: no region of the catalogue stands in 'eurozone'"),
    ],
)
def test_a_word_that_means_nothing_is_an_error(snapshot: Path, words: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as error:
        find(Asked(**words), TODAY, snapshot)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_machine_is_shown_with_its_prices_and_those_that_are_not_used(snapshot: Path) -> None:
    (one,) = show("G6.xlarge", (), TODAY, snapshot)
    assert (one.machine.cloud, one.machine.vcpus, one.machine.accelerator) == ("aws", 4, "L4")
    assert one.machine.accelerator_flops_per_s == 121e12
    assert one.accelerator is not None
    assert one.accelerator.power_w == 72.0
    assert [(price.region, price.price_usd_per_hour) for price in one.prices] == [("us-east-1", 0.8048)]
    assert one.places["us-east-1"] == "Northern Virginia"
    assert [(row.region, row.invariant) for row in one.quarantine] == [("eu-west-1", "shared_tenancy")]


def test_a_machine_without_a_price_is_shown_too(snapshot: Path) -> None:
    (one,) = show("p2.xlarge", (), TODAY, snapshot)
    assert one.machine.active is False
    assert one.prices == ()
    assert [row.invariant for row in one.quarantine] == ["type_is_active"]


def test_an_unknown_machine_is_an_error_with_the_nearest(snapshot: Path) -> None:
    with pytest.raises(InputError, match="the nearest are g6\\.xlarge"):
        show("g6.xlrge", (), TODAY, snapshot)
    with pytest.raises(InputError, match="'g6\\.xlarge' is no machine type"):
        show("g6.xlarge", ("gcp",), TODAY, snapshot)


def test_each_cloud_answers_with_its_nearest_machine_and_its_cheapest_prices(snapshot: Path) -> None:
    answer = compare((), "g6.xlarge", (), snapshot)
    assert [one.machine.instance_type for one in answer.clouds] == [
        "g6.xlarge",
        "Standard_NC4as_T4_v3",
        "g2-standard-4",
    ]
    assert answer.like == answer.clouds[0]
    google = answer.clouds[2]
    assert {option: price.price_usd_per_hour for option, price in google.prices.items()} == {
        "on_demand": 0.78,
        "spot": 0.31,
        "commit_1y": 0.5,
        "commit_3y": 0.35,
    }
    assert google.transfer is not None
    assert google.transfer.usd_per_gb == 0.12
    assert google.storage is not None
    assert google.storage.region == "europe-west4"
    assert "n1-standard-4+t4x1" in [machine.instance_type for machine in google.others]


def test_a_machine_stands_for_its_own_cloud_whatever_the_regions(snapshot: Path) -> None:
    answer = compare(("aws", "azure"), "c7g.xlarge", ("europe-*",), snapshot)
    assert [one.machine.instance_type for one in answer.clouds] == ["c7g.xlarge", "Standard_D4s_v5"]
    assert answer.clouds[1].prices["on_demand"].region == "westeurope"
    assert compare(("aws",), "g6.xlarge", ("europe-*",), snapshot).like.prices == {}


def test_a_cloud_without_a_machine_there_is_left_out(snapshot: Path) -> None:
    answer = compare(("azure", "gcp"), "g6.xlarge", ("eastus",), snapshot)
    assert [one.machine.cloud for one in answer.clouds] == ["azure"]
    assert answer.like.machine.instance_type == "g6.xlarge"


@pytest.mark.parametrize(
    "name", ["p5.48xlarge", "Standard_NC4as_T4_v3", "g2-standard-4", "m5.xlarge", "c7g.4xlarge"]
)
def test_the_shipped_catalogue_finds_every_machine_most_like_itself(name: str) -> None:
    answer = compare((), name, (), SHIPPED)
    own = next(one for one in answer.clouds if one.machine.cloud == answer.like.machine.cloud)
    assert own.machine.instance_type == name
    assert (own.distance.accelerator, own.distance.count, own.distance.rest) == (0.0, 0.0, 0.0)
    assert len(answer.clouds) == 3
