from __future__ import annotations

from tradewind.decide.catalog.provenance import confidence_on, grade


def test_a_list_that_copies_the_vendors_is_a_one_that_computes_is_b() -> None:
    assert grade("aws/karpenter-provider-aws zz_generated.pricing_aws.go (2026-07-20)") == "A"
    assert grade("LeanerCloud/ec2-instances-info (2025-05-28)") == "B"


def test_a_list_of_unknown_making_is_c() -> None:
    assert grade("somebody's spreadsheet") == "C"


def test_confidence_falls_with_age_and_never_rises() -> None:
    for letter in ("A", "B", "C"):
        assert confidence_on(letter, "2026-11-23", "2026-11-23") == letter
        assert confidence_on(letter, "2025-11-23", "2026-11-23") == letter
        assert confidence_on(letter, "2025-11-22", "2026-11-23") == "C"
