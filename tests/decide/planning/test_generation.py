"""Plans of language models that answer: known cases, impossible goals, and what a plan says."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation_cases import EXPERTS, LARGE, SMALL, goal, offer, offers_of
from tradewind.decide.planning.generation import generator_of, plan_generation, runtime_of
from tradewind.decide.prediction import default_calibration
from tradewind.decide.prediction.answering import PRECISIONS, Way
from tradewind.domain import codec
from tradewind.domain.errors import InputError
from tradewind.domain.generating import GenerationPlan
from tradewind.files.sheets import architectures, devices

TODAY = "2026-11-25"
KNOWN = {device.name: device for device in devices()}
L4 = offer("L4", 1, 0.8, instance_type="g6.xlarge")
A10G = offer("A10G", 1, 1.0, instance_type="g5.xlarge")
H100 = offer("H100-SXM", 8, 55.0, instance_type="p5.48xlarge", network_gbps=3200.0)
A100 = offer("A100-80GB", 8, 32.8, instance_type="p4de.24xlarge", network_gbps=400.0)


def plan(wanted, *several, wider=None):
    return plan_generation(
        wanted,
        offers_of(*several),
        default_calibration(),
        devices=devices(),
        architectures=architectures(),
        today=TODAY,
        wider=None if wider is None else offers_of(*wider),
    )


def test_a_plan_meets_its_goal_and_adds_up():
    found = plan(goal(token_p99_s=0.05, first_token_p99_s=1.0, rate=20.0), L4, H100)
    choice = found.choice
    assert found.meets_goal
    assert not found.misses
    assert choice.confidence >= 0.9
    assert choice.layout.devices <= choice.machines * choice.offer.accelerator_count
    assert choice.cost_usd_per_month == pytest.approx(sum(one.usd_per_month for one in choice.fleet))
    assert choice.tokens_per_s == pytest.approx(20.0 * 128)
    assert choice.load_share <= 1.0
    assert choice.memory_bytes.high <= KNOWN[choice.device].memory_bytes
    assert found.evaluated + found.excluded == found.considered
    month_tokens = 20.0 * 128 * 730.0 * 3600.0
    assert choice.usd_per_million_tokens == pytest.approx(choice.cost_usd_per_month / month_tokens * 1e6)


def test_a_plan_comes_back_from_its_text():
    found = plan(goal(token_p99_s=0.05), L4)
    assert codec.decode(codec.encode(found), GenerationPlan, source="plan") == found
    assert plan(goal(token_p99_s=0.05), L4) == found


# 16 GB of weights in 16 bits beside 24 GB of memory; 8.6 GB of keys and values for 65,536 tokens.
def test_llama_3_8b_with_long_contexts_goes_on_24_gb_only_quantised():
    wanted = goal("Llama 3 8B", rate=0.1, context=65_536, most=1)
    assert plan(wanted, A10G, H100).nearest
    narrow = plan(goal("Llama 3 8B", rate=0.1, context=65_536, most=1, precisions=("bf16", "int4")), A10G)
    assert narrow.meets_goal
    assert narrow.choice.layout.weights == "int4"
    short = plan(goal("Llama 3 8B", rate=0.1, context=2048, most=1, precisions=("bf16", "int4")), A10G)
    assert short.choice.layout.weights == "bf16"


# 141 GB of weights in 16 bits (2407.21783): two devices of 80 GB at the least.
def test_llama_3_70b_in_16_bits_is_split_over_devices_of_80_gb():
    found = plan(goal("Llama 3 70B", rate=1.0, most=64, token_p99_s=0.2, first_token_p99_s=5.0), A100, H100)
    layout = found.choice.layout
    assert layout.weights == "bf16"
    assert layout.tensor * layout.pipeline >= 2
    assert layout.tensor <= 8
    alone = plan(goal("Llama 3 70B", rate=1.0, most=1), offer("H100-SXM", 1, 7.0))
    given = {one.constraint: one.candidate for one in alone.nearest}
    assert given["accelerators"].layout.pipeline >= 2


def test_cheapest_for_a_token_is_not_cheapest_for_an_hour():
    slow = plan(goal("Llama 3 8B", rate=100.0, most=256, token_p99_s=0.1), L4)
    fast = plan(
        goal("Llama 3 8B", rate=100.0, most=256, token_p99_s=0.1),
        offer("H100-SXM", 1, 6.0, instance_type="h"),
    )
    assert L4.price_usd_per_hour < 6.0
    assert fast.choice.usd_per_million_tokens < slow.choice.usd_per_million_tokens


def test_of_ways_that_cost_the_same_the_widest_precision_is_taken():
    found = plan(goal(rate=0.1, precisions=PRECISIONS), H100)
    assert found.choice.layout.weights == "bf16"


def test_an_unreachable_bound_comes_back_with_the_price_of_each_relaxed_constraint():
    def wish(bound_s):
        return goal(LARGE, rate=5.0, token_p99_s=bound_s, budget=100_000.0, precisions=("bf16",), most=16)

    # Between the least that one and the other can keep.
    slow, fast = (plan(wish(1e-4), one).misses[0].got for one in (A100, H100))
    assert fast < slow
    found = plan(wish((slow * fast) ** 0.5), L4, A100, wider=[L4, A100, H100])
    assert not found.meets_goal
    given = {one.constraint: one for one in found.nearest}
    assert "token_p99" in given
    assert "places" in given
    assert [one.candidate.cost_usd_per_month for one in found.nearest] == sorted(
        one.candidate.cost_usd_per_month for one in found.nearest
    )
    assert found.choice == found.nearest[0].candidate
    assert found.misses[0].constraint == found.nearest[0].constraint
    for one in found.nearest:
        assert one.candidate.cost_usd_per_month <= 100_000.0
        assert "usd/month" in one.words


@settings(max_examples=15, deadline=None)
@given(token=st.floats(0.002, 0.02), budget=st.floats(500.0, 60_000.0), rate=st.floats(1.0, 100.0))
def test_a_relaxed_bound_is_kept_with_the_confidence_and_a_little_less_is_not(token, budget, rate):
    wanted = goal(LARGE, rate=rate, token_p99_s=token, budget=budget, most=16)
    try:
        found = plan(wanted, L4, A100)
    except InputError:
        return
    for one in found.nearest:
        if one.constraint == "budget":
            richer = msgspec.structs.replace(wanted, budget_usd_per_month=one.candidate.cost_usd_per_month)
            assert plan(richer, L4, A100).meets_goal
            poorer = msgspec.structs.replace(
                wanted, budget_usd_per_month=one.candidate.cost_usd_per_month * 0.999
            )
            assert not plan(poorer, L4, A100).meets_goal


def test_a_budget_that_is_too_small_says_what_suffices():
    found = plan(goal(rate=5.0, budget=1.0), L4)
    assert not found.meets_goal
    assert {one.constraint for one in found.nearest} >= {"budget"}
    assert found.misses[0].unit in ("usd/month", "rps")


def test_every_device_that_was_not_taken_has_a_reason():
    cpu = offer("L4", 1, instance_type="c7i.large")
    cpu = msgspec.structs.replace(cpu, accelerator=None, accelerator_count=0.0)
    tiny = offer("T4", 1, 0.1, instance_type="t")
    found = plan(
        goal(LARGE, rate=1.0, most=2, token_p99_s=0.2), cpu, tiny, A10G, offer("H100-SXM", 2, 20.0), H100
    )
    names = {one.name for one in found.rejected}
    devices_seen = {"T4", "A10G", "H100-SXM", "machines without accelerators"}
    assert devices_seen - {found.choice.device} <= names | {"parts of accelerators, and slices of too many"}
    assert all(one.reason and one.count for one in found.rejected)


def test_the_front_is_sorted_and_nothing_on_it_is_worse_than_another():
    found = plan(goal(LARGE, rate=10.0, most=64, precisions=PRECISIONS), L4, A10G, A100, H100)
    points = [
        (one.cost_usd_per_month, one.first_token_s["p99"].likely, one.token_s["p99"].likely)
        for one in found.pareto
    ]
    assert len(points) > 1
    assert points == sorted(points)
    for one in points:
        assert not any(
            other != one and all(a <= b for a, b in zip(other, one, strict=True)) for other in points
        )


def test_a_day_is_served_by_fewer_machines_at_night():
    day = ((0.0, 5.0), (8.0, 80.0), (20.0, 5.0))
    found = plan(
        goal(LARGE, day=day, most=64, token_p99_s=0.06), offer("A10G", 4, 5.7, instance_type="g5.12xlarge")
    )
    flat = plan(
        goal(LARGE, rate=80.0, most=64, token_p99_s=0.06), offer("A10G", 4, 5.7, instance_type="g5.12xlarge")
    )
    assert found.load.rates_rps == (5.0, 80.0)
    assert found.choice.machines == flat.choice.machines
    assert found.choice.cost_usd_per_month < flat.choice.cost_usd_per_month


@pytest.mark.parametrize(
    ("device", "precision", "words"),
    [
        ("H100-SXM", "fp8", "--quantization fp8 --kv-cache-dtype fp8"),
        ("A100-80GB", "int8", "--quantization compressed-tensors"),
        ("A10G", "int4", "--quantization awq"),
        ("V100-16GB", "int4", "--quantization gptq --dtype float16"),
        ("T4", "bf16", "--dtype float16"),
        ("MI300X", "bf16", "vllm serve MODEL --tensor-parallel-size 2"),
    ],
)
def test_the_command_has_what_the_precision_and_the_device_need(device, precision, words):
    way = Way(KNOWN[device], 8, None, precision, 2, 1, False)
    assert words in runtime_of(SMALL, way, max_batch=32, context=2048)


@pytest.mark.parametrize("device", ["TPU-v6e", "Inferentia2", "Trainium2", "Gaudi2", "K80"])
def test_what_no_runtime_here_starts_is_priced_and_predicted_only(device):
    way = Way(KNOWN[device], 8, None, "bf16", 1, 1, False)
    assert runtime_of(SMALL, way, max_batch=32, context=2048).startswith(
        "predicted only: priced and predicted"
    )


def test_experts_and_replicas_over_machines_have_their_settings():
    apart = Way(KNOWN["H100-SXM"], 8, None, "fp8", 4, 1, True)
    command = runtime_of(EXPERTS, apart, max_batch=64, context=2048, per_machine=2)
    assert "--data-parallel-size 4 --enable-expert-parallel" in command
    assert "--max-num-seqs 16 " in command
    assert command.endswith("# 2 on a machine, each with 4 of its GPUs")
    over = Way(KNOWN["H100-SXM"], 8, 5e10, "bf16", 8, 2, False)
    assert "--pipeline-parallel-size 2 --distributed-executor-backend ray" in runtime_of(
        LARGE, over, max_batch=64, context=2048, per_machine=0, machines=2
    )


def test_a_network_that_does_not_generate_is_refused():
    with pytest.raises(InputError, match="does not generate text"):
        generator_of("ResNet-50", architectures())
    with pytest.raises(InputError, match="no published network"):
        generator_of("Abacus 9000", architectures())


def test_nothing_that_fits_says_why():
    with pytest.raises(InputError, match="fits none"):
        plan(goal("Llama 3 70B", most=1), L4)
    with pytest.raises(InputError, match="no offer with accelerators"):
        plan(goal(), msgspec.structs.replace(L4, accelerator=None, accelerator_count=0.0))


def test_spot_machines_have_spares_and_a_day_is_bought_in_two_ways():
    machine = offer("A10G", 4, 5.7, instance_type="g5.12xlarge")
    spot = msgspec.structs.replace(
        machine, purchase="spot", price_usd_per_hour=2.0, interruptions_per_hour=0.05
    )
    choice = plan(goal(LARGE, rate=20.0, most=64), machine, spot).choice
    assert choice.offer.purchase == "spot"
    assert choice.spare_machines > 0
    committed = msgspec.structs.replace(machine, purchase="commit_3y", price_usd_per_hour=2.5)
    day = ((0.0, 10.0), (8.0, 100.0), (10.0, 10.0))
    found = plan(goal(LARGE, day=day, most=128), machine, committed)
    assert [one.offer.purchase for one in found.choice.fleet] == ["commit_3y", "on_demand"]
    assert any("the base load on commitments" in line for line in found.because)
    assert any(line.startswith("the load: a day that repeats") for line in found.because)


def test_too_few_accelerators_say_how_many_suffice():
    found = plan(goal(SMALL, rate=300.0, most=1), A10G)
    given = {one.constraint: one for one in found.nearest}
    assert "accelerators instead of at most 1" in given["accelerators"].words
    assert given["load"].candidate.tokens_per_s < 300.0 * 128


def test_where_no_constraint_alone_is_enough_several_give():
    found = plan(goal(LARGE, rate=0.1, most=4, token_p99_s=1e-3, budget=1.0), H100, offer("A10G", 4, 5.7))
    assert [one.constraint for one in found.nearest] == ["bounds"]
    assert found.misses[0].got > 1.0
    dense = plan(goal(LARGE, rate=1e5, most=4, token_p99_s=1e-3, budget=1.0), offer("A10G", 4, 5.7))
    assert [one.constraint for one in dense.nearest] == ["bounds and load"]
    assert "no bounds and a load of" in dense.nearest[0].words
