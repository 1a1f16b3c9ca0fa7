"""Fits the constants of training steps on published tables, and says how well they hold where they were not fitted."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from tradewind.decide.prediction import collectives, kernels, memory, training
from tradewind.decide.prediction.devices import device_of
from tradewind.decide.prediction.jobs import Job, number, training_jobs
from tradewind.decide.prediction.published import device_text, family_of
from tradewind.decide.prediction.steps import JobColumns, job_columns
from tradewind.files import sheets

TABLES = (
    "train_vtrain_a100",
    "train_mosaic_mpt",
    "train_megatron",
    "train_torchtitan",
    "train_nemo_bridge",
    "train_maxtext_tpu",
    "train_aws_trainium",
    "train_nvidia_dle_bert",
)
MOST_ROWS = 150
"""Of one table in a fit: its rows share a weight anyway."""
FREE = tuple(training.ASSUMED)


@dataclass
class Table:
    """Jobs of one table and what was measured of each row."""

    name: str
    rows: list[dict[str, str]]
    jobs: JobColumns
    first: np.ndarray
    """Where the alternatives of each row begin."""
    log_measured: np.ndarray
    """log of the measured seconds of one sample, per row."""
    groups: list[str]
    """Model and number of accelerators of each row."""
    unfit: np.ndarray
    """How far, as a logarithm, each alternative is beyond the memory of its device; 0 where it fits."""
    reasons: list[str] = field(default_factory=list)

    def log_predicted(self, constants: dict[str, float]) -> np.ndarray:
        """Log of seconds of one sample by the fastest alternative that fits, per row."""
        times = np.log(self.jobs.times(constants).total_s / self.jobs.layout.global_batch)
        order = np.where(self.unfit > 0, 50.0 + self.unfit, times)
        found = np.minimum.reduceat(order, self.first)
        beyond = found > 40.0
        if beyond.any():
            sizes = np.diff(np.append(self.first, len(order)))
            chosen = np.nonzero(order == np.repeat(found, sizes))[0]
            owner = np.repeat(np.arange(len(sizes)), sizes)[chosen]
            found = found.copy()
            found[owner] = times[chosen]
        return found


def read(tables: Path) -> list[Table]:
    devices, architectures = sheets.devices(), sheets.architectures()
    found = []
    for name in TABLES:
        with (tables / f"{name}.csv").open() as file:
            rows = list(csv.DictReader(file))
        found.append(_table(name, rows, devices, architectures))
    return found


def _table(name: str, rows: list[dict[str, str]], devices: Any, architectures: Any) -> Table:
    jobs: list[Job] = []
    first, kept, logs, groups, reasons = [], [], [], [], []
    for place, row in enumerate(rows):
        ways = training_jobs(row, place, devices, architectures)
        if isinstance(ways, str):
            reasons.append(ways)
            continue
        seconds = _measured(row, ways[0])
        if seconds is None:
            continue
        first.append(len(jobs))
        jobs += ways
        kept.append(row)
        logs.append(np.log(seconds))
        groups.append(f"{row['model']}|{ways[0].layout.devices}")
    columns = job_columns(jobs)
    unfit = unfit_of(columns)
    order = (
        np.log(columns.times(default_constants()).total_s / columns.layout.global_batch)
        + 50.0 * (unfit > 0)
        + unfit
    )
    starts = np.array(first)
    sizes = np.diff(np.append(starts, len(jobs)))
    # Alternatives far behind the best of their row never win under other constants.
    near = order <= np.repeat(np.minimum.reduceat(order, starts), sizes) + 0.4
    owner = np.repeat(np.arange(len(starts)), sizes)[near]
    starts = np.searchsorted(owner, np.arange(len(starts)))
    return Table(name, kept, columns.take(near), starts, np.array(logs), groups, unfit[near], reasons)


def unfit_of(jobs: JobColumns) -> np.ndarray:
    held = jobs.memory({name: value for name, (value, _, _) in memory.ASSUMED.items()})
    return np.maximum(np.log(held.total / jobs.device.memory_bytes), 0.0)


def _measured(row: dict[str, str], job: Job) -> float | None:
    """Seconds for one sample of the whole machine."""
    step = number(row, "step_time_s")
    if step:
        return step / job.samples
    rate = number(row, "samples_per_s")
    if rate:
        return 1.0 / rate
    tflops = number(row, "tflops_per_gpu")
    if tflops:
        columns = job_columns([job])
        noncausal = "noncausal" in row.get("tflops_kind", "") or job.device.kind == "tpu"
        flops = (
            3.0 * columns.network.forward_flops_per_token(job.tokens, masked=not noncausal)[0] * job.tokens
        )
        return float(flops / (tflops * 1e12 * job.layout.devices))
    return None


def default_constants() -> dict[str, float]:
    return {
        name: value
        for room in (kernels, collectives, training)
        for name, (value, _, _) in room.ASSUMED.items()
    }


def fit_constants(
    tables: list[Table],
    rows: dict[str, np.ndarray],
    start: dict[str, float],
    free: tuple[str, ...] = FREE,
    guess: dict[str, float] | None = None,
) -> tuple[dict[str, float], np.ndarray]:
    """Constants that meet these rows of the tables, each table with the same weight; and their relative errors.

    `start` is what is known beforehand, `guess` where the search begins.
    """
    prior = np.array([start[name] for name in free])
    # What is known of a constant beforehand, as a relative error.
    spread = np.array([_known(name, start[name]) for name in free])
    subsets = {}
    for table in tables:
        chosen = rows.get(table.name)
        if chosen is None or not len(chosen):
            continue
        if len(chosen) > MOST_ROWS:
            chosen = np.random.default_rng(0).choice(chosen, MOST_ROWS, replace=False)
            chosen.sort()
        subsets[table.name] = _subset(table, chosen)

    def residuals(scaled: np.ndarray) -> np.ndarray:
        constants = {**start, **dict(zip(free, prior * np.exp(scaled), strict=True))}
        parts = []
        for table in subsets.values():
            error = table.log_measured - table.log_predicted(constants)
            weight = 1.0 / np.sqrt(len(error))
            # Beyond a fifth an error counts by its size, not its square.
            parts.append(
                weight * np.sign(error) * np.sqrt(2 * 0.2**2 * (np.sqrt(1 + (error / 0.2) ** 2) - 1))
            )
        pull = 0.05 * scaled / spread
        return np.concatenate([*parts, pull])

    first = np.log(np.array([(guess or start)[name] for name in free]) / prior)
    done = least_squares(
        residuals,
        np.clip(first, -2.4, 2.4),
        bounds=(-2.5, 2.5),
        x_scale=0.3,
        diff_step=1e-3,
        max_nfev=25 if guess is None else 7,
    )
    covariance = np.linalg.pinv(done.jac.T @ done.jac) * 2 * done.cost / max(len(done.fun) - len(free), 1)
    return {**start, **dict(zip(free, prior * np.exp(done.x), strict=True))}, np.sqrt(np.diag(covariance))


def _known(name: str, value: float) -> float:
    error = training.ASSUMED[name][1]
    return error if name.endswith("_ratio") else error / value


def _subset(table: Table, chosen: np.ndarray) -> Table:
    ends = np.append(table.first[1:], len(table.jobs.rows))
    alternatives = np.concatenate([np.arange(table.first[row], ends[row]) for row in chosen])
    first = np.cumsum([0, *[ends[row] - table.first[row] for row in chosen[:-1]]])
    jobs = table.jobs.take(alternatives)
    return Table(
        table.name,
        [table.rows[row] for row in chosen],
        jobs,
        first,
        table.log_measured[chosen],
        [table.groups[row] for row in chosen],
        table.unfit[alternatives],
    )


def everything(tables: list[Table]) -> dict[str, np.ndarray]:
    return {table.name: np.arange(len(table.rows)) for table in tables}


def line(name: str, error: np.ndarray) -> dict[str, Any]:
    ape = np.abs(np.exp(-error) - 1.0)
    return {
        "table": name,
        "n": len(error),
        "bias": float(np.median(error)),
        "median": 100 * float(np.median(ape)),
        "p90": 100 * float(np.quantile(ape, 0.9)),
    }


def show(title: str, lines: list[dict[str, Any]]) -> None:
    print(title)
    for one in lines:
        print(
            f"  {one['table']:26s} n={one['n']:5d} bias={one['bias']:+.2f} median={one['median']:5.1f} p90={one['p90']:6.1f}"
        )
    print(
        f"  {'average':26s} median={np.mean([o['median'] for o in lines]):5.1f} p90={np.mean([o['p90'] for o in lines]):6.1f}"
    )


def left_out_tables(
    tables: list[Table], start: dict[str, float], guess: dict[str, float]
) -> dict[str, np.ndarray]:
    """Misses of each table by constants fitted on the others."""
    found = {}
    for out in tables:
        rows = {name: chosen for name, chosen in everything(tables).items() if name != out.name}
        constants, _ = fit_constants(tables, rows, start, guess=guess)
        found[out.name] = out.log_measured - out.log_predicted(constants)
    return found


def left_out_groups(
    tables: list[Table], start: dict[str, float], guess: dict[str, float], folds: int = 4
) -> dict[str, np.ndarray]:
    """Misses of rows whose (model, accelerators) group was not in the fit."""
    found = {table.name: np.zeros(len(table.rows)) for table in tables}
    for fold in range(folds):
        rows, held = {}, {}
        for table in tables:
            names = sorted(set(table.groups))
            order = np.random.default_rng(1).permutation(len(names))
            out = {names[place] for place in order[fold::folds]}
            mask = np.array([group in out for group in table.groups])
            rows[table.name], held[table.name] = np.nonzero(~mask)[0], np.nonzero(mask)[0]
        constants, _ = fit_constants(tables, rows, start, guess=guess)
        for table in tables:
            error = table.log_measured - table.log_predicted(constants)
            found[table.name][held[table.name]] = error[held[table.name]]
    return found


FITTED_ON = (
    "vTrain, llm-foundry, Megatron-LM, torchtitan, Megatron-Bridge, MaxText, Neuron and DeepLearningExamples tables of"
    " training runs (2020 to 2026)"
)


@dataclass
class Fit:
    """What a fit found. Misses are log(measured / predicted) of rows that it did not see."""

    constants: dict[str, tuple[float, float, str]]
    residuals: dict[str, list[float]] = field(default_factory=dict)
    report: list[dict[str, Any]] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)


def fit(tables: Path) -> Fit:
    """The constants of a training step, and how well they hold on groups and tables that were left out."""
    loaded, start = read(tables), default_constants()
    best, errors = fit_constants(loaded, everything(loaded), start)
    found = Fit(
        {
            name: (best[name], error * (1.0 if name.endswith("_ratio") else best[name]), FITTED_ON)
            for name, error in zip(FREE, (float(error) for error in errors), strict=True)
        }
    )
    in_sample = {table.name: table.log_measured - table.log_predicted(best) for table in loaded}
    splits = {
        "in sample": in_sample,
        "model and accelerators left out": left_out_groups(loaded, start, best),
        "table left out": left_out_tables(loaded, start, best),
    }
    for split, misses in splits.items():
        found.report += [{**line(name, error), "split": split} for name, error in misses.items()]
    found.residuals = {
        "training_near": [
            one for error in splits["model and accelerators left out"].values() for one in spread(error)
        ],
        "training_far": [one for error in splits["table left out"].values() for one in spread(error)],
    }
    for table in loaded:
        for row in table.rows:
            device = device_of(device_text(row), sheets.devices())
            found.seen += [f"training|{device.name}" if device else "", f"training|{family_of(row['model'])}"]
    found.seen = sorted(set(found.seen) - {""})
    return found


def spread(errors: np.ndarray, most: int = 60) -> list[float]:
    """So many of them, evenly over their distribution: every table has the same say in the interval."""
    return [float(one) for one in np.quantile(errors, (np.arange(most) + 0.5) / most)]


if __name__ == "__main__":
    import sys

    loaded = read(Path(sys.argv[1]))
    begin = default_constants()
    show("as assumed", [line(t.name, t.log_measured - t.log_predicted(begin)) for t in loaded])
    best, errors = fit_constants(loaded, everything(loaded), begin)
    show("fitted on all", [line(t.name, t.log_measured - t.log_predicted(best)) for t in loaded])
    for name, error in zip(FREE, errors, strict=True):
        print(f"    {name:28s} {begin[name]:.4g} -> {best[name]:.4g} +- {error:.2f}")
