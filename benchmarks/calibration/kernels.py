"""Fits the constants of operators to measured kernels and to published sustained rates, and scores what is left out.

The table `gemm_measured_vidur.csv` (columns device, model, op, M, K, N, tp, time_ms) stays where it is; only the
constants go into the product. Every split leaves a whole device or a whole network out.
"""

from __future__ import annotations

import csv
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from tradewind.decide.prediction import kernels
from tradewind.decide.prediction.devices import DeviceColumns, columns_of, device_of
from tradewind.files.sheets import devices

FITTED_ON = "vidur@7d47513 (A100, A40, H100) and published sustained rates"

# TFLOP/s of large square products at 16 bits: device, size, published rate, its relative error, source. "best" is the
# best shape that a search found (mag-/gpu_benchmark, README), of which common shapes are assumed to reach BEST_RATIO;
# "range" is the middle of what practitioners report, without a table at hand.
BEST_RATIO = 0.93
ANCHORS = (
    ("A100-80GB", 8192, 267.9, 0.05, "best"),
    ("A100-80GB-PCIe", 8192, 256.4, 0.08, "best"),
    ("H100-SXM", 8192, 792.1, 0.06, "best"),
    ("H100-PCIe", 8192, 499.5, 0.08, "best"),
    ("H100-NVL", 8192, 488.5, 0.10, "best"),
    ("MI300X", 8192, 758.3, 0.08, "best"),
    ("L40S", 8192, 252.0, 0.08, "best"),
    ("RTX-6000-Ada", 8192, 278.5, 0.08, "best"),
    ("RTX-4000-Ada", 8192, 82.7, 0.08, "best"),
    ("L40", 8192, 170.3, 0.08, "best"),
    ("RTX-4090", 8192, 178.5, 0.08, "best"),
    ("RTX-A5000", 8192, 93.9, 0.08, "best"),
    ("RTX-A6000", 8192, 131.2, 0.10, "best"),
    ("RTX-3090", 8192, 78.0, 0.08, "best"),
    ("A10G", 8192, 69.7, 0.08, "best"),
    ("V100-32GB", 8192, 95.0, 0.06, "qhduan/transformers-benchmarks, README"),
    (
        "L4",
        4096,
        62.0,
        0.12,
        "range",
    ),  # 55 to 70; the search's best, 91, is of a shape too short to heat the card
    ("T4", 4096, 31.0, 0.20, "range"),  # 25 to 40
    ("B200", 8192, 1620.0, 0.06, "range"),  # 1500 to 1750
    ("TPU-v5e", 8192, 177.0, 0.06, "range"),  # 170 to 185
)

# The table's norms, rotations, activations and gathers are kernels of one library that reach a third to a half of the
# bandwidth that sums reach on the same device, so they tell of that library.
KERNELS = ("attn_pre_proj", "attn_post_proj", "mlp_up_proj", "mlp_down_proj", "add")

# What was known before the fit, which a fit must not replace by its own results: a value, and how far off it may be
# (the standard deviation of its logarithm).
PRIOR = {
    "matrix_peak_ratio": (0.90, 0.1),  # CUTLASS reaches 0.9 to 0.95 of the rate at the clock that it runs at
    "matrix_energy_j_per_flop": (1.0e-12, 0.4),  # A100: 400 W for 312 TFLOP/s, memory and leakage in it
    "matrix_energy_shrink": (1.0, 0.4),  # capacitance shrinks with the feature at a constant voltage
    "matrix_energy_width": (0.5, 0.4),  # a square array of n flops fetches on its edges, of length sqrt(n)
    "matrix_power_exponent": (0.55, 0.4),  # power ~ clock x voltage^2: 1/3 with the voltage, 1 at its lowest
    "unit_bytes_per_clock": (96.0, 0.4),  # 64 from the second cache, and what neighbours share
    "wave_overhead_clocks": (1500.0, 0.4),  # a few latencies of memory, 500 clocks each
    "roofline_sharpness": (4.0, 0.4),
    "memory_bandwidth_ratio": (0.88, 0.1),  # of STREAM on HBM and GDDR
    "cache_speedup": (2.0, 0.4),  # of the second cache's bandwidth against the memory's
    "product_bandwidth_ratio": (0.82, 0.1),
    "kernel_latency_s": (1.5e-6, 0.4),
    "product_latency_s": (3.0e-6, 0.4),
}
FREE = tuple(PRIOR)


