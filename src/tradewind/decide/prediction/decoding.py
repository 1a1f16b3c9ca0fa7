"""Time and memory of language models that generate text: prefill, decode, cache of keys and values, batching.

In: networks, devices and requests as columns, constants by name. Out: seconds, bytes and tokens per second.

- Prefill: matrix products over all tokens of the prompts, attention, all-reduces, the starts of kernels.
- A decode step: the same products over one token a request, so that weights stream from memory and
  arithmetic hides behind them; the keys and values so far stream too; two small all-reduces a layer; the
  vocabulary at the end.
- Memory: weights, keys and values of every token held, buffers for the tokens of one pass, the runtime.
- Continuous batching: finished requests are replaced at once, so that a step holds one token of each
  running request and the prompts of those that start.

Shapes: every column is (n,), one row a call; columns broadcast. Sources: Pope et al. 2022 (partitions and
their traffic), Kwon et al. 2023 (paged caches), Yu et al. 2022 (continuous batching), Agrawal et al. 2024
(prompts and decoding in one pass).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewind.decide.prediction.collectives import all_reduce_s, send_s
from tradewind.decide.prediction.kernels import attention_s, gemm_s, memory_bound_s

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tradewind.decide.prediction.devices import DeviceColumns
    from tradewind.decide.prediction.transformers import Column, TransformerColumns

__all__ = [
    "ASSUMED",
    "ENGINES",
    "Constants",
    "Generations",
    "Responses",
    "Service",
    "Times",
    "generation_s",
    "largest_batch",
    "memory_bytes",
    "pass_terms_s",
    "request_bytes",
    "serving_latency",
    "serving_throughput",
    "weights_bytes",
]

Constants = Mapping[str, float]
"""By name: those of this room, of kernels and of collectives."""

ENGINES: Final[tuple[str, ...]] = ("eager", "fused", "graph", "static")
"""How kernels start: one by one from Python (Transformers); one by one from C++, layers fused by hand,
attention as plain products (FasterTransformer); replayed from a recorded graph, attention as one kernel
(TensorRT-LLM, vLLM); compiled ahead for fixed shapes (Neuron, XLA)."""
_EAGER, _FUSED, _GRAPH, _STATIC = range(4)

ASSUMED: Final[dict[str, tuple[float, float, str]]] = {
    "decode_eager_layer_s": (
        0.75e-3,
        0.2e-3,
        "assumed: host time to start the kernels of a layer from Python; decoders of 7B of 32 layers "
        "take about 25 ms a token",
    ),
    "decode_fused_layer_s": (
        8.173e-05,
        7.3e-06,
        "fitted 2026-11 on FasterTransformer@df4a753 (A100): starts and tails of a dozen kernels of a"
        " layer, less the latency of its products",
    ),
    "decode_graph_layer_s": (
        2.78e-05,
        1.1e-05,
        "fitted 2026-11 on TensorRT-LLM@00f3768 (H100 to GB200): the same in a recorded graph",
    ),
    "decode_static_layer_s": (
        0.0001498,
        1e-05,
        "fitted 2026-11 on aws-neuron-sdk@81ce03a (Inferentia2): a layer of a compiled program, with "
        "its small collectives",
    ),
    "decode_experts_s": (
        0.0002617,
        3.5e-05,
        "fitted 2026-11 on TensorRT-LLM@00f3768 (H100 to GB200): routing, permuting and grouping of a"
        " layer of experts",
    ),
    "decode_experts_ratio": (
        0.5416,
        0.026,
        "fitted 2026-11 on TensorRT-LLM@00f3768 (H100 to GB200): share that uneven visits and small "
        "groups leave of the rate of equal products (MLPerf Inference 4.1 says 0.55 of Mixtral)",
    ),
    "decode_pass_s": (
        0.0001988,
        9.7e-05,
        "fitted 2026-11 on FasterTransformer@df4a753 (A100): embedding, sampling and bookkeeping of a pass",
    ),
    "decode_cache_ratio": (
        0.6132,
        0.044,
        "fitted 2026-11 on FasterTransformer@df4a753 (A100): share of memory bandwidth of decode "
        "attention in one block a head",
    ),
    "decode_paged_cache_ratio": (
        0.9052,
        0.054,
        "fitted 2026-11 on TensorRT-LLM@00f3768 (H100 to GB200): the same of kernels that split long "
        "contexts",
    ),
    "decode_narrow_ratio": (
        0.8433,
        0.078,
        "fitted 2026-11 on TensorRT-LLM@00f3768 (H100 to GB200): share that scales and conversion "
        "leave of products of 8 and 4 bits",
    ),
    "decode_static_matmul_ratio": (
        0.1647,
        0.0056,
        "fitted 2026-11 on aws-neuron-sdk@81ce03a (Inferentia2): share of GPUs' efficiency that "
        "programs compiled for npus reach in arithmetic",
    ),
    "decode_static_stream_ratio": (
        0.8517,
        0.052,
        "fitted 2026-11 on aws-neuron-sdk@81ce03a (Inferentia2): the same in streaming from memory",
    ),
    "decode_pass_widths": (
        78.36,
        18,
        "fitted 2026-11 on FasterTransformer@df4a753 (A100): widths that pass memory per token and "
        "layer where layers are fused by hand",
    ),
    "decode_graph_widths": (
        36.51,
        8.7,
        "fitted 2026-11 on TensorRT-LLM@00f3768 (H100 to GB200): the same where neighbours are fused",
    ),
    "decode_step_s": (
        0.002141,
        0.00096,
        "fitted 2026-11 on TensorRT-LLM@00f3768 (H100 to GB200): host work that plans a step of "
        "continuous batching",
    ),
    "decode_request_s": (
        2.698e-05,
        3.1e-06,
        "fitted 2026-11 on TensorRT-LLM@00f3768 (H100 to GB200): the same for each running request",
    ),
    "decode_memory_ratio": (
        0.8952,
        0.0091,
        "fitted 2026-11 on TensorRT-LLM@00f3768 (H100 to GB200): share of free memory that engines "
        "give to the cache; TensorRT-LLM's default is 0.9",
    ),
    "decode_runtime_bytes": (
        2.981e09,
        4.5e08,
        "fitted 2026-11 on FasterTransformer@df4a753 (A100): driver, libraries and workspaces",
    ),
    "decode_graph_buffer_widths": (
        10.0,
        4.0,
        "assumed: widths held per token of a pass where buffers are reused: the inputs and inner "
        "values of one MLP",
    ),
    "decode_buffer_widths": (
        36.94,
        5.5,
        "fitted 2026-11 on FasterTransformer@df4a753 (A100): widths held per token of a pass",
    ),
}
"""Constants of generation: value, standard error, source."""

CHUNK_TOKENS: Final = 8192.0
"""Most prompt tokens in one pass of engines that batch continuously (default of TensorRT-LLM and vLLM)."""


@dataclass(frozen=True)
class Generations:
    """Calls of language models, `batch` prompts of `prompt` tokens, each answered by `output`."""

    networks: TransformerColumns
    devices: DeviceColumns
    """Their `peak_flops_per_s` is that of the weights' products."""
    attention_flops_per_s: Column
    """Peak of 16-bit products, in which attention is computed."""
    batch: Column
    """Requests that run together; `serving_throughput` chooses its own."""
    prompt: Column
    output: Column
    tensor: Column
    """Devices that share every layer."""
    pipeline: Column
    """Devices among which the layers are cut."""
    weight_bytes: Column
    """Of one weight of the layers: 2 of bf16, 1 of int8, 0.5625 of 4 bits with scales in groups."""
    narrow: Column
    """1 where products are of 8 or 4 bits, else 0."""
    cache_bytes: Column
    """Of one element of the cache of keys and values."""
    activation_bytes: Column
    """Of one element between layers."""
    engine: Column
    """Index into `ENGINES`."""
    max_batch: Column
    """Most requests that one process of the engine runs together."""
    split_attention: Column
    """1: attention is split by heads; 0: by requests, each device holding all of its weights (only
    with experts)."""

    def __len__(self) -> int:
        return len(self.prompt)

    def take(self, rows: NDArray[np.intp]) -> Generations:
        """The calls of some rows, in that order."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        taken = {
            name: part.take(rows) if hasattr(part, "layers") or name == "devices" else part[rows]
            for name, part in parts.items()
        }
        return replace(self, **taken)


@dataclass(frozen=True)
class Times:
    """Seconds of calls, each (n,)."""

    prefill_s: Column
    """Until the first token of every prompt of the batch."""
    decode_s_per_token: Column
    """Mean of the steps that follow."""
    total_s: Column
    """Prefill and `output - 1` steps: the first token comes with the prompt."""


@dataclass(frozen=True)
class Service:
    """A server that replaces finished requests at once, each (n,)."""

    tokens_per_s: Column
    """Answered, of all devices of the server together."""
    batch: Column
    """Requests that run together."""
    step_s: Column
    """Time between two tokens of a request."""
    prefill_s: Column
    """Of one prompt alone."""


@dataclass(frozen=True)
class Responses:
    """What a request waits for at a load, mean, each (n,); infinite where the server can't keep up."""

    first_token_s: Column
    """From arrival to the first token: waiting, then the prompt."""
    token_s: Column
    """Between two tokens."""
    running: Column
    """Requests that run together."""
    utilization: Column
    """Load over the most that the server bears."""


