"""Fits the constants of text generation to published tables, and scores what is left out.

Tables: infer_fastertransformer_gpt.csv (latency of calls, A100), infer_llm_decode_misc.csv (Inferentia2:
prefill, decode), infer_trtllm_throughput.csv (tokens per second of servers). Constants of kernels and of
collectives stay as fitted on their own. Splits: a model is left out, or a whole table. With a second
argument, the catalogue's table of instances (instance_specs.csv), it fits processors instead, on
infer_llamacpp_cpu_aws.csv.gz.
"""

from __future__ import annotations

import csv
import gzip
import sys
from collections import Counter
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from tradewind.decide.catalog.machines import instruction_sets
from tradewind.decide.prediction import generation, generation_cpu
from tradewind.decide.prediction.fitted import assumed
from tradewind.files.sheets import architectures, devices

FITTED_ON = (
    "FasterTransformer@df4a753 (A100), aws-neuron-sdk@81ce03a (Inf2), TensorRT-LLM@00f3768 (H100 to GB200)"
)
TABLES = {
    "fastertransformer": "infer_fastertransformer_gpt.csv",
    "neuron": "infer_llm_decode_misc.csv",
    "trtllm": "infer_trtllm_throughput.csv",
}
# What was known before the fit, which a fit must not replace by its own results: a value, and how far off
# it may be
# (the standard deviation of its logarithm).
PRIOR = {
    "decode_fused_layer_s": (0.10e-3, 0.3),
    "decode_graph_layer_s": (0.03e-3, 0.4),
    "decode_static_layer_s": (0.10e-3, 0.4),
    "decode_experts_s": (0.15e-3, 0.4),
    # Large experts reach so much: Mixtral 8x7B of MLPerf Inference 4.1 on H100, H200 and GH200.
    "decode_experts_ratio": (0.55, 0.05),
    "decode_pass_s": (0.2e-3, 0.5),
    "decode_cache_ratio": (0.6, 0.15),
    "decode_paged_cache_ratio": (0.85, 0.08),
    "decode_narrow_ratio": (0.85, 0.12),
    "decode_static_matmul_ratio": (0.25, 0.4),
    "decode_static_stream_ratio": (0.75, 0.15),
    "decode_pass_widths": (40.0, 0.3),
    "decode_graph_widths": (25.0, 0.3),
    "decode_step_s": (2e-3, 0.5),
    "decode_request_s": (20e-6, 0.4),
    "decode_memory_ratio": (0.9, 0.03),
}
MEMORY = {"decode_runtime_bytes": (2.0e9, 0.3), "decode_buffer_widths": (35.0, 0.3)}
CPU_PRIOR = {
    "cpu_plain_ops_per_clock": (5.0, 0.5),
    "cpu_neon_ops_per_clock": (9.0, 0.5),
    "cpu_i8mm_ops_per_clock": (10.0, 0.5),
    "cpu_avx2_ops_per_clock": (16.0, 0.5),
    "cpu_avx512_ops_per_clock": (16.0, 0.5),
    "cpu_vnni_ops_per_clock": (20.0, 0.5),
    "cpu_amx_ops_per_clock": (40.0, 0.5),
    "cpu_attention_ops_per_clock": (4.0, 0.5),
    "cpu_hyperthread_gain_ratio": (0.1, 0.5),
    "cpu_stream_ratio": (1.0, 0.2),
    "cpu_overlap_exponent": (2.0, 0.25),
    "cpu_half_threads": (150.0, 0.5),
    "cpu_fallback_ratio": (0.5, 0.3),
    "cpu_layer_s": (30e-6, 0.5),
    "cpu_barrier_s": (1.5e-6, 0.5),
}
ERROR = 0.1
"""Of a row that fits."""
ROWS_PER_MODEL = 8.0
"""Rows of one model in one table err together: they count as so many."""


@dataclass
class Fit:
    """Constants by name as (value, standard error, what they were fitted on), and how they fare."""

    constants: dict[str, tuple[float, float, str]]
    residuals: dict[str, list[float]] = field(default_factory=dict)
    """log(measured / predicted) out of sample, by table."""
    report: list[dict[str, Any]] = field(default_factory=list)
    """table, split, n, median, p90: absolute percentage errors."""


