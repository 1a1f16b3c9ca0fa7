"""Rows of published tables about language models that generate text: what each call or server takes.

In: rows as text, in the columns that such tables share (model, seq_in, seq_out, batch, gpus, device, tp,
pp, precision, framework, notes; blank: not stated). Out: seconds, tokens per second and bytes for each.
Measured columns are not read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewind.decide.prediction.architectures import architecture_of, transformer_from, transformer_like
from tradewind.decide.prediction.decoding import (
    ASSUMED,
    ENGINES,
    Constants,
    Generations,
    Responses,
    Service,
    Times,
    generation_s,
    largest_batch,
    memory_bytes,
    pass_terms_s,
    serving_latency,
    serving_throughput,
)
from tradewind.decide.prediction.devices import columns_of, device_of, devices_in, peak_of, precision_of
from tradewind.decide.prediction.transformers import Column, transformer_columns
from tradewind.domain.architecture import Transformer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tradewind.domain.architecture import Architecture
    from tradewind.domain.device import Device

__all__ = [
    "ASSUMED",
    "ENGINES",
    "Call",
    "Constants",
    "Generated",
    "Generations",
    "Responses",
    "Service",
    "Times",
    "call_of",
    "engine_of",
    "generation_s",
    "generations_of",
    "largest_batch",
    "memory_bytes",
    "predict_rows",
    "serving_latency",
    "serving_throughput",
]

PROMPT_TOKENS: Final = 512.0
OUTPUT_TOKENS: Final = 128.0
"""Where a row does not state them."""
_MAX_BATCH: Final = (("vllm|sglang", 1024.0), ("tgi|text-generation-inference|lmdeploy|llama.?cpp", 256.0))
"""Most requests that engines run together by default, where it is less than 2048 (TensorRT-LLM)."""
_ENGINES: Final = (
    (r"neuron|jetstream|maxtext|xla|\btpu\b|saxml|pax\b|habana|optimum-habana", "static"),
    (r"tensorrt|trt|vllm|sglang|lmdeploy|turbomind|\btgi\b|text-generation-inference", "graph"),
    (r"nim\b|mlc|exllama|compile|graph", "graph"),
    (r"fastertransformer|deepspeed|ctranslate|llama\.?cpp|ggml|orca\b|flexgen", "fused"),
    (r"transformers|hugging|\bhf\b|eager|accelerate|pytorch|torch|bitsandbytes", "eager"),
)


@dataclass(frozen=True)
class Generated:
    """The answers to n rows, each (n,); NaN where a row lacks too much."""

    seconds: Column
    """Of the whole call, prompt and all tokens; of a server, of a request among those that run together."""
    prefill_s: Column
    decode_s_per_token: Column
    tokens_per_s: Column
    """Answered, of all devices together."""
    memory_bytes: Column
    """Of the fullest device."""
    batch: Column
    """Requests that run together."""
    fits: NDArray[np.bool_]
    reasons: list[str]
    """What dominates, or why there is no answer."""
    kinds: list[str]
    """call: a batch that starts and ends together; serving: continuous batching; unknown."""


def engine_of(text: str, device: Device) -> str:
    """Which of `ENGINES` a framework is; unknown ones replay graphs on GPUs and are compiled elsewhere.

    >>> from tradewind.files.sheets import devices
    >>> engine_of("vLLM 0.6", device_of("H100", devices())), engine_of("", device_of("TPU v5e", devices()))
    ('graph', 'static')
    """
    for pattern, name in _ENGINES:
        if re.search(pattern, text.lower()):
            return name
    return "graph" if device.kind == "gpu" else "static"


@dataclass(frozen=True)
class Call:
    """One row, understood."""

    network: Transformer
    device: Device
    precision: str
    engine: str
    batch: float
    """0: the engine chooses."""
    prompt: float
    output: float
    tensor: float
    pipeline: float
    replicas: float
    most: float
    cache_bytes: float


def call_of(
    row: Mapping[str, str], devices: Sequence[Device], architectures: Sequence[Architecture]
) -> Call | str:
    """The call that a row describes, or why it can't be told."""
    text = row.get("device") or row.get("gpu_type") or row.get("accelerator") or row.get("instance") or ""
    device = device_of(text, devices)
    if device is None:
        return f"{text or 'no device'}: not in the sheet of devices"
    name = row.get("model") or ""
    known = architecture_of(name, architectures)
    if known is not None and not isinstance(known, Transformer):
        return f"{name}: does not generate text"
    network = (transformer_from(row, like=known) if known else transformer_from(row)) or known
    parameters = _number(row, "params", "n_params")
    if network is None and parameters:
        network = transformer_like(parameters, name=name)
    if network is None:
        return f"{name or 'no model'}: not a known network; state its params, or layers and hidden"
    words = " ".join(row.get(column) or "" for column in ("framework", "family", "notes"))
    engine = engine_of(words, device)
    precision = row.get("precision") or "bf16"
    arithmetic = precision_of(precision)
    pipeline = _number(row, "pp") or 1.0
    gpus = _number(row, "gpus") or 0.0
    tensor = _number(row, "tp") or max(1.0, (gpus or float(devices_in(text))) // pipeline)
    offered = bool(re.search(r"throughput|offline|max.?rate|saturat|continuous|in.?flight", words.lower()))
    batch = _number(row, "batch") or (0.0 if engine == "graph" or offered else 1.0)
    most = next((most for pattern, most in _MAX_BATCH if re.search(pattern, words.lower())), 2048.0)
    narrow = arithmetic.compute in ("fp8", "fp4", "int8") and engine == "graph"
    return Call(
        network=network,
        device=device,
        precision=precision,
        engine=engine,
        batch=batch,
        prompt=_number(row, "seq_in", "seq") or PROMPT_TOKENS,
        output=_number(row, "seq_out") or OUTPUT_TOKENS,
        tensor=tensor,
        pipeline=pipeline,
        replicas=max(1.0, gpus // (tensor * pipeline)),
        most=most,
        cache_bytes=1.0 if narrow else max(arithmetic.activation_bytes, 2.0),
    )


def _number(row: Mapping[str, str], *names: str) -> float:
    for name in names:
        try:
            value = float(row.get(name) or 0.0)
        except ValueError:
            continue
        if value > 0:
            return value
    return 0.0


def generations_of(calls: Sequence[Call]) -> Generations:
    """The columns of some calls, one row each."""
    words = [precision_of(call.precision) for call in calls]

    def column(values: list[float]) -> Column:
        return np.array(values, dtype=np.float64)

    return Generations(
        networks=transformer_columns([call.network for call in calls]),
        devices=columns_of([call.device for call in calls], [call.precision for call in calls]),
        attention_flops_per_s=column([
            peak_of(call.device, "fp32" if word.compute == "fp32" else "bf16")
            for call, word in zip(calls, words, strict=True)
        ]),
        batch=column([max(call.batch, 1.0) for call in calls]),
        prompt=column([call.prompt for call in calls]),
        output=column([call.output for call in calls]),
        tensor=column([call.tensor for call in calls]),
        pipeline=column([call.pipeline for call in calls]),
        weight_bytes=column([
            word.activation_bytes if word.mixed else word.weight_bytes for word in words
        ]),
        narrow=column([float(word.compute in ("fp8", "fp4", "int8")) for word in words]),
        cache_bytes=column([call.cache_bytes for call in calls]),
        activation_bytes=column([max(word.activation_bytes, 2.0) for word in words]),
        engine=column([float(ENGINES.index(call.engine)) for call in calls]),
        max_batch=column([call.most for call in calls]),
        split_attention=np.ones(len(calls)),
    )  # fmt: skip


def predict_rows(
    rows: Sequence[Mapping[str, str]],
    devices: Sequence[Device],
    architectures: Sequence[Architecture],
    constants: Constants,
) -> Generated:
    """What each row's call takes; of rows without a batch, what a server that chooses it takes and yields.

    >>> from tradewind.decide.prediction.fitted import assumed
    >>> from tradewind.files.sheets import architectures, devices
    >>> row = {"model": "Llama-3-8B", "device": "H100", "seq_in": "512", "seq_out": "128", "batch": "1",
    ...        "precision": "bf16", "framework": "vLLM"}
    >>> values = {name: one.value for name, one in assumed().constants.items()}
    >>> answer = predict_rows([row], devices(), architectures(), values)
    >>> bool(0.005 < answer.decode_s_per_token[0] < 0.009)  # 16 GB of weights at 3.35 TB/s take 0.0048
    True
    """
    n = len(rows)
    understood = [call_of(row, devices, architectures) for row in rows]
    places = [place for place, call in enumerate(understood) if isinstance(call, Call)]
    chosen = [call for call in understood if isinstance(call, Call)]
    blank = np.full(n, np.nan)
    answer = Generated(
        blank, blank.copy(), blank.copy(), blank.copy(), blank.copy(), blank.copy(), np.zeros(n, dtype=bool),
        ["" if isinstance(call, Call) else call for call in understood], ["unknown"] * n,
    )  # fmt: skip
    if not chosen:
        return answer
    calls = generations_of(chosen)
    served = np.array([call.batch == 0.0 for call in chosen])
    times = generation_s(calls, constants)
    service = serving_throughput(calls, constants)
    batch = np.where(served, service.batch, calls.batch)
    at_batch = replace(calls, batch=np.maximum(batch, 1.0))
    step_s = np.where(served, service.step_s, times.decode_s_per_token)
    seconds = np.where(served, np.where(batch > 0, service.step_s, np.nan) * calls.output, times.total_s)
    replicas = np.array([call.replicas for call in chosen])
    answer.seconds[places] = seconds
    answer.prefill_s[places] = np.where(served, service.prefill_s, times.prefill_s)
    answer.decode_s_per_token[places] = step_s
    answer.tokens_per_s[places] = batch * calls.output / seconds * replicas
    held = memory_bytes(at_batch, constants)
    answer.memory_bytes[places] = held
    answer.batch[places] = batch
    answer.fits[places] = np.where(served, batch > 0, held <= calls.devices.memory_bytes)
    none = np.zeros_like(batch)
    terms = pass_terms_s(at_batch, constants, prefilled=none, running=at_batch.batch)
    for i, place in enumerate(places):
        answer.kinds[place] = "serving" if served[i] else "call"
        answer.reasons[place] = _reason(chosen[i], terms, i, float(batch[i]), bool(served[i]))
    return answer


def _reason(call: Call, terms: Mapping[str, Column], i: int, batch: float, served: bool) -> str:
    if served and batch < 1:
        return "the weights and one request do not fit into the memory of the devices"
    whole = sum(float(term[i]) for term in terms.values())
    largest = sorted(terms, key=lambda name: -float(terms[name][i]))[:3]
    parts = ", ".join(f"{name} {float(terms[name][i]) / whole:.0%}" for name in largest)
    chosen = f"{batch:.0f} requests together, the best that fit" if served else f"batch {batch:.0f}"
    return f"{call.engine} engine, {chosen}; a decode step: {parts}"
