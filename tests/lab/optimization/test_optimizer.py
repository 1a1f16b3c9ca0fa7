from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time

import msgspec
import numpy as np
import psutil
import pytest

from tradewind.domain import codec
from tradewind.domain.errors import CannotMeasure, DataError
from tradewind.domain.goal import Goal
from tradewind.domain.host import Host
from tradewind.domain.profile import LatencyPoint, Profile
from tradewind.domain.variant import Variant
from tradewind.files import nouns
from tradewind.files.steps import Steps
from tradewind.lab.engines import load, verify_golden
from tradewind.lab.models import load_data, load_metric, original
from tradewind.lab.optimization import PASSES, Pass, optimize, optimizer
from tradewind.lab.optimization.building import SCRATCH

HOST = Host(
    cpu_model="the machine of the test",
    cpu_vendor="test",
    cpu_architecture="x86_64",
    physical_cores=2,
    logical_cores=2,
    ghz=None,
    isa=("avx2",),
    memory_bytes=2**33,
    memory_bandwidth_bytes_per_s=1e10,
    gemm_flops_per_s_per_core=1e10,
)

LEARNED = """
import numpy as np
import torch

def build():
    generator = np.random.default_rng(1)
    layers = torch.nn.Sequential(torch.nn.Linear(8, 64), torch.nn.ReLU(), torch.nn.Linear(64, 2))
    with torch.no_grad():
        # |x0| < x1 + 1, written down instead of learned: both signs of x0, and x1.
        for layer in (layers[0], layers[2]):
            layer.weight.copy_(torch.from_numpy(0.05 * generator.standard_normal(layer.weight.shape)))
            layer.bias.zero_()
        layers[0].weight[0, 0], layers[0].weight[1, 0], layers[0].weight[2, 1] = 1.0, -1.0, 1.0
        layers[0].bias[2] = 3.0
        layers[2].weight[1, :3] = torch.tensor([-2.0, -2.0, 2.0])
        layers[2].bias[1] = -4.0
    return layers
"""

PLANTED = """
import numpy as np

def load():
    generator = np.random.default_rng(0)
    def split(rows):
        x = generator.standard_normal((rows, 8)).astype(np.float32)
        # A feature with rare large values, as amounts of money are.
        x[:, 0] *= np.exp(generator.standard_normal(rows)).astype(np.float32)
        labels = (np.abs(x[:, 0]) < x[:, 1] + 1 + 0.1 * generator.standard_normal(rows)).astype(int)
        return {"inputs": x, "labels": labels, "slices": {"side": np.where(x[:, 2] > 0, "a", "b")}}
    return {"train": split(10), "calibration": split(300), "test": split(2000)}
"""

DISASTERS = """
import os
from pathlib import Path

import numpy
import onnx
from tradewind.lab.optimization import Applied

def apply(job):
    what = job.parameters["what"]
    if what == "raise":
        raise RuntimeError("this network has no layers that I know")
    if what == "abort":
        os.abort()
    network = onnx.load(job.payload)
    if what == "garbage":
        weight = network.graph.initializer[0]
        values = onnx.numpy_helper.to_array(weight)
        weight.CopyFrom(onnx.numpy_helper.from_array(-values, weight.name))
    if what == "rarely":
        # Not a number for the answers above the largest golden one.
        (given,) = network.graph.output
        network.graph.node[-1].output[0] = "plain"
        network.graph.initializer.append(onnx.numpy_helper.from_array(numpy.float32(job.parameters["largest"]), "largest"))
        network.graph.node.append(onnx.helper.make_node("Sub", ["largest", "plain"], ["below"]))
        network.graph.node.append(onnx.helper.make_node("Sqrt", ["below"], [given.name]))
    if what == "narrow":
        (given,) = network.graph.output
        network.graph.node[-1].output[0] = "wide"
        network.graph.node.append(onnx.helper.make_node("ReduceMean", ["wide"], [given.name], axes=[0, 1]))
        given.type.tensor_type.ClearField("shape")
    onnx.save(network, job.out / "model.onnx")
    return Applied(("model.onnx",))
"""


def disaster(what, **changes):
    facts = {
        "name": what,
        "module": "disasters",
        "reads": "onnx",
        "accepts": ("fp32",),
        "writes": "onnx",
        "engine": "onnxruntime",
        # Not fp32, so that none is applied to what another has made.
        "precision": "int8",
        "libraries": ("onnx",),
        "label": what,
        "parameters": {"what": what},
        **changes,
    }
    return Pass(**facts)