def generation_s(calls: Generations, constants: Constants) -> Times:
    """Time of calls whose requests start and end together."""
    none = np.zeros_like(calls.prompt)
    prefill_s = _pass_s(calls, constants, prefilled=calls.batch, running=none)
    decode_s = _pass_s(calls, constants, prefilled=none, running=calls.batch)
    return Times(prefill_s, decode_s, prefill_s + np.maximum(calls.output - 1.0, 0.0) * decode_s)


def _pass_s(calls: Generations, constants: Constants, *, prefilled: Column, running: Column) -> Column:
    terms = pass_terms_s(calls, constants, prefilled=prefilled, running=running)
    device_s = np.sum(list(terms.values()), axis=0)
    host_s = np.where(
        calls.engine == _EAGER, constants["decode_eager_layer_s"] * calls.networks.all_layers, 0.0
    )
    total: Column = np.maximum(device_s, host_s)
    return total


def pass_terms_s(
    calls: Generations, constants: Constants, *, prefilled: Column, running: Column
) -> dict[str, Column]:
    """What one pass over whole prompts and one token of each running request spends time on, in words."""
    net, c = calls.networks, constants
    dev = _effective(calls, c)
    graph, compiled = calls.engine == _GRAPH, calls.engine == _STATIC
    bandwidth = dev.memory_bandwidth_bytes_per_s
    share = _attention_share(calls)
    tokens = np.maximum(prefilled * calls.prompt + running, 1e-9)
    sequences = np.maximum(prefilled + running, 1e-9)
    operand = np.where(calls.narrow > 0, calls.weight_bytes, calls.activation_bytes)

    def product_s(m: Column, k: Column, n: Column, times: Column, batch: Column) -> Column:
        once = gemm_s(
            m, np.maximum(k, 1.0), np.maximum(n, 1.0), dev, c,
            bytes_a=operand, bytes_b=calls.weight_bytes, bytes_c=calls.activation_bytes, batch=batch,
        )  # fmt: skip
        taken: Column = np.where(times > 0, times * once, 0.0)
        return taken

    one = np.ones_like(tokens)
    width = net.heads * net.head_dim * _padding(calls) * share
    inputs = net.attention_weights / net.hidden - net.heads * net.head_dim
    matrices = net.matrices - 1.0
    inner = net.ffn / calls.tensor
    shared = net.shared_ffn / calls.tensor
    mixer = net.state_space_inner / calls.tensor
    mixer_in = net.state_space_weights / np.maximum(net.hidden, 1.0) / calls.tensor - mixer
    # Requests that attention is split by: each device computes its own, with all heads.
    own = np.where(calls.split_attention > 0, one, 1.0 / calls.tensor)
    weights = (
        product_s(tokens * own, net.hidden, inputs * _padding(calls) * share, net.layers, one)
        + product_s(tokens * own, width, net.hidden, net.layers, one)
        + product_s(tokens, net.hidden, matrices * inner, net.plain_mlp_layers, one)
        + product_s(tokens, inner, net.hidden, net.plain_mlp_layers, one)
        + product_s(tokens, net.hidden, mixer_in, net.state_space_layers, one)
        + product_s(tokens, mixer, net.hidden, net.state_space_layers, one)
    )
    touched = np.maximum(net.experts * _touched(net, tokens), 1.0)
    visits = tokens * net.experts_per_token
    visitors = np.maximum(visits / touched, 1e-9)
    # Tokens are copied to their experts and back, and the experts' inner values are read and written once
    # more.
    copied = visits * (4.0 * net.hidden + 3.0 * net.expert_ffn) * calls.activation_bytes / calls.tensor
    local = touched / calls.tensor
    shared_layers = np.where(net.shared_ffn > 0, net.expert_layers, 0.0)
    gathered = product_s(visitors, net.hidden, matrices * net.expert_ffn, net.expert_layers, local)
    gathered = gathered + product_s(visitors, net.expert_ffn, net.hidden, net.expert_layers, local)
    experts = (
        gathered / c["decode_experts_ratio"]
        + product_s(tokens, net.hidden, matrices * shared, shared_layers, one)
        + product_s(tokens, shared, net.hidden, shared_layers, one)
        + net.expert_layers
        * (memory_bound_s(copied, dev, c) + np.where(compiled, 0.0, c["decode_experts_s"]))
    )
    vocabulary = gemm_s(
        sequences, net.hidden, net.vocab / calls.tensor, dev, c,
        bytes_b=np.maximum(calls.activation_bytes, 2.0), bytes_c=4.0,
    )  # fmt: skip

    windowed = np.where(net.window > 0, np.minimum(net.window_layers, net.layers), 0.0)
    wide = np.maximum(prefilled * own, 1e-9)
    heads = np.maximum(net.heads * _padding(calls) * share, 1.0)
    kv_heads = _kv_heads(calls)
    units16 = replace(
        dev,
        peak_flops_per_s=calls.attention_flops_per_s * dev.peak_flops_per_s / calls.devices.peak_flops_per_s,
    )

    def scores_s(keys: Column) -> Column:
        taken: Column = attention_s(
            wide, heads, kv_heads, calls.prompt, keys, net.head_dim, units16, c,
            causal=net.causal, flash=calls.engine != _FUSED, backward=False,
        )  # fmt: skip
        return taken

    prompts = (net.layers - windowed) * scores_s(calls.prompt)
    prompts = prompts + np.where(
        windowed > 0,
        windowed * scores_s(np.minimum(np.where(net.window > 0, net.window, 1e9), calls.prompt)),
        0.0,
    )
    cached = np.where(graph, c["decode_paged_cache_ratio"], c["decode_cache_ratio"])
    widths = np.where(graph, c["decode_graph_widths"], c["decode_pass_widths"])
    passing = (
        net.all_layers
        * widths
        * tokens
        * 0.5
        * (net.hidden + net.heads * net.head_dim)
        * calls.activation_bytes
        / calls.tensor
    )
    # Where Python is slower than the device, it is counted as the host's time; the device's own tails stay.
    tails = [c[f"decode_{name}_layer_s"] for name in ("fused", "fused", "graph", "static")]
    layer_s = np.choose(calls.engine.astype(int), tails)
    message = tokens * net.hidden * calls.activation_bytes
    reduces = net.mlp_count + net.state_space_layers + np.where(calls.split_attention > 0, net.layers, 0.0)
    stage = np.minimum(calls.tensor, dev.devices_per_machine)
    quiet = {**c, "collective_start_s": 0.0, "link_step_s": 0.0, "quick_start_s": 0.0}
    loud_s = all_reduce_s(message, calls.tensor, stage, dev, c)
    reduce_s = np.where(compiled, all_reduce_s(message, calls.tensor, stage, dev, quiet), loud_s)
    return {
        "weights": weights,
        "experts": experts,
        "vocabulary": np.asarray(vocabulary),
        "attention over prompts": np.where(prefilled > 0, prompts, 0.0),
        "keys and values": running * own * cache_read_bytes(calls) / (bandwidth * cached),
        "activations": np.asarray(memory_bound_s(passing, dev, c)),
        "starts of kernels": layer_s * net.all_layers + c["decode_pass_s"],
        "all-reduces": reduces * reduce_s,
        "pipeline": np.where(
            calls.pipeline > 1, (calls.pipeline - 1.0) * send_s(message, calls.tensor, dev, c), 0.0
        ),
    }


