"""Each test holds a price that breaks one rule against ALL rules: it fails when that rule is taken away."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tradewind.decide.catalog.invariants import INVARIANTS, Facts, hold, remark_on_cheap_regions
from tradewind.decide.catalog.rows import PriceRow

Make = Callable[..., PriceRow]
MakeFacts = Callable[..., Facts]


def caught(facts: Facts) -> list[tuple[str, str, str]]:
    """(invariant, machine type, purchase) of everything that the rules catch."""
    return [(row.invariant, row.item, row.purchase) for row in hold(facts)[1]]


def only(facts: Facts, invariant: str) -> str:
    """The reason of the one price that is caught, which must be by this invariant."""
    rows = hold(facts)[1]
    assert [row.invariant for row in rows] == [invariant], rows
    return rows[0].reason


def sound(make_price: Make) -> list[PriceRow]:
    return [
        make_price(),
        make_price(instance_type="c7g.2xlarge", price_usd_per_hour=0.29),
        make_price(purchase="spot", price_usd_per_hour=0.06),
        make_price(purchase="commit_1y", price_usd_per_hour=0.09),
        make_price(purchase="commit_3y", price_usd_per_hour=0.06),
        make_price("eu-west-1", price_usd_per_hour=0.16),
        make_price("eu-west-1", "c7g.2xlarge", price_usd_per_hour=0.32),
        make_price(instance_type="g5.xlarge", price_usd_per_hour=1.006),
        make_price(instance_type="g5.12xlarge", price_usd_per_hour=5.672),
        make_price("eu-west-1", "g5.xlarge", price_usd_per_hour=1.123),
        make_price("eu-west-1", "g5.12xlarge", price_usd_per_hour=6.332),
    ]


def test_sound_prices_are_not_caught(make_price: Make, make_facts: MakeFacts) -> None:
    facts = make_facts(*sound(make_price))
    kept, rows = hold(facts)
    assert rows == []
    assert kept.prices == facts.prices


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(data=st.data())
def test_every_price_is_either_kept_or_caught_once_and_what_is_kept_holds(
    make_price: Make, make_facts: MakeFacts, data: st.DataObject
) -> None:
    values = st.one_of(
        st.floats(min_value=-1.0, max_value=20.0, allow_nan=False),
        st.sampled_from([0.0, 700.0, 0.145, math.nan]),
    )
    prices = [
        make_price(region, machine, purchase=purchase, price_usd_per_hour=data.draw(values))
        for region in ("us-east-1", "eu-west-1")
        for machine in ("c7g.xlarge", "c7g.2xlarge", "g5.xlarge", "g5.12xlarge")
        for purchase in ("on_demand", "spot", "commit_1y", "commit_3y")
    ]
    kept, rows = hold(make_facts(*prices))
    assert len(kept.prices) + len(rows) == len(prices)
    assert hold(kept)[1] == [], "the rules catch something among what they let pass"
    full = {
        (p.region, p.instance_type): p.price_usd_per_hour for p in kept.prices if p.purchase == "on_demand"
    }
    for price in kept.prices:
        assert 0.0 < price.price_usd_per_hour <= full[(price.region, price.instance_type)]


def test_price_is_positive_zero_for_reservation_only_types(make_price: Make, make_facts: MakeFacts) -> None:
    for value in (0.0, -1.0, math.nan):
        reason = only(make_facts(make_price(price_usd_per_hour=value)), "price_is_positive")
        assert "above 0" in reason


def test_price_is_no_sentinel_700_for_unknown(make_price: Make, make_facts: MakeFacts) -> None:
    for purchase in ("on_demand", "spot"):
        facts = make_facts(
            make_price(price_usd_per_hour=1000.0), make_price(price_usd_per_hour=700.0, purchase=purchase)
        )
        assert "price_is_no_sentinel" in [name for name, _, _ in caught(facts)]


def test_price_has_a_source(make_price: Make, make_facts: MakeFacts) -> None:
    facts = make_facts(make_price(), make_price(purchase="commit_1y", price_usd_per_hour=0.09, source=""))
    assert "no source for its commit_1y" in only(facts, "price_has_a_source")


def test_as_of_is_a_recent_day_not_in_the_future(make_price: Make, make_facts: MakeFacts) -> None:
    assert "after today" in only(make_facts(make_price(as_of="2026-11-24")), "as_of_is_a_recent_day")
    assert caught(make_facts(make_price(as_of="2026-11-23"))) == []


def test_as_of_is_a_recent_day_of_the_calendar(make_price: Make, make_facts: MakeFacts) -> None:
    for text in ("soon", "2026-02-30", ""):
        assert "holds no day" in only(make_facts(make_price(as_of=text)), "as_of_is_a_recent_day")


def test_as_of_is_a_recent_day_within_six_years(make_price: Make, make_facts: MakeFacts) -> None:
    assert "six years" in only(make_facts(make_price(as_of="2020-11-01")), "as_of_is_a_recent_day")
    assert caught(make_facts(make_price(as_of="2021-01-01"))) == []


def test_offered_once(make_price: Make, make_facts: MakeFacts) -> None:
    facts = make_facts(make_price(price_usd_per_hour=0.145), make_price(price_usd_per_hour=0.146))
    assert "the first is 0.145" in only(facts, "offered_once")
    twice_the_same = make_price()
    kept, rows = hold(make_facts(twice_the_same, make_price()))
    assert (len(kept.prices), len(rows)) == (1, 1)


def test_type_is_active_priced_is_not_offered(
    make_price: Make, make_facts: MakeFacts, make_spec: Callable
) -> None:
    facts = make_facts(
        make_price(), specs={("aws", "c7g.xlarge"): make_spec("aws", "c7g.xlarge", active=False)}
    )
    assert "no longer sells" in only(facts, "type_is_active")


def test_type_is_active_retired_on_a_day(make_price: Make, make_facts: MakeFacts) -> None:
    """Azure went on pricing NC6s_v3 after its retirement on 2025-09-30."""
    row = make_price("eastus", "Standard_NC6s_v3", cloud="azure")
    facts = make_facts(row, retired={("azure", "Standard_NC6s_v3"): "retired on 2025-09-30 (a notice)"})
    assert "2025-09-30" in only(facts, "type_is_active")


def test_offered_in_region_priced_is_not_offered(make_price: Make, make_facts: MakeFacts) -> None:
    """A list priced GCP's a2 in africa-south1, where it does not exist."""
    pairs = frozenset({("c7g.xlarge", "us-east-1"), ("c7g.2xlarge", "eu-west-1")})
    facts = make_facts(make_price("eu-west-1"), offered={"aws": pairs})
    assert "not offered in eu-west-1" in only(facts, "offered_in_region")
    assert caught(make_facts(make_price(), offered={"aws": pairs})) == []