@dataclass
class Table:
    """The rows of one table that are understood, and what was measured of them; NaN where it was not."""

    name: str
    calls: generation.Generations
    models: np.ndarray
    latency_s: np.ndarray
    prefill_s: np.ndarray
    decode_s: np.ndarray
    tokens_per_s: np.ndarray
    memory_bytes: np.ndarray

    def errors(self, constants: dict[str, float]) -> dict[str, np.ndarray]:
        """log(measured / predicted) of every quantity that the table measures."""
        if self.name == "trtllm":
            service = generation.serving_throughput(self.calls, constants)
            return {"throughput": np.log(np.maximum(service.tokens_per_s, 1e-3) / self.tokens_per_s)}
        times = generation.generation_s(self.calls, constants)
        if self.name == "fastertransformer":
            return {"latency": np.log(self.latency_s / times.total_s)}
        measured = self.prefill_s + (self.calls.output - 1.0) * self.decode_s
        return {
            "latency": np.log(measured / times.total_s),
            "prefill": np.log(self.prefill_s / times.prefill_s),
            "decode": np.log(self.decode_s / times.decode_s_per_token),
        }


def read(tables: Path) -> list[Table]:
    found = []
    for name, file in TABLES.items():
        with (tables / file).open() as lines:
            rows = list(csv.DictReader(lines))
        calls = [generation.call_of(row, devices(), architectures()) for row in rows]
        known = [(row, call) for row, call in zip(rows, calls, strict=True) if not isinstance(call, str)]

        def column(key: str, unit: float, known: Any = known) -> np.ndarray:
            return np.array([float(row[key] or "nan") * unit for row, _ in known])

        found.append(
            Table(
                name=name,
                calls=generation.generations_of([call for _, call in known]),
                models=np.array([row["model"] for row, _ in known]),
                latency_s=column("latency_ms", 1e-3),
                prefill_s=column("prefill_ms", 1e-3),
                decode_s=column("decode_ms_per_token", 1e-3),
                tokens_per_s=column("tokens_per_s_out", 1.0),
                memory_bytes=column("mem_gib_per_gpu", 2.0**30),
            )
        )
    return found


def robust(z: np.ndarray) -> np.ndarray:
    """Residuals whose squares are the soft_l1 loss of z."""
    return np.sign(z) * np.sqrt(2.0 * (np.sqrt(1.0 + z * z) - 1.0))


def estimate(
    tables: list[Table], keep: dict[str, np.ndarray], start: dict[str, float], free: tuple[str, ...]
) -> tuple[dict[str, float], dict[str, float]]:
    """The constants that explain the kept rows best, and the standard errors of their logarithms."""
    centre = np.log([PRIOR[name][0] for name in free])
    spread = np.array([PRIOR[name][1] for name in free])

    def residuals(x: np.ndarray) -> np.ndarray:
        constants = {**start, **dict(zip(free, np.exp(x), strict=True))}
        parts = [(x - centre) / spread]
        for table in tables:
            chosen = keep[table.name]
            if not chosen.any():
                continue
            counts = Counter(table.models[chosen])
            weight = np.array(
                [np.sqrt(ROWS_PER_MODEL / counts[m]) if m in counts else 0.0 for m in table.models]
            )
            errors = table.errors(constants)
            errors.pop("latency") if len(errors) > 1 else None
            parts += [robust(np.clip(e, -3, 3) / ERROR) * weight * chosen for e in errors.values()]
        return np.concatenate(parts)

    solved = least_squares(residuals, centre, x_scale=spread, diff_step=1e-3, max_nfev=25)
    covariance = np.linalg.inv(solved.jac.T @ solved.jac)
    values = dict(zip(free, np.exp(solved.x), strict=True))
    return {**start, **values}, dict(zip(free, np.sqrt(np.diag(covariance)), strict=True))


def line(table: str, split: str, errors: np.ndarray) -> dict[str, Any]:
    ape = np.abs(np.expm1(-errors))
    return {
        "table": table,
        "split": split,
        "n": len(ape),
        "median": round(100 * float(np.median(ape)), 1),
        "p90": round(100 * float(np.quantile(ape, 0.9)), 1),
    }