def _effective(calls: Generations, c: Constants) -> DeviceColumns:
    """The devices with what conversions and compilers leave of their rates."""
    dev, compiled = calls.devices, calls.engine == _STATIC
    matmul = np.where(calls.narrow > 0, c["decode_narrow_ratio"], 1.0)
    matmul = np.where(compiled, c["decode_static_matmul_ratio"], matmul)
    stream = np.where(compiled, c["decode_static_stream_ratio"], 1.0)
    return replace(
        dev,
        peak_flops_per_s=dev.peak_flops_per_s * matmul,
        memory_bandwidth_bytes_per_s=dev.memory_bandwidth_bytes_per_s * stream,
    )


def _attention_share(calls: Generations) -> Column:
    """Part of the attention's weights on one device."""
    share: Column = np.where(calls.split_attention > 0, 1.0 / calls.tensor, 1.0)
    return share


def _padding(calls: Generations) -> Column:
    """How many more heads devices compute than the network has, as each holds whole heads."""
    heads = np.maximum(calls.networks.heads, 1.0)
    padded: Column = np.ceil(heads / calls.tensor) * calls.tensor / heads
    return np.where(calls.split_attention > 0, padded, 1.0)


def _kv_heads(calls: Generations) -> Column:
    """Heads of keys and values on one device: at least one, so that few heads are kept more than once."""
    whole = calls.networks.kv_heads
    split = np.maximum(np.ceil(whole / calls.tensor), 1.0)
    return np.where(calls.split_attention > 0, split, whole)


