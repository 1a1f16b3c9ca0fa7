"""The time of one pass of whole sequences through a transformer whose shape is known: encoders, and decoders that score.

Each layer is its products, its attention and the elementwise work between; the sum is bound by the device, or by the
host that starts its kernels. Everything is columns: (n,), one row a call.

Sources: Vaswani et al. 2017; Fang et al. 2021, "TurboTransformers" (kernels of a layer before and after fusion);
Ivanov et al. 2021, "Data Movement Is All You Need" (elementwise traffic).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tradewind.decide.prediction.architectures import architecture_of, transformer_from
from tradewind.decide.prediction.collectives import all_reduce_s
from tradewind.decide.prediction.devices import columns_of, device_of, devices_in, precision_of
from tradewind.decide.prediction.jobs import number
from tradewind.decide.prediction.kernels import attention_s, gemm_s, memory_bound_s
from tradewind.decide.prediction.transformers import TransformerColumns, transformer_columns
from tradewind.domain.architecture import Transformer
from tradewind.domain.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewind.decide.prediction.devices import DeviceColumns
    from tradewind.domain.architecture import Architecture
    from tradewind.domain.device import Device

__all__ = [
    "ASSUMED",
    "EncoderCalls",
    "EncoderRead",
    "encoder_calls_of",
    "encoder_forward_s",
    "encoder_memory_bytes",
    "encoder_step_s",
    "encoder_training_memory_bytes",
]

OPERAND_BYTES: Final = {
    "fp32": 4.0,
    "tf32": 4.0,
    "fp16": 2.0,
    "bf16": 2.0,
    "fp8": 1.0,
    "int8": 1.0,
    "fp4": 0.5,
}
"""Of one number as it is multiplied, by precision."""

Column = NDArray[np.float64]
Truths = NDArray[np.bool_]


@dataclass(frozen=True)
class EncoderCalls:
    """Calls of transformers, one a row."""

    networks: TransformerColumns
    batch: Column
    """Sequences on each device."""
    tokens: Column
    """Of one sequence, as padded."""
    real: Column
    """Share of the tokens that is computed: less than 1 where padding is removed."""
    copies: Column
    """Networks that share the device, each with a batch of its own."""
    weight_bytes: Column
    word_bytes: Column
    """Of one activation between operators."""
    operand_bytes: Column
    """Of one number as multiplied."""
    tf32: Truths
    head: Truths
    """The vocabulary's logits are computed for each token."""
    engine: Truths
    """Hand-fused or compiled by an inference engine (FasterTransformer, TensorRT, Neuron)."""
    tuned: Truths
    """Its vendor's own script, with norms, biases and masks in hand-written kernels."""
    graph: Truths
    """A graph executor starts the kernels (TensorFlow, XLA), not Python."""
    fused_attention: Truths
    """Scores stay on the chip."""
    remembers: Truths
    """Attends to the segment before too, by relative positions (Transformer-XL)."""

    def __len__(self) -> int:
        return len(self.batch)

    def take(self, rows: NDArray[np.intp] | Truths) -> EncoderCalls:
        """Some of the rows, in the order asked."""
        values: dict[str, Any] = {
            field.name: getattr(self, field.name)[rows] for field in fields(self) if field.name != "networks"
        }
        return EncoderCalls(networks=self.networks.take(np.asarray(rows)), **values)


_CALLS: Final = "fitted 2026-11 on NVIDIA/FasterTransformer@df4a753 and sitar-lab/NeuSight@6945927"
NEURON: Final = (
    "fitted 2026-11 on the convolutional networks, vision transformers and encoders of aws-neuron-sdk@81ce03ae "
    "(Inferentia 1 and 2)"
)
_STEPS: Final = "fitted 2026-11 on lambdal/deeplearning-benchmark@0551cb70"

