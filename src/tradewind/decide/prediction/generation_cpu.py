"""Language models on processors: tokens per second of prompts and of generation, with quantized weights.

In: rows (instance_type, model, n_threads, n_prompt, n_gen) and the machines they name. Out: seconds and
tokens per second. Prompts are bound by arithmetic, which depends on the instructions that multiply 8-bit
numbers; generation by how fast the threads draw the weights from memory; small networks by the barrier
after every operator.

Source of the shapes of the curves: llama.cpp, ggml-cpu (all threads share each product and meet at a
barrier).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from tradewind.decide.prediction.architectures import architecture_of, transformer_from
from tradewind.decide.prediction.devices import precision_of
from tradewind.decide.prediction.processors import identify
from tradewind.decide.prediction.transformers import Column, TransformerColumns, transformer_columns
from tradewind.domain.architecture import Transformer
from tradewind.domain.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewind.domain.architecture import Architecture

__all__ = [
    "ASSUMED",
    "INSTRUCTIONS",
    "CpuGenerations",
    "CpuTimes",
    "Described",
    "cpu_calls",
    "cpu_generation_s",
    "predict_cpu_rows",
]

INSTRUCTIONS: Final[tuple[tuple[str, str], ...]] = (
    ("amx", "amx_int8"),
    ("vnni", "avx512_vnni"),
    ("avx512", "avx512"),
    ("avx2", "avx2"),
    ("i8mm", "i8mm"),
    ("neon", "neon"),
)
"""What multiplies 8-bit numbers, the best first, and the word of the instruction set that tells it;
else "plain"."""

_LLAMA: Final = "fitted 2026-11 on SpareCores/sc-inspector-data 2025 (llama.cpp on AWS)"
_GUESS: Final = "assumed: no measured machine tells"

ASSUMED: Final[dict[str, tuple[float, float, str]]] = {
    "cpu_plain_ops_per_clock": (5.0, 2.5, _GUESS),
    "cpu_neon_ops_per_clock": (9.02, 0.9, _LLAMA),
    "cpu_i8mm_ops_per_clock": (13.09, 1.1, _LLAMA),
    "cpu_avx2_ops_per_clock": (20.27, 1.8, _LLAMA),
    "cpu_avx512_ops_per_clock": (19.22, 2, _LLAMA),
    "cpu_vnni_ops_per_clock": (23.3, 1.7, _LLAMA),
    "cpu_amx_ops_per_clock": (50.02, 4.8, _LLAMA),
    "cpu_attention_ops_per_clock": (3.123, 0.55, f"{_LLAMA}: attention, in fp32"),
    "cpu_hyperthread_gain_ratio": (0.1, 0.05, _GUESS),
    "cpu_stream_ratio": (1.258, 0.11, f"{_LLAMA}: of the bandwidth that the table of processors states"),
    "cpu_overlap_exponent": (
        1.527,
        0.34,
        f"{_LLAMA}: norm that joins drawing weights and arithmetic: 1 sum, infinite maximum",
    ),
    "cpu_half_threads": (
        80.28,
        13,
        f"{_LLAMA}: threads at which half of the arithmetic is lost to unequal shares and traffic "
        "between sockets",
    ),
    "cpu_fallback_ratio": (
        0.3727,
        0.027,
        f"{_LLAMA}: speed of the older formats where rows are no multiples of 256 weights",
    ),
    "cpu_layer_s": (7.667e-05, 1.9e-05, f"{_LLAMA}: operators of a layer beside its products"),
    "cpu_barrier_s": (
        2.156e-06,
        4.1e-07,
        f"{_LLAMA}: what each further thread adds to the barriers of a layer",
    ),
}
"""Value, standard error, source. Operations of one core, with the unpacking of 4-bit weights."""


class Described(Protocol):
    """A machine as a catalogue lists it; `tradewind.domain.offer.Offer` is one."""

    @property
    def cpu_vendor(self) -> str | None:
        """Such as "Intel"."""

    @property
    def cpu_architecture(self) -> str | None:
        """x86_64 or arm64."""

    @property
    def cpu_model(self) -> str | None:
        """As the vendor writes it."""

    @property
    def cpu_ghz(self) -> float | None:
        """As listed."""

    @property
    def isa(self) -> tuple[str, ...] | None:
        """Words of the instruction set."""

    @property
    def vcpus(self) -> int:
        """Threads that it sells."""

    @property
    def physical_cores(self) -> int | None:
        """None where it is not listed."""

    @property
    def memory_mt_per_s(self) -> float | None:
        """Rate of its memory; None where it is not listed."""


@dataclass(frozen=True)
class CpuGenerations:
    """Calls on processors, one a row: (n,)."""

    networks: TransformerColumns
    weight_bytes: Column
    threads: Column
    cores: Column
    speed_hz: Column
    """Clock times what the generation does in one, Zen 3 = 1."""
    instructions: Column
    """Index into `INSTRUCTIONS`; their number: plain."""
    core_bandwidth_bytes_per_s: Column
    socket_bandwidth_bytes_per_s: Column
    prompt: Column
    output: Column


@dataclass(frozen=True)
class CpuTimes:
    """The answers to n rows, each (n,); NaN where a row can't be understood."""

    seconds: Column
    """Of the prompt and all tokens."""
    tokens_per_s: Column
    """Of the prompt where nothing is generated, else of what is generated."""
    reasons: list[str]