def _touched(net: TransformerColumns, tokens: Column) -> Column:
    """Share of the experts that so many tokens visit, if each token chooses evenly and on its own."""
    share = net.experts_per_token / np.maximum(net.experts, 1.0)
    touched: Column = 1.0 - (1.0 - share) ** tokens
    return touched


def cache_bytes_per_token(calls: Generations) -> Column:
    """Keys and values of one token in all layers, on a device that holds them."""
    net = calls.networks
    full = 2.0 * _kv_heads(calls) * net.head_dim
    elements = np.where(net.latent_rank > 0, net.latent_rank + net.rope_dim, full)
    held: Column = net.layers * elements * calls.cache_bytes
    return held


def cache_read_bytes(calls: Generations) -> Column:
    """Keys, values and states that a step reads for one request on a device, mean over its output.

    Programs of fixed shape read all that was reserved.
    """
    net = calls.networks
    last = calls.prompt + calls.output
    first = np.where(calls.engine == _STATIC, last, calls.prompt)
    window = np.minimum(np.where(net.window > 0, net.window, np.inf), last)
    # Mean of min(window, t) for t from first to last.
    middle = np.maximum(window, first)
    area = 0.5 * (middle**2 - first**2) + window * (last - middle)
    spans = np.where(last > first, area / np.maximum(last - first, 1.0), np.minimum(window, first))
    share = np.minimum(net.window_layers, net.layers) / np.maximum(net.layers, 1.0)
    tokens = (1.0 - share) * 0.5 * (first + last) + share * np.minimum(spans, window)
    read: Column = cache_bytes_per_token(calls) * tokens + _state_bytes(calls)
    return read


