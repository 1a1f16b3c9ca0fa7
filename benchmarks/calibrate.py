"""Fits the constants of the performance model on tables of published measurements, and writes what ships.

    python benchmarks/calibrate.py --tables DIR [--machines instance_specs.csv] [--only training ...]

Without the tables the package works with the calibration that ships. A room that is not fitted again keeps its
constants and misses. Constants of kernels and collectives are rounded into their modules and only their misses are
taken from here, because all other rooms are fitted on top of them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from calibration import collectives, counted, generation, kernels, training

from tradewind.decide.prediction import fitted
from tradewind.decide.prediction.devices import device_of
from tradewind.decide.prediction.published import device_text, family_of
from tradewind.domain import codec
from tradewind.domain.estimate import Calibration, Constant
from tradewind.files import atomic, package_data, rows, sheets

OUT = package_data("facts").parent / "calibration.json"
REPORT = Path(__file__).parent / "results" / "fits.json"
ROOMS = ("kernels", "collectives", "training", "counted", "generation", "processors")
FITTED = ("decode_", "cpu_")
"""Constants of generation, which keep the values of their last fit."""
MOST = 240
"""Misses that ship of one kind."""
TABLES = {
    "counted_call": ("infer_timm.csv", "infer_nvidia_dle_cnn.csv", "infer_aws_neuron.csv"),
    "counted_step": ("train_timm_1gpu.csv", "train_nvidia_dle_cnn.csv", "train_lambda_gpu.csv"),
    "encoder_call": ("infer_fastertransformer_bert_vit.csv", "infer_train_neusight_labels.csv"),
    "encoder_step": ("train_lambda_gpu.csv",),
    "generation_call": ("infer_fastertransformer_gpt.csv", "infer_llm_decode_misc.csv"),
    "generation_serving": ("infer_trtllm_throughput.csv",),
    "gemm": ("gemm_measured_vidur.csv",),
    "collective": ("collectives_measured.csv",),
}
"""What each kind of prediction was fitted on, besides training."""
RENAMED = {
    "gemm": "gemm_far",
    "collectives in a machine": "collective_near",
    "collectives across, network probed": "collective_far",
    "llama.cpp prompt": "cpu_prompt_far",
    "llama.cpp generation": "cpu_generation_far",
}
"""Kinds of misses as the fits call them, and as intervals do."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--tables", type=Path, required=True, help="folder with train_*.csv, infer_*.csv and the like"
    )
    parser.add_argument("--machines", type=Path, help="instance_specs.csv, for language models on processors")
    parser.add_argument("--only", nargs="+", choices=ROOMS, default=list(ROOMS))
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--report", type=Path, default=REPORT, help="every line of the fits, as JSON")
    asked = parser.parse_args()
    if not (asked.tables / "train_vtrain_a100.csv").is_file():
        print(
            f"{asked.tables}: no tables of measurements here; the shipped calibration stays", file=sys.stderr
        )
        sys.exit(2)
    before = (
        msgspec.json.decode(asked.out.read_bytes(), type=Calibration)
        if asked.out.is_file()
        else Calibration(constants={})
    )
    constants = dict(fitted.assumed().constants)
    constants |= {
        name: one
        for name, one in before.constants.items()
        if name not in constants or name in training.FREE or name.startswith(FITTED)
    }
    seen = set(before.seen)
    report: list[dict[str, Any]] = []
    for room in asked.only:
        started = time.monotonic()
        found = _fit(room, asked)
        if found is None:
            continue
        if room not in ("kernels", "collectives"):
            constants |= {
                name: Constant(value=value, standard_error=error, fitted_on=source)
                for name, (value, error, source) in found.constants.items()
            }
        for kind, misses in found.residuals.items():
            name = RENAMED.get(kind, kind)
            if misses and name.endswith(("_near", "_far")):
                constants[f"{name}_ratio"] = _interval(misses)
        seen |= set(getattr(found, "seen", ()))
        report += [
            {"room": room, **{key: _plain(value) for key, value in one.items()}} for one in found.report
        ]
        print(f"{room}: {len(found.report)} lines, {time.monotonic() - started:.0f} s", flush=True)
    seen |= _seen(asked.tables)
    calibration = Calibration(constants=dict(sorted(constants.items())), seen=tuple(sorted(seen)))
    atomic.write_bytes(asked.out, codec.encode(calibration))
    kept = json.loads(asked.report.read_text()) if asked.report.is_file() else []
    lines = [one for one in kept if one["room"] not in asked.only] + report
    lines.sort(key=lambda one: ROOMS.index(one["room"]))
    atomic.write_text(asked.report, "[\n" + ",\n".join(json.dumps(one) for one in lines) + "\n]\n")


def _fit(room: str, asked: argparse.Namespace) -> Any:
    if room == "processors":
        return generation.fit_cpu(asked.tables, asked.machines) if asked.machines else None
    return {
        "kernels": kernels,
        "collectives": collectives,
        "training": training,
        "counted": counted,
        "generation": generation,
    }[room].fit(asked.tables)


def _seen(tables: Path) -> set[str]:
    """Devices and families of networks in the tables of each kind: predictions of others are less sure."""
    found = set()
    for kind, names in TABLES.items():
        for name in names:
            _, measured = rows.read(tables / name)
            for text in {device_text(row) for row in measured}:
                device = device_of(text, sheets.devices())
                found |= {f"{kind}|{device.name}"} if device else set()
            found |= {f"{kind}|{family_of(row.get('model') or '')}" for row in measured}
    return found


def _interval(misses: list[float]) -> Constant:
    """The misses of a kind, thinned evenly over their distribution."""
    values = np.asarray(misses, dtype=np.float64)
    kept = values if len(values) <= MOST else np.quantile(values, (np.arange(MOST) + 0.5) / MOST)
    return Constant(
        value=float(np.exp(np.median(values))),
        standard_error=float(np.std(values)),
        fitted_on=f"{len(values)} rows that the fit did not see: measured / predicted",
        residuals=tuple(round(float(one), 4) for one in np.sort(kept)),
    )


def _plain(value: object) -> object:
    return round(float(value), 3) if isinstance(value, float | np.floating) else value


if __name__ == "__main__":
    main()
