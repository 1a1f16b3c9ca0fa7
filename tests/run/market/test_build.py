from __future__ import annotations

import gzip
import hashlib
import os
import random
from typing import TYPE_CHECKING

import pytest

from price_lists import price_lists, publish
from tradewind.domain import codec
from tradewind.domain.errors import InputError
from tradewind.run.market import TABLES, BuildReport, build, load_catalog, sql

if TYPE_CHECKING:
    from pathlib import Path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_two_builds_are_the_same_bit_for_bit(source: Path, tmp_path: Path) -> None:
    first = build(source, tmp_path / "first")
    second = build(source, tmp_path / "second")
    assert first == second
    assert contents(tmp_path / "first") == contents(tmp_path / "second")


def test_the_order_of_the_published_rows_does_not_matter(tmp_path: Path) -> None:
    lists = price_lists()
    build(publish(tmp_path / "one", lists), tmp_path / "first")
    for name, content in lists.items():
        if isinstance(content, dict):
            lists[name] = dict(reversed(content.items()))
        elif isinstance(content, list) and name != "instances_sample.csv":
            random.Random(7).shuffle(content)
    build(publish(tmp_path / "two", lists), tmp_path / "second")
    first, second = contents(tmp_path / "first"), contents(tmp_path / "second")
    # The hashes of the lists themselves are a part of the table of sources.
    for name in ("sources.parquet", "snapshot.json", "NOTICE.md"):
        del first[name], second[name]
    assert first == second


def test_the_report_counts_what_is_kept_caught_and_left_out(source: Path, tmp_path: Path) -> None:
    report = build(source, tmp_path / "catalog")
    assert set(report.tables) == set(TABLES)
    assert report.tables["specs"] == 8
    assert report.tables["quarantine"] == len(report.quarantine) == sum(report.caught.values())
    assert report.caught["price_is_no_sentinel"] >= 1
    assert report.left_out["instances_sample.csv: a cloud other than aws, azure, gcp"] == 1
    assert report.as_of == "2026-08-19"
    assert report.snapshot.startswith("2026-08-19-")
    assert report.size_bytes == sum(path.stat().st_size for path in (tmp_path / "catalog").glob("*.parquet"))


def test_a_source_row_holds_the_hash_of_the_bytes_that_were_read(source: Path, snapshot: Path) -> None:
    name = "raw/aws_us-east-1_ondemand_2026-07-20_karpenter-aws.json"
    digest = hashlib.sha256((source / name).read_bytes()).hexdigest()
    assert sql("SELECT sha256 FROM sources WHERE file = $name", snapshot, name=name).rows == ((digest,),)


def test_the_report_is_a_noun_that_round_trips(source: Path, tmp_path: Path) -> None:
    report = build(source, tmp_path / "catalog")
    assert codec.decode(codec.encode(report), BuildReport, source="report") == report


def dearer(source: Path) -> None:
    path = source / "raw" / "aws_us-east-1_ondemand_2026-07-20_karpenter-aws.json"
    path.write_text(path.read_text().replace("0.8048", "0.9048"))


def test_another_price_is_another_snapshot(source: Path, tmp_path: Path) -> None:
    first = build(source, tmp_path / "first")
    dearer(source)
    assert build(source, tmp_path / "second").snapshot != first.snapshot


def test_a_build_over_an_older_one_replaces_it_and_touches_nothing_else(source: Path, snapshot: Path) -> None:
    (snapshot / "mine.txt").write_text("kept")
    before = load_catalog(snapshot).snapshot
    dearer(source)
    report = build(source, snapshot)
    assert load_catalog(snapshot).snapshot == report.snapshot != before
    assert (snapshot / "mine.txt").read_text() == "kept"


def test_what_stems_from_the_specifications_is_one_file_with_its_licence(snapshot: Path) -> None:
    licence = (snapshot / "LICENSE.instance_specs").read_text()
    assert "CC BY-SA 4.0" in licence
    assert "SpareCores/sc-data-dumps" in licence
    assert "2026-01-31" in licence
    for path in snapshot.iterdir():
        if path.suffix == ".parquet" and path.name not in ("instance_specs.parquet", "sources.parquet"):
            # Neither the source's name nor a processor model, which only the specifications state.
            data = path.read_bytes()
            assert b"SpareCores" not in data, path.name
            assert b"Neoverse-V1" not in data, path.name
    notice = (snapshot / "NOTICE.md").read_text()
    assert "| instance_specs.parquet | SpareCores/sc-data-dumps 2026-01-31 (CC BY-SA 4.0) | 8 |" in notice
    assert "| LeanerCloud | MIT |" in notice


def test_a_folder_that_is_not_there_explains_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"no such folder; name a folder that holds instances_sample\.csv, .*"
    ) as error:
        build(tmp_path / "nowhere", tmp_path / "catalog")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "catalog").exists()


def test_a_file_instead_of_a_folder_explains_itself(source: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a file; name a folder"):
        build(source / "accelerators.csv", tmp_path / "catalog")


def test_missing_files_are_named(source: Path, tmp_path: Path) -> None:
    (source / "region_carbon.csv").unlink()
    with pytest.raises(
        InputError, match=r"region_carbon\.csv missing; the folder must hold instances_sample\.csv"
    ):
        build(source, tmp_path / "catalog")


def test_missing_columns_are_named(source: Path, tmp_path: Path) -> None:
    path = source / "instances_sample.csv"
    path.write_text(path.read_text().replace("accelerator_count", "number"))
    with pytest.raises(InputError, match="no column accelerator_count; it must have provider,"):
        build(source, tmp_path / "catalog")


def test_ragged_lines_other_encodings_and_open_quotes_are_refused(source: Path, tmp_path: Path) -> None:
    path = source / "region_carbon.csv"
    whole = path.read_bytes()
    for damage, complaint in (
        (b"gcp,us-east1,1\n", "line 4: not 7 cells"),
        (b"gcp,us-east1,1,,x,2024,y,z\n", "line 4: not 7 cells"),
        (b"gcp,us-east1,1,,\xff,2024,y\n", "not UTF-8"),
        (b'gcp,us-east1,1,,"x,2024,y\n', "unexpected end of data"),
    ):
        path.write_bytes(whole + damage)
        with pytest.raises(InputError, match=complaint):
            build(source, tmp_path / "catalog")


@pytest.mark.parametrize(
    ("name", "damage", "complaint"),
    [
        ("raw/azure_ondemand_2026-06-18_karpenter-azure.json", b"{", "fetch the file again"),
        ("raw/coroot_cloud-pricing_2024-08-09.json.gz", b"no gzip", "fetch the file again"),
        ("raw/gcp_pricing_2026-07-30_cyclenerd.yml.gz", gzip.compress(b"a: [1"), "fetch the file again"),
        ("raw/aws_us-east-1_leanercloud_2025-05-28.txt", b"\xff", "not UTF-8"),
    ],
)
def test_truncated_and_foreign_files_are_refused_in_one_line(
    source: Path, tmp_path: Path, name: str, damage: bytes, complaint: str
) -> None:
    (source / name).write_bytes(damage)
    with pytest.raises(InputError, match=complaint) as error:
        build(source, tmp_path / "catalog")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "catalog").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_refused(source: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match="no permission"):
            build(source, tmp_path / "catalog")
    finally:
        tmp_path.chmod(0o700)