ASSUMED: Final[dict[str, tuple[float, float, str]]] = {
    "layer_words": (
        44.9,
        5.7,
        _CALLS + ": biases, two norms, two residuals and four transpositions, in the width",
    ),
    "inner_words": (4.02, 0.13, _CALLS + ": bias and activation of the MLP, in its width"),
    "score_words": (12.1, 0.37, _CALLS + ": scale, mask and softmax of the scores"),
    "engine_score_words": (5.94, 0.71, _CALLS + ": scale, mask and softmax in one kernel"),
    "tf32_ratio": (0.803, 0.015, _CALLS + ": tf32 products reach less of their peak than 16-bit ones"),
    "engine_words_ratio": (0.756, 0.066, _CALLS + ": norms, residuals and biases in one kernel"),
    "on_chip_ratio": (0.03, 0.03, NEURON + ": activations that leave the chip of a TPU or NPU"),
    "npu_matrix_ratio": (0.56, 0.06, NEURON + ": of what other devices' matrix units reach of their peak"),
    "npu_call_s": (2.5e-4, 5e-5, NEURON + ": one call of a compiled graph"),
    "layer_kernels": (26.9, 5.2, _CALLS + ": without fusion"),
    "engine_kernels_ratio": (0.652, 0.042, _CALLS + ": with attention that no kernel fuses"),
    "cold_product_ratio": (
        1.11,
        0.022,
        _CALLS + ": products between other work, to products that a test repeats",
    ),
    "fused_attention_kernels_ratio": (0.685, 0.029, _CALLS + ": one kernel for two products and a softmax"),
    "unaligned_ratio": (0.132, 0.026, _CALLS + ": products of odd rows at 16 bits, without padding"),
    "quantized_kernels_ratio": (1.52, 0.067, _CALLS + ": scaling to and from 8 bits has kernels of its own"),
    "python_start_s": (1.46e-05, 2.9e-06, _CALLS + ": from Python, for each kernel"),
    "executor_start_s": (
        7.86e-06,
        1.6e-06,
        _CALLS + ": from a graph executor or a C++ loop, for each kernel",
    ),
    "host_speed_per_year": (
        1.25,
        0.027,
        _CALLS
        + ": hosts are bought with their devices; from 2020. Rests on few hosts: the T4 of that guide had one of 2012",
    ),
    "encoder_backward_ratio": (2.16, 0.047, _STEPS + ": gradients of inputs and of weights"),
    "encoder_exposed_ratio": (
        0.501,
        0.021,
        _STEPS + ": part of the reduction that the backward pass does not hide",
    ),
    "encoder_optimizer_bytes": (28, 0.58, _STEPS + ": Adam in fp32: four reads, three writes"),
}
"""Constants of encoders: value, standard error, source."""


def encoder_forward_s(calls: EncoderCalls, device: DeviceColumns, constants: Mapping[str, float]) -> Column:
    """Seconds of one call: `calls.copies` networks, each with `calls.batch` sequences, on one device."""
    work = _forward_work_s(calls, device, constants)
    return _with_starts(calls, device, constants, work, 1.0)