def _state_bytes(calls: Generations) -> Column:
    net = calls.networks
    state: Column = (
        net.state_space_layers * net.state_space_inner * net.state_space_state * 4.0 / calls.tensor
    )
    return state


def weights_bytes(calls: Generations) -> Column:
    """Weights that the fullest device holds: its part of the layers, and of embedding or head."""
    net = calls.networks
    attention = net.layers * net.attention_weights * _padding(calls) * _attention_share(calls)
    others = (
        net.plain_mlp_layers * net.mlp_weights
        + net.expert_layers * (net.shared_weights + net.experts * net.expert_weights)
        + net.state_space_layers * net.state_space_weights
    )
    ends = net.embedding_weights + np.where((net.tied > 0) & (calls.pipeline < 2), 0.0, net.head_weights)
    ends = ends * np.maximum(calls.activation_bytes, 2.0) / calls.tensor / np.minimum(calls.pipeline, 2.0)
    held: Column = (attention + others / calls.tensor) * calls.weight_bytes / calls.pipeline + ends
    return held


def memory_bytes(calls: Generations, constants: Constants, batch: Column | None = None) -> Column:
    """Memory of the fullest device while `batch` requests (default: the calls') are at their longest."""
    running = calls.batch if batch is None else batch
    own = np.where(calls.split_attention > 0, running, running / calls.tensor)
    held: Column = (
        weights_bytes(calls)
        + own * request_bytes(calls)
        + _buffer_bytes(calls, constants, running)
        + constants["decode_runtime_bytes"]
    )
    return held


