from __future__ import annotations

from tradewind.run.market.licences import SPECS_LICENCE, notice


def test_the_licence_names_its_file_its_author_its_terms_and_the_changes() -> None:
    for word in (
        "instance_specs.parquet",
        "Spare Cores",
        "https://github.com/SpareCores/sc-data-dumps",
        "https://creativecommons.org/licenses/by-sa/4.0/",
        "What was changed",
    ):
        assert word in SPECS_LICENCE


def test_the_notice_lists_publishers_with_licence_and_rows() -> None:
    text = notice(
        "2026-01-01-abc", {"offers.parquet": {"Cyclenerd a": 3, "Cyclenerd b|c": 4}, "x.parquet": {"y": 1}}
    )
    assert "# Catalogue 2026-01-01-abc" in text
    assert "| Cyclenerd | Apache-2.0 | prices, shapes and places of Google Cloud's machines | 7 |" in text
    assert "| offers.parquet | Cyclenerd b/c | 4 |" in text
    assert "gpuhunt" not in text
