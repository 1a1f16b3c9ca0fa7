"""Predictions for rows of published tables: training, inference, products of matrices, collectives.

In: rows as text, in the column names that such tables share; a row is known by its columns. Out: one prediction for
each row, in order, with its interval and what dominates it; a row that lacks too much gets a reason instead. Columns
that hold measurements are taken away before anything reads the row.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from tradewind.decide.prediction import collectives, counted, generation, generation_cpu, kernels
from tradewind.decide.prediction.architectures import architecture_of, forward_flops_per_token
from tradewind.decide.prediction.constants import LEVEL
from tradewind.decide.prediction.devices import columns_of, device_of, peak_of, precision_of
from tradewind.decide.prediction.intervals import widen
from tradewind.decide.prediction.jobs import MEASURED, number, training_jobs
from tradewind.decide.prediction.steps import job_columns
from tradewind.domain.architecture import Counted, Transformer
from tradewind.domain.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tradewind.decide.prediction.generation_cpu import Described
    from tradewind.domain.architecture import Architecture
    from tradewind.domain.device import Device
    from tradewind.domain.estimate import Calibration

__all__ = ["Kind", "Prediction", "device_text", "family_of", "kind_of", "predict_rows"]

Kind = Literal[
    "training", "counted", "counted_training", "generation", "cpu_generation", "gemm", "collective"
]
"""What a row is about: a step of a transformer's training; a call, or a training step, of a network known by counts
(encoders too); generation by a language model; one product of matrices; one collective."""


@dataclass(frozen=True)
class Prediction:
    """The answer to one row. `seconds` is NaN where there is none; then `because` says why."""

    kind: Kind | None
    seconds: float
    """Of a step, a call, or an operation."""
    low: float
    high: float
    memory_bytes: float
    """Of one device at its peak; NaN where it is not predicted."""
    fits: bool | None
    because: str
    samples: float = 0.0
    """Of the step or call that `seconds` is for; 0 where samples mean nothing."""
    tokens: float = 0.0
    """That it generates."""
    flops_per_device: float = 0.0
    """That the publisher's convention counts for it (model FLOPs)."""
    ideal_s: float = math.nan
    """What it would take at the peak of all devices; NaN where its operations are not counted."""


def kind_of(row: Mapping[str, str]) -> Kind | None:
    """What a row is about, by its columns and the words in them; None when nothing is known.

    >>> kind_of({"device": "A100", "M": "64", "K": "64", "N": "64", "dtype": "fp16"})
    'gemm'
    >>> kind_of({"model": "llama3-8b", "gpus": "8", "gpu_type": "H100", "global_batch": "64", "seq": "8192"})
    'training'
    """
    if {"M", "K", "N"} <= row.keys():
        return "gemm"
    if {"op", "world", "bytes"} <= row.keys():
        return "collective"
    if {"instance_type", "n_prompt", "n_gen"} <= row.keys():
        return "cpu_generation"
    if "model" not in row:
        return None
    words = " ".join(row.get(name) or "" for name in ("family", "notes", "task")).lower()
    inference = {"seq_in", "seq_out", "batch"} <= row.keys()
    if inference:
        if "train" in words.replace("pretrained", ""):
            return "counted_training"
        decoder = number(row, "seq_out") or "decoder" in words
        return "generation" if decoder else "counted"
    if "batch_per_gpu" in row:
        return "counted_training"
    if row.keys() & {"global_batch", "micro_batch", "gpu_type", "zero_stage", "topology"}:
        return "training"
    return None