def _forward_work_s(calls: EncoderCalls, device: DeviceColumns, constants: Mapping[str, float]) -> Column:
    c, net = constants, calls.networks
    slower = np.where(calls.tf32, c["tf32_ratio"], 1.0) * np.where(device.is_npu, c["npu_matrix_ratio"], 1.0)
    device = replace(device, peak_flops_per_s=device.peak_flops_per_s * slower)
    sequences = calls.batch * calls.copies
    rows = sequences * calls.tokens * calls.real
    width = net.heads * net.head_dim
    kept = np.where(net.kv_heads > 0, net.kv_heads, net.heads) * net.head_dim

    def product(k: Column, n: Column, times: Any = 1.0) -> Any:
        return gemm_s(
            times * rows, k, n, device, c,
            bytes_a=calls.operand_bytes, bytes_b=calls.weight_bytes, bytes_c=calls.word_bytes,
        )  # fmt: skip

    inner = np.where(net.experts > 0, net.expert_ffn * np.maximum(net.experts_per_token, 1.0), net.ffn)
    # What is remembered is projected again.
    twice = np.where(calls.remembers, 2.0, 1.0)
    products = product(net.hidden, width + 2.0 * kept, twice) + product(width, net.hidden)
    products += product(net.hidden, inner * (1.0 + net.gated)) + product(inner, net.hidden)
    fusion = np.where(calls.engine | calls.tuned, c["engine_words_ratio"], 1.0)
    words = c["layer_words"] * net.hidden + c["inner_words"] * inner
    # Chips for networks hold activations in memory that the compiler manages.
    fusion = fusion * np.where(device.is_npu | device.is_tpu, c["on_chip_ratio"], 1.0)
    elementwise = memory_bound_s(rows * words * fusion * calls.word_bytes, device, c)
    layer = c["cold_product_ratio"] * products + _attention_s(calls, device, c) + elementwise
    # An adaptive softmax computes the frequent words of each token, and few of the others (Grave et al. 2017).
    vocab = np.where(calls.remembers, np.minimum(net.vocab, _FREQUENT_WORDS), net.vocab)
    head = np.where(calls.head, product(net.hidden, vocab), 0.0)
    return np.asarray(net.layers * layer + head)


def _attention_s(calls: EncoderCalls, device: DeviceColumns, constants: Mapping[str, float]) -> Any:
    """One layer's: scores on the chip at 16 bits, or written and read between its operators."""
    c, net = constants, calls.networks
    sequences = calls.batch * calls.copies
    # Only fused attention skips padding; the other computes the rectangle.
    tokens = calls.tokens * np.where(calls.fused_attention, calls.real, 1.0)
    kept = np.where(net.kv_heads > 0, net.kv_heads, net.heads)
    fused = attention_s(
        sequences, net.heads, kept, tokens, tokens, net.head_dim, device, c,
        causal=net.causal, flash=np.ones(len(calls)), backward=False,
    )  # fmt: skip
    groups, each = sequences * net.heads, {"bytes_a": calls.word_bytes, "bytes_b": calls.word_bytes}
    keys = tokens * np.where(calls.remembers, 2.0, 1.0)
    scored = gemm_s(tokens, net.head_dim, keys, device, c, batch=groups, bytes_c=calls.word_bytes, **each)
    mixed = gemm_s(tokens, keys, net.head_dim, device, c, batch=groups, bytes_c=calls.word_bytes, **each)
    # Positions are scored apart, and shifted into place (Dai et al. 2019, appendix B).
    plain = scored * np.where(calls.remembers, 2.0, 1.0) + mixed
    # Matrix units take rows of 16 bytes: 577 tokens of 2 bytes fit none, and only engines pad them.
    odd = (calls.operand_bytes == 2.0) & (np.mod(tokens, 8.0) != 0) & ~calls.engine & device.has_matrix_units
    plain = plain / np.where(odd, c["unaligned_ratio"], 1.0)
    scores = groups * tokens * keys * calls.word_bytes * np.where(calls.remembers, 2.0, 1.0)
    words = np.where(calls.engine | calls.tuned, c["engine_score_words"], c["score_words"])
    plain = plain + memory_bound_s(words * scores, device, c)
    return np.where(calls.fused_attention, fused, plain)


