"""The time of one call, and of one training step, of a network that is known by its counts.

A count of multiply-adds, of activations (elements that convolutions and matrix products write) and of weights says
most of what a network costs; the rest is the style of its blocks: how many reads and writes stand round each product,
and how well its products fill matrix units. `forward_s` adds three things: products, bound by arithmetic or by their
own traffic; elementwise work round them, bound by memory, which compilers fuse; and the start of kernels, bound by the
host or by the device. Everything is columns: (n,), one row a call.

Sources: Williams et al. 2009 (roofline); Ivanov et al. 2021, "Data Movement Is All You Need" (elementwise traffic of
training); Dollar et al. 2021, "Fast and Accurate Model Scaling" (time follows activations).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tradewind.decide.prediction.architectures import architecture_of
from tradewind.decide.prediction.collectives import all_reduce_s
from tradewind.decide.prediction.devices import columns_of, device_of, devices_in, precision_of
from tradewind.decide.prediction.encoders import (
    NEURON,
    OPERAND_BYTES,
    encoder_calls_of,
    encoder_forward_s,
    encoder_memory_bytes,
    encoder_step_s,
    encoder_training_memory_bytes,
)
from tradewind.decide.prediction.jobs import number
from tradewind.decide.prediction.kernels import sustained_ratio
from tradewind.domain.architecture import Counted, Recommender, Transformer
from tradewind.domain.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewind.decide.prediction.devices import DeviceColumns
    from tradewind.domain.architecture import Architecture
    from tradewind.domain.device import Device

__all__ = [
    "ASSUMED",
    "STYLES",
    "Calls",
    "Predicted",
    "Read",
    "calls_of",
    "forward_s",
    "memory_bytes",
    "predict_rows",
    "score_share",
    "style_of",
    "training_memory_bytes",
    "training_step_s",
]

Column = NDArray[np.float64]
Truths = NDArray[np.bool_]

# ---- Styles of blocks

STYLES: Final = ("dense", "gated", "grouped", "mobile", "convnext", "concat", "vit", "window", "recurrent")
"""dense: plain convolutions; gated: with squeeze-and-excitation or other gates of channels; grouped: grouped
convolutions; mobile: inverted bottlenecks round depthwise convolutions; convnext: large depthwise convolutions, layer
norms and MLPs; concat: blocks that join many branches; vit: attention among all tokens, or other mixing of tokens;
window: attention in windows, or stages of convolution and attention; recurrent: steps in time that wait for each
other."""

_FAMILIES: Final[dict[str, str]] = {
    "dense": "resnet xception vgg repvgg darknet resnetv2 wide alexnet unet yolo ssd openpose resnetblur resnetaa retinanet"
    " 3d-unet waveglow deeplab fcn faster mask",
    "gated": "seresne ecaresne regnety resnetrs gcresne senet eca gernet tresnet sedarknet selecsls-se",
    "grouped": "resnext se-resnext seresnext regnetx resnest nfnet eca_nfnet skresne cspresnext ecaresnext gcresnext"
    " eca_resnext regnetv wide_resnext nf_",
    "mobile": "mobile efficientnet mnasnet semnasnet fbnet lcnet tinynet hardcorenas ghost repghost mixnet"
    " rexnet nasnet pnasnet spnas efficientvit repvit fastvit starnet shvit swiftformer regnetz eca_efficient"
    " gc_efficient shufflenet quartznet",
    "convnext": "convnext mambaout convformer poolformer metaformer inception_next convmixer rdnet",
    "concat": "densenet dla hrnet vovnet inception googlenet dpn selecsls cs3 csp hardnet res2ne hgnet squeezenet",
    "vit": "vit deit beit eva cait xcit mixer gmixer gmlp resmlp volo flexivit samvit aimv naflexvit convit sequencer"
    " tnt crossvit pit sam2_hiera clip siglip dinov visformer bert transformer perceiver conformer",
    "window": "swin maxvit maxxvit coatn coat twins nest pvt mvit gcvit davit focal levit nextvit efficientformer"
    " mobilevit tiny_vit edgenext caformer hiera halo bat_ lambda lamhalo bot sebot efficientvit_m iformer"
    " eca_halo eca_bot sehalo stable pixart",
    "recurrent": "gnmt lstm gru rnn tacotron deepspeech",
}
"""First letters of families' names; the longest that fits decides."""
_PREFIXES: Final = ("tf_", "legacy_", "dm_", "jx_", "ese_", "test_", "gluon_", "tv_", "adv_")
_LONG_CHAINS: Final = (
    "convnextv2 convformer caformer poolformer cait nfnet nf_ eca_nfnet densenet mixnet ghost nest coat_ hiera xcit"
    " convmixer swinv2_t swinv2_s swinv2_b swinv2_l volo mvit csatv vit_relpos mixer resmlp convit tnt visformer skres"
)
"""Families with long chains of elementwise work round each product: normalised weights or responses, scaled residuals,
gathered inputs, attention that no fused kernel computes."""
_GROUP_NORMS: Final = r"_gn|evo|frn|_bit|[a-z]_r\d+_s\d+"
"""Networks that normalise over groups of channels or over responses: no library fuses these, least of all backward."""
_WIDE_GROUPS: Final = r"^regnet[xyv]|^(dm_|eca_)?nfnet|^repvgg_.*g4"
"""Networks whose convolutions have groups of more than 32 channels, other than ResNeXt's of 4 to 32."""
_NO_SCORES: Final = r"mixer|^gmlp|resmlp|sequencer|xcit|perceiver"
"""Networks of style vit that mix tokens otherwise than by attention among all."""
_OWN_ATTENTION: Final = r"^cait|^tnt|^convit"
"""Networks whose attention does more with scores than the fused kernels of libraries know."""