def predict_rows(
    rows: Sequence[Mapping[str, str]],
    devices: Sequence[Device],
    architectures: Sequence[Architecture],
    calibration: Calibration,
    *,
    processors: Mapping[str, Described] | None = None,
    level: float = LEVEL,
) -> list[Prediction]:
    """One prediction for each row, in order. Nothing that was measured is read.

    `devices` and `architectures` are the sheets to find names in, `processors` the machine types of rows about
    language models on processors; `calibration` has the constants and the misses that
    make the intervals, which hold the outcome in `level` of cases.
    """
    legible = [_legible({name: text for name, text in row.items() if name not in MEASURED}) for row in rows]
    stated = [row for row, _ in legible]
    constants = {name: constant.value for name, constant in calibration.constants.items()}
    places: dict[Kind, list[int]] = {}
    answers: list[Prediction | None] = [None] * len(rows)
    for place, row in enumerate(stated):
        kind = kind_of(row)
        if kind == "training" and _is_counted(row, architectures):
            kind = "counted_training"
        if kind is None:
            answers[place] = _none(
                None, "neither training, inference, a product nor a collective: " + _columns(row)
            )
        else:
            places.setdefault(kind, []).append(place)
    for kind, chosen in places.items():
        own = [stated[place] for place in chosen]
        # Numbers that no machine has may overflow on the way; such rows end without an answer.
        with np.errstate(all="ignore"):
            if kind == "cpu_generation":
                found = _cpu_generation(own, processors or {}, architectures, constants)
            else:
                found = _ANSWERS[kind](own, devices, architectures, constants)
        for at, place in enumerate(chosen):
            if doubts := legible[place][1]:
                found.because[at] = "; ".join(
                    part for part in (found.because[at], f"assumed: {doubts}") if part
                )
            elif not np.isfinite(found.seconds[at]) and not found.because[at]:
                found.because[at] = "no finite answer: check the numbers of the row"
        found.distance = np.array(
            [_distance(row, name, devices, calibration) for row, name in zip(own, found.kinds, strict=True)]
        )
        # What had to be assumed about a row makes it stranger than its device and network do.
        found.distance = found.distance + _ASSUMED * np.array(["assumed" in said for said in found.because])
        for place, prediction in zip(chosen, _with_intervals(found, kind, calibration, level), strict=True):
            answers[place] = prediction
    return [answer or _none(None, "no answer") for answer in answers]


@dataclass
class _Found:
    """Answers of one kind before their intervals, one a row."""

    seconds: np.ndarray
    memory_bytes: np.ndarray
    fits: list[bool | None]
    because: list[str]
    distance: np.ndarray
    """From the data of the fit: 0 near, 1 far."""
    samples: np.ndarray
    tokens: np.ndarray
    flops_per_device: np.ndarray
    ideal_s: np.ndarray
    kinds: list[str]
    """Whose misses make the interval."""

    @classmethod
    def blank(cls, n: int, kind: str) -> _Found:
        """No answers yet."""
        return cls(
            seconds=np.full(n, np.nan),
            memory_bytes=np.full(n, np.nan),
            fits=[None] * n,
            because=[""] * n,
            distance=np.ones(n),
            samples=np.zeros(n),
            tokens=np.zeros(n),
            flops_per_device=np.zeros(n),
            ideal_s=np.full(n, np.nan),
            kinds=[kind] * n,
        )


_MOST: Final = 1e16
"""No count, size or width of a row is larger: the largest networks have 1e13 weights."""


def _legible(row: dict[str, str]) -> tuple[dict[str, str], str]:
    """A row without cells that mean nothing, which are then unknown; and what was left out, in words."""
    doubts = []
    for name in ("precision", "dtype"):
        if row.get(name):
            try:
                precision_of(row[name])
            except InputError:
                doubts.append(f"{name} {row[name]!r} is not known")
                row[name] = ""
    for name, text in tuple(row.items()):
        try:
            value = float(text or 0.0)
        except ValueError:
            continue
        if not 0.0 <= value <= _MOST:
            doubts.append(f"{name} {text!r} is no number of a machine")
            row[name] = ""
    return row, ", ".join(doubts)


def family_of(model: str) -> str:
    """The first word of a network's name: what its relatives share.

    >>> family_of("LLAMA3_70B"), family_of("resnet50v1.5"), family_of("HuggingFace BERT-Large Ph1")
    ('llama', 'resnet', 'bert')
    """
    words = re.findall(r"[a-z]+", model.lower().replace("huggingface", ""))
    return words[0] if words else ""