def test_offered_in_region_says_nothing_of_regions_and_types_that_the_list_does_not_know(
    make_price: Make, make_facts: MakeFacts
) -> None:
    pairs = frozenset({("c7g.xlarge", "us-east-1")})
    unknown_region, unknown_type = make_price("us-gov-west-1"), make_price(instance_type="c7g.2xlarge")
    assert caught(make_facts(unknown_region, unknown_type, offered={"aws": pairs})) == []


def test_offered_in_region_looks_at_the_machine_to_which_a_gpu_is_attached(
    make_price: Make, make_facts: MakeFacts
) -> None:
    pairs = frozenset({("n1-standard-4", "us-central1"), ("e2-standard-4", "africa-south1")})
    there = make_price("us-central1", "n1-standard-4+t4x1", cloud="gcp")
    elsewhere = make_price("africa-south1", "n1-standard-4+t4x1", cloud="gcp")
    assert caught(make_facts(there, elsewhere, offered={"gcp": pairs})) == [
        ("offered_in_region", "n1-standard-4+t4x1", "on_demand")
    ]


def test_shape_is_one_whoever_states_it(make_price: Make, make_facts: MakeFacts, make_spec: Callable) -> None:
    specs = {("aws", "c7g.xlarge"): make_spec("aws", "c7g.xlarge", vcpus=8)}
    assert "4 vCPUs by one list, 8 by another" in only(make_facts(make_price(), specs=specs), "shape_is_one")


def test_a_machine_that_no_list_describes_keeps_its_price(make_price: Make, make_facts: MakeFacts) -> None:
    assert caught(make_facts(make_price(instance_type="c99g.xlarge"))) == []