def _with_starts(
    calls: EncoderCalls, device: DeviceColumns, constants: Mapping[str, float], work_s: Column, passes: float
) -> Column:
    c = constants
    kernels = passes * calls.networks.layers * c["layer_kernels"]
    kernels = kernels * np.where(calls.engine, c["engine_kernels_ratio"], 1.0)
    kernels = kernels * np.where(calls.fused_attention, c["fused_attention_kernels_ratio"], 1.0)
    kernels = kernels * np.where(calls.operand_bytes < 2.0, c["quantized_kernels_ratio"], 1.0)
    start = np.where(calls.graph | calls.engine, c["executor_start_s"], c["python_start_s"])
    start = start * c["host_speed_per_year"] ** np.clip(2020.0 - device.year, -4.0, 4.0)
    host = np.where(device.is_gpu, kernels * start, 0.0)
    # A chip that runs a compiled graph is called once.
    work_s = work_s + np.where(device.is_npu, c["npu_call_s"], 0.0)
    return np.asarray((work_s**4 + host**4) ** 0.25)


def encoder_step_s(
    calls: EncoderCalls,
    device: DeviceColumns,
    constants: Mapping[str, float],
    *,
    devices: Column,
    optimizer: Truths,
) -> Column:
    """Seconds of one step of synchronous data-parallel training on `devices` in all, each with `calls.batch`."""
    c = constants
    work = (1.0 + c["encoder_backward_ratio"]) * _forward_work_s(calls, device, c)
    step = _with_starts(calls, device, c, work, 3.0)
    weights = calls.networks.parameters
    step = step + np.where(optimizer, memory_bound_s(c["encoder_optimizer_bytes"] * weights, device, c), 0.0)
    reduction = all_reduce_s(
        calls.word_bytes * weights, devices, np.minimum(devices, device.devices_per_machine), device, c
    )
    return np.asarray(step + c["encoder_exposed_ratio"] * reduction)


def encoder_memory_bytes(calls: EncoderCalls, constants: Mapping[str, float]) -> Column:
    """Memory that inference needs on one device: weights, the widest activations, scores, and libraries."""
    net = calls.networks
    rows = calls.batch * calls.tokens * calls.real
    widest = rows * (4.0 * net.hidden + np.maximum(net.ffn * (1.0 + net.gated), 3.0 * net.hidden))
    scores = np.where(calls.fused_attention, 0.0, 2.0 * rows * calls.tokens * calls.real * net.heads)
    logits = np.where(calls.head, rows * net.vocab, 0.0)
    live = (widest + scores + logits) * calls.word_bytes
    held = calls.copies * (net.parameters * calls.weight_bytes + live)
    return np.asarray(held + constants["workspace_bytes"])


def encoder_training_memory_bytes(calls: EncoderCalls, constants: Mapping[str, float]) -> Column:
    """Memory that training needs on one device: weights, gradients and Adam's states, and activations of all layers.

    Activations as Korthikanti et al. 2022 count them: 34 bytes a width and 5 a score and head, at 16 bits.
    """
    net = calls.networks
    rows = calls.batch * calls.tokens
    scores = np.where(calls.fused_attention, 0.0, 5.0 * net.heads * calls.tokens)
    kept = rows * net.layers * (34.0 * net.hidden + scores) * calls.word_bytes / 2.0
    logits = np.where(calls.head, 4.0 * rows * net.vocab, 0.0)
    return np.asarray(16.0 * net.parameters + kept + logits + constants["workspace_bytes"])


# ---- Rows of published tables


class EncoderRead(NamedTuple):
    """Rows of a table as calls; one element for each row that could be read, whose place is in `rows`."""

    rows: NDArray[np.intp]
    calls: EncoderCalls
    device: DeviceColumns
    devices: Column
    training: Truths
    optimizer: Truths
    """Whether a step has one, or is the two passes alone."""
    units: Column
    """What a table counts in one sequence: 1, or its tokens."""
    unknown: tuple[tuple[str, ...], ...]
    reasons: dict[int, str]


class _One(NamedTuple):
    network: Transformer
    device: Device
    compute: str
    columns: dict[str, float]
    unknown: tuple[str, ...]