def device_text(row: Mapping[str, str]) -> str:
    """What a row calls its device."""
    names = ("gpu_type", "device", "cluster", "accelerator", "instance", "instance_type")
    return next((row[name] for name in names if row.get(name)), "")


def _distance(
    row: Mapping[str, str], kind: str, devices: Sequence[Device], calibration: Calibration
) -> float:
    """From the data of the fit: 1 where it knew neither the device nor relatives of the network.

    Never 0: the form of the model was chosen with these tables in view, so that left-out groups flatter it.
    """
    device = device_of(device_text(row), devices)
    known = (device.name if device else "", family_of(row.get("model") or ""))
    return max(1.0 - 0.5 * sum(f"{kind}|{one}" in calibration.seen for one in known), _NEAREST)


_NEAREST: Final = 0.35
_ASSUMED: Final = 0.75


def _columns(row: Mapping[str, str]) -> str:
    return "its columns are " + ", ".join(sorted(row)[:8])


def _none(kind: Kind | None, why: str) -> Prediction:
    return Prediction(kind, math.nan, math.nan, math.nan, math.nan, None, why)


def _with_intervals(found: _Found, kind: Kind, calibration: Calibration, level: float) -> list[Prediction]:
    known = np.isfinite(found.seconds) & (found.seconds >= 0.0)
    found.seconds = np.where(known, found.seconds, np.nan)
    low, high = widen(np.where(known, found.seconds, 1.0), found.kinds, found.distance, calibration, level)
    return [
        Prediction(
            kind=kind,
            seconds=float(found.seconds[place]),
            low=float(low[place]) if known[place] else math.nan,
            high=float(high[place]) if known[place] else math.nan,
            memory_bytes=float(found.memory_bytes[place]),
            fits=found.fits[place],
            because=found.because[place],
            samples=float(found.samples[place]),
            tokens=float(found.tokens[place]),
            flops_per_device=float(found.flops_per_device[place]),
            ideal_s=float(found.ideal_s[place]),
        )
        for place in range(len(known))
    ]


def _is_counted(row: Mapping[str, str], architectures: Sequence[Architecture]) -> bool:
    """Whether the network of a training row is known by its counts, not by its layers."""
    if number(row, "layers"):
        return False
    known = architecture_of(row.get("model") or "", architectures)
    return known is not None and not isinstance(known, Transformer)


def _training(
    rows: Sequence[Mapping[str, str]],
    devices: Sequence[Device],
    architectures: Sequence[Architecture],
    constants: Mapping[str, float],
) -> _Found:
    jobs, reasons = [], {}
    for place, row in enumerate(rows):
        ways = training_jobs(row, place, devices, architectures)
        if isinstance(ways, str):
            reasons[place] = ways
        else:
            jobs += ways
    found = _Found.blank(len(rows), "training")
    found.because = [reasons.get(place, "") for place in range(len(rows))]
    if jobs:
        columns = job_columns(jobs)
        times = columns.times(constants)
        held = columns.memory(constants)
        per_sample = np.broadcast_to(times.total_s, columns.rows.shape) / columns.layout.global_batch
        inside = held.total <= columns.device.memory_bytes
        surely = held.fits(columns.device.memory_bytes) > 0
        flops = 3.0 * columns.setting.tokens * columns.network.forward_flops_per_token(columns.setting.tokens)
        # Whoever published the row took the fastest way that ran; where none fits, the one that needs the least.
        order = np.where(inside, per_sample, 1e6 * held.total / columns.device.memory_bytes)
        for place in np.unique(columns.rows):
            alternatives = np.nonzero(columns.rows == place)[0]
            best = int(alternatives[np.argmin(order[alternatives])])
            job = jobs[best]
            found.seconds[place] = per_sample[best] * job.samples
            found.memory_bytes[place] = held.total[best]
            found.fits[place] = bool(surely[best])
            found.because[place] = _terms(times.shares(best), job.unknown)
            found.samples[place] = job.samples
            counted_flops = flops[best] * job.samples / job.layout.devices
            found.flops_per_device[place] = counted_flops
            found.ideal_s[place] = counted_flops / columns.half.peak_flops_per_s[best]
    return found


