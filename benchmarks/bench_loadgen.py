"""`tradewind bench --closed` against wrk: the same rate, at what cost?

One server of a small network on one core; the two clients in turn on another, with the same connections and
the same request. Each pair of runs is alternated, and the ratio is of the medians. The CPU time per request
of the clients and of the server are what each says of itself (user + system).
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import numpy as np

from tradewind.domain.variant import PayloadFile, Runtime, TensorSpec, Variant
from tradewind.files import nouns
from tradewind.lab.engines import write_golden
from tradewind.run import loadgen, serving
from tradewind.run.loadgen.target import find_target, requests_of

WIDTH = 64
HIDDEN = 256
MODEL = "mlp"


def main() -> None:
    """Prints one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each run")
    parser.add_argument("--rounds", type=int, default=7, help="pairs of runs")
    parser.add_argument("--connections", type=int, nargs="*", default=[1, 16, 64])
    parser.add_argument("--client", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        _client(options.client, options.connections[0], options.seconds)
        return
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed; install it with: apt install wrk")
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit("two cores are needed: one for the server, one for the client")
    with tempfile.TemporaryDirectory() as folder:
        variant = _build(Path(folder) / MODEL)
        run = serving.start(
            variant, model=MODEL, threads=1, max_batch=64, latency_s=1.0, log=Path(folder) / "log"
        )
        try:
            for task in os.listdir(f"/proc/{run.pid}/task"):
                os.sched_setaffinity(int(task), {cores[0]})
            os.sched_setaffinity(0, {cores[1]})
            _compare(run, Path(folder), options)
        finally:
            serving.stop(run)


def _compare(run, folder: Path, options) -> None:
    (request,) = requests_of(find_target(run, MODEL), {"x": _row()}, seed=0)
    script = folder / "post.lua"
    script.write_text(
        'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n'
        f"wrk.body = [[{request.partition(bytes([13, 10, 13, 10]))[2].decode()}]]\n"
    )
    print(
        f"{WIDTH}-{HIDDEN}-{HIDDEN}-1 network in fp32, one row a request, server and client on one core each,"
    )
    print(f"{options.rounds} alternated pairs of {options.seconds:g} s; CPU in us per request\n")
    print(
        "| connections | wrk rps | ours rps | ours / wrk | lowest to highest pair | wrk CPU | our CPU | server CPU | of it front |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for connections in options.connections:
        wrk, ours, server, front = [], [], [], []
        _ours(run, connections, 1.0)
        for number in range(options.rounds):
            for client in (_wrk, _ours) if number % 2 else (_ours, _wrk):
                before = _metrics(run)
                seen = client(run, connections, options.seconds, script)
                after = _metrics(run)
                (wrk if client is _wrk else ours).append(seen)
                answers = after[ANSWERS] - before.get(ANSWERS, 0.0)
                server.append((after[CPU] - before[CPU]) / answers)
                front.append((after[FRONT] - before[FRONT]) / answers)
        pairs = [mine[0] / theirs[0] for mine, theirs in zip(ours, wrk, strict=True)]
        rates = [statistics.median(rate for rate, _ in runs) for runs in (wrk, ours)]
        cpu = [1e6 * statistics.median(cpu_s for _, cpu_s in runs) for runs in (wrk, ours)]
        print(
            f"| {connections} | {rates[0]:,.0f} | {rates[1]:,.0f} | {rates[1] / rates[0]:.3f} "
            f"| {min(pairs):.2f} to {max(pairs):.2f} | {cpu[0]:.1f} | {cpu[1]:.1f} "
            f"| {1e6 * statistics.median(server):.1f} | {1e6 * statistics.median(front):.1f} |",
            flush=True,
        )


ANSWERS = 'tradewind_answers_total{code="200"}'
CPU = "process_cpu_seconds_total"
FRONT = "tradewind_front_cpu_seconds_total"


def _metrics(run) -> dict[str, float]:
    with urllib.request.urlopen(f"{run.endpoint}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    values = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in values}


def _wrk(run, connections: int, seconds: float, script: Path) -> tuple[float, float]:
    """Rate and CPU seconds per request."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    url = f"{run.endpoint}/v2/models/{MODEL}/infer"
    said = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "-s", str(script), url],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if "Non-2xx" in said:
        sys.exit(f"wrk was refused: {said}")
    count = int(re.search(r"(\d+) requests in", said).group(1))
    spent_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return float(re.search(r"Requests/sec:\s+([\d.]+)", said).group(1)), spent_s / count


def _ours(run, connections: int, seconds: float, script: Path | None = None) -> tuple[float, float]:
    said = subprocess.run(
        [
            sys.executable,
            __file__,
            "--client",
            run.endpoint,
            "--connections",
            str(connections),
            "--seconds",
            str(seconds),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rate, spent_s = json.loads(said)
    return rate, spent_s


def _client(url: str, connections: int, seconds: float) -> None:
    """In a process of its own: one closed loop."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    seen = loadgen.closed(
        url, model=MODEL, rows={"x": _row()}, connections=connections, seconds=seconds, seed=0, bound_s=1.0
    )
    after = resource.getrusage(resource.RUSAGE_SELF)
    if seen.answered != seen.sent:
        sys.exit(f"{seen.refused} refused, {seen.failed} failed of {seen.sent}")
    spent_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps([seen.throughput_rps.likely, spent_s / seen.answered]))


def _row() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(1, WIDTH)).astype(np.float32)


def _build(folder: Path) -> Path:
    """The network as a variant for ONNX Runtime."""
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    folder.mkdir()
    random = np.random.default_rng(0)
    sizes = (WIDTH, HIDDEN, HIDDEN, 1)
    nodes, weights, name = [], [], "x"
    for layer, (before, after) in enumerate(itertools.pairwise(sizes)):
        matrix = (random.normal(size=(before, after)) / before**0.5).astype(np.float32)
        weights.append(numpy_helper.from_array(matrix, f"w{layer}"))
        nodes.append(helper.make_node("MatMul", [name, f"w{layer}"], [f"h{layer}"]))
        name = "y" if after == 1 else f"a{layer}"
        nodes.append(helper.make_node("Sigmoid" if after == 1 else "Relu", [f"h{layer}"], [name]))
    graph = helper.make_graph(
        nodes,
        MODEL,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", WIDTH])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 1])],
        weights,
    )
    payload = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9
    ).SerializeToString()
    onnx.checker.check_model(payload)
    (folder / "model.onnx").write_bytes(payload)
    golden = {"x": random.normal(size=(16, WIDTH)).astype(np.float32)}
    session = onnxruntime.InferenceSession(payload, providers=["CPUExecutionProvider"])
    answered = {"y": session.run(["y"], golden)[0]}
    digest = hashlib.sha256(payload).hexdigest()
    variant = Variant(
        id=digest[:12],
        name=MODEL,
        parent_id=None,
        recipe=(),
        format="onnx",
        files=(PayloadFile(path="model.onnx", sha256=digest, size_bytes=len(payload)),),
        runtime=Runtime(engine="onnxruntime", engine_version=onnxruntime.__version__, precision="fp32"),
        inputs=(TensorSpec(name="x", dtype="float32", shape=(None, WIDTH)),),
        outputs=(TensorSpec(name="y", dtype="float32", shape=(None, 1)),),
        parameters=sum(int(np.prod(weight.dims)) for weight in weights),
        golden=write_golden(folder, golden, answered, "fp32"),
    )
    nouns.write(folder / "manifest.json", variant)
    return folder


if __name__ == "__main__":
    main()