def test_accelerator_is_in_the_price_not_the_host_alone(make_price: Make, make_facts: MakeFacts) -> None:
    """A list that counts the GPU apart showed a2-highgpu-1g at 0.94; with its A100 it costs 3.67."""
    facts = make_facts(
        make_price(instance_type="g5.xlarge", price_usd_per_hour=0.94 / 4.0),
        make_price("eu-west-1", "g5.xlarge", price_usd_per_hour=1.123),
        make_price("eu-west-1", "g5.12xlarge", price_usd_per_hour=6.332),
    )
    assert "the host alone" in only(facts, "accelerator_is_in_the_price")


def test_accelerators_fit_trainium_with_512_gib_instead_of_96(
    make_price: Make,
    make_facts: MakeFacts,
    make_instance: Callable,
    make_spec: Callable,
    make_accelerator: Callable,
) -> None:
    key = ("aws", "trn2.48xlarge")
    known = {
        "instances": {key: make_instance(*key, 192, accelerator="Trainium2", accelerator_count=16.0)},
        "specs": {key: make_spec(*key, gpu_count=16.0, gpu_memory_bytes=96 * 2.0**30)},
    }
    wrong = make_facts(
        make_price(instance_type=key[1]),
        accelerators={"Trainium2": make_accelerator("Trainium2", 512.0)},
        **known,
    )
    assert "claim 8192 GiB, the machine has 1536 GiB" in only(wrong, "accelerators_fit")
    right = make_facts(
        make_price(instance_type=key[1]),
        accelerators={"Trainium2": make_accelerator("Trainium2", 96.0)},
        **known,
    )
    assert caught(right) == []


def test_accelerators_fit_counts_as_well(
    make_price: Make, make_facts: MakeFacts, make_spec: Callable
) -> None:
    facts = make_facts(
        make_price(instance_type="g5.12xlarge", price_usd_per_hour=5.672),
        specs={("aws", "g5.12xlarge"): make_spec("aws", "g5.12xlarge", gpu_count=1.0, gpu_memory_bytes=24e9)},
    )
    assert "4 x A10G" in only(facts, "accelerators_fit")


def test_accelerators_fit_the_usable_memory_that_is_a_little_less(
    make_price: Make, make_facts: MakeFacts, make_spec: Callable
) -> None:
    usable = 22888 * 2.0**20
    facts = make_facts(
        make_price(instance_type="g5.xlarge", price_usd_per_hour=1.006),
        specs={("aws", "g5.xlarge"): make_spec("aws", "g5.xlarge", gpu_count=1.0, gpu_memory_bytes=usable)},
    )
    assert caught(facts) == []


def test_accelerators_fit_only_if_they_are_known(make_price: Make, make_facts: MakeFacts) -> None:
    facts = make_facts(make_price(instance_type="g5.xlarge", price_usd_per_hour=1.006), accelerators={})
    assert "not in the table" in only(facts, "accelerators_fit")


@pytest.mark.parametrize("surplus", [1.03, 1.12])
def test_linear_in_family_dedicated_tenancy_that_overwrote_shared(
    make_price: Make, make_facts: MakeFacts, surplus: float
) -> None:
    facts = make_facts(
        make_price(),
        make_price(instance_type="c7g.2xlarge", price_usd_per_hour=0.29 * surplus),
        make_price(instance_type="c7g.4xlarge", price_usd_per_hour=0.58),
    )
    assert "tenancy" in only(facts, "linear_in_family")
    assert caught(facts) == [("linear_in_family", "c7g.2xlarge", "on_demand")]


def test_linear_in_family_windows_prices_in_a_linux_list_even_when_they_are_the_majority(
    make_price: Make, make_facts: MakeFacts
) -> None:
    """Southeast Asia, 2026: three of four sizes carried the licence of 0.046 usd per vCPU."""

    def at(machine: str, value: float) -> PriceRow:
        return make_price("southeastasia", machine, cloud="azure", price_usd_per_hour=value)

    facts = make_facts(
        at("Standard_D4as_v5", 0.216), at("Standard_D8as_v5", 0.8), at("Standard_D16as_v5", 1.6)
    )
    kept, rows = hold(facts)
    assert [price.instance_type for price in kept.prices] == ["Standard_D4as_v5"]
    assert {row.invariant for row in rows} == {"linear_in_family"}