def cpu_generation_s(calls: CpuGenerations, constants: Mapping[str, float]) -> Column:
    """Seconds to read the prompts and to generate the tokens, one request alone."""
    c, net = constants, calls.networks
    busy = np.minimum(calls.threads, calls.cores)
    doubled = np.clip(calls.threads - calls.cores, 0.0, calls.cores)
    cores = busy + c["cpu_hyperthread_gain_ratio"] * doubled
    names = [f"cpu_{name}_ops_per_clock" for name, _ in INSTRUCTIONS] + ["cpu_plain_ops_per_clock"]
    # Shares of a product that are not equal, and traffic between sockets, cost more the more threads there
    # are.
    cores = cores / (1.0 + calls.threads / c["cpu_half_threads"])
    rate = np.array([c[name] for name in names])[calls.instructions.astype(int)] * calls.speed_hz * cores
    # K-quants pack 256 weights; narrower networks get formats whose kernels are slower.
    rate = rate * np.where(net.hidden % 256.0 == 0.0, 1.0, c["cpu_fallback_ratio"])
    attention_rate = c["cpu_attention_ops_per_clock"] * calls.speed_hz * cores
    # A core's own limit and its share of the socket add like resistances.
    drawn = busy / (1.0 / calls.core_bandwidth_bytes_per_s + busy / calls.socket_bandwidth_bytes_per_s)
    drawn = drawn * c["cpu_stream_ratio"]
    layer_s = net.all_layers * (c["cpu_layer_s"] + c["cpu_barrier_s"] * (calls.threads - 1.0))

    read = net.active_parameters * calls.weight_bytes + net.head_weights * np.maximum(
        calls.weight_bytes, 0.82
    )
    per_token = 2.0 * net.active_parameters
    head = 2.0 * net.head_weights
    prompt_s = (
        (calls.prompt * per_token + head) / rate
        + calls.prompt * net.attention_flops_per_token(calls.prompt) / attention_rate
        + layer_s * np.ceil(calls.prompt / 512.0)
        + read / drawn * np.ceil(calls.prompt / 512.0)
    )
    context = calls.prompt + 0.5 * calls.output
    cache = 4.0 * net.layers * net.kv_heads * net.head_dim * context
    step_s = (
        (
            (read / drawn) ** c["cpu_overlap_exponent"]
            + ((per_token + head) / rate) ** c["cpu_overlap_exponent"]
        )
        ** (1.0 / c["cpu_overlap_exponent"])
        + cache / drawn
        + 4.0 * net.layers * net.heads * net.head_dim * context / attention_rate
        + layer_s
    )
    seconds: Column = np.where(calls.prompt > 0, prompt_s, 0.0) + calls.output * step_s
    return seconds