def _family(name: str) -> str:
    bare = name.lower().strip()
    while cut := next((p for p in _PREFIXES if bare.startswith(p)), ""):
        bare = bare[len(cut) :]
    return bare


@lru_cache(maxsize=8192)
def style_of(name: str, macs_per_activation: float = np.nan) -> str:
    """The style of blocks that a family's name stands for; where it says nothing, what the counts suggest.

    Depthwise convolutions have few multiply-adds for each element that they write.

    >>> style_of("tf_efficientnet_b0"), style_of("my_resnext50_32x4d"), style_of("my_network", 40.0)
    ('mobile', 'grouped', 'mobile')
    """
    bare = _family(name)
    fits = [(len(w), s) for s, words in _FAMILIES.items() for w in words.split() if bare.startswith(w)]
    # Names of relatives say it in the middle.
    fits = fits or [
        (len(w), s) for s, words in _FAMILIES.items() for w in words.split() if len(w) > 3 and w in bare
    ]
    if fits:
        return max(fits)[1]
    return "mobile" if macs_per_activation < _MOBILE_MACS else "grouped"


_MOBILE_MACS: Final = 150.0
"""Multiply-adds per activation between mobile networks (30 to 130) and others (200 to 1000)."""


def _long_chains(name: str) -> bool:
    """Whether the family's blocks have long chains of elementwise work round each product."""
    bare = _family(name)
    return any(bare.startswith(word) for word in _LONG_CHAINS.split()) or bool(re.search("evo|frn", bare))


def score_share(macs: Column, activations: Column, parameters: Column) -> Column:
    """Share of a vision transformer's activations that are attention scores, from its counts alone.

    With tokens N, width h, layers L and heads of 64: weights 12 h^2 L, multiply-adds N times that + 2 N^2 h L,
    activations 9 N h L + N^2 h L / 64. Two ratios of these leave one square equation for N.

    >>> float(score_share(np.array([17.58e9]), np.array([23.9e6]), np.array([86.6e6]))[0].round(2))  # ViT-B/16: 0.23
    0.25
    """
    reuse, spread = macs / parameters, activations / parameters
    half = 4.5 + spread - reuse / 128.0
    tokens = 64.0 * (np.sqrt(half * half + 18.0 * reuse / 128.0) - half)
    return np.asarray(np.clip(tokens / (tokens + 576.0), 0.0, 0.9))


# ---- Calls


