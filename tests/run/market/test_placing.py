"""Where data go by the shipped prices: the tables are found, and the laws of the ranking hold on them."""

import pytest

from tradewind.decide.planning.placement import Reads
from tradewind.domain.errors import InputError
from tradewind.run.market import SHIPPED, place_data

HOME = ("aws", "us-east-1")
AWAY = ("gcp", "us-central1")


def placed(size_bytes=1e13, passes=4.0, computes=(HOME, AWAY), **more):
    reads = Reads(size_bytes=size_bytes, months=12.0, passes_per_month=passes)
    return place_data(reads, HOME, computes=dict.fromkeys(computes, 0.0), folder=SHIPPED, **more)


def test_more_data_more_passes_and_fewer_places_never_cost_less():
    best = placed().options[0].usd
    assert placed(size_bytes=2e13).options[0].usd > best
    assert placed(passes=8.0).options[0].usd >= best
    assert placed(computes=(HOME,)).options[0].usd >= best
    assert placed(computes=(AWAY,)).options[0].usd >= best


def test_every_class_has_its_words_and_none_is_of_the_past():
    options = placed().options
    assert all(one.about for one in options)
    assert not any(one.about.startswith("a class of the past") for one in options)


def test_data_are_in_the_usual_class_unless_one_says_otherwise():
    assert placed().home_tier == "S3 Standard"
    assert placed(kept_in="One Zone-IA").home_tier == "S3 One Zone-IA"
    with pytest.raises(InputError, match="no class of storage 'tape'"):
        placed(kept_in="tape")