def test_linear_in_family_is_not_asked_of_burstable_machines(
    make_price: Make, make_facts: MakeFacts, make_instance: Callable
) -> None:
    names = ("Standard_B2als_v2", "Standard_B4als_v2")
    instances = {
        ("azure", name): make_instance("azure", name, vcpus)
        for name, vcpus in zip(names, (2, 4), strict=True)
    }
    prices = [
        make_price("eastus", name, cloud="azure", price_usd_per_hour=value)
        for name, value in zip(names, (0.0376, 0.15), strict=True)
    ]
    assert caught(make_facts(*prices, instances=instances)) == []


def test_linear_in_family_compares_sizes_with_as_much_memory(
    make_price: Make, make_facts: MakeFacts, make_instance: Callable
) -> None:
    instances = {
        ("aws", "c7g.xlarge"): make_instance("aws", "c7g.xlarge", 4, memory_bytes=8 * 2.0**30),
        ("aws", "c7g.2xlarge"): make_instance("aws", "c7g.2xlarge", 8, memory_bytes=64 * 2.0**30),
    }
    facts = make_facts(
        make_price(), make_price(instance_type="c7g.2xlarge", price_usd_per_hour=0.6), instances=instances
    )
    assert caught(facts) == []


def test_constrained_size_costs_the_same_as_the_full_one(
    make_price: Make, make_facts: MakeFacts, make_instance: Callable
) -> None:
    """Azure asks the same with some vCPUs switched off; a dearer one is a Windows price."""

    def at(machine: str, value: float) -> PriceRow:
        return make_price("westeurope", machine, cloud="azure", price_usd_per_hour=value)

    instances = {
        ("azure", "Standard_E8as_v5"): make_instance("azure", "Standard_E8as_v5", 8),
        ("azure", "Standard_E8-2as_v5"): make_instance("azure", "Standard_E8-2as_v5", 2),
    }
    wrong = make_facts(at("Standard_E8as_v5", 0.452), at("Standard_E8-2as_v5", 0.82), instances=instances)
    assert "all vCPUs" in only(wrong, "constrained_size_costs_the_same")
    right = make_facts(at("Standard_E8as_v5", 0.452), at("Standard_E8-2as_v5", 0.452), instances=instances)
    assert caught(right) == []


def test_linear_in_family_lets_rounding_pass(make_price: Make, make_facts: MakeFacts) -> None:
    facts = make_facts(
        make_price(price_usd_per_hour=0.101), make_price(instance_type="c7g.2xlarge", price_usd_per_hour=0.2)
    )
    assert caught(facts) == []


def test_linear_in_family_is_not_asked_of_machines_with_accelerators(
    make_price: Make, make_facts: MakeFacts
) -> None:
    facts = make_facts(
        make_price(instance_type="g5.xlarge", price_usd_per_hour=1.006),
        make_price(instance_type="g5.12xlarge", price_usd_per_hour=5.672),
    )
    assert caught(facts) == []


def test_one_regional_ratio_in_family(make_price: Make, make_facts: MakeFacts) -> None:
    facts = make_facts(
        make_price(instance_type="g5.xlarge", price_usd_per_hour=1.0),
        make_price(instance_type="g5.12xlarge", price_usd_per_hour=5.0),
        make_price("eu-west-1", "g5.xlarge", price_usd_per_hour=1.1 * 1.35),
        make_price("eu-west-1", "g5.12xlarge", price_usd_per_hour=5.0 * 1.1),
    )
    assert "1.49 x the price in us-east-1" in only(facts, "one_regional_ratio_in_family")


def test_one_regional_ratio_in_family_is_not_asked_of_sums_of_parts(
    make_price: Make, make_facts: MakeFacts, make_instance: Callable, make_accelerator: Callable
) -> None:
    names = ("g2-standard-4", "g2-standard-96")
    prices = [
        make_price(region, name, cloud="gcp", price_usd_per_hour=value)
        for region, values in (("us-central1", (0.7, 8.0)), ("europe-west6", (0.98, 10.7)))
        for name, value in zip(names, values, strict=True)
    ]
    instances = {
        ("gcp", name): make_instance("gcp", name, 4, accelerator="L4", accelerator_count=1.0)
        for name in names
    }
    facts = make_facts(*prices, instances=instances, accelerators={"L4": make_accelerator("L4", 24.0)})
    assert not [name for name, _, _ in caught(facts) if name == "one_regional_ratio_in_family"]