class Work:
    """A goal with its original, ready to be optimized as often as a test likes."""

    def __init__(self, folder, text, batches=(1, 8)):
        self.goal = codec.decode(text, Goal, source="goal.yaml")
        self.data = load_data(self.goal, folder)
        self.metric = load_metric(self.goal, folder)
        self.folder, self.variants = folder, folder / "variants"
        variant = original(self.goal, folder, self.data, self.variants)
        points = [
            LatencyPoint(batch=b, threads=t, low_s=1e-4, median_s=1e-4, high_s=1e-4, cpu_s=1e-4, runs=9)
            for t in (1, 2)
            for b in batches
        ]
        self.profile = Profile(
            variant=variant,
            host=HOST,
            operators=(),
            curve=tuple(points),
            weight_bytes=1.0,
            peak_memory_bytes=1.0,
            load_s=1.0,
            request_bytes=1.0,
            response_bytes=1.0,
            noise=0.05,
            measured_at="2020-01-01T00:00:00+00:00",
        )
        self.did: list[str] = []

    def run(self, passes=PASSES, metric_content="", **changes):
        """The front; `did` lists the steps that were worked on and not taken from the cache."""
        self.did.clear()
        steps = Steps(
            self.folder / "steps",
            version="1",
            listener=lambda p: self.did.append(p.step) if p.state == "started" else None,
        )
        goal = msgspec.structs.replace(self.goal, **changes)
        return optimize(
            goal,
            self.profile,
            self.data,
            self.metric,
            self.variants,
            steps,
            passes,
            metric_content=metric_content,
        )


@pytest.fixture(autouse=True)
def short_measurements(monkeypatch):
    monkeypatch.setattr(optimizer, "MEASURE_S", 0.3)