@dataclass(frozen=True)
class Calls:
    """Calls of networks, one a row. Counts are for one sample."""

    macs: Column
    """Multiply-adds."""
    activations: Column
    """Elements written by convolutions and matrix products."""
    parameters: Column
    kernels: Column
    """Without fusion; 0 where unknown."""
    style: NDArray[np.intp]
    """Places in STYLES."""
    chains: Truths
    """Long chains of elementwise work."""
    group_norms: Truths
    """Norms over groups of channels or over responses, not over a batch."""
    wide_groups: Truths
    """Grouped convolutions of more than 32 channels a group."""
    scores: Column
    """Share of the activations that are attention scores, which fused attention does not write."""
    gathered_bytes: Column
    """Rows of embedding tables that one sample reads."""
    input_bytes: Column
    """Of one sample, as the host hands it over; 0 where it is small."""
    table_parameters: Column
    """Weights of embedding tables, of which a call reads only what it gathers."""
    batch: Column
    """Of each device."""
    copies: Column
    """Networks that share the device, each with a batch of its own."""
    weight_bytes: Column
    """Of one weight as kept."""
    word_bytes: Column
    """Of one activation."""
    operand_bytes: Column
    """Of one number as multiplied."""
    mixed: Truths
    """Weights are cast in each call (autocast)."""
    compiled: Truths
    """A compiler fuses elementwise work (inductor, XLA)."""
    engine: Truths
    """An inference engine fuses and starts all kernels at once (TensorRT, FasterTransformer, Neuron)."""
    graph: Truths
    """A graph executor starts kernels (TensorFlow, MXNet), not Python."""
    in_library: Truths
    """A library runs all steps of recurrent layers (cuDNN), not a loop in Python."""
    tuned: Truths
    """Its vendor's own script: norms, activations and sums in hand-written kernels, channels last."""
    channels_last: Truths
    fused_attention: Truths
    tf32: Truths

    def __len__(self) -> int:
        return len(self.macs)

    def take(self, rows: NDArray[np.intp] | Truths) -> Calls:
        """Some of the rows, in the order asked."""
        return Calls(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


# ---- Constants

_CALLS: Final = "fitted 2026-11 on huggingface/pytorch-image-models@aa4b5850 and NVIDIA/DeepLearningExamples@729963dd, inference"
_STEPS: Final = (
    "fitted 2026-11 on the training tables of these and of lambdal/deeplearning-benchmark@0551cb70"
)
_BY_STYLE: Final = {
    # style: matrix ratio, elementwise words, part left by fusion; values and standard errors
    "dense": ((1, 0.027), (4.95, 0.16), (0.21, 0.022)),
    "gated": ((0.887, 0.027), (5.96, 0.22), (0.326, 0.02)),
    "grouped": ((0.891, 0.03), (4.74, 0.17), (0.245, 0.022)),
    "mobile": ((0.865, 0.026), (4.98, 0.11), (0.326, 0.014)),
    "convnext": ((1, 0.047), (6.07, 0.21), (0.185, 0.017)),
    "concat": ((0.998, 0.045), (6.82, 0.26), (0.372, 0.025)),
    "vit": ((1, 0.017), (2.8, 0.13), (0.268, 0.025)),
    "window": ((0.847, 0.019), (3.5, 0.11), (0.252, 0.02)),
    "recurrent": ((0.85, 0.15), (1.5, 1.0), (0.30, 0.15)),
}
_MEANINGS: Final = ("matrix_ratio", "elementwise_words", "fused_ratio")

ASSUMED: Final[dict[str, tuple[float, float, str]]] = {
    **{
        f"{style}_{meaning}": (
            value,
            error,
            _CALLS if style != "recurrent" else "assumed: between the other styles",
        )
        for style, pairs in _BY_STYLE.items()
        for meaning, (value, error) in zip(_MEANINGS, pairs, strict=True)
    },
    "npu_feed_bytes_per_s": (7e9, 2e9, NEURON + ": the input of a call, from the host"),
    "tf32_convolution_ratio": (
        0.513,
        0.043,
        _STEPS + ": tf32 convolutions reach less of their peak than 16-bit ones",
    ),
    "activation_flops": (194, 6.9, _CALLS + ": outside of matrix units, for one activation"),
    "product_words": (2.47, 0.066, _CALLS),
    "stage_sharpness": (2.08, 0.1, _CALLS),
    "chain_ratio": (2.12, 0.047, _CALLS),
    "channels_last_ratio": (0.748, 0.015, _CALLS),
    "tuned_ratio": (0.711, 0.028, _CALLS),
    "fed_vector_ratio": (0.095, 0.03, NEURON + ": vectors do norms and activations alone"),
    "unknown_kernels": (202, 11, _CALLS),
    "kernel_depth_exponent": (0.391, 0.018, _CALLS),
    "host_start_s": (5.79e-05, 1e-06, _CALLS),
    "graph_start_ratio": (
        0.45,
        0.15,
        "assumed: TensorFlow, MXNet and Paddle take 0.1 to 0.8 (NVIDIA/DeepLearningExamples@729963dd, one image a call)",
    ),
    "compiled_start_ratio": (0.3, 0.02, _CALLS + ": a compiler's wrapper starts kernels"),
    "autocast_start_ratio": (1.2, 0.015, _CALLS),
    "fused_kernels_ratio": (0.407, 0.018, _CALLS),
    "kernel_floor_s": (4.01e-06, 1.6e-07, _CALLS),
    "processor_matrix_ratio": (0.749, 0.028, _CALLS),
    "processor_words_ratio": (2.6, 0.17, _CALLS),
    "processor_vector_ratio": (1.98, 0.16, _CALLS),
    "processor_kernel_s": (9.32e-05, 7.7e-06, _CALLS),
    "backward_product_ratio": (1.41, 0.041, _STEPS),
    "training_words_ratio": (6.11, 0.13, _STEPS),
    "last_step_ratio": (0.903, 0.01, _STEPS + ": channels last, of the elementwise work of training"),
    "tuned_step_ratio": (0.741, 0.014, _STEPS),
    "chain_step_ratio": (0.752, 0.027, _STEPS + ": of the chains' factor, in training"),
    "group_norm_step_ratio": (1.66, 0.12, _STEPS + ": elementwise work round norms over groups"),
    "wide_groups_last_ratio": (7.42, 0.56, _STEPS + ": backward, channels last"),
    "training_kernels_ratio": (3.02, 0.068, _STEPS),
    "optimizer_bytes": (20, 0.43, _STEPS),
    "exposed_reduction_ratio": (0.4, 0.022, _STEPS),
    "kept_words": (3.0, 1.0, "assumed: outputs of the product, of the norm and of the activation"),
    "live_activations_ratio": (0.15, 0.1, "assumed: the largest layers with their inputs"),
    "workspace_bytes": (0.6e9, 0.3e9, "assumed: context of the driver and of libraries"),
}
"""Constants of counted networks: value, standard error, source. By style: `matrix_ratio`, achieved part of the
sustained peak; `elementwise_words`, words read and written round one activation; `fused_ratio`, the part of these that
a compiler leaves."""


def _by_style(calls: Calls, constants: Mapping[str, float], meaning: str) -> Column:
    return np.array([constants[f"{style}_{meaning}"] for style in STYLES])[calls.style]


# ---- One call


def forward_s(calls: Calls, device: DeviceColumns, constants: Mapping[str, float]) -> Column:
    """Seconds of one call: `calls.copies` networks, each with `calls.batch` samples, on one device."""
    products, elementwise = _work_s(calls, device, constants)
    return _with_starts(calls, device, constants, products + elementwise, 1.0)


def _work_s(calls: Calls, device: DeviceColumns, constants: Mapping[str, float]) -> tuple[Column, Column]:
    """Seconds of the products (with their traffic), and of the elementwise work, of one forward pass."""
    c = constants
    samples = calls.batch * calls.copies
    processor, fed = device.is_cpu, device.is_npu | device.is_tpu
    sustained = sustained_ratio(device, c, operand_bytes=calls.operand_bytes)
    tf32 = np.where(_of_tokens(calls), c["tf32_ratio"], c["tf32_convolution_ratio"])
    peak = device.peak_flops_per_s * sustained * np.where(calls.tf32, tf32, 1.0)
    bandwidth = device.memory_bandwidth_bytes_per_s * c["memory_bandwidth_ratio"]
    written = samples * calls.activations * (1.0 - calls.scores * calls.fused_attention)
    fused = calls.compiled | calls.engine
    matrix_s = 2.0 * samples * calls.macs / (peak * _by_style(calls, c, "matrix_ratio"))
    matrix_s = matrix_s * np.where(processor, 1.0 / c["processor_matrix_ratio"], 1.0)
    # What limits the clock of products limits that of vectors in between.
    clock = np.where(processor, 1.0, sustained / c["matrix_peak_ratio"])
    vector_s = written * c["activation_flops"] / (device.vector_flops_per_s * clock)
    vector_s = vector_s * np.where(processor, c["processor_vector_ratio"], 1.0)
    matrix_s = matrix_s * np.where(device.is_npu, 1.0 / c["npu_matrix_ratio"], 1.0)
    # Matrix units that are fed without instructions leave to vectors only norms and activations.
    vector_s = vector_s * np.where(fed, c["fed_vector_ratio"], 1.0)
    word_s = written * calls.word_bytes / bandwidth * np.where(processor, c["processor_words_ratio"], 1.0)
    # Chips for networks hold activations in memory that the compiler manages.
    word_s = word_s * np.where(fed, c["on_chip_ratio"], 1.0)
    # Autocast reads fp32 weights, writes them in 16 bits and reads these.
    weights = calls.copies * calls.parameters * (calls.weight_bytes + np.where(calls.mixed, 4.0, 0.0))
    traffic_s = c["product_words"] * word_s + (weights + samples * calls.gathered_bytes) / bandwidth
    q = c["stage_sharpness"]
    products = ((matrix_s + vector_s) ** q + traffic_s**q) ** (1.0 / q)
    words = _by_style(calls, c, "elementwise_words") * np.where(calls.chains, c["chain_ratio"], 1.0)
    words = words * np.where(fused, _by_style(calls, c, "fused_ratio"), 1.0)
    # Libraries of convolutions compute channels last; other layouts are turned round before and after.
    words = words * np.where(_channels_last(calls), c["channels_last_ratio"], 1.0)
    words = words * np.where(calls.tuned & ~fused, c["tuned_ratio"], 1.0)
    return products, words * word_s


def _channels_last(calls: Calls) -> Truths:
    """Whether convolutions find their layout: images of 16 bits in a vendor's script, or where the call says so."""
    return (calls.channels_last | (calls.tuned & (calls.word_bytes < 4.0))) & ~_of_tokens(calls)


def _of_tokens(calls: Calls) -> Truths:
    return np.asarray(np.isin(calls.style, [STYLES.index("vit"), STYLES.index("window")]))


def _depthwise(calls: Calls) -> Truths:
    return np.asarray(np.isin(calls.style, [STYLES.index("mobile"), STYLES.index("convnext")]))


def _with_starts(
    calls: Calls,
    device: DeviceColumns,
    constants: Mapping[str, float],
    work_s: Column,
    passes: float | Column,
) -> Column:
    """Work, and the start of its kernels: by the host, which runs ahead of the device, and on the device."""
    c = constants
    unknown = c["unknown_kernels"] * (calls.parameters / 25e6) ** c["kernel_depth_exponent"]
    kernels = passes * np.where(calls.kernels > 0, calls.kernels, unknown)
    started = kernels * np.where(calls.compiled | calls.engine, c["fused_kernels_ratio"], 1.0)
    floor = started * np.where(device.is_cpu, c["processor_kernel_s"], c["kernel_floor_s"])
    # A chip that runs a compiled graph is called once, and handed its input.
    handed = calls.batch * calls.copies * calls.input_bytes / c["npu_feed_bytes_per_s"]
    floor = np.where(device.is_npu, c["npu_call_s"] + handed, floor)
    host = (
        started * c["host_start_s"] * np.where(calls.mixed & ~calls.compiled, c["autocast_start_ratio"], 1.0)
    )
    host = host * np.where(
        calls.compiled, c["compiled_start_ratio"], np.where(calls.graph, c["graph_start_ratio"], 1.0)
    )
    # Libraries run all steps of a recurrent layer without going back to Python.
    host = np.where(device.is_cpu | calls.engine | calls.in_library, 0.0, host)
    return ((work_s + floor) ** 4 + host**4) ** 0.25


# ---- One training step


def training_step_s(
    calls: Calls,
    device: DeviceColumns,
    constants: Mapping[str, float],
    *,
    devices: Column,
) -> Column:
    """Seconds of one step of synchronous data-parallel training: forward, backward, reduction and optimizer.

    `devices` is how many there are in all; each has `calls.batch` samples.
    """
    c = constants
    products, elementwise = _work_s(calls, device, c)
    bandwidth = device.memory_bandwidth_bytes_per_s * c["memory_bandwidth_ratio"]
    last = _channels_last(calls)
    # Gradients of depthwise convolutions have kernels of their own, for which the layout is the same.
    words = c["training_words_ratio"] * np.where(last & ~_depthwise(calls), c["last_step_ratio"], 1.0)
    words = words * np.where(calls.tuned, c["tuned_step_ratio"], 1.0)
    words = words * np.where(calls.chains, c["chain_step_ratio"], 1.0)
    words = words * np.where(calls.group_norms, c["group_norm_step_ratio"], 1.0)
    # cuDNN has gradients of grouped convolutions with channels last only for groups of few channels.
    slow = np.where(calls.wide_groups & last & ~calls.tuned, c["wide_groups_last_ratio"], 1.0)
    work = (1.0 + slow * c["backward_product_ratio"]) * products + words * elementwise
    weights = calls.parameters + calls.table_parameters
    step = _with_starts(calls, device, c, work, c["training_kernels_ratio"])
    step = step + c["optimizer_bytes"] * weights / bandwidth
    gradients = np.where(calls.mixed, 4.0, calls.weight_bytes) * weights
    reduction = all_reduce_s(gradients, devices, np.minimum(devices, device.devices_per_machine), device, c)
    return np.asarray(step + c["exposed_reduction_ratio"] * reduction)


# ---- Memory


def memory_bytes(calls: Calls, constants: Mapping[str, float]) -> Column:
    """Memory that inference needs on one device: weights, the activations that live at once, and libraries."""
    c = constants
    weights = calls.copies * (calls.parameters + calls.table_parameters) * calls.weight_bytes
    live = calls.copies * calls.batch * calls.activations * calls.word_bytes * c["live_activations_ratio"]
    return np.asarray(weights + live + c["workspace_bytes"])


def training_memory_bytes(calls: Calls, constants: Mapping[str, float]) -> Column:
    """Memory that training needs on one device: weights and their states, what the backward pass needs, libraries."""
    c = constants
    states = (calls.parameters + calls.table_parameters) * np.where(calls.mixed, 14.0, 12.0)
    kept = calls.batch * calls.activations * calls.word_bytes * c["kept_words"]
    return np.asarray(states + kept + c["workspace_bytes"])


# ---- Rows of published tables


class Predicted(NamedTuple):
    """What is expected of the rows of a table; one element a row, nan where a row cannot be predicted."""

    seconds: Column
    """Of one call, or of one step of training."""
    memory_bytes: Column
    """On each device."""
    reasons: list[str]
    """Why a row cannot be predicted; else what it does not say and was assumed; else empty."""
    kinds: list[str]
    """Which misses tell the interval: counted or encoder, then call or step."""
    samples: Column
    """Of one call or step on all devices: what a throughput is multiplied with to compare."""
    devices: Column


def predict_rows(
    rows: Sequence[Mapping[str, str]],
    devices: Sequence[Device],
    architectures: Sequence[Architecture],
    constants: Mapping[str, float],
) -> Predicted:
    """Seconds and memory of the calls and training steps that rows of published tables describe.

    Rows with the layers and width of a transformer, or with the name of one and without counts, are predicted by its
    shape; all others by their counts. Columns: see `calls_of` and `encoder_calls_of`.
    """
    names = {row.get("model") or "" for row in rows if not _counts(row)}
    shaped = {name for name in names if isinstance(architecture_of(name, architectures), Transformer)}
    by_shape = [
        bool(number(row, "layers") and number(row, "hidden"))
        or (not _counts(row) and (row.get("model") or "") in shaped)
        for row in rows
    ]
    n = len(rows)
    seconds, memory, samples, count = (np.full(n, np.nan) for _ in range(4))
    reasons, kinds = [""] * n, [""] * n
    for flag, name in ((True, "encoder"), (False, "counted")):
        places = np.array([place for place, shape in enumerate(by_shape) if shape is flag], dtype=np.intp)
        own = [rows[place] for place in places]
        result = (_by_shape if flag else _by_counts)(own, devices, architectures, constants)
        for place, reason in result.reasons.items():
            reasons[places[place]] = reason
        at = places[result.rows]
        seconds[at], memory[at] = result.seconds, result.memory_bytes
        samples[at], count[at] = result.samples, result.devices
        for place, training, unknown in zip(at, result.training, result.unknown, strict=True):
            kinds[place] = f"{name}_{'step' if training else 'call'}"
            reasons[place] = f"assumed: {', '.join(unknown)}" if unknown else ""
    return Predicted(seconds, memory, reasons, kinds, samples, count)


class _Part(NamedTuple):
    rows: NDArray[np.intp]
    seconds: Column
    memory_bytes: Column
    samples: Column
    devices: Column
    training: Truths
    unknown: tuple[tuple[str, ...], ...]
    reasons: dict[int, str]


def _by_counts(
    rows: Sequence[Mapping[str, str]],
    devices: Sequence[Device],
    architectures: Sequence[Architecture],
    constants: Mapping[str, float],
) -> _Part:
    read = calls_of(rows, devices, architectures)
    step = training_step_s(read.calls, read.device, constants, devices=read.devices)
    seconds = np.where(read.training, step, forward_s(read.calls, read.device, constants))
    memory = np.where(
        read.training, training_memory_bytes(read.calls, constants), memory_bytes(read.calls, constants)
    )
    samples = read.calls.batch * read.calls.copies * read.devices
    return _Part(read.rows, seconds, memory, samples, read.devices, read.training, read.unknown, read.reasons)


def _by_shape(
    rows: Sequence[Mapping[str, str]],
    devices: Sequence[Device],
    architectures: Sequence[Architecture],
    constants: Mapping[str, float],
) -> _Part:
    read = encoder_calls_of(rows, devices, architectures)
    step = encoder_step_s(read.calls, read.device, constants, devices=read.devices, optimizer=read.optimizer)
    seconds = np.where(read.training, step, encoder_forward_s(read.calls, read.device, constants))
    memory = np.where(
        read.training,
        encoder_training_memory_bytes(read.calls, constants),
        encoder_memory_bytes(read.calls, constants),
    )
    samples = read.calls.batch * read.calls.copies * read.devices * read.units
    return _Part(read.rows, seconds, memory, samples, read.devices, read.training, read.unknown, read.reasons)


class Read(NamedTuple):
    """Rows of a table as calls; one element for each row that could be read, whose place is in `rows`."""

    rows: NDArray[np.intp]
    calls: Calls
    device: DeviceColumns
    devices: Column
    """How many the row names in all."""
    training: Truths
    unknown: tuple[tuple[str, ...], ...]
    """What the row does not say and had to be assumed."""
    reasons: dict[int, str]
    """Rows that could not be read, and why."""


def calls_of(
    rows: Sequence[Mapping[str, str]], devices: Sequence[Device], architectures: Sequence[Architecture]
) -> Read:
    """Calls that rows of published tables describe; measured columns are never read.

    Columns: model, family, params, img_size, gmacs, macts_m, batch (of each device), gpus, device, precision, framework,
    notes; blank is unknown. Counts that a row lacks come from the architecture of that name, scaled by the image's area.
    """
    places: list[int] = []
    columns: list[dict[str, float]] = []
    named: list[Device] = []
    computes: list[str] = []
    unknown: list[tuple[str, ...]] = []
    reasons: dict[int, str] = {}
    device_texts = {_device_text(row) for row in rows}
    known_devices = {text: device_of(text, devices) for text in device_texts}
    models = {row.get("model") or "" for row in rows if not _counts(row)}
    known_networks = {model: architecture_of(model, architectures) for model in models}
    for place, row in enumerate(rows):
        model = row.get("model") or ""
        # A row that states its counts is read by them alone, whatever other rows of its name leave out.
        known = None if _counts(row) else known_networks[model]
        read = _call_of(row, known_devices[_device_text(row)], known)
        if isinstance(read, str):
            reasons[place] = read
            continue
        column, device, compute, missing = read
        places.append(place)
        columns.append(column)
        named.append(device)
        computes.append(compute)
        unknown.append(missing)
    values = {name: np.array([c[name] for c in columns]) for name in _COLUMNS}
    vit = (values["style"] == STYLES.index("vit")) & (values["table_parameters"] == 0)
    vit &= values["scores"] > 0
    values["scores"] = np.where(
        vit, score_share(values["macs"], values["activations"], values["parameters"]), 0.0
    )
    calls = Calls(
        **{
            field.name: values[field.name].astype(_TYPES.get(str(field.type), np.float64))
            for field in fields(Calls)
        }
    )
    return Read(
        np.array(places, dtype=np.intp),
        calls,
        columns_of(named, computes),
        values["devices"].astype(np.float64),
        values["training"].astype(np.bool_),
        tuple(unknown),
        reasons,
    )


_TYPES: Final = {"Truths": np.bool_, "NDArray[np.intp]": np.intp}
_COLUMNS: Final = (*(field.name for field in fields(Calls)), "devices", "training")
_IMAGE: Final = 224.0
"""The edge of an image for which networks' counts are published."""
_USUAL_BATCH: Final = 256.0
"""The largest that an unstated batch of training is taken to be on one device."""
_USUAL_LOOKUPS: Final = 2.0**20
"""The same for recommenders, on all devices: MLPerf's and NVIDIA's NCF and DLRM use 2^16 to 2^20."""
_FILLED: Final = 0.8
"""Part of the memory that whoever trains fills."""
_KEPT_WORDS: Final = 3.0
"""Words that training keeps for each activation: the product's, the norm's and the activation's output."""


def _call_of(
    row: Mapping[str, str], device: Device | None, known: Architecture | None
) -> tuple[dict[str, float], Device, str, tuple[str, ...]] | str:
    """The columns of one row, its device, its arithmetic and what it leaves out; in words, why there are none."""
    name, device_text = row.get("model") or "", _device_text(row)
    if device is None:
        return f"{device_text or 'no device'}: this device is not in the sheet of devices"
    text = f"{row.get('framework') or ''} {row.get('notes') or ''}".lower()
    training = "train" in f"{row.get('family') or ''} {row.get('notes') or ''}".lower()
    missing = []
    network = _network_of(name, row, known)
    if isinstance(network, str):
        return network
    if isinstance(known, Counted) and "one step" in known.input:
        missing.append("steps")
    units = _units(known.input) if isinstance(known, Counted) else 1.0
    # What inference takes where nobody says it: tf32 lies between the two that tables have on devices with it.
    stated = row.get("precision") or ("amp" if training or "tf32" not in device.peak_flops_per_s else "tf32")
    try:
        arithmetic = precision_of(stated)
    except InputError as error:
        return str(error)
    if not row.get("precision"):
        missing.append("precision")
    if device.kind == "npu" and arithmetic.compute in ("fp32", "tf32"):
        # Compilers for such chips cast fp32 to bf16.
        stated, arithmetic = "bf16", precision_of("bf16")
    gpus = number(row, "gpus") or 1.0
    batch = number(row, "batch", "batch_per_gpu", "micro_batch")
    if batch is None:
        usual = _usual_batch(network, device, arithmetic.activation_bytes, gpus, units) if training else 1.0
        noted = _stated_batch(text, arithmetic.compute)
        batch = noted or usual
        if noted is None:
            missing.append("batch")
    if units > 1.0 and "tok/s" in text:
        network = network | {
            count: network[count] / units
            for count in ("macs", "activations", "gathered_bytes", "input_bytes")
        }
        batch = batch * units
    style = _style_of(name, known, network)
    pytorch = "pytorch" in text or "torch" in text
    version = re.search(r"pytorch (\d+)", text)
    fused = version is not None and int(version[1]) >= 2
    diffusion = isinstance(known, Counted) and "one step" in known.input
    loop = "tacotron" in name.lower()
    engine = device.kind in ("npu", "tpu") or any(
        word in text for word in ("tensorrt", "trt", "neuron", "openvino")
    )
    tuned = _tuned(row, text)
    compiled = any(word in text for word in ("dynamo", "compile", "inductor", "xla"))
    # NVIDIA trains in 16 bits with XLA (TensorFlow), and with norms fused with sums and activations (MXNet, Paddle).
    compiled = compiled or (training and tuned and not pytorch and arithmetic.activation_bytes < 4.0)
    column = {
        **network,
        "style": float(STYLES.index(style)),
        # TensorFlow's way of padding comes before each convolution, where a compiler for GPUs would fuse.
        "chains": float(
            _long_chains(name)
            or (compiled and device.kind != "cpu" and style == "mobile" and name.lower().startswith("tf_"))
        ),
        "group_norms": float(bool(re.search(_GROUP_NORMS, _family(name)))),
        "wide_groups": float(bool(re.search(_WIDE_GROUPS, _family(name)))),
        "scores": float(not re.search(_NO_SCORES, _family(name))),
        "batch": batch,
        # The cores of a chip halve one image of a diffusion model: with and without the prompt.
        "copies": float(device.units or 1) if device.kind == "npu" and not diffusion else 1.0,
        "weight_bytes": min(arithmetic.weight_bytes, 2.0)
        if device.kind == "npu"
        else arithmetic.weight_bytes,
        "word_bytes": arithmetic.activation_bytes,
        "operand_bytes": OPERAND_BYTES[arithmetic.compute],
        "mixed": float(arithmetic.mixed and not (engine and not training)),
        "compiled": float(compiled),
        "engine": float(engine),
        "graph": float(not pytorch or (style == "recurrent" and loop)),
        "in_library": float(style == "recurrent" and not loop),
        "tuned": float(tuned),
        "tf32": float(arithmetic.compute == "tf32"),
        "channels_last": float(any(word in text for word in ("nhwc", "channels_last", "ngc"))),
        "fused_attention": float((engine or fused) and not re.search(_OWN_ATTENTION, _family(name))),
        "devices": gpus * devices_in(device_text),
        "training": float(training),
    }
    return column, device, stated, tuple(missing)


def _style_of(name: str, known: Architecture | None, network: Mapping[str, float]) -> str:
    if isinstance(known, Counted) and known.style == "recurrent":
        return "recurrent"
    if isinstance(known, Recommender):
        return "vit"  # Like its MLPs, a recommender's have neither norms nor layouts to turn round.
    return style_of(name, network["macs"] / network["activations"])


def _tuned(row: Mapping[str, str], text: str) -> bool:
    """Whether the row is of NVIDIA's own scripts as NVIDIA runs them, or of a submission to MLPerf."""
    source = f"{text} {(row.get('family') or '').lower()}"
    return any(word in source for word in ("nvidia-dle", "mlperf"))


def _device_text(row: Mapping[str, str]) -> str:
    return row.get("device") or row.get("gpu_type") or ""


def _counts(row: Mapping[str, str]) -> bool:
    """Whether the row itself states all counts of its network."""
    return all(number(row, column) is not None for column in ("gmacs", "macts_m", "params"))


def _network_of(name: str, row: Mapping[str, str], known: Architecture | None) -> dict[str, float] | str:
    """Counts of one sample: the row's own, else those of the architecture of that name."""
    macs, activations = number(row, "gmacs"), number(row, "macts_m")
    parameters = number(row, "params")
    if isinstance(known, Recommender):
        return _recommender(known)
    area = 1.0
    edge = number(row, "img_size")
    side = edge or 0.0
    if isinstance(known, Counted):
        usual = re.search(r"(\d+) ?x ?\d+", known.input)
        side = side or (float(usual[1]) if usual else 0.0)
        area = (edge / float(usual[1])) ** 2 if edge and usual else 1.0
        parameters = parameters or known.parameters
        activations = activations or known.activations * area / 1e6
        macs = macs or known.macs * area / 1e9
    if not macs or not parameters:
        return f"{name or 'no model'}: its multiply-adds and weights are not known; state gmacs and params"
    steps = _usual_steps(name) if isinstance(known, Counted) and "one step" in known.input else 1.0
    passes = steps * (
        2.0 if steps > 1.0 else 1.0
    )  # With guidance each step sees the image twice (Ho & Salimans 2022).
    return {
        "macs": passes * macs * 1e9,
        "activations": passes * (activations * 1e6 if activations else macs * 1e9 / _USUAL_INTENSITY),
        "parameters": parameters,
        "kernels": steps * float(known.calls) if isinstance(known, Counted) else 0.0,
        "gathered_bytes": 0.0,
        "input_bytes": 12.0 * side**2,
        "table_parameters": 0.0,
    }


_USUAL_STEPS: Final = 50.0
"""Steps in which a diffusion model makes an image, where nothing else is said (Stable Diffusion's and SDXL's default)."""
_DISTILLED_STEPS: Final = 20.0
"""The same for PixArt, whose makers sample with DPM-Solver in 20 steps (Chen et al. 2023, arXiv 2310.00426)."""
_USUAL_INTENSITY: Final = 370.0
"""Multiply-adds per activation of ResNet-50: 4.1e9 to 11.1e6."""


def _usual_steps(name: str) -> float:
    return _DISTILLED_STEPS if "pixart" in name.lower() else _USUAL_STEPS


def _recommender(network: Recommender) -> dict[str, float]:
    """Counts of one sample of a recommender: its dense layers, and the rows that it gathers in fp32."""
    widths = network.dense
    gathered = network.lookups_per_table * network.embedding_dim * len(network.table_rows)
    return {
        "macs": float(sum(a * b for a, b in pairwise(widths))),
        "activations": float(sum(widths[1:])),
        "parameters": float(sum(a * b for a, b in pairwise(widths))),
        "kernels": 4.0 * len(widths) + len(network.table_rows),
        "gathered_bytes": 4.0 * gathered,
        "input_bytes": 0.0,
        "table_parameters": sum(network.table_rows) * network.embedding_dim,
    }


def _units(sample: str) -> float:
    """How many of the units in which tables count a sample has: words, frames or samples of sound.

    >>> _units("a sentence of 25 words and its translation"), _units("224 x 224 image")
    (50.0, 1.0)
    """
    found = re.search(r"(\d+) (words|tokens|frames|samples)", sample)
    if not found:
        return 1.0
    return float(found[1]) * (2.0 if "translation" in sample else 1.0)


def _usual_batch(
    network: Mapping[str, float], device: Device, word_bytes: float, gpus: float, units: float
) -> float:
    """The largest power of two that fits in a training device's memory; up to what is usual for images and lookups."""
    held = 16.0 * (network["parameters"] + network["table_parameters"])
    each = _KEPT_WORDS * word_bytes * network["activations"]
    fits = max((_FILLED * device.memory_bytes - held) / each, 1.0)
    usual = _USUAL_LOOKUPS / gpus if network["table_parameters"] else _USUAL_BATCH if units == 1.0 else np.inf
    return float(min(2.0 ** np.floor(np.log2(fits)), usual))


def _stated_batch(text: str, compute: str) -> float | None:
    """A batch for each device that only the notes state, such as "256 amp /128-256 fp32"."""
    kind = "amp|fp16|mixed" if compute in ("fp16", "bf16") else "fp32|tf32"
    found = re.search(rf"(\d+)(?:-\d+)? ?(?:{kind})", text)
    return float(found[1]) if found else None
