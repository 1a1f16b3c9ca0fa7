"""tradewind data place: a ranking whose sums can be done by hand, and one line for what is mistyped."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tradewind.show.cli import main

HOME = ("data", "place", "--size", "20TB", "--at", "aws:us-east-1")


def status(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(list(arguments))
    code = stopped.value.code
    return int(code) if code else 0


def placed(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert status(*HOME, *arguments, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_data_beside_the_machines_that_are_read_often_stay(capsys: pytest.CaptureFixture[str]) -> None:
    best = placed(capsys, "--passes", "4", "--months", "12")["options"][0]
    assert (best["action"], best["tier"], best["disk"]) == ("stay", "S3 Standard", None)
    # S3 Standard in us-east-1: 0.023 usd per GB and month for the first 50 TB; no transfer inside the region.
    assert best["parts"]["storage"] == pytest.approx(12 * 20_000 * 0.023)
    assert best["parts"]["egress"] == best["parts"]["moving"] == 0.0


def test_ways_are_ranked_and_their_parts_add_up(capsys: pytest.CaptureFixture[str]) -> None:
    found = placed(capsys, "--passes", "4", "--compute", "gcp:us-central1", "--compute", "aws:us-west-2=500")
    sums = [one["usd"] for one in found["options"]]
    assert sums == sorted(sums)
    for one in found["options"]:
        assert one["usd"] == pytest.approx(sum(one["parts"].values()))
        assert (one["origin"] == "assumed") == bool(one["assumed"])
        rent = 6000.0 if one["compute"]["region"] == "us-west-2" else 0.0
        assert one["parts"]["compute"] == rent
    assert found["options"][0]["place"] == {"cloud": "gcp", "region": "us-central1"}
    assert all("not to be had" not in one["reason"] for one in found["rejected"])


def test_the_page_says_what_when_and_what_is_assumed(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(*HOME, "--passes", "4", "--compute", "aws:us-west-2", "--needed-there") == 0
    page = capsys.readouterr().out
    for word in ("keep, and copy to aws us-west-2", "20 TB", "cheapest", "assumed", "moving", "usd"):
        assert word in page
    assert "move to" not in page.split("ways, the cheapest first")[0]


def test_the_class_that_data_are_in_is_called_by_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    found = placed(capsys, "--kept-in", "standard-ia", "--passes", "0.01")
    assert found["home_tier"] == "S3 Standard-IA"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--size", "20"), "--size: '20' has no unit"),
        (("--size", "0 TB"), "above 0"),
        (("--at", "aws"), "write cloud:region"),
        (("--at", "aws:us-eas-1"), "did you mean aws:us-east-1?"),
        (("--at", "ibm:eu-de"), "there are aws, azure, gcp"),
        (("--compute", "gcp:us-central1=much"), "as a number"),
        (("--kept-in", "Standard-XI"), "did you mean S3 Standard-IA?"),
        (("--months", "0"), "above 0"),
        (("--months", "nan"), "finite"),
        (("--passes", "inf"), "finite"),
        (("--passes", "-1"), "--passes"),
    ],
)
def test_what_is_mistyped_is_one_line(
    arguments: tuple[str, str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(*HOME, *arguments) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_an_archive_is_for_data_that_nobody_reads(capsys: pytest.CaptureFixture[str]) -> None:
    unread = placed(capsys, "--passes", "0")
    assert unread["options"][0]["tier"] == "S3 Glacier Deep Archive"
    assert not any("Deep Archive" in line for line in unread["break_evens"] if "passes" in line)
    read = placed(capsys, "--passes", "0.001")
    assert all("Deep Archive" not in one["tier"] for one in read["options"])
    assert "S3 Glacier Deep Archive" in [one["name"] for one in read["rejected"]]