def _terms(shares: Sequence[tuple[str, float]], unknown: Sequence[str]) -> str:
    """The largest parts, and what had to be assumed."""
    text = ", ".join(f"{share:.0%} {name}" for name, share in shares[:4] if share >= 0.02)
    return f"{text}; not stated: {', '.join(unknown)}" if unknown else text


def _counted(
    rows: Sequence[Mapping[str, str]],
    devices: Sequence[Device],
    architectures: Sequence[Architecture],
    constants: Mapping[str, float],
) -> _Found:
    answer = counted.predict_rows(rows, devices, architectures, constants)
    found = _Found.blank(len(rows), "counted")
    found.seconds, found.memory_bytes, found.because = (
        answer.seconds,
        answer.memory_bytes,
        list(answer.reasons),
    )
    found.samples, found.kinds = (
        answer.samples,
        [kind.replace(" ", "_") or "counted" for kind in answer.kinds],
    )
    for place, row in enumerate(rows):
        if np.isfinite(found.seconds[place]):
            device = device_of(device_text(row), devices)
            flops = _forward_flops(row, architectures)
            if device is not None and flops is not None:
                precision = precision_of(row.get("precision") or "fp32").compute
                peak = peak_of(device, precision) * max(answer.devices[place], 1.0)
                passes = 3.0 if found.kinds[place].endswith("step") else 1.0
                found.ideal_s[place] = passes * flops * answer.samples[place] / peak
                share = f"{found.ideal_s[place] / found.seconds[place]:.0%} of the peak"
                found.because[place] = "; ".join(part for part in (share, found.because[place]) if part)
            if found.memory_bytes[place] > 0 and device is not None:
                found.fits[place] = bool(found.memory_bytes[place] <= device.memory_bytes)
    return found


def _forward_flops(row: Mapping[str, str], architectures: Sequence[Architecture]) -> float | None:
    """Operations of one forward pass of one sample, where they are counted."""
    macs = number(row, "gmacs")
    if macs:
        return 2e9 * macs
    known = architecture_of(row.get("model") or "", architectures)
    if isinstance(known, Counted):
        return 2.0 * known.macs
    if isinstance(known, Transformer):
        tokens = number(row, "seq", "seq_in") or known.positions or 128.0
        return tokens * forward_flops_per_token(known, tokens)
    return None


def _generation(
    rows: Sequence[Mapping[str, str]],
    devices: Sequence[Device],
    architectures: Sequence[Architecture],
    constants: Mapping[str, float],
) -> _Found:
    answer = generation.predict_rows(rows, devices, architectures, constants)
    found = _Found.blank(len(rows), "generation")
    found.seconds, found.memory_bytes, found.because = (
        answer.seconds,
        answer.memory_bytes,
        list(answer.reasons),
    )
    found.fits = [bool(one) for one in answer.fits]
    found.kinds = [f"generation_{kind}" for kind in answer.kinds]
    found.tokens = answer.tokens_per_s * answer.seconds
    for place, row in enumerate(rows):
        device = device_of(device_text(row), devices)
        flops = _forward_flops(row, architectures)
        if np.isfinite(found.seconds[place]) and device is not None and flops is not None:
            tokens = found.tokens[place] * (
                1.0 + (number(row, "seq_in") or 0.0) / (number(row, "seq_out") or 1.0)
            )
            peak = peak_of(device, "bf16") * (number(row, "gpus", "tp") or 1.0)
            found.ideal_s[place] = tokens * flops / ((number(row, "seq_in") or 128.0) * peak)
    return found


