from __future__ import annotations

import re
from pathlib import Path

import pytest

from tradewind.decide import catalog
from tradewind.decide.catalog.invariants import INVARIANTS
from tradewind.decide.catalog.rules import RULES

SOURCES = sorted(Path(catalog.__file__).parent.rglob("*.py"))


def test_the_rules_of_all_offers_come_first_in_the_order_in_which_they_run() -> None:
    assert list(RULES)[: len(INVARIANTS)] == list(INVARIANTS)


@pytest.mark.parametrize("name", list(RULES))
def test_every_rule_says_what_it_holds_in_a_sentence(name: str) -> None:
    assert RULES[name].endswith(".")
    assert "\n" not in RULES[name]


def test_every_rule_that_puts_a_row_into_quarantine_is_described() -> None:
    named = set()
    for path in SOURCES:
        text = path.read_text()
        named |= set(re.findall(r'invariant="(\w+)"', text))
        named |= set(re.findall(r'quarantined\(\w+,\s*"(\w+)"', text))
    assert named - set(RULES) == set()
