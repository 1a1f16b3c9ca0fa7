from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.domain.layout import Layout
from tradewind.domain.noun import Range
from tradewind.show import words

ANY = st.floats(allow_nan=True, allow_infinity=True)


@given(value=ANY)
def test_any_number_has_words(value):
    shown = [words.digits(value), words.percent(value), words.ratio(value), words.pace(value)]
    shown += [words.metric_value(value), words.metric_change(value)]
    shown += [words.quantity(value, dimension) for dimension in ("time", "bytes", "rate", "money_per_month")]

    for text in shown:
        assert text
        assert "nan" not in text
        assert "inf" not in text
        assert not text.startswith("-"), "a minus sign is a real one"


@given(value=st.floats(min_value=1e-9, max_value=1e12))
def test_a_number_keeps_three_digits(value):
    written = float(words.digits(value).replace(",", ""))

    assert written == pytest.approx(value, rel=0.006)


@given(value=st.floats(min_value=-100.0, max_value=100.0))
def test_a_change_has_a_sign_unless_it_rounds_to_nothing(value):
    shown = words.metric_change(value)

    assert shown[0] in "+−" or shown == "0.0000"


def test_the_ends_of_an_interval_share_their_unit_where_they_can():
    assert words.interval(Range(low=0.002, likely=0.003, high=0.004), "time") == "2.00 to 4.00 ms"
    assert words.interval(Range(low=0.9e-3, likely=1e-3, high=2e-3), "time") == "900 us to 2.00 ms"
    assert words.interval(Range.exactly(0.002), "time") == "2.00 ms"


@pytest.mark.parametrize(
    ("layout", "sentence"),
    [
        ((1, 1, 1, 1, 0), "1 machine that runs 1 server process of 1 thread with batches of at most 1 row."),
        (
            (2, 2, 4, 8, 0),
            "2 machines; each runs 2 server processes of 4 threads with batches of at most 8 rows.",
        ),
        (
            (5, 1, 1, 8, 2),
            "5 machines, of which 2 stand in for interrupted ones; each runs 1 server process of 1 thread with "
            "batches of at most 8 rows.",
        ),
    ],
)
def test_a_layout_reads_as_a_sentence(layout, sentence):
    instances, replicas, threads, batch, spare = layout
    noun = Layout(
        instances=instances,
        replicas_per_instance=replicas,
        threads=threads,
        max_batch=batch,
        spare_instances=spare,
    )

    assert words.layout_sentence(noun) == sentence


def test_a_goal_reads_as_a_sentence(story):
    assert words.goal_sentence(story.GOAL) == (
        "Serve fraud.model:build at 6,000 rps with p99 within 20 ms, losing at most 0.005 of average_precision "
        "(also judged by channel), for at most 500 usd/month, on aws, azure or gcp in europe-* or eu-*, on demand, "
        "spot or 1-year commitment, with 90 % confidence."
    )


def test_what_a_goal_asks_of_machines_and_places_is_in_its_sentence(story):
    goal = msgspec.structs.replace(
        story.GOAL,
        jurisdiction=("eu", "gb"),
        accelerator=("L4", "H100"),
        memory_bytes=2.0**36,
        require=("model_registry", "private_networking"),
    )
    assert (
        "in europe-* or eu-* under the law of eu or gb on machines with L4 or H100 and at least 64 GiB through a "
        "managed service with model registry and private networking, on demand"
    ) in words.goal_sentence(goal)
    only_memory = msgspec.structs.replace(story.GOAL, memory_bytes=2.0**36)
    assert "in europe-* or eu-* on machines with at least 64 GiB, on demand" in words.goal_sentence(
        only_memory
    )


def test_where_an_offer_is_and_how_it_is_paid_for(story):
    offer = story.CHOICE.offer
    assert words.offer_place(offer) == f"{offer.cloud} {offer.region}"
    zoned = msgspec.structs.replace(offer, zone="euw1-az2", purchase="commit_3y", terms="all upfront")
    assert words.offer_place(zoned) == f"{offer.cloud} {offer.region} (euw1-az2)"
    assert words.purchase_terms(zoned) == "3-year commitment (all upfront)"


def test_figures_take_the_unit_of_their_name():
    assert words.figure_value("carbon_kgco2e_per_month", 12.34) == "12.3 kg CO2e/month"
    assert words.figure_value("cost_usd_per_month", 61.3) == "61.30 usd/month"
    assert words.figure_value("core_speed_ratio", 0.78) == "0.78"
    assert words.figure_name("cost_usd_per_month") == "cost"
    assert words.figure_name("energy_kwh_per_month") == "energy"
