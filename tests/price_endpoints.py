"""The price interfaces of the three clouds on loopback, small, in the vendors' own forms, and able to fail."""

from __future__ import annotations

import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, urlsplit

from tradewind.decide.catalog.machines import family_of
from tradewind.decide.catalog.rows import InstanceRow, PriceRow

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


@dataclass(frozen=True)
class Reply:
    """What the server sends. `cut` leaves out so many bytes of the body at its end and closes the connection."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0


class Endpoint(ABC):
    """A server on loopback. `asked` holds every question; `instead` replies to the n-th one (from 0) otherwise."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.instead: dict[int, Reply | Callable[[], None] | None] = {}
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                endpoint._handle(self, b"")

            def do_POST(self) -> None:
                endpoint._handle(self, self.rfile.read(int(self.headers["Content-Length"])))

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    @abstractmethod
    def answer(self, path: str, query: dict[str, str], headers: dict[str, str], body: str) -> Reply:
        """What the endpoint says to a question."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Nobody is there from now on."""
        self._server.shutdown()
        self._server.server_close()

    def _handle(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        number = len(self.asked)
        self.asked.append(handler.path)
        self.headers.append(dict(handler.headers))
        parts = urlsplit(handler.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        reply = self.instead.get(number)
        if callable(reply):
            reply()
        if number in self.instead and reply is None:
            handler.close_connection = True  # dropped without a word
            return
        if not isinstance(reply, Reply):
            reply = self.answer(parts.path, query, dict(handler.headers), body.decode())
        handler.send_response_only(reply.status)
        handler.send_header("Content-Length", str(len(reply.body)))
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(reply.body[: len(reply.body) - reply.cut])
        handler.close_connection = True


class Text(Endpoint):
    """Says the same to every question."""

    def answer(self, path: str, query: dict[str, str], headers: dict[str, str], body: str) -> Reply:
        return Reply(b'{"said": "yes"}')


def azure_item(region: str, name: str, usd: float, **changes: Any) -> dict[str, Any]:
    stated = {
        "currencyCode": "USD",
        "tierMinimumUnits": 0.0,
        "retailPrice": usd,
        "unitPrice": usd,
        "armRegionName": region,
        "meterName": name.removeprefix("Standard_"),
        "productName": "Virtual Machines Dsv5 Series",
        "skuName": name.removeprefix("Standard_"),
        "armSkuName": name,
        "unitOfMeasure": "1 Hour",
        "type": "Consumption",
        "isPrimaryMeterRegion": True,
    }
    return {**stated, **changes}


class Azure(Endpoint):
    """Retail Prices. `items` by region and kind; `skip` shifts the pages that are read later, as updates do."""

    def __init__(self) -> None:
        super().__init__()
        self.items: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.page_size = 2
        self.link_host = "https://prices.azure.com:443"
        self.shift = 0

    def add(self, *items: dict[str, Any]) -> Azure:
        for item in items:
            self.items.setdefault((item["armRegionName"], item["type"]), []).append(item)
        return self

    def answer(self, path: str, query: dict[str, str], headers: dict[str, str], body: str) -> Reply:
        words = query["$filter"].split("'")
        assert query["api-version"] == "2023-01-01-preview"
        assert words[0::2] == ["serviceName eq ", " and armRegionName eq ", " and priceType eq ", ""]
        assert words[1] == "Virtual Machines"
        items = self.items.get((words[3], words[5]), [])
        start = int(query.get("$skip", "0"))
        end = start + self.page_size
        link = f"{self.link_host}{path}?api-version={query['api-version']}&$filter={query['$filter']}&$skip={end}"
        page = {
            "BillingCurrency": "USD",
            "Items": items[max(0, start - (self.shift if start else 0)) : end],
            "NextPageLink": link if end < len(items) else None,
            "Count": self.page_size,
        }
        return Reply(json.dumps(page).encode())


def gcp_sku(
    description: str, usd: float, usage: str = "OnDemand", region: str = "us-central1"
) -> dict[str, Any]:
    words = description.lower()
    group = "RAM" if " ram" in words else "GPU" if "gpu" in words else "CPU"
    return {
        "skuId": f"{abs(hash(description)) % 10**8:08d}",
        "description": description,
        "category": {"resourceFamily": "Compute", "resourceGroup": group, "usageType": usage},
        "serviceRegions": [region],
        "pricingInfo": [
            {
                "pricingExpression": {
                    "usageUnit": "GiBy.h" if group == "RAM" else "h",
                    "tieredRates": [
                        {
                            "startUsageAmount": 0,
                            "unitPrice": {
                                "currencyCode": "USD",
                                "units": str(int(usd)),
                                "nanos": round(usd % 1 * 1e9),
                            },
                        }
                    ],
                }
            }
        ],
    }


class Gcp(Endpoint):
    """The Cloud Billing Catalog: SKUs of Compute Engine, and one of Cloud TPU."""

    def __init__(self) -> None:
        super().__init__()
        self.skus: list[dict[str, Any]] = []
        self.page_size = 2

    def add(self, *skus: dict[str, Any]) -> Gcp:
        self.skus += skus
        return self

    def answer(self, path: str, query: dict[str, str], headers: dict[str, str], body: str) -> Reply:
        if headers.get("X-Goog-Api-Key") != "a-secret-key":
            return Reply(b'{"error": {"code": 403, "message": "API key not valid"}}', status=403)
        skus = (
            self.skus
            if path == "/v1/services/6F81-5844-456A/skus"
            else [gcp_sku("TPU-v2 Accelerator USA", 4.5)]
        )
        start = int(query.get("pageToken", "p0")[1:])
        end = start + self.page_size
        page = {"skus": skus[start:end], "nextPageToken": f"p{end}" if end < len(skus) else ""}
        return Reply(json.dumps(page).encode())


def aws_file(region: str, machines: dict[str, float], **changes: str) -> bytes:
    """A price file of a region: type -> US dollars an hour."""
    attributes = {
        "regionCode": region,
        "operatingSystem": "Linux",
        "tenancy": "Shared",
        "preInstalledSw": "NA",
        "capacitystatus": "Used",
        "marketoption": "OnDemand",
        **changes,
    }
    products = {
        f"SKU-{name}": {
            "productFamily": "Compute Instance",
            "attributes": {"instanceType": name, **attributes},
        }
        for name in machines
    }
    terms = {
        f"SKU-{name}": {
            "t": {"priceDimensions": {"d": {"unit": "Hrs", "pricePerUnit": {"USD": f"{usd:.10f}"}}}}
        }
        for name, usd in machines.items()
    }
    return json.dumps({"products": products, "terms": {"OnDemand": terms, "Reserved": {}}}).encode()


class Aws(Endpoint):
    """The bulk price files. `files` by region."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, bytes] = {}

    def answer(self, path: str, query: dict[str, str], headers: dict[str, str], body: str) -> Reply:
        offers = "/offers/v1.0/aws/AmazonEC2"
        if path == f"{offers}/current/region_index.json":
            regions = {
                region: {
                    "regionCode": region,
                    "currentVersionUrl": f"{offers}/20261125000000/{region}/index.json",
                }
                for region in self.files
            }
            return Reply(json.dumps({"formatVersion": "v1.0", "regions": regions}).encode())
        return Reply(self.files[path.split("/")[-2]])


class Ec2(Endpoint):
    """Spot prices in EC2's XML. `history` by region; a region of `closed` refuses, as one not opted into does."""

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[tuple[str, str, str]]] = {}
        self.closed: set[str] = set()
        self.page_size = 2

    def answer(self, path: str, query: dict[str, str], headers: dict[str, str], body: str) -> Reply:
        region = headers["Authorization"].split("/")[2]
        form = {name: values[0] for name, values in parse_qs(body).items()}
        if region in self.closed:
            text = "AWS was not able to validate the provided access credentials"
            error = f"<Error><Code>AuthFailure</Code><Message>{text}</Message></Error>"
            return Reply(f"<Response><Errors>{error}</Errors></Response>".encode(), status=401)
        self.asked[-1] = f"{form['Action']} {region} {form.get('NextToken', '')}".strip()
        if form["Action"] == "DescribeAvailabilityZones":
            zones = "".join(
                f"<item><zoneName>{region}{letter}</zoneName><zoneId>id-{letter}</zoneId></item>"
                for letter in "ab"
            )
            return _xml("DescribeAvailabilityZones", f"<availabilityZoneInfo>{zones}</availabilityZoneInfo>")
        assert form["ProductDescription.1"] == "Linux/UNIX"
        start = int(form.get("NextToken", "0"))
        end = start + self.page_size
        items = "".join(
            f"<item><instanceType>{name}</instanceType><productDescription>Linux/UNIX</productDescription>"
            f"<spotPrice>{usd}</spotPrice><timestamp>2026-11-25T07:00:00.000Z</timestamp>"
            f"<availabilityZone>{zone}</availabilityZone></item>"
            for name, zone, usd in self.history[region][start:end]
        )
        token = str(end) if end < len(self.history[region]) else ""
        body = f"<spotPriceHistorySet>{items}</spotPriceHistorySet><nextToken>{token}</nextToken>"
        return _xml("DescribeSpotPriceHistory", body)


def _xml(action: str, body: str) -> Reply:
    namespace = "http://ec2.amazonaws.com/doc/2016-11-15/"
    return Reply(f'<{action}Response xmlns="{namespace}">{body}</{action}Response>'.encode())


def price_row(cloud: Any, region: str, name: str, usd: float = 1.0, purchase: Any = "on_demand") -> PriceRow:
    """A price of yesterday."""
    return PriceRow(
        cloud=cloud,
        region=region,
        instance_type=name,
        purchase=purchase,
        price_usd_per_hour=usd,
        stated_price_usd=usd,
        stated_unit="hour",
        source="an older list",
        as_of="2026-11-24",
        as_of_precision="day",
        confidence="A",
    )


def shape_row(cloud: Any, name: str, vcpus: int, gib: float, accelerator: str | None = None) -> InstanceRow:
    return InstanceRow(
        cloud=cloud,
        instance_type=name,
        family=family_of(cloud, name),
        vcpus=vcpus,
        memory_bytes=gib * 2.0**30,
        accelerator=accelerator,
        accelerator_count=0.0 if accelerator is None else 1.0,
        network_gbps=None,
        local_disk_bytes=0.0,
        source="a list of shapes",
        as_of="2026-11-24",
    )


def cut_off(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """No proxy before loopback, and none of this machine's credentials."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(folder / "nobody"))
