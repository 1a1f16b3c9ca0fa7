"""Peak memory of training: predicted against measured, and whether "fits" is ever wrong.

Small networks train on this machine, each in a process of its own with one thread; the peak is that of the resident
memory over what the process had after importing PyTorch and one tiny step. Then each trains again under limits of
its data segment (RLIMIT_DATA), some too small, and either survives or dies.

The closed form of the tensors has no constant to fit. What glibc's heap keeps besides (`ASSUMED_CPU`) was set with
the first table's networks in view; those of the second one were chosen afterwards and are the test of it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from tradewind.decide.prediction.layouts import layout_columns
from tradewind.decide.prediction.memory import (
    ASSUMED,
    ASSUMED_CPU,
    MemoryParts,
    counted_training_memory,
    memory_setting,
    training_memory,
)
from tradewind.decide.prediction.transformers import transformer_columns
from tradewind.domain.architecture import Transformer
from tradewind.domain.layout import TrainingLayout

MIB = 2.0**20
SURELY = 2.3263  # standard errors, as in MemoryParts.fits
CONSTANTS = {name: value for name, (value, _, _) in {**ASSUMED, **ASSUMED_CPU}.items()}
# Blocks of 64 KiB and more are mapped, and unmapped when they are freed (mallopt(3)).
RETURNING = {"MALLOC_MMAP_THRESHOLD_": "65536"}


def gpt(layers, hidden, tokens, batch, vocab=4096, **facts):
    return {
        "kind": "gpt", "layers": layers, "hidden": hidden, "heads": hidden // 64, "tokens": tokens, "batch": batch,
        "vocab": vocab, "flash": 1, "full": 0, "accumulation": 1, **facts,
    }  # fmt: skip


def counted(kind, width, depth, batch, **facts):
    return {"kind": kind, "width": width, "depth": depth, "batch": batch, "image": 64, "full": 0, **facts}


RUNS = [
    gpt(4, 256, 256, 8),
    gpt(4, 256, 256, 8, full=1),
    gpt(4, 256, 256, 8, flash=0),
    gpt(8, 256, 128, 16),
    gpt(8, 256, 128, 16, full=1),
    gpt(2, 512, 512, 4),
    gpt(2, 256, 1024, 2, flash=0),
    gpt(2, 256, 1024, 2, flash=0, full=1),
    gpt(4, 512, 128, 2),
    gpt(2, 256, 128, 8, vocab=32000),
    gpt(4, 768, 64, 2, vocab=8192),
    gpt(4, 256, 256, 4, accumulation=2),
    gpt(12, 192, 256, 4),
    counted("mlp", 2048, 6, 256),
    counted("mlp", 1024, 8, 8192),
    counted("mlp", 512, 16, 4096, full=1),
    counted("cnn", 32, 8, 32),
    counted("cnn", 64, 12, 8),
    counted("cnn", 32, 8, 16, image=96),
    counted("depthwise", 64, 8, 16),
    counted("depthwise", 128, 6, 8),
]
HELD_OUT = [
    gpt(6, 384, 256, 6, vocab=8192),
    gpt(16, 128, 128, 8, full=1),
    counted("mlp", 1536, 10, 1024),
    counted("cnn", 48, 10, 24, image=80),
    counted("depthwise", 96, 10, 12),
]
QUICK = [RUNS[0], RUNS[4], RUNS[16]]


def predicted(run: dict, counts: dict) -> MemoryParts:
    """The parts of one run; counts of the networks that are known by them come from the network itself."""
    one = np.ones(1)
    if run["kind"] == "gpt":
        network = Transformer(
            name="gpt", family="gpt", layers=run["layers"], hidden=run["hidden"], heads=run["heads"],
            kv_heads=run["heads"], head_dim=64, ffn=4 * run["hidden"], gated=False, vocab=run["vocab"],
            positions=run["tokens"],
        )  # fmt: skip
        layout = TrainingLayout(
            micro_batch=run["batch"],
            accumulation=run["accumulation"],
            checkpointing="full" if run["full"] else "none",
            precision="fp32",
        )
        setting = memory_setting(
            ["fp32"],
            tokens=run["tokens"] * one,
            flash=run["flash"] * one,
            compiled=0 * one,
            fused_loss=0 * one,
            loss_chunks=one,
            dropout=0 * one,
            kept_gradients=0 * one,
        )
        return training_memory(transformer_columns([network]), layout_columns([layout]), setting, CONSTANTS)
    # An MLP saves each activated output once: ReLU keeps its result, which is the next product's input.
    ratio = 1.0 if run["kind"] == "mlp" else CONSTANTS[f"memory_saved_{run['kind']}_ratio"]
    return counted_training_memory(
        counts["parameters"] * one,
        counts["activations"] * one,
        run["batch"] * one,
        CONSTANTS,
        saved_ratio=ratio,
        input_elements=counts["input"],
        largest=counts["largest"],
        held_share=2.0 / run["depth"] ** 0.5 if run["full"] else 1.0,
    )


def in_use(parts: MemoryParts) -> float:
    """Bytes of tensors at the peak: without holes and without what the allocator keeps."""
    return float((parts.allocated - parts.fragmentation)[0])


def trained(run: dict, limit_bytes: float = 0.0, environment: dict[str, str] | None = None) -> dict | None:
    """What a process of its own reports after training; None if it died of the limit."""
    command = [sys.executable, __file__, "child", json.dumps(run), str(limit_bytes)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env=os.environ | (environment or {})
    )
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    if not limit_bytes:
        raise RuntimeError(done.stderr)
    return None


def main(tables: dict[str, list[dict]]) -> None:
    print("# Peak memory of training\n")
    print(
        "MiB over the process's baseline. 'Tensors' is the closed form alone, against an allocator that returns what"
    )
    print(
        "is freed; 'total' adds what glibc's heap keeps, against PyTorch as it comes. 'Says fits from' is the least"
    )
    print("memory that the product calls surely enough.\n")
    for title, runs in tables.items():
        judge(title, runs)


def judge(title: str, runs: list[dict]) -> None:
    """Prints the table of some runs, and what became of those under limits."""
    print(f"## {title}\n")
    print("| network | tensors | measured | error | total | measured | error | in 80 % | says fits from |")
    print("|---|---:|---:|---:|---:|---:|---:|---|---:|")
    closed, errors, within, tightness, verdicts = [], [], [], [], []
    for run in runs:
        returning, measured = trained(run, environment=RETURNING), trained(run)
        parts = predicted(run, measured)
        tensors, total = in_use(parts), float(parts.total[0])
        least, peak = returning["peak_bytes"], measured["peak_bytes"]
        bound = float(parts.quantile(SURELY)[0]) * (1 + 1e-9)
        closed.append(tensors / least - 1.0)
        errors.append(total / peak - 1.0)
        within.append(bool(parts.low[0] <= peak <= parts.high[0]))
        tightness.append(bound / peak)
        print(
            f"| {name(run)} | {tensors / MIB:.0f} | {least / MIB:.0f} | {closed[-1]:+.1%} |"
            f" {total / MIB:.0f} | {peak / MIB:.0f} | {errors[-1]:+.1%} | {'yes' if within[-1] else 'no'} |"
            f" {bound / MIB:.0f} ({tightness[-1]:.2f} x) |",
            flush=True,
        )
        for limit in (0.7 * least, total, bound):
            survives = trained(run, limit) is not None
            verdicts.append((bool(parts.fits(limit)[0]), survives))
    print()
    for what, values in (("Tensors", closed), ("Total", errors)):
        absolute = np.abs(values)
        print(f"{what}: APE median {np.median(absolute):.1%}, p90 {np.quantile(absolute, 0.9):.1%}.", end=" ")
    print(f"{np.mean(within):.0%} within the 80 % interval.", end=" ")
    print(f"'Fits' asks for {np.median(tightness):.2f} times the measured peak in the median.\n")
    print(
        "Runs under limits of 0.7 of what tensors take, of the likely total, and of the least that is said to fit:\n"
    )
    print("| | survived | died |")
    print("|---|---:|---:|")
    for said in (True, False):
        row = [sum(verdict == (said, survived) for verdict in verdicts) for survived in (True, False)]
        print(f"| {'said to fit' if said else 'not said to fit'} | {row[0]} | {row[1]} |")
    print()


def name(run: dict) -> str:
    """What was trained, in words."""
    again = ", recomputed" if run["full"] else ""
    if run["kind"] == "gpt":
        attention = "" if run["flash"] else ", plain attention"
        summed = f", {run['accumulation']} micro-batches" if run["accumulation"] > 1 else ""
        shape = f"{run['layers']} x {run['hidden']}, {run['batch']} x {run['tokens']} tokens, vocab {run['vocab']}"
        return f"GPT {shape}{attention}{again}{summed}"
    image = "" if run["kind"] == "mlp" else f", {run['image']} px"
    return f"{run['kind']} {run['depth']} x {run['width']}, batch {run['batch']}{image}{again}"


def child(run: dict, limit_bytes: float) -> None:
    """Trains two steps in this process and reports the peak."""
    import resource

    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    tiny = {
        **run,
        "batch": 2,
        "tokens": 8,
        "layers": 1,
        "depth": 2,
        "hidden": 64,
        "heads": 1,
        "width": 8,
        "vocab": 32,
    }
    step_through(torch, tiny, {})
    if limit_bytes:
        data = _status("VmData") + limit_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (int(data), int(data)))
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    counts: dict = {}
    step_through(torch, run, counts)
    print(json.dumps({"peak_bytes": _status("VmHWM") - before, **counts}))


def _status(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))


def step_through(torch, run: dict, counts: dict) -> None:
    """Builds the network of a run and trains it for two steps with AdamW, in 32 bits."""
    network, inputs, targets = built(torch, run)
    written = []
    if run["kind"] != "gpt":
        kinds = (torch.nn.Conv2d, torch.nn.Linear)
        hooks = [
            module.register_forward_hook(lambda _module, _inputs, output: written.append(output[0].numel()))
            for module in network.modules()
            if isinstance(module, kinds)
        ]
        with torch.no_grad():
            network(inputs[:1])
        for hook in hooks:
            hook.remove()
    sizes = [parameter.numel() for parameter in network.parameters()]
    counts.update(
        parameters=sum(sizes),
        largest=max(sizes),
        activations=sum(written),
        input=inputs.numel() / len(inputs),
    )
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    for _ in range(2):
        optimizer.zero_grad()
        for _ in range(run.get("accumulation", 1)):
            outputs = network(inputs)
            loss = torch.nn.functional.cross_entropy(outputs.view(-1, outputs.shape[-1]), targets.view(-1))
            loss.backward()
            del outputs, loss
        optimizer.step()


def built(torch, run: dict):
    """A network, inputs and targets."""
    from torch import nn
    from torch.utils.checkpoint import checkpoint

    def again(block, x):
        return checkpoint(block, x, use_reentrant=False) if run["full"] else block(x)

    class Block(nn.Module):
        def __init__(self, hidden, heads):
            super().__init__()
            self.heads = heads
            self.norm1, self.norm2 = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
            self.qkv, self.out = nn.Linear(hidden, 3 * hidden), nn.Linear(hidden, hidden)
            self.mlp = nn.Sequential(nn.Linear(hidden, 4 * hidden), nn.GELU(), nn.Linear(4 * hidden, hidden))

        def forward(self, x):
            b, s, h = x.shape
            parts = self.qkv(self.norm1(x)).view(b, s, 3, self.heads, h // self.heads)
            q, k, v = parts.permute(2, 0, 3, 1, 4)
            if run["flash"]:
                mixed = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            else:
                scores = q @ k.transpose(-2, -1) * (h // self.heads) ** -0.5
                mask = torch.ones(s, s, dtype=torch.bool).triu(1)
                mixed = scores.masked_fill(mask, float("-inf")).softmax(-1) @ v
            x = x + self.out(mixed.transpose(1, 2).reshape(b, s, h))
            return x + self.mlp(self.norm2(x))

    class Gpt(nn.Module):
        def __init__(self):
            super().__init__()
            hidden = run["hidden"]
            self.words, self.places = nn.Embedding(run["vocab"], hidden), nn.Embedding(run["tokens"], hidden)
            self.blocks = nn.ModuleList(Block(hidden, run["heads"]) for _ in range(run["layers"]))
            self.norm, self.head = nn.LayerNorm(hidden), nn.Linear(hidden, run["vocab"], bias=False)

        def forward(self, ids):
            x = self.words(ids) + self.places.weight
            for block in self.blocks:
                x = again(block, x)
            return self.head(self.norm(x))

    class Stack(nn.Module):
        def __init__(self, blocks, head):
            super().__init__()
            self.blocks, self.head = nn.ModuleList(blocks), head

        def forward(self, x):
            for block in self.blocks:
                x = again(block, x)
            return self.head(x)

    batch = run["batch"]
    if run["kind"] == "gpt":
        ids = torch.randint(run["vocab"], (batch, run["tokens"]))
        return Gpt(), ids, ids.clone()
    width, depth, targets = run["width"], run["depth"], torch.randint(10, (batch,))
    if run["kind"] == "mlp":
        layers = [nn.Sequential(nn.Linear(width, width), nn.ReLU()) for _ in range(depth)]
        size = max(1, round(depth**0.5)) if run["full"] else 1
        blocks = [nn.Sequential(*layers[at : at + size]) for at in range(0, depth, size)]
        return Stack(blocks, nn.Linear(width, 10)), torch.randn(batch, width), targets

    def convolution(index):
        inward = 3 if index == 0 else width
        if run["kind"] == "cnn":
            return [
                nn.Conv2d(inward, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
        groups = width if index % 2 else 1
        return [
            nn.Conv2d(inward, width, 3 if index % 2 else 1, padding=index % 2, groups=groups, bias=False),
            nn.BatchNorm2d(width),
            nn.SiLU(),
        ]

    blocks = [nn.Sequential(*convolution(index)) for index in range(depth)]
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))
    return Stack(blocks, head), torch.randn(batch, 3, run["image"], run["image"]), targets


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(json.loads(sys.argv[2]), float(sys.argv[3]))
    else:
        tables = {"Networks in view": RUNS, "Networks chosen afterwards": HELD_OUT}
        if "--quick" in sys.argv:
            tables = {"Quick": QUICK}
        elif "--held-out" in sys.argv:
            tables.pop("Networks in view")
        main(tables)