def fit(tables: Path) -> Fit:
    read_tables = read(tables)
    start = {name: constant.value for name, constant in assumed().constants.items()}
    start |= {name: value for name, (value, _) in PRIOR.items()}
    free = tuple(PRIOR)
    everything = {table.name: np.ones(len(table.models), dtype=bool) for table in read_tables}
    constants, errors = estimate(read_tables, everything, start, free)
    out = Fit({name: (constants[name], constants[name] * errors[name], FITTED_ON) for name in free})
    for table in read_tables:
        for what, e in table.errors(constants).items():
            out.report.append(line(f"{table.name} {what}", "fitted", e))
    for table in read_tables:
        left: dict[str, list[float]] = {}
        # Engines with graphs share no constant with the others but the small work of a pass.
        kin = [other for other in read_tables if (other.name == "trtllm") == (table.name == "trtllm")]
        for model in sorted(set(table.models)):
            keep = {**everything, table.name: table.models != model}
            without, _ = estimate(kin, keep, start, free)
            for what, e in table.errors(without).items():
                left.setdefault(what, []).extend(e[table.models == model])
                out.report.append(
                    line(f"{table.name} {what}", f"model {model} left out", e[table.models == model])
                )
        for what, values in left.items():
            out.report.append(line(f"{table.name} {what}", "all models, each left out", np.array(values)))
            out.residuals[f"{table.name} {what}"] = [float(value) for value in values]
        keep = {**everything, table.name: np.zeros(len(table.models), dtype=bool)}
        without, _ = estimate(kin, keep, start, free)
        for what, e in table.errors(without).items():
            out.report.append(line(f"{table.name} {what}", "table left out", e))
            if what in ("latency", "throughput"):
                kind = "generation_call" if what == "latency" else "generation_serving"
                out.residuals.setdefault(f"{kind}_far", []).extend(spread(e))
                out.residuals.setdefault(f"{kind}_near", []).extend(spread(np.array(left[what])))
    memory(read_tables[0], constants, out)
    return out


def spread(errors: np.ndarray, most: int = 200) -> list[float]:
    """At most so many of them, evenly over their distribution: every table has the same say."""
    return [float(e) for e in np.quantile(errors, np.linspace(0.0, 1.0, most))]


def memory(table: Table, constants: dict[str, float], out: Fit) -> None:
    """The memory of FasterTransformer, fitted on one of the two models that state it, scored on the other."""
    stated = np.isfinite(table.memory_bytes)
    names = tuple(MEMORY)

    def solve(chosen: np.ndarray) -> np.ndarray:
        def residuals(x: np.ndarray) -> np.ndarray:
            e = off(np.exp(x))[chosen] / 0.05
            prior = [(v - np.log(MEMORY[n][0])) / MEMORY[n][1] for v, n in zip(x, names, strict=True)]
            return np.concatenate([robust(e), prior])

        solved = least_squares(residuals, np.log([MEMORY[n][0] for n in names]))
        return np.exp(solved.x)

    def off(values: np.ndarray) -> np.ndarray:
        merged = {**constants, **dict(zip(names, values, strict=True))}
        return np.log(table.memory_bytes / generation.memory_bytes(table.calls, merged))

    best = solve(stated)
    for name, value in zip(names, best, strict=True):
        out.constants[name] = (float(value), float(value) * MEMORY[name][1] * 0.5, FITTED_ON)
    left: list[float] = []
    for model in sorted(set(table.models[stated])):
        here = stated & (table.models == model)
        e = off(solve(stated & ~here))[here]
        out.report.append(line("fastertransformer memory", f"model {model} left out", e))
        left.extend(e)
    out.residuals["fastertransformer memory"] = [float(value) for value in left]


@dataclass
class Listed:
    """A machine as the catalogue lists it."""

    family: str
    cpu_vendor: str | None
    cpu_architecture: str | None
    cpu_model: str | None
    cpu_ghz: float | None
    isa: tuple[str, ...] | None
    vcpus: int
    physical_cores: int | None
    memory_mt_per_s: float | None


def listed(path: Path) -> dict[str, Listed]:
    """AWS machines by instance type, from the catalogue's table of instance specifications."""
    with path.open() as lines:
        rows = [row for row in csv.DictReader(lines) if row["provider"] == "aws" and row["vcpus"]]
    return {
        row["instance_type"]: Listed(
            family=row["family"],
            cpu_vendor=row["cpu_manufacturer"] or None,
            cpu_architecture=row["cpu_architecture"].lower() or None,
            cpu_model=row["cpu_model"] or None,
            cpu_ghz=float(row["cpu_ghz"]) if row["cpu_ghz"] else None,
            isa=instruction_sets(row["isa"]) or None,
            vcpus=int(row["vcpus"]),
            physical_cores=int(row["physical_cores"]) if row["physical_cores"] else None,
            memory_mt_per_s=float(row["memory_mt_s"]) if row["memory_mt_s"] else None,
        )
        for row in rows
    }


