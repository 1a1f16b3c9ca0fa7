"""Fits the constants of counted networks and of encoders to published tables, and says how well they then predict.

    python benchmarks/calibration/counted.py TABLES

A cell of a table, device, precision and framework weighs as the square root of its rows; errors are of the logarithm, so that a factor counts the same in both
directions. Splits leave out families of networks, then each device, then (training) each table.
"""

from __future__ import annotations

import csv
import re
import sys
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import least_squares

from tradewind.decide.prediction import collectives, counted, encoders, kernels
from tradewind.files.sheets import architectures, devices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

FOLDS = 4
ENCODERS = ("infer_fastertransformer_bert_vit", "infer_train_neusight_labels")
INFERENCE = ("infer_timm", "infer_nvidia_dle_cnn")
TRAINING = ("train_timm_1gpu", "train_nvidia_dle_cnn", "train_lambda_gpu")
LARGEST = 250
"""Rows of one table, device and framework that a fit sees; the report is of all rows."""
KEPT = 400
"""Misses of each kind that a fit hands on."""


@dataclass
class Fit:
    """What a fit gives: constants with errors, misses out of sample, and the lines of the report."""

    constants: dict[str, tuple[float, float, str]] = field(default_factory=dict)
    residuals: dict[str, list[float]] = field(default_factory=dict)
    report: list[dict[str, object]] = field(default_factory=list)


@dataclass
class Table:
    """Rows of several tables that one function predicts, with what was measured."""

    measured_s: NDArray[np.float64]
    groups: dict[str, NDArray[np.str_]]
    predict: Callable[[Mapping[str, float], NDArray[np.intp]], NDArray[np.float64]]
    fitted: NDArray[np.bool_]
    """Rows that say enough to be fitted."""
    macs_s: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    """Seconds of the multiply-adds at the peak."""

    def weights(self) -> NDArray[np.float64]:
        """Of each row, so that a cell (a table's device, precision and framework) weighs as the root of its rows."""
        weights = np.zeros(len(self.measured_s))
        for cell in np.unique(self.groups["cell"]):
            inside = self.groups["cell"] == cell
            weights[inside] = (LARGEST / inside.sum()) ** 0.25
        return weights


def family(name: str) -> str:
    bare = re.sub(r"^(tf_|legacy_|dm_|tv_|gluon_)", "", name.lower())
    return re.match(r"[a-z]*", bare)[0] or bare


def fold(name: str) -> str:
    return str(zlib.crc32(family(name).encode()) % FOLDS)


