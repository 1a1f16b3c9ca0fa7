"""Training jobs as published tables state them: rows of text become networks, devices, layouts and settings.

Tables leave much out. What a row does not say is not guessed once: every sensible value is an alternative, and the
fastest that fits in memory is taken, as whoever published the row did. Measured columns are never read.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from tradewind.decide.prediction.architectures import architecture_of, transformer_from, transformer_like
from tradewind.decide.prediction.devices import device_of, devices_in, precision_of
from tradewind.domain.architecture import Transformer
from tradewind.domain.layout import Checkpointing, TrainingLayout

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewind.domain.architecture import Architecture
    from tradewind.domain.device import Device

__all__ = ["MEASURED", "Job", "number", "training_jobs"]

MEASURED: Final = frozenset(
    {
        "tokens_per_s",
        "samples_per_s",
        "step_time_s",
        "tokens_per_s_per_gpu",
        "tflops_per_gpu",
        "mfu",
        "hfu",
        "mem_gib_per_gpu",
        "latency_ms",
        "prefill_ms",
        "decode_ms_per_token",
        "tokens_per_s_out",
        "stddev",
        "time_ms",
        "tflops",
        "time_us_median",
        "throughput",
        "lat_p90_ms",
        "lat_p99_ms",
        "watt",
    }
)
"""Columns that hold what was measured; no prediction reads them."""

_FLASH: Final = ("flash", "titan", "bridge", "nemo", "maxtext", "fsdp", "neuron", "transformer engine")
"""Words of frameworks that compute attention without writing its scores."""
_MICRO_BATCHES: Final = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Job:
    """One way to understand a row: a network on devices under a layout."""

    row: int
    network: Transformer
    device: Device
    precision: str
    tokens: float
    layout: TrainingLayout
    flash: bool
    compiled: bool
    fused_loss: bool
    """Softmax and loss are one kernel, in place."""
    async_tensor: bool
    graphs: bool
    rowwise: bool
    """Products in fp8 have a scale for each row."""
    gradient_bytes: float
    convention: str
    """How its framework holds weights: a name of `memory.CONVENTIONS`."""
    samples: float
    """Of one step: the global batch that the row states, else that of the layout."""
    unknown: tuple[str, ...]
    """What the row does not say."""


def number(row: Mapping[str, str], *names: str) -> float | None:
    """The first of these columns that holds a finite number.

    >>> number({"gpus": "", "devices": "8.0"}, "gpus", "devices")
    8.0
    """
    for name in names:
        text = (row.get(name) or "").strip().replace(",", "")
        try:
            value = float(text)
        except ValueError:
            continue
        if math.isfinite(value):
            return value
    return None


def training_jobs(
    row: Mapping[str, str], place: int, devices: Sequence[Device], architectures: Sequence[Architecture]
) -> list[Job] | str:
    """The alternatives of one row; in words, why there are none."""
    stated = {name: text for name, text in row.items() if name not in MEASURED and text}
    text = " ".join(stated.get(name, "") for name in ("framework", "notes", "family", "topology")).lower()
    device = _device(stated, devices)
    if device is None:
        named = stated.get("gpu_type") or stated.get("device") or stated.get("instance") or "no device"
        return f"{named}: this accelerator is not in the sheet of devices"
    network = _network(stated, architectures)
    if network is None:
        return f"{stated.get('model', 'no model')}: neither its widths nor its size in parameters are known"
    degrees = _degrees(stated)
    gpus = number(stated, "gpus") or _of_instances(stated) or degrees.get("gpus")
    tensor, pipeline = degrees.get("tp"), degrees.get("pp")
    context, expert = degrees.get("cp") or 1.0, degrees.get("ep") or 1.0
    data = degrees.get("dp")
    unknown = []
    if gpus is None:
        gpus = (tensor or 1.0) * (pipeline or 1.0) * context * (data or 1.0)
    if tensor is None and pipeline is None and data is None and gpus > 1:
        unknown.append("layout")
    tensor, pipeline = tensor or 1.0, pipeline or 1.0
    spread = max(1.0, round(gpus / (tensor * pipeline * context)))
    data = data if data and data * tensor * pipeline * context == gpus else spread
    tokens = number(stated, "seq", "seq_in")
    if tokens is None:
        tokens = _usual_tokens(stated.get("model", ""), network, device)
        unknown.append("sequence length")
    if _drops_padding(stated, network, tokens):
        tokens *= _KEPT
    precision = _precision(stated)
    zero = number(stated, "zero_stage")
    if zero is None:
        sharded = any(word in text for word in ("fsdp", "maxtext", "zero-3", "zero3"))
        zero = 3.0 if sharded else 1.0 if any(w in text for w in ("megatron-bridge", "nemo", "zero")) else 0.0
    total = number(stated, "global_batch")
    micro, accumulation = number(stated, "micro_batch"), number(stated, "grad_accum")
    if total is None and micro is not None:
        total = micro * (accumulation or 1.0) * data
    checkpointings, parallel_norms = _checkpointing(stated, text, tensor)
    shares = (0.25, 0.5, 0.75, 1.0) if len(checkpointings) > 1 else (1.0,)
    if len(checkpointings) > 1:
        unknown.append("recomputation")
    # Nobody says how the work is spread: shards over all devices, or over those that tensor parallelism leaves.
    spreads = [(tensor, data)]
    if "layout" in unknown:
        zero = 3.0
        joined = min(gpus, device.devices_per_machine)
        spreads = [(t, gpus / t) for t in (1.0, 2.0, 4.0, 8.0) if gpus % t == 0 and t <= joined]
    if micro is None:
        unknown.append("micro-batch")
    flash = any(word in text for word in _FLASH)
    recent = device.year >= 2022 and "megatron-lm 20" not in text
    jobs = []
    for (tensor, data), (checkpointing, share) in product(spreads, _ways(checkpointings, shares)):
        for micro_batch, accumulated in _batches(total, micro, accumulation, data):
            layout = TrainingLayout(
                tensor=int(tensor),
                pipeline=int(pipeline),
                virtual_stages=int(degrees.get("vp") or 1.0),
                context=int(context),
                expert=int(expert),
                data=int(data),
                zero_stage=_stage(zero),
                micro_batch=micro_batch,
                accumulation=accumulated,
                checkpointing=checkpointing,
                checkpointed_share=share,
                sequence_parallel=parallel_norms,
                precision=precision,
                lora_rank=16 if "lora" in text else 0,
            )
            jobs.append(
                Job(
                    row=place,
                    network=network,
                    device=device,
                    precision=precision,
                    tokens=tokens,
                    layout=layout,
                    flash=flash or recent,
                    compiled=_compiled(text, device),
                    fused_loss="flash" in text,
                    async_tensor="async tp" in text or "bridge" in text or device.kind != "gpu",
                    graphs=device.kind != "gpu" or "bridge" in text or "graph" in text,
                    rowwise="rowwise" in text,
                    gradient_bytes=_gradient_bytes(text, precision),
                    convention=_convention(text, precision, zero),
                    samples=total or float(layout.global_batch),
                    unknown=tuple(unknown),
                )
            )
    return jobs


def _device(row: Mapping[str, str], devices: Sequence[Device]) -> Device | None:
    for name in ("gpu_type", "device", "accelerator", "instance"):
        if row.get(name):
            found = device_of(row[name], devices)
            if found is None:
                return None
            if name == "instance":
                # Tables by instance count the cores of its chips.
                cores = (
                    one
                    for one in devices
                    if one.generation == found.generation and one.name.startswith("NeuronCore")
                )
                found = next(cores, found)
            joined = number(row, "gpus_per_node", "devices_per_node")
            return (
                found if joined is None else msgspec.structs.replace(found, devices_per_machine=int(joined))
            )
    return None


def _of_instances(row: Mapping[str, str]) -> float | None:
    """Cores of all machines, where a table counts machines."""
    nodes = number(row, "nodes")
    if nodes is None or not row.get("instance"):
        return None
    return nodes * devices_in(f"{row['instance']} NeuronCore")


def _network(row: Mapping[str, str], architectures: Sequence[Architecture]) -> Transformer | None:
    # Some makers' tables call their own networks by size alone.
    owner = row["family"].split("-")[0] if row.get("family") and row.get("model", "")[:1].isdigit() else ""
    known = architecture_of(f"{owner} {row.get('model', '')}".strip(), architectures)
    if known is not None and not isinstance(known, Transformer):
        return None
    own = transformer_from(row, like=known) if known else transformer_from(row)
    if own is not None or known is not None:
        return own or known
    parameters = number(row, "params") or _size(row.get("model", ""))
    return transformer_like(parameters) if parameters else None


def _size(text: str) -> float | None:
    """Parameters that a name tells: "22B", "350m", "1T"."""
    found = re.search(r"(?<![a-z0-9.])(\d+(?:\.\d+)?)\s*([mbt])(?![a-z0-9])", text.lower())
    if not found:
        return None
    return float(found[1]) * {"m": 1e6, "b": 1e9, "t": 1e12}[found[2]]


def _degrees(row: Mapping[str, str]) -> dict[str, float]:
    """Degrees of the mesh from their own columns, or from words such as "TP=8 DP=4 PP=4", "[32xNC(DP)] x 16Nodes(DP)"."""
    found = {name: value for name in ("tp", "pp", "vp", "dp", "cp", "ep") if (value := number(row, name))}
    topology = row.get("topology", "")
    for name, value in re.findall(r"\b(TP|PP|DP|CP|EP)\s*=\s*(\d+)", topology):
        found.setdefault(name.lower(), float(value))
    cores = re.search(r"(\d+)\s*x?\s*NC\(DP\)", topology)
    nodes = number(row, "nodes") or 1.0
    if cores and "dp" not in found:
        found["dp"] = float(cores[1]) * nodes
    if topology and "dp" in found:
        found["gpus"] = found.get("tp", 1.0) * found.get("pp", 1.0) * found["dp"]
    return found


_KEPT: Final = 0.5
"""Of the tokens of 512-token samples of Wikipedia, half are padding (Krell et al. 2021, arXiv:2107.02027)."""


def _drops_padding(row: Mapping[str, str], network: Transformer, tokens: float) -> bool:
    """Whether a framework leaves padding out of encoders' pre-training, as NVIDIA's DeepLearningExamples do."""
    words = f"{row.get('family', '')} {row.get('task', '')}".lower()
    return not network.causal and tokens >= 512 and "nvidia" in words and "pretrain" in words


def _usual_tokens(name: str, network: Transformer, device: Device) -> float:
    """Of a sample, where nobody says: what the network was published with."""
    phase = re.search(r"\bph(?:ase)?[ _-]?([12])\b", name.lower())
    if phase:
        return 128.0 if phase[1] == "1" else 512.0  # Devlin et al. 2019: most steps short, the last ones long
    if not network.causal:
        return float(network.positions or 512)
    if network.gated:
        return 4096.0
    return 1024.0 if device.year <= 2020 else 2048.0


def _precision(row: Mapping[str, str]) -> str:
    return precision_of(row.get("precision") or "bf16").compute


def _stage(value: float) -> Literal[0, 1, 2, 3]:
    stages: tuple[Literal[0, 1, 2, 3], ...] = (0, 1, 2, 3)
    return stages[max(0, min(3, int(value)))]


def _checkpointing(
    row: Mapping[str, str], text: str, tensor: float
) -> tuple[tuple[Checkpointing, ...], bool]:
    """What is computed again (every way, where the row does not say), and whether norms are split over tensor."""
    word = row.get("act_ckpt", "").lower()
    split = "sp" in word or any(name in text for name in ("bridge", "titan", "sequence parallel", "neuron"))
    split = split and tensor > 1
    if "full" in word or word in ("true", "yes"):
        return ("full",), split
    if "selective" in word:
        return ("selective",), split
    if word in ("none", "no", "false"):
        return ("none",), split
    if "megatron" in text and not any(name in text for name in _FLASH):
        # The scripts that Megatron-LM shipped with before fused attention all set it.
        return ("full",), split
    return ("none", "selective", "full"), split


def _ways(
    checkpointings: Sequence[Checkpointing], shares: Sequence[float]
) -> list[tuple[Checkpointing, float]]:
    """Checkpointings, and full ones of only some of the layers where nobody says how many."""
    return [(one, share) for one in checkpointings for share in (shares if one == "full" else (1.0,))]


def _batches(
    total: float | None, micro: float | None, accumulation: float | None, data: float
) -> list[tuple[int, int]]:
    """Micro-batches and how many are accumulated, that give the global batch."""
    if micro is not None:
        if accumulation is None:
            accumulation = max(1.0, round(total / (micro * data))) if total else 1.0
        return [(max(1, int(micro)), max(1, int(accumulation)))]
    if total is None:
        return [(batch, 1) for batch in _MICRO_BATCHES]
    own = max(1, round(total / data))
    if accumulation is not None:
        return [(max(1, round(own / accumulation)), int(accumulation))]
    return [(batch, own // batch) for batch in _MICRO_BATCHES if own % batch == 0] or [(own, 1)]


def _convention(text: str, precision: str, zero: float) -> str:
    if precision in ("fp32", "tf32"):
        return "fp32"
    if any(word in text for word in ("fsdp", "titan", "maxtext")):
        return "fsdp"
    if "deepspeed" not in text and any(word in text for word in ("megatron", "bridge", "nemo")):
        return "megatron"
    return "deepspeed" if zero > 0 or "deepspeed" in text else "autocast"


def _compiled(text: str, device: Device) -> bool:
    fused = (
        "compile",
        "bridge",
        "nemo",
        "megatron-lm",
        "megatron-core",
        "maxtext",
        "jax",
        "xla",
        "neuron",
        "bert",
    )
    return device.kind != "gpu" or any(word in text for word in fused)


def _gradient_bytes(text: str, precision: str) -> float:
    if "mp default" in text or "titan" in text or precision in ("fp32", "tf32"):
        return 4.0
    return 2.0