@dataclass
class Fit:
    """Constants by name as (value, standard error, what they were fitted on), and how they fare out of sample."""

    constants: dict[str, tuple[float, float, str]]
    residuals: dict[str, list[float]] = field(default_factory=dict)
    """log(measured / predicted) out of sample, by table."""
    report: list[dict[str, Any]] = field(default_factory=list)
    """table, split, n, median, p90: absolute percentage errors."""


@dataclass
class Rows:
    """The measured kernels as columns, and the device of each."""

    device: np.ndarray
    model: np.ndarray
    op: np.ndarray
    m: np.ndarray
    k: np.ndarray
    n: np.ndarray
    seconds: np.ndarray
    columns: DeviceColumns

    def take(self, which: np.ndarray) -> Rows:
        """Some of the rows."""
        of = [getattr(self, name)[which] for name in ("device", "model", "op", "m", "k", "n", "seconds")]
        return Rows(*of, self.columns.take(which))


def read(tables: Path) -> Rows:
    with (tables / "gemm_measured_vidur.csv").open() as lines:
        rows = [row for row in csv.DictReader(lines) if row["op"] in KERNELS]
    sheets = devices()
    found = {name: device_of(name, sheets) for name in {row["device"] for row in rows}}
    return Rows(
        np.array([row["device"] for row in rows]),
        np.array([row["model"] for row in rows]),
        np.array([row["op"] for row in rows]),
        *(np.array([float(row[name] or 0.0) for row in rows]) for name in ("M", "K", "N")),
        np.array([float(row["time_ms"]) * 1e-3 for row in rows]),
        columns_of([found[row["device"]] for row in rows], ["fp16"] * len(rows)),
    )


def anchors(without: str = "") -> tuple[DeviceColumns, np.ndarray, np.ndarray, np.ndarray]:
    named = {device.name: device for device in devices()}
    # "A100-SXM-80GB" leaves out the A100 of every form.
    kept = [anchor for anchor in ANCHORS if not without or without.split("-SXM")[0] not in anchor[0]]
    columns = columns_of([named[anchor[0]] for anchor in kept], ["bf16"] * len(kept))
    size, rate, error = (np.array([float(anchor[i]) for anchor in kept]) for i in (1, 2, 3))
    share = np.array([BEST_RATIO if anchor[4] == "best" else 1.0 for anchor in kept])
    return columns, size, rate * share, error


def predict(rows: Rows, constants: dict[str, float]) -> np.ndarray:
    product = np.char.find(rows.op, "proj") >= 0
    n = np.where(product, rows.n, 1.0)
    products = kernels.gemm_s(rows.m, rows.k, n, rows.columns, constants)
    moved = 3.0 * 2.0 * rows.m * rows.k
    return np.where(product, products, kernels.memory_bound_s(moved, rows.columns, constants))


def estimate(rows: Rows, without: str = "") -> tuple[dict[str, float], dict[str, float]]:
    """Constants that fit best, and their standard errors."""
    columns, size, rate, error = anchors(without)
    start = {name: kernels.ASSUMED[name][0] for name in kernels.ASSUMED}
    centre = np.log([PRIOR[name][0] for name in FREE])
    spread = np.array([PRIOR[name][1] for name in FREE])
    count = {name: np.sum(rows.device == name) for name in set(rows.device)}
    # Each device weighs as much as this many independent rows: kernels of one device err together.
    weight = np.sqrt([60.0 / count[name] for name in rows.device]) / 0.12
    # Times are rounded to microseconds.
    noise = np.hypot(1.0, 0.4e-6 / rows.seconds / 0.12)

    def residuals(logs: np.ndarray) -> np.ndarray:
        c = start | dict(zip(FREE, np.exp(logs), strict=True))
        measured = weight / noise * np.log(rows.seconds / predict(rows, c))
        seconds = kernels.gemm_s(size, size, size, columns, c)
        published = np.log(2.0 * size**3 / seconds / 1e12 / rate) / error
        return np.concatenate([soft(measured, weight), published, (logs - centre) / spread])

    found = least_squares(residuals, centre, x_scale=spread, max_nfev=40)
    covariance = np.linalg.inv(found.jac.T @ found.jac)
    values = np.exp(found.x)
    errors = values * np.sqrt(np.diag(covariance))
    return start | dict(zip(FREE, values, strict=True)), dict(zip(FREE, errors, strict=True))