def test_regional_ratio_is_plausible_above(make_price: Make, make_facts: MakeFacts) -> None:
    prices = [
        make_price(),
        make_price(instance_type="c7g.2xlarge", price_usd_per_hour=0.29),
        make_price("eu-west-1", price_usd_per_hour=0.145 * 2.0),
        make_price("eu-west-1", "c7g.2xlarge", price_usd_per_hour=0.29 * 2.0),
    ]
    # Two sizes agree, and both are wrong: wrong prices come in whole families.
    assert [name for name, _, _ in caught(make_facts(*prices))] == ["regional_ratio_is_plausible"] * 2


def test_regional_ratio_is_plausible_below_when_no_other_size_agrees(
    make_price: Make, make_facts: MakeFacts
) -> None:
    facts = make_facts(make_price(), make_price("ap-south-1", price_usd_per_hour=0.145 * 0.65))
    assert "no other size" in only(facts, "regional_ratio_is_plausible")


def test_regional_ratio_is_plausible_below_when_another_size_agrees(
    make_price: Make, make_facts: MakeFacts
) -> None:
    facts = make_facts(
        make_price(),
        make_price(instance_type="c7g.2xlarge", price_usd_per_hour=0.29),
        make_price("ap-south-1", price_usd_per_hour=0.0982),
        make_price("ap-south-1", "c7g.2xlarge", price_usd_per_hour=0.1963),
    )
    assert caught(facts) == []
    remarks = [price.remark for price in remark_on_cheap_regions(facts)]
    assert remarks[:2] == [None, None]
    assert remarks[2] == "0.68 x the price in us-east-1; other sizes of its family that agree: 1"


def test_discount_has_on_demand(make_price: Make, make_facts: MakeFacts) -> None:
    assert "check it against" in only(make_facts(make_price(purchase="spot")), "discount_has_on_demand")


def test_discount_has_on_demand_that_was_not_itself_caught(make_price: Make, make_facts: MakeFacts) -> None:
    facts = make_facts(
        make_price(price_usd_per_hour=700.0), make_price(purchase="spot", price_usd_per_hour=0.1)
    )
    assert [name for name, _, _ in caught(facts)] == ["price_is_no_sentinel", "discount_has_on_demand"]


def test_spot_is_at_most_on_demand_as_it_was_not_for_tpu_v4(make_price: Make, make_facts: MakeFacts) -> None:
    facts = make_facts(
        make_price(price_usd_per_hour=3.22), make_price(purchase="spot", price_usd_per_hour=3.686)
    )
    assert "3.686 is over" in only(facts, "spot_is_at_most_on_demand")
    equal = make_facts(make_price(), make_price(purchase="spot"))
    assert caught(equal) == []


def test_spot_discount_is_plausible_linux_spot_beside_a_windows_price(
    make_price: Make, make_facts: MakeFacts
) -> None:
    def at(purchase: str, value: float) -> PriceRow:
        return make_price(
            "centralindia", "Standard_D16as_v5", cloud="azure", purchase=purchase, price_usd_per_hour=value
        )

    assert "96% below" in only(
        make_facts(at("on_demand", 1.18), at("spot", 0.04884)), "spot_discount_is_plausible"
    )
    assert caught(make_facts(at("on_demand", 1.18), at("spot", 0.118))) == []


def test_commitment_is_below_on_demand(make_price: Make, make_facts: MakeFacts) -> None:
    for purchase in ("commit_1y", "commit_3y"):
        facts = make_facts(make_price(), make_price(purchase=purchase, price_usd_per_hour=0.145))
        assert "not below" in only(facts, "commitment_is_below_on_demand")


def test_commitment_is_below_on_demand_and_three_years_not_over_one(
    make_price: Make, make_facts: MakeFacts
) -> None:
    facts = make_facts(
        make_price(),
        make_price(purchase="commit_1y", price_usd_per_hour=0.09),
        make_price(purchase="commit_3y", price_usd_per_hour=0.1),
    )
    assert "over the price for one year" in only(facts, "commitment_is_below_on_demand")


def test_every_invariant_has_a_test_that_bears_its_name() -> None:
    tests = [name for name in globals() if name.startswith("test_")]
    untested = [name for name in INVARIANTS if not any(test.startswith(f"test_{name}") for test in tests)]
    assert untested == []