CPU_FOLDS = 4
CPU_ROWS = 3000
"""Of the sample that a fit sees."""


def fit_cpu(tables: Path, specifications: Path) -> Fit:
    """The constants of processors, fitted on llama.cpp; families of instances are left out, fold by fold."""
    machines = listed(specifications)
    with gzip.open(tables / "infer_llamacpp_cpu_aws.csv.gz", "rt") as lines:
        rows = [row for row in csv.DictReader(lines) if row["backends"] == "CPU"]
    calls, places, _ = generation_cpu.cpu_calls(rows, machines, architectures())
    assert calls is not None
    rows = [rows[place] for place in places]
    rate = np.array([float(row["tokens_per_s"]) for row in rows])
    tokens = np.where(calls.output > 0, calls.output, calls.prompt)
    families = np.array([machines[row["instance_type"]].family for row in rows])
    models = np.array([row["model"].split(".")[0] for row in rows])
    names = tuple(generation_cpu.ASSUMED)
    centre = np.log([CPU_PRIOR[name][0] for name in names])
    spread = np.array([CPU_PRIOR[name][1] for name in names])

    def errors(constants: dict[str, float], chosen: np.ndarray) -> np.ndarray:
        parts = {f.name: getattr(calls, f.name)[chosen] for f in fields(calls) if f.name != "networks"}
        sample = replace(calls, networks=calls.networks.take(chosen), **parts)
        seconds = generation_cpu.cpu_generation_s(sample, constants)
        return np.log(tokens[chosen] / rate[chosen] / seconds)

    def solve(keep: np.ndarray) -> tuple[dict[str, float], np.ndarray]:
        chosen = np.flatnonzero(keep)
        chosen = np.random.default_rng(0).choice(chosen, min(CPU_ROWS, len(chosen)), replace=False)

        def residuals(x: np.ndarray) -> np.ndarray:
            e = errors(dict(zip(names, np.exp(x), strict=True)), chosen)
            return np.concatenate([robust(e / 0.15), (x - centre) / spread])

        solved = least_squares(residuals, centre, x_scale=spread, max_nfev=40)
        deviation = np.sqrt(np.diag(np.linalg.inv(solved.jac.T @ solved.jac)))
        return dict(zip(names, np.exp(solved.x), strict=True)), deviation

    best, deviation = solve(np.ones(len(rows), dtype=bool))
    on = "SpareCores/sc-inspector-data 2025 (llama.cpp on AWS)"
    # Rows of one processor err together: the errors of the fit alone are several times too small.
    out = Fit(
        {n: (best[n], best[n] * max(5.0 * float(d), 0.05), on) for n, d in zip(names, deviation, strict=True)}
    )
    ordered = sorted(set(families))
    fold_of = {name: place % CPU_FOLDS for place, name in enumerate(ordered)}
    fold = np.array([fold_of[name] for name in families])
    left = np.empty(len(rows))
    for part in range(CPU_FOLDS):
        constants, _ = solve(fold != part)
        left[fold == part] = errors(constants, np.flatnonzero(fold == part))
    for what, chosen in (("prompt", calls.output == 0), ("generation", calls.output > 0)):
        out.report.append(line(f"llama.cpp {what}", "families of instances left out", left[chosen]))
        out.residuals[f"llama.cpp {what}"] = [float(value) for value in left[chosen][::10]]
        for model in sorted(set(models)):
            constants, _ = solve(models != model)
            here = np.flatnonzero(chosen & (models == model))
            out.report.append(line(f"llama.cpp {what}", f"model {model} left out", errors(constants, here)))
    return out


def main() -> None:
    tables = Path(sys.argv[1])
    found = fit_cpu(tables, Path(sys.argv[2])) if len(sys.argv) > 2 else fit(tables)
    for name, (value, error, _) in found.constants.items():
        print(f"{name:32} {value:.4g} +- {error:.2g}")
    for row in found.report:
        print(
            f"{row['table']:28} {row['split']:42} n={row['n']:<4} {row['median']:6.1f} / {row['p90']:.1f} %"
        )


if __name__ == "__main__":
    main()