def cpu_calls(
    rows: Sequence[Mapping[str, str]],
    machines: Mapping[str, Described],
    architectures: Sequence[Architecture],
) -> tuple[CpuGenerations | None, list[int], list[str]]:
    """The calls that can be understood, their places among the rows, and why each of the others can't."""
    networks: list[Transformer] = []
    figures: list[tuple[float, ...]] = []
    places: list[int] = []
    reasons: list[str] = []
    for place, row in enumerate(rows):
        machine = machines.get(row.get("instance_type") or "")
        found = architecture_of(row.get("model") or "", architectures)
        known = (
            found
            if isinstance(found, Transformer)
            else transformer_from({"params": row.get("n_params") or ""})
        )
        if machine is None or known is None:
            lacking = "machine" if machine is None else "model"
            reasons.append(
                f"{row.get('instance_type' if machine is None else 'model')}: not a known {lacking}"
            )
            continue
        reasons.append("")
        networks.append(known)
        places.append(place)
        figures.append(_figures(row, machine))
    if not places:
        return None, places, reasons
    return CpuGenerations(transformer_columns(networks), *np.array(figures).T), places, reasons


def _figures(row: Mapping[str, str], machine: Described) -> tuple[float, ...]:
    processor, _ = identify(
        vendor=machine.cpu_vendor,
        architecture=machine.cpu_architecture,
        model=machine.cpu_model,
        isa=machine.isa,
    )
    words = set(machine.isa or ())
    place = next((i for i, (_, word) in enumerate(INSTRUCTIONS) if word in words), len(INSTRUCTIONS))
    if not words:
        usual = {"arm": "neon", "amd": "avx2", "intel": "avx512" if processor.avx512 else "avx2"}[
            processor.vendor
        ]
        place = next(i for i, (_, word) in enumerate(INSTRUCTIONS) if word == usual)
    cores = machine.physical_cores or (
        machine.vcpus if processor.vendor == "arm" else max(1, machine.vcpus // 2)
    )
    try:
        weight_bytes = precision_of((row.get("model") or "").replace(".", " ")).weight_bytes
    except InputError:
        weight_bytes = 2.0
    memory = (machine.memory_mt_per_s or processor.memory_mt_per_s) / processor.memory_mt_per_s
    return (
        weight_bytes,
        float(row.get("n_threads") or cores),
        float(cores),
        processor.clock_ghz * processor.scalar_per_clock * 1e9,
        float(place),
        processor.core_bandwidth_bytes_per_s,
        processor.socket_bandwidth_bytes_per_s * memory,
        float(row.get("n_prompt") or 0.0),
        float(row.get("n_gen") or 0.0),
    )


def predict_cpu_rows(
    rows: Sequence[Mapping[str, str]],
    machines: Mapping[str, Described],
    architectures: Sequence[Architecture],
    constants: Mapping[str, float],
) -> CpuTimes:
    """What each row takes on the processor of its instance type; `machines` by that name."""
    calls, places, reasons = cpu_calls(rows, machines, architectures)
    answer = CpuTimes(np.full(len(rows), np.nan), np.full(len(rows), np.nan), reasons)
    if calls is None:
        return answer
    seconds = cpu_generation_s(calls, constants)
    answer.seconds[places] = seconds
    answer.tokens_per_s[places] = np.where(calls.output > 0, calls.output, calls.prompt) / seconds
    for i, place in enumerate(places):
        name = (
            "plain"
            if calls.instructions[i] == len(INSTRUCTIONS)
            else INSTRUCTIONS[int(calls.instructions[i])][0]
        )
        bound = "memory bandwidth" if calls.output[i] > 0 else f"arithmetic with {name}"
        reasons[place] = f"{calls.threads[i]:.0f} threads on {calls.cores[i]:.0f} cores, bound by {bound}"
    return answer