def encoder_calls_of(
    rows: Sequence[Mapping[str, str]], devices: Sequence[Device], architectures: Sequence[Architecture]
) -> EncoderRead:
    """Calls of transformers that rows of published tables describe; measured columns are never read.

    Columns: model, layers, hidden, heads, seq_in or img_size, batch, gpus, device, precision, framework, notes.
    """
    reasons: dict[int, str] = {}
    read: list[_One] = []
    places: list[int] = []
    device_texts = {row.get("device") or row.get("gpu_type") or "" for row in rows}
    known_devices = {text: device_of(text, devices) for text in device_texts}
    known_networks = {
        name: architecture_of(name, architectures) for name in {row.get("model") or "" for row in rows}
    }
    for place, row in enumerate(rows):
        text = row.get("device") or row.get("gpu_type") or ""
        one = _call_of(row, text, known_devices[text], known_networks[row.get("model") or ""])
        if isinstance(one, str):
            reasons[place] = one
        else:
            read.append(one)
            places.append(place)
    names = [field.name for field in fields(EncoderCalls) if field.name != "networks"]
    values = {
        name: np.array([one.columns[name] for one in read], dtype=np.float64) for name in (*names, *_BESIDE)
    }
    truths = ("tf32", "head", "engine", "tuned", "graph", "fused_attention", "remembers")
    columns: dict[str, Any] = {n: values[n] > 0 if n in truths else values[n] for n in names}
    return EncoderRead(
        np.array(places, dtype=np.intp),
        EncoderCalls(networks=transformer_columns([one.network for one in read]), **columns),
        columns_of([one.device for one in read], [one.compute for one in read]),
        values["devices"],
        values["training"] > 0,
        values["optimizer"] > 0,
        values["units"],
        tuple(one.unknown for one in read),
        reasons,
    )


_BESIDE: Final = ("devices", "training", "optimizer", "units")
_PATCH: Final = 16.0
"""Edge of a vision transformer's patch where the name does not say it."""
_USUAL_TOKENS: Final = 128.0
_SEGMENT: Final = 192.0
"""Tokens of a segment of Transformer-XL, and of the one that it remembers (NVIDIA DeepLearningExamples, base)."""
_FREQUENT_WORDS: Final = 20e3
"""The first cut of its adaptive softmax on WikiText-103 (likewise)."""
_TWO_STACKS: Final = ("switch",)
"""Families with as many layers in an encoder as in a decoder."""
_FILLED: Final = 0.8
"""Part of the memory that whoever trains fills."""
_FUSED_TOKENS: Final = 512.0
"""The longest sequence of the fused attention of FasterTransformer: assumed, between the 384 tokens of its BERT guide
and the 577 of its ViT guide, whose times are those of written scores."""
_ENGINES: Final = ("tensorrt", "trt", "neuron", "onnxruntime", "openvino", "fastertransformer", "fusion")


