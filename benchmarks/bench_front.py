"""The front's variants against plain eager PyTorch: the user's own module, called as PyTorch users call it.

For both examples, on this machine, one thread each, interleaved in one process: a short burst of each subject in
turn, over and over, and of all bursts the 10 % quantile. The CPU ratio is the same quantile of process CPU time.
"""

import importlib
import sys
import time
from pathlib import Path

import numpy as np

from tradewind import loop
from tradewind.lab import engines
from tradewind.lab.models import load_data

ROOT = Path(__file__).parents[1]
BATCHES = (1, 32)
SECONDS = 12.0


def main() -> None:
    import torch

    torch.set_num_threads(1)
    print("# The front against eager PyTorch\n")
    print(
        "Times faster than the user's own nn.Module under `torch.inference_mode()`; 1 thread; higher is better.\n"
    )
    for name in ("fraud", "sentiment"):
        work = loop.Work.on(ROOT / "examples" / name / "goal.yaml", runs=ROOT / "runs")
        front = loop.optimize(work, loop.profile_original(work, loop.original(work)))
        subjects = {"eager PyTorch (the peer)": _eager(work)}
        for profile in front.profiles:
            variant = profile.variant
            session = engines.load(work.folder.variants / variant.id, variant, threads=1)
            subjects[variant.name] = session.run
        torch.set_num_threads(1)
        rows = load_data(work.goal, work.source).test.inputs
        quality = {p.variant.name: p.variant.judgement for p in front.profiles}
        chosen = {front.profile(identity).variant.name for identity in front.pareto}
        _print(name, work.goal.metric, subjects, rows, quality, chosen)


def _eager(work: loop.Work):
    import torch

    module, _, function = work.goal.model.partition(":")
    sys.path.insert(0, str(work.source))
    network = getattr(importlib.import_module(module), function)().eval()

    def run(inputs: dict[str, np.ndarray]) -> object:
        with torch.inference_mode():
            return network(*(torch.from_numpy(array) for array in inputs.values()))

    return run


def _print(name, metric, subjects, rows, quality, chosen) -> None:
    print(f"## {name}\n")
    print(
        f"| variant | {metric} | on the front | batch 1: times faster (CPU) | batch 32: times faster (CPU) |"
    )
    print("|---|---|---|---|---|")
    measured = {batch: _interleaved(subjects, rows, batch) for batch in BATCHES}
    peer = next(iter(subjects))
    for subject in subjects:
        cells = []
        for batch in BATCHES:
            (wall, cpu), (peer_wall, peer_cpu) = measured[batch][subject], measured[batch][peer]
            cells.append(f"{peer_wall / wall:.2f} ({peer_cpu / cpu:.2f}), {wall * 1e3:.3g} ms")
        judged = quality.get(subject)
        value = f"{judged.value:.4f}" if judged else ""
        print(f"| {subject} | {value} | {'yes' if subject in chosen else ''} | {cells[0]} | {cells[1]} |")
    print()


def _interleaved(subjects, rows, batch) -> dict[str, tuple[float, float]]:
    sample = {key: np.ascontiguousarray(array[:batch]) for key, array in rows.items()}
    for run in subjects.values():
        run(sample)
        run(sample)
    walls = {key: [] for key in subjects}
    cpus = {key: [] for key in subjects}
    end = time.perf_counter() + SECONDS
    order = np.random.default_rng(0)
    keys = list(subjects)
    while time.perf_counter() < end:
        for index in order.permutation(len(keys)):
            run = subjects[keys[index]]
            repeats, begun, cpu = 0, time.perf_counter(), time.process_time()
            while repeats < 3 or time.perf_counter() - begun < 0.01:
                run(sample)
                repeats += 1
            walls[keys[index]].append((time.perf_counter() - begun) / repeats)
            cpus[keys[index]].append((time.process_time() - cpu) / repeats)
    return {key: (np.quantile(walls[key], 0.1), np.quantile(cpus[key], 0.1)) for key in keys}


if __name__ == "__main__":
    main()