def request_bytes(calls: Generations) -> Column:
    """Keys, values and states of one request at its longest, on a device that holds them."""
    net = calls.networks
    longest = calls.prompt + calls.output
    share = np.where(
        net.window > 0, np.minimum(net.window_layers, net.layers) / np.maximum(net.layers, 1.0), 0.0
    )
    narrow = np.minimum(np.where(net.window > 0, net.window, np.inf), longest)
    held: Column = cache_bytes_per_token(calls) * ((1.0 - share) * longest + share * narrow) + _state_bytes(
        calls
    )
    return held / calls.pipeline


def _buffer_bytes(calls: Generations, constants: Constants, sequences: Column) -> Column:
    """What one pass over the prompts of so many requests holds, and their logits."""
    net = calls.networks
    graph = calls.engine == _GRAPH
    tokens = np.where(graph, np.minimum(sequences * calls.prompt, CHUNK_TOKENS), sequences * calls.prompt)
    reused = graph | (calls.engine == _STATIC)
    widths = np.where(reused, constants["decode_graph_buffer_widths"], constants["decode_buffer_widths"])
    hidden = tokens * net.hidden * calls.activation_bytes * widths
    held: Column = hidden + 4.0 * sequences * net.vocab / calls.tensor
    return held


def largest_batch(calls: Generations, constants: Constants) -> Column:
    """The most requests whose tokens fit into memory, at most `max_batch` a process; 0 where none fits."""
    processes = np.where(calls.split_attention > 0, 1.0, calls.tensor)
    most = calls.max_batch * processes
    room = calls.devices.memory_bytes - weights_bytes(calls) - constants["decode_runtime_bytes"]
    # Engines with graphs reserve the buffers of their largest pass; those of the others grow with the batch.
    graph = calls.engine == _GRAPH
    reserved = np.where(graph, _buffer_bytes(calls, constants, most), 0.0)
    each = request_bytes(calls) + np.where(graph, 0.0, _buffer_bytes(calls, constants, processes))
    room = (room - reserved) * constants["decode_memory_ratio"]
    fitting: Column = np.clip(np.floor(room / each), 0.0, calls.max_batch) * processes
    return fitting


