"""The whole way: three clouds on loopback, a snapshot of yesterday, and what a bad answer must not do to it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from price_endpoints import (
    Aws,
    Azure,
    Gcp,
    Reply,
    aws_file,
    azure_item,
    cut_off,
    gcp_sku,
    price_row,
    shape_row,
)
from tradewind.decide.catalog.normalise import Normalised
from tradewind.decide.catalog.rows import AcceleratorRow, PartRow, PriceRow
from tradewind.domain import codec
from tradewind.domain.errors import InputError
from tradewind.run.market.build import write
from tradewind.run.market.diff import diff
from tradewind.run.market.live import AwsPrices, AzurePrices, GcpPrices
from tradewind.run.market.refresh import RefreshReport, refresh
from tradewind.run.market.snapshot import current, read_index, read_tables
from tradewind.run.market.tables import TABLES

TODAY = "2026-11-25"
AZURE = {f"Standard_D{n}s_v5": 0.05 * n for n in (2, 4, 8, 16, 32)}
AWS = {"c7g.xlarge": 0.145, "c7g.2xlarge": 0.29}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Yesterday's snapshot: machines of three clouds, all on demand, and spot prices of AWS and Google."""
    a2 = price_row("gcp", "us-central1", "a2-highgpu-1g", 3.67)
    a2 = msgspec.structs.replace(a2, stated_unit="parts")
    offers = [
        *(price_row("azure", "westeurope", name, usd) for name, usd in AZURE.items()),
        *(price_row("aws", "us-east-1", name, usd) for name, usd in AWS.items()),
        price_row("aws", "us-east-1", "c7g.xlarge", 0.06, "spot"),
        price_row("gcp", "us-central1", "n2-standard-4", 0.194),
        price_row("gcp", "us-central1", "n2-standard-4", 0.05, "spot"),
        a2,
    ]
    part = PartRow(
        cloud="gcp",
        region="us-central1",
        instance_type="a2-highgpu-1g",
        purchase="on_demand",
        part="machine",
        quantity=1.0,
        unit="machine",
        usd_per_unit_hour=3.67,
        source="an older list",
        as_of="2026-11-24",
    )
    a100 = AcceleratorRow(
        **{
            **dict.fromkeys(AcceleratorRow.__struct_fields__),
            "name": "A100-40GB",
            "vendor": "NVIDIA",
            "memory_bytes": 40 * 2.0**30,
            "source": "data sheet",
            "as_of": "2026-11-24",
            "as_of_precision": "day",
            "confidence": "A",
        }
    )
    tables: dict[str, list[Any]] = {name: [] for name in TABLES}
    tables |= {
        "offers": offers,
        "price_parts": [part],
        "shapes": [
            *(shape_row("azure", f"Standard_D{n}s_v5", n, 4.0 * n) for n in (2, 4, 8, 16, 32)),
            shape_row("aws", "c7g.xlarge", 4, 8.0),
            shape_row("aws", "c7g.2xlarge", 8, 16.0),
            shape_row("gcp", "n2-standard-4", 4, 16.0),
            shape_row("gcp", "a2-highgpu-1g", 12, 85.0, "A100-40GB"),
        ],
        "accelerators": [a100],
    }
    write(Normalised(tables=tables, as_of="2026-11-24", left_out={}), tmp_path / "base")
    return tmp_path / "base"


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cut_off(monkeypatch, tmp_path)