def soft(residuals: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Residuals whose squares are the soft-L1 loss of errors beyond 12 %."""
    z = (residuals / (weight * 0.12)) ** 2
    return np.sign(residuals) * weight * 0.12 * np.sqrt(2.0 * (np.sqrt(1.0 + z) - 1.0))


def fit(tables: Path) -> Fit:
    """The constants fitted on all rows; residuals and errors of devices and networks that were left out."""
    rows = read(tables)
    values, errors = estimate(rows)
    chosen = {name: (float(values[name]), float(errors[name]), FITTED_ON) for name in FREE}
    answer = Fit(chosen)
    product = np.char.find(rows.op, "proj") >= 0
    legible = rows.seconds >= 5e-6  # below, the microseconds of the table say little
    for table, which in (("gemm", product), ("memory", ~product & legible)):
        answer.report.append(score(table, "in sample", rows, predict(rows, values), which))
    for split, groups in (("device", rows.device), ("model", rows.model)):
        left_out = np.zeros(len(rows.m))
        for group in sorted(set(groups)):
            here = groups == group
            of_others, _ = estimate(rows.take(np.flatnonzero(~here)), group if split == "device" else "")
            left_out[here] = predict(rows.take(np.flatnonzero(here)), of_others)
            for table, which in (("gemm", product), ("memory", ~product & legible)):
                answer.report.append(score(table, f"without {split} {group}", rows, left_out, which & here))
        for table, which in (("gemm", product), ("memory", ~product & legible)):
            answer.report.append(score(table, f"{split} left out", rows, left_out, which))
            if split == "device":
                answer.residuals[table] = np.log(rows.seconds / left_out)[which].tolist()
    # The devices that the table measures, as the published rates call them.
    forms = {"A100-80GB": "A100-SXM-80GB", "H100-SXM": "H100-SXM-80GB"}
    columns, size, rate, _ = anchors()
    measured = 2.0 * size**3 / rate / 1e12
    alone = np.zeros(len(size))
    for i, anchor in enumerate(ANCHORS):
        of_others, _ = estimate(rows.take(np.flatnonzero(rows.device != forms.get(anchor[0]))), anchor[0])
        alone[i] = kernels.gemm_s(size, size, size, columns, of_others)[i]
    error = 100.0 * np.abs(alone / measured - 1.0)
    median, p90 = np.percentile(error, [50, 90])
    row = {
        "table": "published",
        "split": "device left out",
        "n": len(size),
        "median": float(median),
        "p90": float(p90),
    }
    answer.report.append(row)
    answer.residuals["published"] = np.log(measured / alone).tolist()
    return answer


def score(table: str, split: str, rows: Rows, predicted: np.ndarray, which: np.ndarray) -> dict[str, Any]:
    error = 100.0 * np.abs(predicted[which] / rows.seconds[which] - 1.0)
    median, p90 = np.percentile(error, [50, 90])
    return {"table": table, "split": split, "n": int(which.sum()), "median": float(median), "p90": float(p90)}


def main() -> None:
    answer = fit(Path(sys.argv[1]))
    for name, (value, error, _) in answer.constants.items():
        print(f"{name:28s} {value:.4g} +- {error:.2g}")
    for row in answer.report:
        print(f"{row['table']:7s} {row['split']:48s} {row['n']:6d} {row['median']:6.1f} {row['p90']:6.1f}")
    _, _, rate, _ = anchors()
    for anchor, target, error in zip(ANCHORS, rate, answer.residuals["published"], strict=True):
        print(f"{anchor[0]:18s} published {target:5.0f} predicted without it {target * np.exp(error):6.0f}")


if __name__ == "__main__":
    main()
