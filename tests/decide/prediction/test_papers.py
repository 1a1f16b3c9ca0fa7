"""What networks known on paper are expected to do on offers: one verb for training, answers and calls."""

import msgspec
import pytest

from generation_cases import LARGE, SMALL, goal, offer, offers_of
from tradewind.decide.planning.generation import plan_generation
from tradewind.decide.planning.training import plan_training
from tradewind.decide.prediction import default_calibration, predict
from tradewind.decide.prediction.architectures import architecture_of, parameters_of
from tradewind.decide.prediction.paper import NOWHERE, profile_of
from tradewind.domain.errors import InputError
from tradewind.domain.generating import GenerationLayout
from tradewind.domain.layout import Layout, TrainingLayout
from tradewind.domain.training import Train, TrainGoal
from tradewind.files.sheets import architectures, devices

P5 = offer("H100", 8, 55.04, instance_type="p5.48xlarge", network_gbps=3200.0)
ONE = Layout(instances=1, replicas_per_instance=8, threads=1, max_batch=32)


def known(name, tokens=512):
    return profile_of(architecture_of(name, architectures()), tokens=tokens)


def ask(profile, layout, where=P5, **given):
    return predict(profile, where, layout, default_calibration(), devices=devices(), **given)


def fsdp(**given):
    return TrainingLayout(**({"data": 8, "zero_stage": 3, "checkpointing": "full"} | given))


def test_a_step_says_time_memory_and_money():
    found = ask(known("Llama 3 8B", 8192), fsdp(accumulation=4))
    step, usd_per_s = found.step_s, 55.04 / 3600.0
    assert step.low < step.likely < step.high
    assert found.cost_usd_per_step.likely == pytest.approx(usd_per_s * step.likely)
    assert found.throughput_rps.likely == pytest.approx(32 / step.likely)
    assert found.tokens_per_s.likely == pytest.approx(32 * 8192 / step.likely)
    assert found.cost_usd_per_month.likely == pytest.approx(55.04 * 730.0)
    assert found.carbon_kgco2e_per_month.likely == pytest.approx(found.energy_kwh_per_month.likely * 0.3)
    # A device computes no faster than its data sheet says: 989 TFLOP/s in bf16; 6 operations for each weight and token.
    assert (
        found.tokens_per_s.likely * 6 * parameters_of(architecture_of("Llama 3 8B", architectures()))
        < 8 * 989e12
    )
    assert "products" in found.because[0]


def test_more_machines_take_as_many_times_the_money():
    one, two = (ask(known("Llama 3 8B", 8192), fsdp(data=data)) for data in (8, 16))
    assert two.cost_usd_per_month.likely == pytest.approx(2 * one.cost_usd_per_month.likely)
    assert one.tokens_per_s.likely < two.tokens_per_s.likely < 2 * one.tokens_per_s.likely * (1 + 1e-9)


def test_a_slower_network_between_machines_is_slower():
    slow = msgspec.structs.replace(P5, network_gbps=50.0)
    fast, late = (ask(known("Llama 3 8B", 2048), fsdp(data=16), where) for where in (P5, slow))
    assert fast.step_s.likely < late.step_s.likely


def test_what_does_not_fit_says_how_much_it_needs():
    with pytest.raises(InputError, match=r"Llama 3 70B needs .* of each H100-SXM"):
        ask(known("Llama 3 70B", 8192), TrainingLayout(data=8))


def test_a_share_of_a_machine_beside_whole_ones_is_refused():
    with pytest.raises(InputError, match="12 accelerators"):
        ask(known("Llama 3 8B", 2048), fsdp(data=12))


def test_counted_networks_train_by_data_parallelism_alone():
    found = ask(known("ResNet-50"), TrainingLayout(data=8, micro_batch=256))
    # MLPerf Training 3.1: 8 H100 reach about 23,000 to 27,000 images a second; the interval is wide.
    assert found.throughput_rps.low < 27_000.0 < found.throughput_rps.high
    assert found.tokens_per_s is None
    twice = ask(known("ResNet-50"), TrainingLayout(data=8, micro_batch=256, accumulation=2))
    assert twice.step_s.likely == pytest.approx(2 * found.step_s.likely, rel=0.05)
    with pytest.raises(InputError, match="only data parallelism"):
        ask(known("ResNet-50"), TrainingLayout(tensor=2, data=4))