def _cpu_generation(
    rows: Sequence[Mapping[str, str]],
    processors: Mapping[str, Described],
    architectures: Sequence[Architecture],
    constants: Mapping[str, float],
) -> _Found:
    answer = generation_cpu.predict_cpu_rows(rows, processors, architectures, constants)
    elsewhere = [(row.get("backends") or "CPU").upper() not in ("CPU", "BLAS") for row in rows]
    answer.seconds[elsewhere] = np.nan
    answer.tokens_per_s[elsewhere] = np.nan
    found = _Found.blank(len(rows), "cpu_generation")
    found.seconds, found.because = answer.seconds, list(answer.reasons)
    for place in [place for place, away in enumerate(elsewhere) if away]:
        found.because[place] = (
            f"runs on {rows[place]['backends']}, not on the processor that its row describes"
        )
    found.tokens = np.nan_to_num(answer.tokens_per_s * answer.seconds)
    generated = [bool(number(row, "n_gen")) for row in rows]
    found.kinds = ["cpu_generation" if one else "cpu_prompt" for one in generated]
    return found


def _gemm(
    rows: Sequence[Mapping[str, str]],
    devices: Sequence[Device],
    architectures: Sequence[Architecture],
    constants: Mapping[str, float],
) -> _Found:
    """Products of matrices; rows without all of m, k and n are element-wise operators that no shape describes."""
    found = _Found.blank(len(rows), "gemm")
    shapes = [[number(row, name) or math.nan for name in ("M", "K", "N")] for row in rows]
    known = [device_of(row.get("device") or "", devices) for row in rows]
    words = [precision_of(row.get("dtype") or "fp16") for row in rows]
    usable = []
    for place, (row, device) in enumerate(zip(rows, known, strict=True)):
        if device is None:
            found.because[place] = f"{row.get('device') or 'no device'}: not in the sheet of devices"
        elif any(math.isnan(size) for size in shapes[place]):
            found.because[place] = "needs M, K and N"
        else:
            usable.append(place)
    if usable:
        m, k, n = np.array([shapes[place] for place in usable]).T
        columns = columns_of(
            [device for place in usable if (device := known[place])],
            [words[place].compute for place in usable],
        )
        size = np.array([words[place].activation_bytes for place in usable])
        weights = np.array([words[place].weight_bytes for place in usable])
        seconds = kernels.gemm_s(m, k, n, columns, constants, bytes_a=size, bytes_b=weights, bytes_c=size)
        found.seconds[usable] = seconds
        found.ideal_s[usable] = 2.0 * m * k * n / columns.peak_flops_per_s
        for place in usable:
            found.because[place] = f"{found.ideal_s[place] / found.seconds[place]:.0%} of the peak"
    return found


def _collective(
    rows: Sequence[Mapping[str, str]],
    devices: Sequence[Device],
    architectures: Sequence[Architecture],
    constants: Mapping[str, float],
) -> _Found:
    found = _Found.blank(len(rows), "collective")
    for place, row in enumerate(rows):
        device = device_of(device_text(row), devices)
        world, size = number(row, "world"), number(row, "bytes")
        if device is None or not world or size is None:
            found.because[place] = "needs a cluster of known devices, world and bytes"
            continue
        columns = columns_of([device], ["bf16"])
        inside = min(number(row, "devices_per_node") or columns.devices_per_machine[0], world)
        op = (row.get("op") or "").replace("-", "_").lower()
        if op in ("send_recv", "send", "p2p"):
            stride = 1.0 if inside > 1 else columns.devices_per_machine[0]
            once = collectives.send_s(size, stride, columns, constants)
        elif op in _COLLECTIVES:
            once = _COLLECTIVES[op](size, world, inside, columns, constants)
        else:
            found.because[place] = f"{op}: not a collective that is known; known: {', '.join(_COLLECTIVES)}"
            continue
        found.seconds[place] = float(np.asarray(once).reshape(-1)[0])
        found.because[place] = f"{size / max(found.seconds[place], 1e-12) / 1e9:.1f} GB/s"
    return found


_COLLECTIVES: Final[dict[str, Callable[..., Any]]] = {
    "all_reduce": collectives.all_reduce_s,
    "reduce_scatter": collectives.reduce_scatter_s,
    "all_gather": collectives.all_gather_s,
    "all_to_all": collectives.all_to_all_s,
}

_ANSWERS: Final = {
    "training": _training,
    "counted": _counted,
    "counted_training": _counted,
    "generation": _generation,
    "gemm": _gemm,
    "collective": _collective,
}
