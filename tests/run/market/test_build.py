from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest

from tradewind.domain import codec
from tradewind.domain.errors import InputError
from tradewind.run.market import TABLES, BuildReport, build, load_catalog

if TYPE_CHECKING:
    from pathlib import Path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_two_builds_are_the_same_bit_for_bit(source: Path, tmp_path: Path) -> None:
    first = build(source, tmp_path / "first")
    second = build(source, tmp_path / "second")
    assert first == second
    assert contents(tmp_path / "first") == contents(tmp_path / "second")


def test_the_order_of_the_published_rows_does_not_matter(source: Path, tmp_path: Path) -> None:
    build(source, tmp_path / "first")
    for path in source.iterdir():
        header, *rows = path.read_text().splitlines()
        random.Random(7).shuffle(rows)
        path.write_text("\n".join([header, *rows]) + "\n")
    build(source, tmp_path / "second")
    assert contents(tmp_path / "first") == contents(tmp_path / "second")


def test_the_report_counts_what_is_kept_caught_and_left_out(source: Path, tmp_path: Path) -> None:
    report = build(source, tmp_path / "catalog")
    assert report.tables == {
        "offers": 9,
        "instances": 4,
        "specs": 5,
        "accelerators": 1,
        "storage": 2,
        "transfer": 2,
        "regions": 4,
        "surcharges": 1,
        "quarantine": 2,
    }
    assert report.caught == {"price_is_no_sentinel": 1, "type_is_active": 1}
    assert {row.item for row in report.quarantine} == {"c7g.xlarge", "Standard_A1"}
    assert report.as_of == "2026-07-30"
    assert report.snapshot.startswith("2026-07-30-")
    assert report.size_bytes == sum(
        (tmp_path / "catalog" / table.file).stat().st_size for table in TABLES.values()
    )


def test_the_report_is_a_noun_that_round_trips(source: Path, tmp_path: Path) -> None:
    report = build(source, tmp_path / "catalog")
    assert codec.decode(codec.encode(report), BuildReport, source="report") == report


def test_another_price_is_another_snapshot(source: Path, tmp_path: Path) -> None:
    first = build(source, tmp_path / "first")
    path = source / "instances_sample.csv"
    path.write_text(path.read_text().replace("0.78,", "0.79,"))
    assert build(source, tmp_path / "second").snapshot != first.snapshot


def test_a_build_over_an_older_one_replaces_it_and_touches_nothing_else(source: Path, snapshot: Path) -> None:
    (snapshot / "mine.txt").write_text("kept")
    path = source / "instances_sample.csv"
    path.write_text(path.read_text().replace("0.78,", "0.79,"))
    report = build(source, snapshot)
    assert load_catalog(snapshot).snapshot == report.snapshot
    assert (snapshot / "mine.txt").read_text() == "kept"


def test_what_stems_from_the_specifications_is_one_file_with_its_licence(snapshot: Path) -> None:
    licence = (snapshot / "LICENSE.instance_specs").read_text()
    assert "CC BY-SA 4.0" in licence
    assert "SpareCores/sc-data-dumps" in licence
    assert "2026-01-31" in licence
    for path in snapshot.iterdir():
        if path.suffix == ".parquet" and path.name != "instance_specs.parquet":
            # Neither the source's name nor a processor model, which only the specifications state.
            data = path.read_bytes()
            assert b"SpareCores" not in data, path.name
            assert b"Neoverse-V1" not in data, path.name
    notice = (snapshot / "NOTICE.md").read_text()
    assert "| instance_specs.parquet | SpareCores/sc-data-dumps 2026-01-31 (CC BY-SA 4.0) | 5 |" in notice
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
    path.write_text(path.read_text().replace("price_1y_usd_h", "one_year"))
    with pytest.raises(InputError, match="no column price_1y_usd_h; it must have provider,"):
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


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_refused(source: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match="no permission"):
            build(source, tmp_path / "catalog")
    finally:
        tmp_path.chmod(0o700)