def test_answers_have_first_and_further_tokens():
    wish = goal("Llama 3 8B", rate=40.0, prompt=1024, output=256).generate
    layout = GenerationLayout(replicas=8, max_batch=64, weights="fp8", cache="fp8")
    found = ask(known("Llama 3 8B"), layout, serve=wish)
    assert found.load_rps == 40.0
    assert found.tokens_per_s.likely == pytest.approx(40.0 * 256)
    for name in ("p50", "p99"):
        assert found.token_s[name].low < found.token_s[name].likely < found.token_s[name].high
        assert found.first_token_s[name].likely > found.token_s[name].likely
    # 8 GB of weights at 3.35 TB/s are 2.4 ms.
    assert found.token_s["p50"].likely > 0.0024
    busier = ask(known("Llama 3 8B"), layout, serve=wish, load_rps=100.0)
    assert busier.token_s["p50"].likely > found.token_s["p50"].likely


def test_a_request_alone_is_answered_without_a_load():
    found = ask(known("Llama 3 8B"), GenerationLayout(max_batch=1), offer("H100", 1))
    assert found.load_rps == 0.0
    assert 0.0048 < found.token_s["p50"].likely < 0.012  # 16 GB of weights at 3.35 TB/s are 4.8 ms


def test_prediction_and_plan_say_the_same():
    wanted = goal(LARGE, rate=10.0, token_p99_s=0.06)
    where = offer("H100", 8, 55.04, network_gbps=3200.0)
    choice = plan_generation(
        wanted,
        offers_of(where),
        default_calibration(),
        devices=devices(),
        architectures=(),
        today="2026-11-25",
    ).choice
    found = ask(profile_of(LARGE), choice.layout, where, serve=wanted.generate)
    assert found.first_token_s == choice.first_token_s
    assert found.token_s == choice.token_s


def test_prediction_and_plan_of_training_say_the_same():
    wanted = TrainGoal(
        name="case",
        model="Llama 3 8B",
        train=Train(tokens=1e9, sequence=4096, global_batch=64, deadline_s=1e7),
        budget_usd=1e7,
        accelerators_at_most=16,
    )
    found = plan_training(
        wanted,
        offers_of(P5),
        default_calibration(),
        devices=devices(),
        architectures=architectures(),
        today="2026-11-25",
    ).choice
    told = ask(known("Llama 3 8B", 4096), found.layout)
    assert told.step_s.likely == pytest.approx(found.step_s.likely, rel=1e-6)
    assert told.memory_bytes.likely == pytest.approx(found.memory_bytes.likely, rel=1e-6)


@pytest.mark.parametrize(
    ("layout", "word"),
    [
        (GenerationLayout(max_batch=64, replicas=8), "not even one request fits"),
        (GenerationLayout(tensor=4, max_batch=100_000, replicas=2), "at most"),
        (ONE, "give a GenerationLayout"),
    ],
)
def test_layouts_that_a_language_model_cannot_have_are_refused(layout, word):
    with pytest.raises(InputError, match=word):
        ask(known("Llama 3 70B"), layout)


@pytest.mark.parametrize("name", ["ResNet-50", "BERT-Large"])
def test_calls_of_other_networks_take_the_time_of_a_full_batch(name):
    found = ask(known(name), ONE)
    assert found.latency_s["p50"].low < found.latency_s["p50"].likely
    assert found.capacity_rps.likely == pytest.approx(8 * 32 / found.latency_s["p50"].likely)
    half = ask(known(name), msgspec.structs.replace(ONE, replicas_per_instance=4))
    assert half.capacity_rps.likely == pytest.approx(0.5 * found.capacity_rps.likely)


def test_paper_needs_an_accelerator_and_an_offer():
    cpu = msgspec.structs.replace(P5, accelerator=None, accelerator_count=0.0)
    with pytest.raises(InputError, match="no accelerator"):
        ask(profile_of(SMALL), GenerationLayout(max_batch=1), cpu)
    with pytest.raises(InputError, match="known on paper"):
        ask(profile_of(SMALL), GenerationLayout(max_batch=1), NOWHERE)