def _step_s(calls: Generations, constants: Constants, running: Column) -> Column:
    """Time of a step of continuous batching in its steady state, in which as many requests start as end.

    The stages of a pipeline work on their own part of the requests, one after the other.
    """
    part = running / calls.pipeline
    started = part / np.maximum(calls.output, 1.0)
    device_s = _pass_s(calls, constants, prefilled=started, running=part)
    planned = np.where(calls.split_attention > 0, running, running / calls.tensor)
    host_s = calls.pipeline * constants["decode_step_s"] + constants["decode_request_s"] * planned
    # One process plans the next step while devices compute; the stages of a pipeline wait for its plan.
    step: Column = np.where(calls.pipeline > 1, device_s + host_s, np.maximum(device_s, host_s))
    return step


def serving_throughput(calls: Generations, constants: Constants) -> Service:
    """Tokens answered per second at the batch that yields most of them, among those that fit into memory.

    Nothing fits: zero tokens, infinite step. Experts on several devices: the better of both splits of
    attention.
    """
    split = _served(calls, constants)
    able = (calls.networks.experts > 0) & (calls.tensor > 1) & (calls.engine == _GRAPH)
    if not able.any():
        return split
    apart = _served(replace(calls, split_attention=np.where(able, 0.0, calls.split_attention)), constants)
    better = apart.tokens_per_s > split.tokens_per_s
    return Service(
        *(np.where(better, getattr(apart, f.name), getattr(split, f.name)) for f in fields(Service))
    )


def _served(calls: Generations, constants: Constants) -> Service:
    most = largest_batch(calls, constants)
    rate, batch, step_s = np.zeros_like(most), np.zeros_like(most), np.full_like(most, np.inf)
    for halvings in range(5):
        running = np.floor(most / 2.0**halvings)
        step = _step_s(calls, constants, np.maximum(running, 1.0))
        reached = np.where(running >= 1.0, running / step, 0.0)
        better = reached > rate
        rate, batch = np.where(better, reached, rate), np.where(better, running, batch)
        step_s = np.where(better, step, step_s)
    none = np.zeros_like(most)
    return Service(rate, batch, step_s, _pass_s(calls, constants, prefilled=none + 1.0, running=none))


def serving_latency(calls: Generations, constants: Constants, requests_per_s: Column) -> Responses:
    """What requests that arrive at random wait for, at a mean rate, under continuous batching.

    The number that run is where arrivals and ends balance: rate x output x step of that number (Little
    1961). Prompts queue for the passes one after the other: their wait is that of M/D/1 with the time that
    a prompt adds to a pass.
    """
    best = serving_throughput(calls, constants)
    most = np.maximum(best.batch, 1.0)
    bearable = best.tokens_per_s / np.maximum(calls.output, 1.0)
    load = np.divide(requests_per_s, bearable, out=np.full_like(bearable, np.inf), where=bearable > 0)
    low, high = np.zeros_like(most), most
    for _ in range(24):
        middle = 0.5 * (low + high)
        needed = requests_per_s * calls.output * _step_s(calls, constants, np.maximum(middle, 1e-3))
        low, high = np.where(needed > middle, middle, low), np.where(needed > middle, high, middle)
    running = 0.5 * (low + high)
    step = _step_s(calls, constants, np.maximum(running, 1e-3))
    share = np.minimum(load, 1.0 - 1e-9)
    wait = best.prefill_s * share / (2.0 * (1.0 - share))
    stable = load < 1.0
    return Responses(
        first_token_s=np.where(stable, wait + 0.5 * step + best.prefill_s, np.inf),
        token_s=np.where(stable, step, np.inf),
        running=np.where(stable, running, np.inf),
        utilization=load,
    )
