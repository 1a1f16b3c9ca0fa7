from __future__ import annotations

from tradewind.decide.catalog.provenance import confidence_on, grade, provenance

MIXED = (
    "od: aws/karpenter-provider-aws zz_generated.pricing_aws.go (2026-07-20); "
    "spot: LeanerCloud/ec2-instances-info (2025-05-28); 1y=Standard RI all-upfront: LeanerCloud (2025-05-28)"
)


def test_each_price_of_a_row_has_its_own_source_and_day() -> None:
    full, spot, year = (provenance(MIXED, "2026-07-20", p) for p in ("on_demand", "spot", "commit_1y"))
    assert full is not None
    assert spot is not None
    assert year is not None
    assert full.as_of is not None
    assert spot.as_of is not None
    assert (full.as_of.day, full.grade) == ("2026-07-20", "A")
    assert (spot.as_of.day, spot.grade) == ("2025-05-28", "B")
    assert "karpenter" not in spot.source
    assert "all-upfront" in year.source


def test_a_price_that_the_row_does_not_account_for_has_no_source() -> None:
    assert provenance(MIXED, "2026-07-20", "commit_3y") is None
    assert provenance("", "2026-07-20", "on_demand") is None


def test_a_text_without_labels_is_for_every_price() -> None:
    text = "coroot/cloud-pricing dump; contamination filtered by family ratio"
    found = provenance(text, "2024-08-09", "spot")
    assert found is not None
    assert found.as_of is not None
    assert (found.source, found.as_of.day, found.grade) == (text, "2024-08-09", "C")


def test_the_source_of_the_shape_is_not_the_source_of_the_price() -> None:
    found = provenance("skypilot-catalog vms.csv (per-chip x n); shape: another.csv", "2026", "on_demand")
    assert found is not None
    assert found.source == "skypilot-catalog vms.csv (per-chip x n)"


def test_a_list_of_unknown_making_is_c() -> None:
    assert grade("somebody's spreadsheet") == "C"


def test_confidence_falls_with_age_and_never_rises() -> None:
    for letter in ("A", "B", "C"):
        assert confidence_on(letter, "2026-11-23", "2026-11-23") == letter
        assert confidence_on(letter, "2025-11-23", "2026-11-23") == letter
        assert confidence_on(letter, "2025-11-22", "2026-11-23") == "C"