TEXT = """
name: small
model: {model}
data: small.data:load
metric: accuracy
serve: {{p99: 20 ms, load: 10 rps}}
budget: 5 usd/month
quality: {{max_drop: 0.02, slices: [side]}}
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A torch network optimized with everything that there is: the work and its front."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "small").mkdir()
    (folder / "small/model.py").write_text(LEARNED)
    (folder / "small/data.py").write_text(PLANTED)
    work = Work(folder, TEXT.format(model="small.model:build"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optimizer, "MEASURE_S", 0.3)
        return work, work.run()


@pytest.fixture
def linear_work(project, write_onnx, tmp_path, monkeypatch):
    """An ONNX network that answers the planted labels, so that no torch is needed; quick."""
    folder = project()
    weight = np.zeros((6, 2), dtype=np.float32)
    weight[0] = [-1.0, 1.0]
    write_onnx(folder / "net.onnx", weight=weight)
    (tmp_path / "disasters.py").write_text(DISASTERS)
    monkeypatch.syspath_prepend(str(tmp_path))
    return Work(folder, TEXT.format(model="net.onnx"), batches=(1, 2))


def test_every_engine_is_tried_and_measured_on_the_same_rows(whole):
    _, front = whole
    names = [one.variant.name for one in front.profiles]
    assert names[0] == "original"
    assert {*names, *(one.name for one in front.failed)} == {
        "original",
        "onnxruntime-fp32",
        "onnxruntime-int8-dynamic",
        "onnxruntime-int8-static",
        "openvino-fp32",
        "openvino-bf16",
        "openvino-int8",
    }
    assert {one.name for one in front.failed} <= {"openvino-bf16"}
    baseline = front.profiles[0].variant.judgement.value
    assert baseline > 0.9
    for one in front.profiles:
        judgement = one.variant.judgement
        assert judgement.baseline == baseline
        assert judgement.rows == 2000
        assert {each.slice for each in judgement.slices} == {"side=a", "side=b"}
        assert [(point.threads, point.batch) for point in one.curve] == [(1, 1), (1, 8), (2, 1), (2, 8)]
        assert one.host == HOST
        assert one.peak_memory_bytes > 1e6
    exact = {one.variant.name: one.variant.judgement for one in front.profiles}
    for name in ("onnxruntime-fp32", "openvino-fp32"):
        assert exact[name].within
        assert abs(exact[name].delta) < 0.002
    for name in ("onnxruntime-int8-dynamic", "onnxruntime-int8-static", "openvino-int8"):
        assert exact[name].delta > -0.05, f"{name} lost what 8 bits can hold"


def test_every_variant_can_be_loaded_from_its_folder_alone(whole):
    work, front = whole
    for one in front.profiles:
        folder = work.variants / one.variant.id
        kept = nouns.read(folder / "manifest.json", Variant)
        assert kept == one.variant, "with its judgement"
        session = load(folder, kept, threads=1)
        verify_golden(folder, kept, session)
        session.close()
    assert not list(work.variants.glob(f"{SCRATCH}*"))


def test_the_front_accounts_for_everybody(whole):
    _, front = whole
    ids = {one.variant.name: one.variant.id for one in front.profiles}
    lost = {ids[one.name] for one in front.lost}
    assert set(front.pareto) | lost == set(ids.values())
    assert front.pareto
    assert all(front.profile(one).variant.judgement.within for one in front.pareto)


def test_nothing_is_done_twice(whole):
    work, front = whole
    stamps = {path: path.stat().st_mtime_ns for path in work.variants.rglob("*") if path.is_file()}
    assert work.run() == front
    assert work.did == []
    assert stamps == {path: path.stat().st_mtime_ns for path in work.variants.rglob("*") if path.is_file()}


def test_another_budget_judges_anew_and_builds_nothing(whole):
    work, front = whole
    quality = msgspec.structs.replace(work.goal.quality, minimum=0.999)
    stricter = work.run(quality=quality)
    assert work.did
    assert all(step.startswith("judge-") for step in work.did)
    assert [one.curve for one in stricter.profiles] == [one.curve for one in front.profiles]
    assert not any(one.variant.judgement.within for one in stricter.profiles)
    assert stricter.pareto, "the nearest come back"
    assert all("the minimum is 0.999" in one.variant.judgement.reason for one in stricter.profiles)
    assert work.run() == front


def test_disasters_are_results_and_the_rest_goes_on(linear_work):
    passes = {what: disaster(what) for what in ("raise", "abort", "garbage", "narrow", "copy")}
    passes["gone"] = disaster("gone", libraries=("no_such_library",))
    front = linear_work.run(passes)
    assert {one.name: one.reason for one in front.failed} == {
        "onnxruntime-int8-raise": "RuntimeError: this network has no layers that I know",
        "onnxruntime-int8-abort": "abort ended by SIGABRT: it crashed",
        "onnxruntime-int8-narrow": "output 'y' has the shape [1, 1], that of the original [8, 2]",
        "onnxruntime-int8-gone": (
            "no_such_library is not installed; install it with: pip install 'tradewind[lab]'"
        ),
    }
    assert {one.variant.name for one in front.profiles} == {
        "original",
        "onnxruntime-int8-garbage",
        "onnxruntime-int8-copy",
    }
    lost = {one.name: one.reason for one in front.lost}
    assert lost["onnxruntime-int8-garbage"].startswith(
        "loses 1 of accuracy (95% interval 1 to 1 over 70 rows)"
    )
    assert linear_work.run(passes) == front
    assert linear_work.did == [], "failures are kept too"


def test_a_variant_that_fails_on_some_test_row_is_a_result(linear_work):
    first = np.abs(linear_work.data.test.inputs["x"][:, 0])
    largest = float(first[:8].max())
    broken = int((first > largest).sum())
    assert broken > 0
    front = linear_work.run(
        {"rarely": disaster("rarely", parameters={"what": "rarely", "largest": largest + 1e-6})}
    )
    assert [one.variant.name for one in front.profiles] == ["original"]
    (failed,) = front.failed
    assert failed.reason.startswith(f"the outputs are not finite in {broken} of 70 rows")


def test_what_needs_a_failed_candidate_says_so(linear_work):
    passes = {
        "raise": disaster("raise", precision="fp32"),
        "copy": disaster("copy", after=("raise",)),
    }
    front = linear_work.run(passes)
    assert {one.name: one.reason for one in front.failed}["onnxruntime-int8-raise-copy"] == (
        "needs onnxruntime-fp32-raise, which failed"
    )


def test_a_variant_that_cannot_be_measured_does_not_spoil_the_others(linear_work, monkeypatch):
    measure = optimizer.profiles

    def failing(subjects, *args, **kwargs):
        for variant, _ in subjects:
            if variant.name.endswith("garbage"):
                raise CannotMeasure(f"{variant.name}: no answer within 300 s")
        return measure(subjects, *args, **kwargs)

    monkeypatch.setattr(optimizer, "profiles", failing)
    front = linear_work.run({what: disaster(what) for what in ("garbage", "copy")})
    assert [one.variant.name for one in front.profiles] == ["original", "onnxruntime-int8-copy"]
    assert [(one.name, one.reason) for one in front.failed] == [
        ("onnxruntime-int8-garbage", "no answer within 300 s")
    ]


def test_a_folder_of_a_variant_that_was_removed_is_built_again(linear_work):
    passes = {"copy": disaster("copy")}
    front = linear_work.run(passes)
    gone = linear_work.variants / front.profiles[1].variant.id
    shutil.rmtree(gone)
    again = linear_work.run(passes)
    assert linear_work.did == ["build-onnxruntime-int8-copy"]
    assert again.pareto == front.pareto
    assert (gone / "manifest.json").is_file()
    linear_work.run(passes)
    assert linear_work.did == []


def test_an_interrupted_run_goes_on_where_it_was(linear_work, monkeypatch):
    passes = {name: PASSES[name] for name in ("quantize_dynamic_int8", "quantize_static_int8")}

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(optimizer, "profiles", interrupted)
        with pytest.raises(KeyboardInterrupt):
            linear_work.run(passes)
    linear_work.run(passes)
    assert linear_work.did == ["measure-variants"]


def test_another_metric_judges_anew(linear_work):
    front = linear_work.run({"copy": disaster("copy")})
    assert linear_work.run({"copy": disaster("copy")}, metric_content={"own.py": "changed"}) == front
    assert linear_work.did == ["judge-original", "judge-onnxruntime-int8-copy"]


KILLED = """
import sys
from pathlib import Path
from tradewind.domain import codec
from tradewind.domain.goal import Goal
from tradewind.domain.profile import Profile
from tradewind.files import nouns
from tradewind.files.steps import Steps
from tradewind.lab.models import load_data, load_metric
from tradewind.lab.optimization import PASSES, optimize

