from __future__ import annotations

from typing import Any

import pytest

from price_endpoints import Reply, gcp_sku, price_row, shape_row
from tradewind.domain.errors import CodecError, InputError, ResourceError
from tradewind.run.market.live import Gathered, GcpPrices


@pytest.fixture
def catalogue(gcp_endpoint: Any) -> Any:
    """Parts of N2 and A2, and the A100, on three pages; and a page of TPUs."""
    return gcp_endpoint.add(
        gcp_sku("N2 Instance Core running in Americas", 0.03),
        gcp_sku("N2 Instance Ram running in Americas", 0.004),
        gcp_sku("A2 Instance Core running in Americas", 0.03),
        gcp_sku("A2 Instance Ram running in Americas", 0.004),
        gcp_sku("Nvidia Tesla A100 GPU running in Americas", 2.9),
    )


@pytest.fixture
def tables() -> dict[str, Any]:
    names = ("n2-standard-4", "a2-highgpu-1g")
    return {
        "offers": [price_row("gcp", "us-central1", name) for name in names]
        + [price_row("aws", "us-east-1", "c7g.xlarge")],
        "shapes": [shape_row("gcp", names[0], 4, 16.0), shape_row("gcp", names[1], 12, 85.0, "A100-40GB")],
    }


def gather(endpoint: Any, answers: Any, tables: Any, **changes: Any) -> Gathered:
    return GcpPrices(url=endpoint.url, **{"api_key": "a-secret-key", **changes}).gather(answers(), tables)


def test_all_pages_of_both_services_composed_for_the_machines_of_the_catalogue(
    catalogue: Any, answers: Any, tables: Any
) -> None:
    gathered = gather(catalogue, answers, tables)
    assert {row.instance_type: row.price_usd_per_hour for row in gathered.read.prices} == {
        "n2-standard-4": pytest.approx(4 * 0.03 + 16 * 0.004),
        "a2-highgpu-1g": pytest.approx(12 * 0.03 + 85 * 0.004 + 2.9),
    }
    assert len(gathered.read.parts) == 5
    assert len(catalogue.asked) == 4
    assert all("pageSize=5000" in path and "currencyCode=USD" in path for path in catalogue.asked)
    assert not any("secret" in path for path in catalogue.asked), "the key goes in a header"


def test_a_host_without_its_gpu_has_no_price_and_yesterdays_stays(
    gcp_endpoint: Any, answers: Any, tables: Any
) -> None:
    gcp_endpoint.add(
        gcp_sku("N2 Instance Core running in Tokyo", 0.04, region="asia-northeast1"),
        gcp_sku("A2 Instance Core running in Americas", 0.03),
        gcp_sku("A2 Instance Ram running in Americas", 0.004),
    )
    gathered = gather(gcp_endpoint, answers, tables)
    assert gathered.read.prices == ()
    assert gathered.untold(price_row("gcp", "us-central1", "a2-highgpu-1g"))
    assert not gathered.untold(price_row("gcp", "us-central1", "n2-standard-4")), (
        "no part is priced: it is not sold"
    )


def test_only_the_given_regions(catalogue: Any, answers: Any, tables: Any) -> None:
    gathered = gather(catalogue, answers, tables, regions=("europe-west4",))
    assert gathered.read.prices == ()
    assert gathered.untold(price_row("gcp", "us-central1", "n2-standard-4"))


def test_without_a_key_nothing_is_asked(catalogue: Any, answers: Any, tables: Any) -> None:
    with pytest.raises(InputError, match="no API key; make one in any project with the Cloud Billing API"):
        gather(catalogue, answers, tables, api_key="")
    assert catalogue.asked == []


def test_a_key_that_is_not_valid_is_an_error_with_the_servers_words(
    catalogue: Any, answers: Any, tables: Any
) -> None:
    with pytest.raises(ResourceError, match=r"403 Forbidden: .*API key not valid"):
        gather(catalogue, answers, tables, api_key="another")


def test_a_refresh_that_was_stopped_goes_on_and_asks_nothing_twice(
    catalogue: Any, answers: Any, tables: Any
) -> None:
    catalogue.instead = {2: Reply(b"", status=400)}
    with pytest.raises(ResourceError):
        gather(catalogue, answers, tables)
    assert len(gather(catalogue, answers, tables).read.prices) == 2
    assert len(catalogue.asked) == 5


def test_an_empty_page_is_refused(catalogue: Any, answers: Any, tables: Any) -> None:
    catalogue.instead = {1: Reply(b'{"skus": [], "nextPageToken": "p4"}')}
    with pytest.raises(CodecError, match="an empty page where SKUs of 6F81-5844-456A should be"):
        gather(catalogue, answers, tables)
