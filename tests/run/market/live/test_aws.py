from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from price_endpoints import Reply, aws_file, price_row
from tradewind.domain.errors import CodecError
from tradewind.run.market.live import AwsPrices, Gathered

MACHINES = {"c7g.xlarge": 0.145, "p5.48xlarge": 55.04}


@pytest.fixture
def lists(aws_endpoint: Any) -> Any:
    aws_endpoint.files = {
        region: aws_file(region, MACHINES) for region in ("us-east-1", "me-south-1", "eu-west-1")
    }
    return aws_endpoint


@pytest.fixture
def tables() -> dict[str, Any]:
    return {"offers": [price_row("aws", region, "c7g.xlarge") for region in ("us-east-1", "me-south-1")]}


def gather(endpoint: Any, answers: Any, tables: Any, ec2_url: str = "http://127.0.0.1:9") -> Gathered:
    return AwsPrices(url=endpoint.url, ec2_url=ec2_url).gather(answers(), tables)


def test_the_price_files_of_the_catalogues_regions_without_credentials(
    lists: Any, answers: Any, tables: Any
) -> None:
    gathered = gather(lists, answers, tables)
    assert {(row.region, row.instance_type): row.price_usd_per_hour for row in gathered.read.prices} == {
        (region, name): usd for region in ("us-east-1", "me-south-1") for name, usd in MACHINES.items()
    }
    assert lists.asked[1:] == [
        f"/offers/v1.0/aws/AmazonEC2/20261125000000/{region}/index.json"
        for region in ("me-south-1", "us-east-1")
    ]
    assert gathered.notes == (
        "spot prices of aws are not asked for: no credentials; set a profile, or AWS_ACCESS_KEY_ID",
    )
    assert gathered.untold(price_row("aws", "us-east-1", "c7g.xlarge", purchase="spot"))
    assert not gathered.untold(price_row("aws", "us-east-1", "c7g.xlarge"))


def test_a_region_without_a_file_is_noted_and_untold(lists: Any, answers: Any, tables: Any) -> None:
    del lists.files["me-south-1"]
    gathered = gather(lists, answers, tables)
    assert gathered.notes[0] == "aws has no price list of me-south-1"
    assert gathered.untold(price_row("aws", "me-south-1", "c7g.xlarge"))


def test_an_index_that_leads_elsewhere_is_not_followed(lists: Any, answers: Any, tables: Any) -> None:
    elsewhere = (
        b'{"regions": {"x": {"regionCode": "us-east-1", "currentVersionUrl": "@example.com/index.json"}}}'
    )
    lists.instead = {0: Reply(elsewhere)}
    with pytest.raises(CodecError, match=r"'@example\.com/index\.json' is no path of a price file"):
        gather(lists, answers, tables)
    assert len(lists.asked) == 1


def test_capacity_blocks_are_no_on_demand_price(lists: Any, answers: Any, tables: Any) -> None:
    lists.files["us-east-1"] = aws_file("us-east-1", {"p5.48xlarge": 31.464}, marketoption="CapacityBlock")
    gathered = gather(lists, answers, tables)
    assert {row.region for row in gathered.read.prices} == {"me-south-1"}
    assert gathered.read.left_out["AWS price list: capacity blocks"] == 1


def test_a_refresh_that_was_stopped_goes_on_and_asks_nothing_twice(
    lists: Any, answers: Any, tables: Any
) -> None:
    lists.instead = {2: Reply(lists.files["us-east-1"][:-100])}
    with pytest.raises(CodecError, match="not whole JSON"):
        gather(lists, answers, tables)
    assert len(gather(lists, answers, tables).read.prices) == 4
    assert [path.split("/")[-2] for path in lists.asked] == [
        "current",
        "me-south-1",
        "us-east-1",
        "us-east-1",
    ]


def test_spot_prices_by_zone_page_after_page(
    lists: Any, ec2_endpoint: Any, answers: Any, tables: Any, credentials: None
) -> None:
    ec2_endpoint.history = {
        "us-east-1": [
            ("p5.48xlarge", "us-east-1a", "17.6289"),
            ("p5.48xlarge", "us-east-1b", "55.04"),
            ("c7g.xlarge", "us-east-1a", "0.06"),
        ],
        "me-south-1": [("c7g.xlarge", "me-south-1c", "0.07")],
    }
    gathered = gather(lists, answers, tables, ec2_endpoint.url)
    assert {
        (r.instance_type, r.zone): r.price_usd_per_hour for r in gathered.read.prices if r.purchase == "spot"
    } == {
        ("p5.48xlarge", "id-a"): 17.6289,
        ("p5.48xlarge", "id-b"): 55.04,
        ("c7g.xlarge", "id-a"): 0.06,
        ("c7g.xlarge", "me-south-1c"): 0.07,
    }
    assert gathered.notes == ()
    asked = len(ec2_endpoint.asked)
    assert asked == 5, "zones twice, two pages and one"
    gather(lists, answers, tables, ec2_endpoint.url)
    assert len(ec2_endpoint.asked) == asked, "nothing is asked twice on a day"


def test_a_region_that_must_be_opted_into_is_noted_and_the_rest_goes_on(
    lists: Any, ec2_endpoint: Any, answers: Any, tables: Any, credentials: None
) -> None:
    ec2_endpoint.history = {"us-east-1": [("c7g.xlarge", "us-east-1a", "0.06")]}
    ec2_endpoint.closed = {"me-south-1"}
    gathered = gather(lists, answers, tables, ec2_endpoint.url)
    assert [row.region for row in gathered.read.prices if row.purchase == "spot"] == ["us-east-1"]
    [note] = gathered.notes
    assert note.startswith("no spot prices of aws in me-south-1: An error occurred (AuthFailure)")
    assert gathered.untold(price_row("aws", "me-south-1", "c7g.xlarge", purchase="spot"))
    assert not gathered.untold(price_row("aws", "us-east-1", "c7g.xlarge", purchase="spot"))
    assert not gathered.untold(price_row("aws", "me-south-1", "c7g.xlarge"))


def test_without_boto3_spot_prices_are_noted_with_the_command_that_brings_them(
    lists: Any, answers: Any, tables: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = importlib.util.find_spec
    monkeypatch.setattr(
        "tradewind.run.market.live.aws.find_spec", lambda name: None if name == "boto3" else right(name)
    )
    gathered = gather(lists, answers, tables)
    assert "pip install 'tradewind[aws]'" in gathered.notes[0]
    assert len(gathered.read.prices) == 4


def test_another_implementation_of_ec2_prices_of_another_system_are_left_out(
    lists: Any, answers: Any, tables: Any, credentials: None
) -> None:
    """moto knows every zone and machine type, and prices them all for "Linux/UNIX (Amazon VPC)"."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        gathered = gather(lists, answers, tables, f"http://{host}:{port}")
    finally:
        server.stop()
    assert {row.purchase for row in gathered.read.prices} == {"on_demand"}
    assert gathered.notes == tuple(
        f"no spot prices of aws in {region}: the answer has none for Linux"
        for region in ("me-south-1", "us-east-1")
    )
    assert gathered.untold(price_row("aws", "us-east-1", "c7g.xlarge", purchase="spot"))