@pytest.fixture
def clouds() -> Iterator[dict[str, Any]]:
    """The three clouds, all prices of which went up by a tenth."""
    with Aws() as aws, Azure() as azure, Gcp() as gcp:
        azure.add(*(azure_item("westeurope", name, usd * 1.1) for name, usd in AZURE.items()))
        gcp.add(
            gcp_sku("N2 Instance Core running in Americas", 0.0348),
            gcp_sku("N2 Instance Ram running in Americas", 0.0047),
            gcp_sku("Spot Preemptible N2 Instance Core running in Americas", 0.009, "Preemptible"),
            gcp_sku("Spot Preemptible N2 Instance Ram running in Americas", 0.001, "Preemptible"),
            gcp_sku("A2 Instance Core running in Americas", 0.0348),
            gcp_sku("A2 Instance Ram running in Americas", 0.0047),
            gcp_sku("Nvidia Tesla A100 GPU running in Americas", 3.2),
        )
        aws.files = {"us-east-1": aws_file("us-east-1", {name: usd * 1.1 for name, usd in AWS.items()})}
        yield {"azure": azure, "gcp": gcp, "aws": aws}


@pytest.fixture
def waits() -> list[float]:
    """The seconds that were waited, instead of waiting."""
    return []


@pytest.fixture
def renew(clouds: Any, base: Path, tmp_path: Path, waits: list[float]) -> Callable[..., RefreshReport]:
    def run(*names: Any, today: str = TODAY, folder: Path = tmp_path / "catalog") -> RefreshReport:
        return refresh(
            names or ("aws", "azure", "gcp"),
            folder,
            base,
            today,
            sources={
                "aws": AwsPrices(url=clouds["aws"].url),
                "azure": AzurePrices(url=f"{clouds['azure'].url}/api/retail/prices"),
                "gcp": GcpPrices(url=clouds["gcp"].url, api_key="a-secret-key"),
            },
            sleep=waits.append,
        )

    return run


def prices(folder: Path, cloud: str) -> dict[tuple[str, str], tuple[float, str]]:
    """(type, purchase option) -> price and day."""
    return {
        (row.instance_type, row.purchase): (round(row.price_usd_per_hour, 6), row.as_of)
        for row in read_tables(folder)["offers"]
        if isinstance(row, PriceRow) and row.cloud == cloud
    }


def of(report: RefreshReport, cloud: str) -> Any:
    return next(found for found in report.clouds if found.cloud == cloud)


def test_every_cloud_is_renewed_and_the_result_is_the_current_snapshot(
    renew: Any, base: Path, tmp_path: Path
) -> None:
    report = renew()
    assert [(found.cloud, found.reason) for found in report.clouds] == [
        ("aws", None),
        ("azure", None),
        ("gcp", None),
    ]
    assert report.before == read_index(base).id
    here = current(tmp_path / "catalog")
    assert (str(here), here.name, read_index(here).id) == (report.path, report.snapshot, report.snapshot)
    assert prices(here, "azure") == {
        (name, "on_demand"): (round(usd * 1.1, 6), TODAY) for name, usd in AZURE.items()
    }
    assert prices(here, "gcp")["a2-highgpu-1g", "on_demand"] == (
        round(12 * 0.0348 + 85 * 0.0047 + 3.2, 6),
        TODAY,
    )
    assert of(report, "azure").prices == len(AZURE)


def test_every_fresh_price_names_a_source_that_is_described(renew: Any, tmp_path: Path) -> None:
    renew()
    tables: Any = read_tables(current(tmp_path / "catalog"))
    described = {row.source: row for row in tables["sources"]}
    fresh = [row for row in tables["offers"] if isinstance(row, PriceRow) and row.as_of == TODAY]
    assert fresh
    for row in fresh:
        source = described[row.source]
        assert all((source.publisher, source.licence, source.sha256))
        assert source.file.startswith("https://")


def test_without_credentials_yesterdays_spot_prices_of_aws_stay(renew: Any, tmp_path: Path) -> None:
    report = renew("aws")
    assert prices(current(tmp_path / "catalog"), "aws") == {
        ("c7g.xlarge", "on_demand"): (0.1595, TODAY),
        ("c7g.2xlarge", "on_demand"): (0.319, TODAY),
        ("c7g.xlarge", "spot"): (0.06, "2026-11-24"),
    }
    assert of(report, "aws").stay == 1
    assert "no credentials" in of(report, "aws").notes[0]