def spread(table: Table, keep: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Rows for a fit: at most LARGEST of each cell, evenly spaced."""
    chosen = []
    for cell in np.unique(table.groups["cell"]):
        rows = np.flatnonzero((table.groups["cell"] == cell) & keep & table.fitted)
        chosen.append(rows[:: max(1, round(len(rows) / LARGEST))])
    return np.concatenate(chosen)


def solve(
    table: Table,
    names: list[str],
    fixed: Mapping[str, float],
    prior: Mapping[str, tuple[float, float, str]],
    rows: NDArray[np.intp],
) -> tuple[dict[str, float], NDArray[np.float64]]:
    """Constants by least squares of log errors, held near what was assumed; and their relative standard errors."""
    start = np.log([prior[name][0] for name in names])
    loose = np.array([max(prior[name][1] / prior[name][0], 0.05) for name in names])
    weight = table.weights()[rows]
    weight = weight / np.sqrt((weight**2).mean())
    target = np.log(table.measured_s[rows])

    def misses(x: NDArray[np.float64]) -> NDArray[np.float64]:
        constants = {**fixed, **dict(zip(names, np.exp(x), strict=True))}
        return np.concatenate(
            [(np.log(table.predict(constants, rows)) - target) * weight, (x - start) / loose]
        )

    # No product is faster than the sustained peak.
    highest = np.array([0.0 if name.endswith("_matrix_ratio") else np.inf for name in names])
    found = least_squares(
        misses,
        np.minimum(start, highest - 0.01),
        bounds=(-np.inf, highest),
        loss="soft_l1",
        f_scale=0.15,
        x_scale=loose,
        max_nfev=40,
    )
    residual = misses(found.x)[: len(rows)]
    variance = np.median(np.abs(residual)) ** 2 / 0.4549
    covariance = np.linalg.pinv(found.jac.T @ found.jac) * variance
    return dict(zip(names, np.exp(found.x), strict=True)), np.sqrt(np.diag(covariance))


def line(
    fit: Fit, name: str, split: str, measured: NDArray[np.float64], predicted: NDArray[np.float64]
) -> None:
    error = np.abs(predicted / measured - 1.0)
    fit.report.append(
        {
            "table": name,
            "split": split,
            "n": len(error),
            "median": round(float(np.median(error)) * 100, 1),
            "p90": round(float(np.quantile(error, 0.9)) * 100, 1),
            "bias": round(float(np.median(np.log(predicted / measured))), 3),
        }
    )


def left_out(
    fit: Fit,
    kind: str,
    table: Table,
    names: list[str],
    fixed: Mapping[str, float],
    prior: Mapping[str, tuple[float, float, str]],
    by: str,
) -> NDArray[np.float64]:
    """Predictions of each group from constants that were fitted on all others."""
    predicted = np.full(len(table.measured_s), np.nan)
    for group in np.unique(table.groups[by]):
        inside = table.groups[by] == group
        if inside.all():
            continue
        constants, _ = solve(table, names, fixed, prior, spread(table, ~inside))
        rows = np.flatnonzero(inside)
        predicted[rows] = table.predict({**fixed, **constants}, rows)
    known = np.isfinite(predicted)
    for cell in [*np.unique(table.groups["cell"]), ""]:
        rows = known & ((table.groups["cell"] == cell) if cell else table.fitted)
        if rows.any():
            line(fit, cell or f"{kind} (all)", f"{by} left out", table.measured_s[rows], predicted[rows])
    rows = known & table.fitted
    place = "near" if by in ("fold", "model") else "far"
    # Where both devices and tables are left out, the tables, which come last, stand: they are the harder.
    fit.residuals[f"{kind}_{place}"] = misses_of(table, rows, predicted)
    return predicted


def misses_of(table: Table, rows: NDArray[np.bool_], predicted: NDArray[np.float64]) -> list[float]:
    """Logarithms of measured to predicted, at most KEPT, the same share of each cell, spread over its size."""
    places = np.flatnonzero(rows)
    places = places[np.lexsort((table.measured_s[places], table.groups["cell"][places]))]
    chosen = places[np.linspace(0, len(places) - 1, min(KEPT, len(places))).astype(int)]
    return np.log(table.measured_s[chosen] / predicted[chosen]).round(4).tolist()


def counted_table(tables: Path, names: Iterable[str]) -> Table:
    """Rows of counted networks with their measured seconds for one call or step."""
    rows: list[dict[str, str]] = []
    origin: list[str] = []
    for name in names:
        with (tables / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                rows.append(row)
                origin.append(name)
    read = counted.calls_of(rows, devices(), architectures())
    for reason in sorted(set(read.reasons.values())):
        print("  left:", reason, sum(r == reason for r in read.reasons.values()))
    kept = [rows[place] for place in read.rows]
    samples = read.calls.batch * read.devices
    measured = np.array(
        [
            float(row.get("latency_ms") or "nan") / 1e3
            if row.get("latency_ms")
            else s / float(row["samples_per_s"])
            for row, s in zip(kept, samples, strict=True)
        ]
    )

    def predict(constants: Mapping[str, float], at: NDArray[np.intp]) -> NDArray[np.float64]:
        calls, device = read.calls.take(at), read.device.take(at)
        if read.training[0]:
            return counted.training_step_s(calls, device, constants, devices=read.devices[at])
        return counted.forward_s(calls, device, constants)

    tables_of = np.array([origin[place] for place in read.rows])
    device = np.array([row["device"] for row in kept])
    groups = {
        "table": tables_of,
        "device": device,
        "fold": np.array([fold(row["model"]) for row in kept]),
        "model": np.array([row["model"] for row in kept]),
        "cell": np.array(
            [
                f"{table} {row['device']} {row.get('precision') or '?'} {(row.get('framework') or '')[:28] if 'timm' in table else ''}".strip()
                for table, row in zip(tables_of, kept, strict=True)
            ]
        ),
    }
    fitted = np.array([not {"precision", "batch"} & set(missing) for missing in read.unknown])
    # The counts of that table lack the scores, as its profiler did not see into fused kernels.
    blind = np.array(["PyTorch 2.10 " in (row.get("framework") or "") for row in kept])
    fitted &= ~(blind & (read.calls.scores > 0))
    macs_s = 2.0 * read.calls.macs * read.calls.batch / read.device.peak_flops_per_s
    return Table(measured, groups, predict, fitted, macs_s)


def encoder_table(tables: Path, names: Iterable[str]) -> Table:
    """Rows of transformers of known shape with their measured seconds for one call or step."""
    rows: list[dict[str, str]] = []
    origin: list[str] = []
    for name in names:
        with (tables / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                if row["device"] == "A100" and row["family"] == "fastertransformer-vit":
                    # docs/vit_guide.md states a memory clock of 1215 MHz (40 GB); docs/bert_guide.md one of 1593 (80 GB).
                    row["device"] = "A100-40GB"
                if "lambda" not in name or row["model"].startswith("bert"):
                    rows.append(row)
                    origin.append(name)
    read = encoders.encoder_calls_of(rows, devices(), architectures())
    for reason in sorted(set(read.reasons.values())):
        print("  left:", reason, sum(r == reason for r in read.reasons.values()))
    kept = [rows[place] for place in read.rows]
    samples = read.calls.batch * read.devices
    measured = np.array(
        [
            float(row["latency_ms"]) / 1e3 if row.get("latency_ms") else s / float(row["samples_per_s"])
            for row, s in zip(kept, samples, strict=True)
        ]
    )

    def predict(constants: Mapping[str, float], at: NDArray[np.intp]) -> NDArray[np.float64]:
        calls, device = read.calls.take(at), read.device.take(at)
        step = encoders.encoder_step_s(
            calls, device, constants, devices=read.devices[at], optimizer=read.optimizer[at]
        )
        return np.where(read.training[at], step, encoders.encoder_forward_s(calls, device, constants))

    tables_of = np.array([origin[place] for place in read.rows])
    groups = {
        "table": tables_of,
        "device": np.array([row["device"] for row in kept]),
        "model": np.array([row["model"].lower().removesuffix("_squad") for row in kept]),
        "cell": np.array(
            [
                f"{t} {row['device']} {row['precision'].split(',')[0] if 'faster' in t else ''}"
                for t, row in zip(tables_of, kept, strict=True)
            ]
        ),
    }
    fitted = np.array([not {"precision", "batch"} & set(missing) for missing in read.unknown])
    return Table(measured, groups, predict, fitted)


GUESSED = {
    # What one would say before any table was seen: value and relative width.
    "matrix_ratio": (0.85, 0.2),
    "elementwise_words": (5.0, 0.4),
    "fused_ratio": (0.3, 0.5),
    "activation_flops": (150.0, 0.6),
    "product_words": (2.5, 0.2),
    "stage_sharpness": (2.0, 0.3),
    "chain_ratio": (2.0, 0.4),
    "channels_last_ratio": (0.8, 0.2),
    "tuned_ratio": (0.7, 0.3),
    "unknown_kernels": (200.0, 0.4),
    "kernel_depth_exponent": (0.4, 0.4),
    "host_start_s": (40e-6, 0.7),
    "compiled_start_ratio": (0.3, 0.5),
    "autocast_start_ratio": (1.2, 0.1),
    "fused_kernels_ratio": (0.4, 0.3),
    "kernel_floor_s": (4e-6, 0.3),
    "processor_matrix_ratio": (0.8, 0.3),
    "processor_words_ratio": (1.5, 0.6),
    "processor_vector_ratio": (2.0, 0.6),
    "processor_kernel_s": (50e-6, 0.7),
    "backward_product_ratio": (2.0, 0.2),
    # Batch statistics and their gradients take 13 words where inference takes 4, and branches add up gradients.
    "training_words_ratio": (4.0, 0.4),
    "tuned_step_ratio": (0.75, 0.16),
    "last_step_ratio": (0.9, 0.11),
    "chain_step_ratio": (0.7, 0.4),
    "group_norm_step_ratio": (1.4, 0.35),
    "wide_groups_last_ratio": (4.0, 0.75),
    "tf32_convolution_ratio": (0.6, 0.5),
    "training_kernels_ratio": (3.0, 0.2),
    "optimizer_bytes": (20.0, 0.2),
    "exposed_reduction_ratio": (0.4, 0.5),
    "layer_words": (26.0, 0.5),
    "inner_words": (4.0, 0.2),
    "score_words": (12.0, 0.2),
    "engine_score_words": (5.0, 0.4),
    "tf32_ratio": (0.8, 0.12),
    "engine_words_ratio": (0.7, 0.4),
    "quantized_kernels_ratio": (1.6, 0.2),
    "layer_kernels": (24.0, 0.2),
    "cold_product_ratio": (1.1, 0.15),
    "engine_kernels_ratio": (0.6, 0.2),
    "fused_attention_kernels_ratio": (0.7, 0.3),
    "unaligned_ratio": (0.3, 0.5),
    "python_start_s": (12e-6, 0.4),
    "executor_start_s": (6e-6, 0.4),
    "host_speed_per_year": (1.2, 0.15),
    "encoder_backward_ratio": (2.1, 0.15),
    "encoder_exposed_ratio": (0.5, 0.4),
    "encoder_optimizer_bytes": (28.0, 0.2),
}


def guessed(names: Iterable[str]) -> dict[str, tuple[float, float, str]]:
    """Value and width of each constant before the fit; a style's constants by their meaning."""
    found = {}
    for name in names:
        style, _, meaning = name.partition("_")
        key = name if name in GUESSED else meaning if style in counted.STYLES else ""
        if key in GUESSED:
            value, width = GUESSED[key]
            found[name] = (value, value * width, "guessed")
    return found


def constant_use(fit: Fit, name: str, table: Table, macs_s: NDArray[np.float64]) -> None:
    """The rival: all networks use the same part of the peak; the part is the median of the table itself."""
    line(
        fit,
        f"{name}: constant MFU",
        "in sample",
        table.measured_s,
        macs_s / np.median(macs_s / table.measured_s),
    )


def shared() -> dict[str, float]:
    """Constants of operators and collectives, which other tables fit."""
    return {name: entry[0] for module in (kernels, collectives) for name, entry in module.ASSUMED.items()}


TRAINED = (
    "backward_product_ratio",
    "training_words_ratio",
    "tuned_step_ratio",
    "last_step_ratio",
    "chain_step_ratio",
    "group_norm_step_ratio",
    "wide_groups_last_ratio",
    "tf32_convolution_ratio",
    "training_kernels_ratio",
    "optimizer_bytes",
    "exposed_reduction_ratio",
)


STEPS = ("encoder_exposed_ratio", "encoder_optimizer_bytes")


def fit_encoders(tables: Path, out: Fit) -> dict[str, float]:
    """Fits what lies between operators in encoders; operators themselves are fitted elsewhere."""
    prior = guessed(encoders.ASSUMED)
    fixed = {
        **shared(),
        **{name: entry[0] for name, entry in {**counted.ASSUMED, **encoders.ASSUMED, **prior}.items()},
    }
    calls = encoder_table(tables, ENCODERS)
    names = [name for name in prior if name not in (*STEPS, "encoder_backward_ratio")]
    found, errors = solve(calls, names, fixed, prior, spread(calls, np.ones(len(calls.measured_s), bool)))
    for name, error in zip(names, errors, strict=True):
        out.constants[name] = (found[name], found[name] * error, ", ".join(ENCODERS))
    rows = np.arange(len(calls.measured_s))
    line(out, "encoder (all)", "in sample", calls.measured_s, calls.predict({**fixed, **found}, rows))
    for by in ("model", "device", "table"):
        left_out(out, "encoder_call", calls, names, fixed, prior, by)
    fixed |= found
    steps = encoder_table(tables, ("train_lambda_gpu",))
    names = ["encoder_backward_ratio", *STEPS]
    spent, errors = solve(steps, names, fixed, prior, spread(steps, np.ones(len(steps.measured_s), bool)))
    for name, error in zip(names, errors, strict=True):
        out.constants[name] = (spent[name], spent[name] * error, "train_lambda_gpu")
    rows = np.arange(len(steps.measured_s))
    line(out, "encoder step (all)", "before fit", steps.measured_s, steps.predict(fixed, rows))
    for by in ("model", "device"):
        left_out(out, "encoder_step", steps, names, fixed, prior, by)
    return found | spent


def fit(tables: Path, *, encoders_too: bool = True) -> Fit:
    """Fits inference, then what training adds to it."""
    out = Fit()
    prior = guessed(name for name in counted.ASSUMED if not name.startswith("recurrent"))
    fixed = {**shared(), **{name: entry[0] for name, entry in {**counted.ASSUMED, **prior}.items()}}
    fixed |= {name: entry[0] for name, entry in encoders.ASSUMED.items()}
    if encoders_too:
        fixed |= fit_encoders(tables, out)
    calls = counted_table(tables, INFERENCE)
    names = [name for name in prior if name not in TRAINED]
    everything, errors = solve(
        calls, names, fixed, prior, spread(calls, np.ones(len(calls.measured_s), bool))
    )
    for name, error in zip(names, errors, strict=True):
        out.constants[name] = (everything[name], everything[name] * error, ", ".join(INFERENCE))
    rows = np.arange(len(calls.measured_s))
    line(
        out, "counted call (all)", "in sample", calls.measured_s, calls.predict({**fixed, **everything}, rows)
    )
    constant_use(out, "counted call", calls, calls.macs_s)
    for by in ("fold", "device"):
        left_out(out, "counted_call", calls, names, fixed, prior, by)
    steps = counted_table(tables, TRAINING)
    fixed = {**fixed, **everything}
    found, errors = solve(
        steps, list(TRAINED), fixed, prior, spread(steps, np.ones(len(steps.measured_s), bool))
    )
    for name, error in zip(TRAINED, errors, strict=True):
        out.constants[name] = (found[name], found[name] * error, ", ".join(TRAINING))
    constant_use(out, "counted step", steps, 3.0 * steps.macs_s)
    for by in ("fold", "device", "table"):
        left_out(out, "counted_step", steps, list(TRAINED), fixed, prior, by)
    return out


def main() -> None:
    out = Fit()
    if sys.argv[2:] == ["encoders"]:
        fit_encoders(Path(sys.argv[1]), out)
    else:
        out = fit(Path(sys.argv[1]), encoders_too=sys.argv[2:] != ["counted"])
    for name, (value, error, _) in out.constants.items():
        print(f"{name:32} {value:12.4g} +- {error:.2g}")
    for row in out.report:
        print(
            f"{row['table']:70} {row['split']:18} n {row['n']:6} median {row['median']:6} p90 {row['p90']:6} bias {row['bias']:+.2f}"
        )


if __name__ == "__main__":
    main()
