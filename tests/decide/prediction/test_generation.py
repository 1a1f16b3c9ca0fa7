"""Generation of text: laws of passes, memory and batching, then published figures."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.decide.prediction import decoding, generation, generation_cpu
from tradewind.decide.prediction.fitted import assumed
from tradewind.files.sheets import architectures, devices

CONSTANTS = {name: one.value for name, one in assumed().constants.items()}
MODELS = ["Llama-3-8B", "Llama-2-70b", "Mixtral-8x7B", "Qwen3-30B-A3B", "DeepSeek-V3", "GPT-20B"]
models = st.sampled_from(MODELS)
machines = st.sampled_from(["A100-80GB", "H100", "B200", "MI300X", "TPU v5e", "Inferentia2"])
frameworks = st.sampled_from(["vLLM", "FasterTransformer", "Transformers", "Neuron"])
powers = st.sampled_from([1, 2, 4, 8])


def row(**changes: object) -> dict[str, str]:
    base = {
        "model": "Llama-3-8B",
        "device": "H100",
        "seq_in": 512,
        "seq_out": 128,
        "batch": 1,
        "tp": 1,
        "gpus": 1,
    }
    base |= {"precision": "bf16", "framework": "vLLM"}
    return {name: str(value) for name, value in (base | changes).items()}


def calls(*rows: dict[str, str]) -> generation.Generations:
    read = [generation.call_of(one, devices(), architectures()) for one in rows]
    assert not [one for one in read if isinstance(one, str)], read
    return generation.generations_of(read)


def predict(*rows: dict[str, str]) -> generation.Generated:
    return generation.predict_rows(rows, devices(), architectures(), CONSTANTS)


@settings(max_examples=20, deadline=None)
@given(models, machines, frameworks, powers, st.integers(1, 64))
def test_a_step_takes_longer_than_its_weights_take_at_full_bandwidth(
    model: str, device: str, framework: str, tensor: int, batch: int
) -> None:
    one = calls(row(model=model, device=device, framework=framework, tp=tensor, batch=batch))
    times = generation.generation_s(one, CONSTANTS)
    touched = one.networks.active_parameters * one.weight_bytes / one.tensor
    assert times.decode_s_per_token > touched / one.devices.memory_bandwidth_bytes_per_s
    flops = 2.0 * one.batch * one.prompt * one.networks.active_parameters / one.tensor
    assert times.prefill_s > flops / one.devices.peak_flops_per_s
    assert times.total_s == pytest.approx(times.prefill_s + 127.0 * times.decode_s_per_token)


@settings(max_examples=20, deadline=None)
@given(models, machines, frameworks, st.integers(1, 64), st.integers(2, 8))
def test_more_work_takes_no_less(model: str, device: str, framework: str, batch: int, times: int) -> None:
    base = {"model": model, "device": device, "framework": framework, "batch": batch}
    wider = predict(row(**base), row(**base | {"batch": batch * times}))
    assert wider.seconds[1] >= 0.98 * wider.seconds[0]  # tiles and waves make small steps back
    longer = predict(row(**base), row(**base, seq_in=512 * times), row(**base, seq_out=128 * times))
    assert (longer.seconds[1:] >= longer.seconds[0]).all()
    assert (longer.memory_bytes[1:] >= longer.memory_bytes[0]).all()


@settings(max_examples=15, deadline=None)
@given(models, machines, frameworks, st.integers(1, 64))
def test_each_further_device_holds_less(model: str, device: str, framework: str, batch: int) -> None:
    base = {"model": model, "device": device, "framework": framework, "batch": batch}
    alone, tensor, pipeline = predict(
        row(**base), row(**base, tp=2, gpus=2), row(**base, pp=2, gpus=2)
    ).memory_bytes
    assert tensor < alone
    assert pipeline < alone


@settings(max_examples=12, deadline=None)
@given(models, machines, powers, st.integers(16, 8192), st.integers(1, 4096))
def test_the_largest_batch_fits_into_memory(
    model: str, device: str, tensor: int, prompt: int, output: int
) -> None:
    one = calls(row(model=model, device=device, tp=tensor, seq_in=prompt, seq_out=output))
    most = generation.largest_batch(one, CONSTANTS)
    if most[0] >= 1:
        assert generation.memory_bytes(one, CONSTANTS, most) <= one.devices.memory_bytes
    served = generation.serving_throughput(one, CONSTANTS)
    assert (served.tokens_per_s > 0) == (served.batch >= 1)
    assert served.batch[0] <= one.max_batch[0] * tensor


def test_measured_columns_change_nothing() -> None:
    measured = dict.fromkeys(
        (
            "latency_ms",
            "prefill_ms",
            "decode_ms_per_token",
            "samples_per_s",
            "tokens_per_s_out",
            "mem_gib_per_gpu",
        ),
        "7.5",
    )
    for plain in (row(), row(batch="")):
        first, second = predict(plain), predict(plain | measured)
        for name in (
            "seconds",
            "prefill_s",
            "decode_s_per_token",
            "tokens_per_s",
            "memory_bytes",
            "batch",
            "fits",
        ):
            np.testing.assert_array_equal(getattr(first, name), getattr(second, name), err_msg=name)
        assert first.reasons == second.reasons


def test_rows_that_say_too_little_say_what_lacks_and_spoil_no_others() -> None:
    answer = predict(row(), row(device="Abacus"), row(model="Unheard-Of"), row(device=""))
    assert np.isnan(answer.seconds).tolist() == [False, True, True, True]
    assert answer.kinds == ["call", "unknown", "unknown", "unknown"]
    assert "Abacus" in answer.reasons[1]
    assert "Unheard-Of" in answer.reasons[2]
    assert answer.seconds[0] == predict(row()).seconds[0]
    assert np.isnan(predict(row(device="Abacus")).seconds).all()


@pytest.mark.parametrize(
    ("model", "bytes_per_token"),
    [
        ("Llama-3-70B", 327_680),  # 2 x 80 layers x 8 heads x 128 x 2 bytes (Llama 3 paper, table 3)
        ("Llama-2-13b", 819_200),  # 800 KB a token of OPT-13B's shape (Kwon et al. 2023, section 3)
        (
            "DeepSeek-V3",
            70_272,
        ),  # 61 x (512 + 64) x 2 bytes: "70 KB" (DeepSeek-AI 2025, arXiv 2505.09343, table 1)
    ],
)
def test_the_cache_holds_what_papers_count(model: str, bytes_per_token: int) -> None:
    assert decoding.cache_bytes_per_token(calls(row(model=model)))[0] == bytes_per_token


def test_few_heads_are_kept_more_than_once() -> None:
    one = calls(*(row(model="Llama-3-70B", tp=tensor) for tensor in (1, 8, 16)))
    held = decoding.cache_bytes_per_token(one)
    assert held[1] == held[0] / 8.0
    assert held[2] == held[1]


def test_a_window_bounds_what_is_read() -> None:
    one = calls(row(seq_in=20_000, seq_out=1000), row(seq_in=100, seq_out=100))
    layers = one.networks.layers
    narrow = replace(one, networks=replace(one.networks, window=layers * 0.0 + 4096.0, window_layers=layers))
    per_token = decoding.cache_bytes_per_token(one)
    assert decoding.cache_read_bytes(narrow)[0] == pytest.approx(4096.0 * per_token[0])
    assert decoding.cache_read_bytes(narrow)[1] == pytest.approx(150.0 * per_token[1])
    fixed = calls(row(seq_in=100, seq_out=100, framework="Neuron"))
    assert decoding.cache_read_bytes(fixed)[0] == pytest.approx(200.0 * per_token[1])


def test_a_larger_batch_visits_more_experts_but_never_more_than_there_are() -> None:
    one = calls(row(model="Qwen3-30B-A3B"))
    shares = [decoding._touched(one.networks, np.array([float(tokens)]))[0] for tokens in (1, 8, 64, 4096)]
    assert shares[0] == pytest.approx(8 / 128)
    assert shares == sorted(shares)
    assert 0.999 < shares[-1] <= 1.0


def test_fewer_bits_a_weight_take_less_time_and_memory() -> None:
    answer = predict(*(row(precision=precision) for precision in ("bf16", "fp8", "w4a16")))
    assert answer.decode_s_per_token[0] > answer.decode_s_per_token[1] > answer.decode_s_per_token[2]
    assert answer.memory_bytes[0] > answer.memory_bytes[1] > answer.memory_bytes[2]


def test_python_starts_kernels_slowest() -> None:
    frameworks = ("Transformers", "FasterTransformer", "TensorRT-LLM")
    slow, fused, graph = predict(*(row(framework=name) for name in frameworks)).decode_s_per_token
    assert slow > fused > graph


def test_a_row_without_a_batch_is_a_server_that_chooses_it() -> None:
    served, fixed = predict(row(batch="")), predict(row(batch=64))
    assert served.kinds == ["serving"]
    assert served.tokens_per_s[0] > fixed.tokens_per_s[0]
    assert served.tokens_per_s[0] == pytest.approx(served.batch[0] * 128.0 / served.seconds[0])
    none = predict(row(model="Llama-3-70B", batch=""))
    assert not none.fits[0]
    assert "fit" in none.reasons[0]


@settings(max_examples=20, deadline=None)
@given(models, st.floats(0.05, 0.9), st.floats(0.0, 1.0))
def test_waiting_grows_with_the_load_and_has_no_end_beyond_what_the_server_bears(
    model: str, share: float, part: float
) -> None:
    one = calls(row(model=model, tp=8))
    best = generation.serving_throughput(one, CONSTANTS)
    bearable = best.tokens_per_s / one.output
    calm, busy, over = (
        generation.serving_latency(one, CONSTANTS, bearable * load) for load in (share * part, share, 1.01)
    )
    if best.batch[0] < 1:
        assert np.isinf(busy.first_token_s[0])
        return
    assert calm.first_token_s[0] <= busy.first_token_s[0] * (1 + 1e-6)
    assert calm.token_s[0] <= busy.token_s[0] * (1 + 1e-6)
    assert busy.utilization[0] == pytest.approx(share)
    # As many tokens come out as requests ask for (Little 1961), unless the host is idle.
    assert busy.running[0] == pytest.approx(share * bearable[0] * 128.0 * busy.token_s[0], rel=0.02)
    assert np.isinf(over.first_token_s[0])


def test_columns_can_be_taken() -> None:
    three = calls(*(row(model=model) for model in MODELS[:3]))
    taken = three.take(np.array([2, 0]))
    whole, part = (generation.generation_s(one, CONSTANTS).total_s for one in (three, taken))
    np.testing.assert_allclose(part, whole[[2, 0]])


@pytest.mark.parametrize(
    ("described", "measured_s"),
    [
        # FasterTransformer, docs/gpt_guide.md: A100-80GB, fp16.
        (row(model="GPT-20B", device="A100-SXM-80GB", framework="FasterTransformer", seq_in=60, seq_out=20),
         0.560),
        # AWS Neuron SDK 2.18, Inf2.48xlarge: 2048 steps of 34.9 ms after 0.81 s.
        (
            row(
                model="Llama-2-70b", device="Inf2.48xlarge NeuronCore-v2", framework="Transformers NeuronX",
                tp=24, gpus=24, seq_in=2048, seq_out=2048,
            ),
            72.3,
        ),
    ],
)  # fmt: skip
def test_published_latencies(described: dict[str, str], measured_s: float) -> None:
    assert predict(described).seconds[0] == pytest.approx(measured_s, rel=0.2)


def test_published_throughput() -> None:
    # TensorRT-LLM 1.0, docs/source/performance/perf-overview.md: fp8, 1000 tokens in and out.
    served = row(
        model="Llama 3.1 8B", precision="fp8", framework="TensorRT-LLM", batch="", seq_in=1000, seq_out=1000
    )
    assert predict(served).tokens_per_s[0] == pytest.approx(15_220, rel=0.2)


@dataclass
class Listed:
    cpu_vendor: str | None = "Intel"
    cpu_architecture: str | None = "x86_64"
    cpu_model: str | None = "8488C"
    cpu_ghz: float | None = 3.2
    isa: tuple[str, ...] | None = ("avx2", "avx512f", "avx512_vnni", "amx_int8")
    vcpus: int = 32
    physical_cores: int | None = 16
    memory_mt_per_s: float | None = 4800.0


CPU = {name: value for name, (value, _, _) in generation_cpu.ASSUMED.items()}
CPUS = {
    "amx": Listed(),
    "vnni": Listed(isa=("avx2", "avx512f", "avx512_vnni")),
    "graviton": Listed("AWS", "arm64", "Neoverse-V1", 2.6, ("asimddp", "i8mm"), 16, 16, None),
    "unknown": Listed(None, None, None, None, None, 8, None, None),
}


def on_cpu(**changes: object) -> generation_cpu.CpuTimes:
    base = {
        "instance_type": "amx",
        "model": "llama-7b.Q4_K_M.gguf",
        "n_threads": 16,
        "n_prompt": 0,
        "n_gen": 128,
    }
    one = {name: str(value) for name, value in (base | changes).items()}
    return generation_cpu.predict_cpu_rows([one], CPUS, architectures(), CPU)


@given(st.sampled_from(sorted(CPUS)), st.integers(1, 15), st.sampled_from([(0, 64), (512, 0), (128, 32)]))
@settings(max_examples=15, deadline=None)
def test_threads_help_a_large_network_as_long_as_there_are_cores(
    machine: str, threads: int, work: tuple[int, int]
) -> None:
    cores = CPUS[machine].physical_cores or 4
    base = {"instance_type": machine, "n_prompt": work[0], "n_gen": work[1]}
    few = on_cpu(**base, n_threads=min(threads, cores))
    more = on_cpu(**base, n_threads=min(threads + 1, cores))
    assert more.seconds[0] <= few.seconds[0] * (1 + 1e-9)


def test_processors_generate_no_faster_than_they_read_and_better_instructions_read_prompts_faster() -> None:
    rate = on_cpu().tokens_per_s[0]
    assert rate < 307e9 / 4.0e9  # eight channels at 4800 MT/s, 4.0 GB of weights
    amx, vnni = (
        on_cpu(instance_type=name, n_prompt=512, n_gen=0).tokens_per_s[0] for name in ("amx", "vnni")
    )
    assert amx > vnni > 0
    unknown = on_cpu(instance_type="none")
    assert np.isnan(unknown.seconds[0])
    assert "none" in unknown.reasons[0]