folder = Path(sys.argv[1])
goal = nouns.read(folder / "goal.json", Goal)
profile = nouns.read(folder / "profile.json", Profile)
passes = {name: PASSES[name] for name in ("quantize_dynamic_int8", "quantize_static_int8")}
optimize(
    goal,
    profile,
    load_data(goal, folder),
    load_metric(goal, folder),
    folder / "variants",
    Steps(folder / "steps", version="1"),
    passes,
)
"""


def test_a_killed_run_goes_on_where_it_was(linear_work):
    folder = linear_work.folder
    nouns.write(folder / "goal.json", linear_work.goal)
    nouns.write(folder / "profile.json", linear_work.profile)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    run = subprocess.Popen([sys.executable, "-c", KILLED, str(folder)], env=environment)
    deadline = time.monotonic() + 120.0
    while not list(folder.glob("steps/build-*.json")) and run.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    children = psutil.Process(run.pid).children(recursive=True)
    run.send_signal(signal.SIGKILL)
    run.wait()
    psutil.wait_procs(children, timeout=60.0)
    front = linear_work.run(
        {name: PASSES[name] for name in ("quantize_dynamic_int8", "quantize_static_int8")}
    )
    assert "build-onnxruntime-int8-dynamic" not in linear_work.did
    assert "measure-variants" in linear_work.did
    assert len(front.profiles) == 3
    assert not list(linear_work.variants.glob(f"{SCRATCH}*"))


def test_data_that_cannot_tell_quality_are_refused(linear_work):
    linear_work.data.test.labels[:] = 0
    linear_work.data.test.labels[0] = 1
    linear_work.metric = load_metric(
        msgspec.structs.replace(linear_work.goal, metric="average_precision"), linear_work.folder
    )
    with pytest.raises(DataError):
        linear_work.run({})


def test_slow_networks_leave_out_large_batches(linear_work):
    slow = [
        msgspec.structs.replace(point, batch=batch, median_s=0.05 * batch)
        for point in linear_work.profile.curve[:1]
        for batch in (1, 2, 4, 8, 16, 32, 64)
    ]
    profile = msgspec.structs.replace(linear_work.profile, curve=tuple(slow))
    assert optimizer._batches(profile, 6) == (1, 2, 4, 8)
    quick = [msgspec.structs.replace(point, median_s=1e-4) for point in slow]
    profile = msgspec.structs.replace(linear_work.profile, curve=tuple(quick))
    assert optimizer._batches(profile, 6) == (1, 2, 4, 8, 16, 32, 64)
