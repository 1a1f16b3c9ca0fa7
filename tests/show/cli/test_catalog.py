"""The commands of the catalogue, run as a user runs them: answers, exit statuses, and what they say when there is none."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from price_endpoints import Azure, azure_item
from price_lists import publish
from tradewind.decide.catalog.normalise import Normalised
from tradewind.run.market import build, read_tables, write
from tradewind.run.market.live import SOURCES, AzurePrices
from tradewind.run.market.snapshot import adopt
from tradewind.show.cli import main

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = ("find", "show", "compare", "explain", "check", "sql", "build", "refresh", "diff")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder of snapshots, with one made of the small lists as the current one."""
    folder = tmp_path_factory.mktemp("kept")
    build(publish(folder / "published"), folder / "small")
    adopt(folder, "small")
    return folder


@pytest.fixture(autouse=True)
def current(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEWIND_CATALOG", str(kept))
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command of the catalogue; gives status, output and messages."""

    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(["catalog", *(str(argument) for argument in arguments)])
        said = capsys.readouterr()
        code = stop.value.code
        return (code if isinstance(code, int) else 0), said.out, said.err

    return call


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example(run: Any, name: str) -> None:
    status, out, _ = run(name, "--help")
    assert status == 0
    assert f"Example: tradewind catalog {name}" in out


def test_the_help_lists_the_commands_with_a_whole_line_each(run: Any) -> None:
    status, out, _ = run("--help")
    assert status == 0
    for name in COMMANDS:
        assert f"  {name} " in out
    assert "..." not in out.partition("Commands:")[2]


def test_find_prints_a_line_an_offer(run: Any) -> None:
    status, out, err = run("find", "--accelerator", "l4", "--purchase", "on_demand")
    assert (status, err) == (0, "")
    assert "europe-west4 g2-standard-4" in out
    assert "us-east-1    g6.xlarge" in out
    assert "spot" not in out.partition("each:")[0]


def test_find_gives_json_with_plain_numbers(run: Any) -> None:
    status, out, _ = run("find", "--type", "c7g.xlarge", "--region", "us-*", "--memory", "8 GiB", "--json")
    assert status == 0
    offers = json.loads(out)
    assert [one["price_usd_per_hour"] for one in offers] == [0.06, 0.0913, 0.145]
    assert offers[0]["memory_bytes"] == 8 * 2**30


def test_an_empty_answer_is_an_answer_and_says_why(run: Any) -> None:
    status, out, err = run("find", "--accelerator", "L4", "--cloud", "azure")
    assert (status, out) == (0, "")
    assert err.startswith("tradewind: nothing found; accelerator: no L4 there; there is T4")
    assert err.count("\n") == 1
    status, out, _ = run("find", "--accelerator", "L4", "--cloud", "azure", "--json")
    assert (status, json.loads(out)) == (0, [])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("find", "--accelerator", "L44"), "the nearest is L4"),
        (("find", "--region", "euroe-*"), "the nearest are europe-*"),
        (("find", "--jurisdiction", "euu"), "the nearest is 'eu'"),
        (("find", "--type", "c8g.*"), "matches no machine type"),
        (("find", "--memory", "512"), "--memory: '512' has no unit; write it like 16 GiB"),
        (("find", "--cloud", "amazon"), "'amazon' is not one of 'aws', 'azure', 'gcp'"),
        (("find", "--sort", "size"), "--sort"),
        (("show", "g6.xlarg"), "the nearest are g6.xlarge"),
        (("show",), "Missing argument"),
        (("compare", "aws"), "compare needs --like TYPE"),
        (("compare", "--like", "g6.xlarg"), "the nearest are g6.xlarge"),
        (("explain", "aws/us-east-1/g6.xlarg/spot"), "the nearest are g6.xlarge"),
        (("check", "--invariant", "shared_tenacy"), "did you mean shared_tenancy?"),
        (("sql", "drop table offers"), "write one SELECT"),
        (("diff", "nowhere"), "nowhere: no catalogue here"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(run: Any, arguments: tuple[str, ...], says: str) -> None:
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1


def test_show_draws_the_prices_and_says_what_is_not_used(run: Any) -> None:
    status, out, _ = run("show", "G6.XLARGE")
    assert status == 0
    assert "g6.xlarge  aws, family g6" in out
    assert "0.8048 A¹" in out
    assert "█" in out
    assert "shared_tenancy" in out
    status, out, _ = run("show", "g6.xlarge", "--cloud", "aws", "--json")
    assert json.loads(out)[0]["machine"]["accelerator"] == "L4"


def test_compare_sets_machines_side_by_side(run: Any) -> None:
    status, out, _ = run("compare", "aws", "gcp", "--like", "g6.xlarge")
    assert status == 0
    assert "g2-standard-4" in out
    assert "Standard" not in out
    status, out, _ = run("compare", "--like", "g6.xlarge", "--region", "europe-*", "--json")
    clouds = {one["machine"]["cloud"]: one for one in json.loads(out)["clouds"]}
    assert clouds["gcp"]["prices"]["spot"]["price_usd_per_hour"] == 0.31


def test_explain_takes_several_keys_and_what_is_not_used(run: Any) -> None:
    keys = (
        "aws/us-east-1/g6.xlarge/on_demand",
        "aws/eu-west-1/g6.xlarge",
        "storage/aws/us-east-1/S3/Standard",
    )
    status, out, _ = run("explain", *keys)
    assert status == 0
    assert "0.8048 usd/h" in out
    assert "not used" in out
    status, out, _ = run("explain", *keys, "--json")
    assert [one["price_usd_per_hour"] for one in json.loads(out)] == [0.8048, None, None]


def test_check_passes_a_sound_snapshot_and_lists_the_quarantine(run: Any) -> None:
    status, out, _ = run("check", "--invariant", "machine_is_virtual", "--cloud", "azure", "--limit", "1")
    assert status == 0
    assert "prices keep every rule" in out
    assert "machine_is_virtual" in out
    assert "1 more: narrow them" in out
    status, out, _ = run("check", "--json", "--limit", "0")
    found = json.loads(out)
    assert (found["broken"], len(found["caught"])) == ([], found["total"])


def test_check_exits_with_1_when_a_price_breaks_a_rule_now(
    run: Any, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = dict(read_tables(kept / "small"))
    offers = list(tables["offers"])
    place = next(n for n, row in enumerate(offers) if getattr(row, "purchase", "") == "spot")
    offers[place] = msgspec.structs.replace(offers[place], price_usd_per_hour=1e6)
    tables["offers"] = offers
    write(Normalised(tables=tables, as_of="2026-08-19", left_out={}), tmp_path / "wrong")
    adopt(tmp_path, "wrong")
    monkeypatch.setenv("TRADEWIND_CATALOG", str(tmp_path))
    status, out, _ = run("check")
    assert status == 1
    assert "✕ 1 price breaks a rule now" in out
    assert "spot_is_at_most_on_demand" in out


def test_sql_helps_with_the_tables(run: Any) -> None:
    status, out, _ = run("sql", "--help")
    assert status == 0
    assert "offers           What one machine type costs in one region" in out
    assert "instances        What a machine type has" in out
    status, out, _ = run("sql", "select 1 as one", "--json")
    assert json.loads(out) == [{"one": 1}]


def test_build_prints_what_it_made(run: Any, kept: Path, tmp_path: Path) -> None:
    status, out, _ = run("build", "--from", kept / "published", "--to", tmp_path / "again")
    assert status == 0
    assert "Snapshot 2026-08-19-" in out
    assert "shared_tenancy" in out
    status, out, _ = run("build", "--from", kept / "published", "--to", tmp_path / "again", "--json")
    assert json.loads(out)["tables"]["surcharges"] == 1


def test_diff_compares_the_shipped_snapshot_with_the_current_one(run: Any, kept: Path) -> None:
    status, out, err = run("diff", "--limit", "2")
    assert (status, err) == (0, "")
    assert "other price" in out
    assert "more with --limit N" in out
    status, out, err = run("diff", "small", kept / "small")
    assert (status, out) == (0, "")
    assert "is compared with itself" in err
    status, out, _ = run("diff", "small", kept / "small", "--json")
    assert json.loads(out)["changed"] == []


def test_refresh_asks_a_cloud_and_the_new_prices_are_current(
    run: Any, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(kept / "published", tmp_path / "small")
    adopt(tmp_path, "small")
    monkeypatch.setenv("TRADEWIND_CATALOG", str(tmp_path))
    sizes = {"Standard_D2s_v9": 0.1, "Standard_D4s_v5": 0.24, "Standard_D8s_v5": 0.48}
    with Azure() as azure:
        azure.add(*(azure_item("westeurope", name, usd) for name, usd in sizes.items()))
        azure.add(
            *(
                azure_item("westeurope", name, usd / 9, meterName=f"{name} Spot", skuName=f"{name} Spot")
                for name, usd in sizes.items()
            )
        )
        monkeypatch.setitem(
            SOURCES, "azure", dataclasses.replace(AzurePrices(), url=azure.url, regions=("westeurope",))
        )
        status, out, _ = run("refresh", "--cloud", "azure")
    assert status == 0
    assert "✓ azure  6 fresh prices" in out
    status, out, _ = run("find", "--type", "Standard_D4s_v5", "--region", "westeurope", "--json")
    assert 0.24 in [one["price_usd_per_hour"] for one in json.loads(out)]


def test_refresh_without_a_key_keeps_the_old_prices_and_says_so(run: Any) -> None:
    status, out, _ = run("refresh", "--cloud", "gcp")
    assert status == 0
    assert "✕ gcp" in out
    assert "no API key" in out


def test_the_commands_are_completed(kept: Path) -> None:
    def completed(words: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", "from tradewind.show.cli import main; main()"],
            env={
                "PATH": "/usr/bin:/bin",
                "TRADEWIND_CATALOG": str(kept),
                "_TRADEWIND_COMPLETE": "complete_bash",
                "COMP_WORDS": words,
                "COMP_CWORD": str(len(words.split(" ")) - 1),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.split()

    assert completed("tradewind catalog ") == list(COMMANDS)
    assert completed("tradewind catalog find --purchase s") == ["spot"]
    assert "g6.xlarge" in completed("tradewind catalog show g6")


def test_find_imports_no_library_of_networks() -> None:
    code = (
        "import sys\n"
        "from tradewind.show.cli import main\n"
        "try: main(['catalog', 'find', '--json'])\n"
        "except SystemExit: pass\n"
        "print(*{'torch', 'onnx', 'onnxruntime', 'openvino', 'nncf'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == ""
    assert len(json.loads(done.stdout)) == 20