def test_a_machine_with_a_part_missing_keeps_yesterdays_price_and_parts(
    renew: Any, clouds: Any, tmp_path: Path
) -> None:
    """The host alone would be 0.82 usd/h where 3.67 is right."""
    del clouds["gcp"].skus[-1]
    report = renew("gcp")
    here = current(tmp_path / "catalog")
    assert prices(here, "gcp")["a2-highgpu-1g", "on_demand"] == (3.67, "2026-11-24")
    assert prices(here, "gcp")["n2-standard-4", "on_demand"][1] == TODAY
    assert of(report, "gcp").stay == 1
    tables: Any = read_tables(here)
    assert [row.part for row in tables["price_parts"] if row.instance_type == "a2-highgpu-1g"] == ["machine"]


BAD: dict[str, tuple[str, Callable[[Any], object], str]] = {
    "truncated": (
        "azure",
        lambda e: e.instead.update({0: Reply(b'{"Items": [{"cur')}),
        "not whole JSON",
    ),
    "empty": (
        "azure",
        lambda e: e.items.clear(),
        "an empty page where prices of westeurope should be",
    ),
    "changed field": (
        "azure",
        lambda e: [i.update({"price": i.pop("retailPrice")}) for i in e.items["westeurope", "Consumption"]],
        r"its form has changed: .*`retailPrice` - at `\$.Items\[0\]`",
    ),
    "tenfold": (
        "azure",
        lambda e: e.items["westeurope", "Consumption"][1].update({"retailPrice": 2.0}),
        "azure: not believed: azure/westeurope/Standard_D4s_v5/on_demand: 2 usd/h, yesterday 0.2; no price changes 10 times",
    ),
    "few machines": (
        "azure",
        lambda e: e.items.update({("westeurope", "Consumption"): e.items["westeurope", "Consumption"][:2]}),
        "not believed: prices for 2 of yesterday's 5 machine types, fewer than half",
    ),
    "prices of another system, as the invariants notice": (
        "azure",
        lambda e: [
            i.update({"retailPrice": 1.5 * i["retailPrice"]})
            for i in e.items["westeurope", "Consumption"][:3]
        ],
        "not believed: prices for 2 of yesterday's 5 machine types, fewer than half",
    ),
    "only Windows": (
        "azure",
        lambda e: [
            i.update({"productName": "Dsv5 Series Windows"}) for i in e.items["westeurope", "Consumption"]
        ],
        "not believed: no price at all, yesterday 5",
    ),
    "no spot words": (
        "gcp",
        lambda e: [s.update({"description": s["description"].replace("Spot", "Thrifty")}) for s in e.skus],
        "not believed: no price at all of purchase option spot, yesterday 1",
    ),
    "down": (
        "aws",
        lambda e: e.instead.update({n: Reply(b"", status=503) for n in range(9)}),
        "503 .*, 6 times",
    ),
    "forbidden": (
        "gcp",
        lambda e: e.instead.update({0: Reply(b"no", status=403)}),
        "403 Forbidden: no",
    ),
    "not its system": (
        "aws",
        lambda e: e.files.update({"us-east-1": e.files["us-east-1"].replace(b"tenancy", b"Tenancy")}),
        "no machine has the field tenancy",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_answer_stops_only_its_cloud(
    renew: Any, clouds: Any, base: Path, tmp_path: Path, kind: str
) -> None:
    cloud, spoil, reason = BAD[kind]
    spoil(clouds[cloud])
    report = renew()
    here = current(tmp_path / "catalog")
    for found in report.clouds:
        assert (found.reason is None) == (found.cloud != cloud), found
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(of(report, cloud).reason)
    assert "\n" not in of(report, cloud).reason
    assert prices(here, cloud) == prices(base, cloud)
    for other in {"aws", "azure", "gcp"} - {cloud}:
        assert {day for _, day in prices(here, other).values()} >= {TODAY}


def test_when_no_cloud_answers_nothing_is_written(
    renew: Any, clouds: Any, base: Path, tmp_path: Path
) -> None:
    for endpoint in clouds.values():
        endpoint.close()
    report = renew()
    assert all("6 times; run it again later" in found.reason for found in report.clouds)
    assert report.snapshot == report.before == read_index(base).id
    assert report.path == str(base)
    assert not (tmp_path / "catalog" / "current").exists()


def test_a_failure_in_the_middle_is_gone_on_from_and_nothing_is_asked_twice(renew: Any, clouds: Any) -> None:
    clouds["azure"].instead = {2: Reply(b"", status=404)}
    first = renew()
    assert of(first, "azure").reason is not None
    asked = {name: len(endpoint.asked) for name, endpoint in clouds.items()}
    second = renew()
    assert of(second, "azure").reason is None
    assert (of(second, "azure").reused, of(second, "azure").asked) == (2, 2)
    assert len(clouds["azure"].asked) == asked["azure"] + 2
    for name in ("aws", "gcp"):
        assert len(clouds[name].asked) == asked[name], "a cloud that had answered is not asked again"
    good = [path for n, path in enumerate(clouds["azure"].asked) if n != 2]
    assert len(set(good)) == len(good)


def test_another_day_asks_anew(renew: Any, clouds: Any) -> None:
    renew("azure")
    asked = len(clouds["azure"].asked)
    assert of(renew("azure", today="2026-11-26"), "azure").asked == asked


def test_what_was_not_believed_is_asked_anew_on_the_same_day(renew: Any, clouds: Any, tmp_path: Path) -> None:
    wrong = clouds["azure"].items["westeurope", "Consumption"][0]
    wrong["retailPrice"] *= 100.0
    assert of(renew("azure"), "azure").reason is not None
    wrong["retailPrice"] /= 100.0
    assert of(renew("azure"), "azure").reason is None
    assert (tmp_path / "catalog" / "raw" / "azure" / TODAY / "refused-index.json").exists()


def test_429_and_503_only_cost_time(renew: Any, clouds: Any, waits: list[float]) -> None:
    clouds["azure"].instead = {
        0: Reply(b"", status=429, headers={"Retry-After": "7"}),
        1: Reply(b"", status=503),
    }
    assert of(renew("azure"), "azure").reason is None
    assert waits[0] == 7.0


def test_a_spot_price_above_on_demand_is_caught_by_the_invariants(
    renew: Any, clouds: Any, tmp_path: Path
) -> None:
    clouds["azure"].add(
        azure_item("westeurope", "Standard_D2s_v5", 0.5, meterName="D2s v5 Spot"),
        azure_item("westeurope", "Standard_D4s_v5", 0.05, meterName="D4s v5 Spot"),
    )
    renew("azure")
    tables: Any = read_tables(current(tmp_path / "catalog"))
    caught = [(row.item, row.invariant) for row in tables["quarantine"]]
    assert caught == [("Standard_D2s_v5", "spot_is_at_most_on_demand")]
    assert ("Standard_D4s_v5", "spot") in prices(current(tmp_path / "catalog"), "azure")


def test_the_same_answers_give_the_same_snapshot(renew: Any, tmp_path: Path) -> None:
    first, second = renew(), renew()
    assert first.snapshot == second.snapshot
    assert renew(folder=tmp_path / "elsewhere").snapshot == first.snapshot


def test_the_report_is_a_noun_that_round_trips(renew: Any) -> None:
    report = renew()
    assert codec.decode(codec.encode(report), RefreshReport, source="report") == report


def test_what_changed_is_what_diff_says(renew: Any, base: Path) -> None:
    moves = diff(base, Path(renew().path)).changed
    assert {move.cloud for move in moves} == {"aws", "azure", "gcp"}
    assert {round(move.ratio or 0.0, 2) for move in moves if move.cloud == "azure"} == {1.1}


def test_two_refreshes_in_one_folder_do_not_meet(renew: Any, clouds: Any, base: Path, tmp_path: Path) -> None:
    met: list[str] = []

    def meanwhile() -> None:
        with pytest.raises(InputError, match="another refresh is at work there; wait for it"):
            renew("gcp")
        met.append("refused")

    clouds["azure"].instead = {0: meanwhile}
    assert of(renew("azure"), "azure").reason is None
    assert met == ["refused"]


KILLED = textwrap.dedent("""
    import os, signal, sys
    from pathlib import Path
    from tradewind.run.market.live import AzurePrices
    from tradewind.run.market.refresh import refresh

    url, folder, base, fatal = sys.argv[1:]
    moves = 0

    def deadly(move):
        def moved(*args, **kwargs):
            global moves
            if moves == int(fatal):
                os.kill(os.getpid(), signal.SIGKILL)
            moves += 1
            return move(*args, **kwargs)
        return moved

    os.rename, os.replace = deadly(os.rename), deadly(os.replace)
    refresh(("azure",), Path(folder), Path(base), "2026-11-25", sources={"azure": AzurePrices(url=url)})
    print(moves)
""")
"""A refresh that is killed before the n-th file or folder takes its name."""


def killed(url: str, folder: Path, base: Path, fatal: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", KILLED, f"{url}/api/retail/prices", str(folder), str(base), str(fatal)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_kill_9_while_the_snapshot_is_written_leaves_the_old_one_whole(
    clouds: Any, renew: Any, tmp_path: Path
) -> None:
    """Killed before an answer, a table, the index, the folder and the pointer get their names, one after another."""
    url, folder = clouds["azure"].url, tmp_path / "catalog"
    old = renew("aws").snapshot
    shutil.copytree(folder, tmp_path / "whole")
    names = int(killed(url, tmp_path / "whole", current(tmp_path / "whole"), -1).stdout)
    assert names > len(TABLES)
    for fatal in (0, names // 2, names - 3, names - 2, names - 1):
        shutil.rmtree(folder / "raw" / "azure", ignore_errors=True)
        died = killed(url, folder, current(folder), fatal)
        assert died.returncode == -signal.SIGKILL, died.stderr
        here = current(folder)
        assert (here.name, read_index(here).id) == (old, old), f"killed before name {fatal}"
        assert {day for _, day in prices(here, "azure").values()} == {"2026-11-24"}
    asked = len(clouds["azure"].asked)
    assert killed(url, folder, current(folder), -1).returncode == 0
    assert len(clouds["azure"].asked) == asked, "every answer had been kept"
    assert {day for _, day in prices(current(folder), "azure").values()} == {TODAY}
    assert not list(folder.glob(".refresh-*")), "what the killed ones left is cleared away"


def test_kill_9_while_a_cloud_is_being_asked_loses_no_answer(clouds: Any, renew: Any, tmp_path: Path) -> None:
    folder = tmp_path / "catalog"
    renew("aws")
    base = current(folder)
    waiting, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        waiting.set()
        go_on.wait(60)

    clouds["azure"].instead = {2: hold}
    arguments = [
        sys.executable,
        "-c",
        KILLED,
        f"{clouds['azure'].url}/api/retail/prices",
        str(folder),
        str(base),
        "-1",
    ]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert waiting.wait(60)
        os.kill(process.pid, signal.SIGKILL)
    go_on.set()
    assert current(folder) == base
    assert len(json.loads((folder / "raw" / "azure" / TODAY / "index.json").read_text())) == 2
    report = renew("azure")
    assert (of(report, "azure").reused, of(report, "azure").asked) == (2, 2)


def test_what_asks_is_loaded_only_when_something_is_asked() -> None:
    """So that the market works without httpx and boto3."""
    code = (
        "import sys, tradewind.run.market.refresh; print({'httpx', 'boto3', 'botocore'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"