def _call_of(
    row: Mapping[str, str], device_text: str, device: Device | None, known: Architecture | None
) -> _One | str:
    name = row.get("model") or ""
    if device is None:
        return f"{device_text or 'no device'}: this device is not in the sheet of devices"
    network = _network_of(row, known)
    if network is None:
        return f"{name or 'no model'}: its layers and width are not known"
    missing = []
    try:
        arithmetic = precision_of(row.get("precision") or "fp16")
    except InputError as error:
        return str(error)
    if not row.get("precision"):
        missing.append("precision")
    compute = row.get("precision") or "fp16"
    if device.kind == "npu" and arithmetic.compute in ("fp32", "tf32"):
        # Compilers for such chips cast fp32 to bf16.
        compute, arithmetic = "bf16", precision_of("bf16")
    batch = number(row, "batch", "batch_per_gpu", "micro_batch")
    training = "train" in f"{row.get('family') or ''} {row.get('notes') or ''}".lower()
    if batch is None:
        missing.append("batch")
    tokens = number(row, "seq_in", "seq")
    edge = number(row, "img_size")
    if tokens is None and edge is not None:
        patch = re.search(r"(?:patch|[_/-])(8|14|16|32)(?:\D|$)", name.lower())
        tokens = (edge // (float(patch[1]) if patch else _PATCH)) ** 2 + 1.0
    if tokens is None:
        stated = re.search(r"sequence-length=(\d+)", row.get("precision") or "")
        tokens = float(stated[1]) if stated else 384.0 if "squad" in name.lower() else None
    remembers = "transformer-xl" in network.family
    if tokens is None:
        tokens = _SEGMENT if remembers else _USUAL_TOKENS
        missing.append("sequence length")
    framework = (row.get("framework") or "").lower()
    text = f"{framework} {row.get('notes') or ''}".lower()
    column = re.search(r'column "([^"]*)"', framework)
    shown = column[1] if column else framework
    engine = device.kind in ("npu", "tpu") or any(w in (shown if column else text) for w in _ENGINES)
    engine = engine or bool(re.search(r"(^|[- ])ft\b|\bcpp\b|torch op|plugin", shown))
    word = arithmetic.activation_bytes
    if arithmetic.compute == "int8" and "v1" in (row.get("precision") or ""):
        word = 2.5  # 32-bit sums are written, and read again where they are scaled down.
    narrow = arithmetic.compute not in ("fp32", "tf32")
    columns = {
        "batch": batch or (_usual_batch(network, device, tokens) if training else 1.0),
        "tokens": tokens,
        "real": 0.5 if "length is seq_len/2" in text else 1.0,
        "copies": float(device.units or 1) if device.kind == "npu" else 1.0,
        # Autocast computes with 16-bit weights, and so does Neuron's compiler with those of fp32.
        "weight_bytes": min(arithmetic.weight_bytes, 2.0)
        if arithmetic.mixed or device.kind == "npu"
        else arithmetic.weight_bytes,
        "word_bytes": word,
        "operand_bytes": OPERAND_BYTES[arithmetic.compute],
        "tf32": float(arithmetic.compute == "tf32"),
        "head": float(bool(network.causal and network.vocab) and not edge),
        "engine": float(engine),
        "tuned": float(
            not remembers
            and any(
                w in f"{text} {(row.get('family') or '').lower()}" for w in ("nvidia-dle", "ngc", "mlperf")
            )
        ),
        "graph": float("tf" in shown or "tensorflow" in text or "xla" in text),
        "fused_attention": float(narrow and engine and (tokens <= _FUSED_TOKENS or not column)),
        "remembers": float(remembers),
        "devices": (number(row, "gpus") or 1.0) * devices_in(device_text),
        "training": float(training),
        "units": tokens if "tok/s" in text else 1.0,
        "optimizer": float(training and "mode=train" not in text),
    }
    return _One(network, device, compute, columns, tuple(missing))


def _usual_batch(network: Transformer, device: Device, tokens: float) -> float:
    """The largest power of two of sequences that fits when training fills most of a device's memory."""
    weights = 12.0 * network.layers * network.hidden**2 + network.vocab * network.hidden
    each = tokens * network.layers * (34.0 * network.hidden + 5.0 * network.heads * tokens)
    fits = max((_FILLED * device.memory_bytes - 16.0 * weights) / each, 1.0)
    return float(2.0 ** np.floor(np.log2(fits)))


def _network_of(row: Mapping[str, str], known: Architecture | None) -> Transformer | None:
    """The row's own shape, else that of the architecture of its name."""
    if number(row, "layers") and number(row, "hidden"):
        shape = {
            key: row[key]
            for key in ("layers", "hidden", "heads", "kv_heads", "vocab", "model")
            if row.get(key)
        }
        if isinstance(known, Transformer):
            # Of an encoder with a decoder, tables may state one of the two.
            if known.family in _TWO_STACKS and known.layers == 2.0 * float(row["layers"]):
                return known
            return transformer_from(shape, like=known)
        return transformer_from(shape)
    return known if isinstance(known, Transformer) else None
