from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time

import msgspec
import numpy as np
import psutil
import pytest

from tradewind.domain.errors import CannotMeasure, ResourceError
from tradewind.domain.variant import Variant
from tradewind.files import nouns
from tradewind.lab.engines import ENGINES, load, read_golden, verify_golden
from tradewind.lab.models import Split
from tradewind.lab.optimization import calibration
from tradewind.lab.optimization.building import SCRATCH, Limits, Request, build, free_limits

PLANTED = """
import errno, os, shutil, sys, time
from tradewind.lab.optimization import Applied

def apply(job):
    what = job.parameters["what"]
    if what == "raise":
        raise KeyError("the operator\\n  Frobnicate is unknown")
    if what == "abort":
        os.abort()
    if what == "hang":
        time.sleep(600)
    if what == "eat":
        eaten = []
        while True:
            eaten.append(b"x" * 50_000_000)
            time.sleep(0.02)
    if what == "leave":
        os._exit(7)
    if what == "full":
        raise OSError(errno.ENOSPC, "No space left on device")
    shutil.copyfile(job.payload, job.out / "model.onnx")
    if what == "nan":
        import numpy, onnx
        network = onnx.load(job.out / "model.onnx")
        weight = network.graph.initializer[0]
        values = numpy.full(weight.dims, numpy.nan, dtype=numpy.float32)
        weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
        onnx.save(network, job.out / "model.onnx")
    if what == "text":
        (job.out / "model.onnx").write_text("no network")
    return Applied(("model.onnx",), {"rows_seen": job.calibration.rows})
"""
LIMITS = Limits(time_s=60.0, memory_bytes=2.0**33)


@pytest.fixture
def request_for(tmp_path, monkeypatch, linear):
    """Makes a request to build with the planted pass; its variants go to a folder of the test."""
    _, folder, inputs = linear
    (tmp_path / "planted.py").write_text(PLANTED)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "variants").mkdir()
    rows = calibration.choose(Split(inputs, np.zeros(len(next(iter(inputs.values()))))), 20, seed=0)
    calibration.save(tmp_path / "rows.npz", rows)

    def make(what, **changes):
        request = Request(
            name="candidate",
            pass_name="plant",
            module="planted",
            version="planted 1",
            engine="onnxruntime",
            writes="onnx",
            precision="fp32",
            calibrated=True,
            parameters={"what": what},
            parent_folder=str(folder),
            golden_folder=str(folder),
            calibration=str(tmp_path / "rows.npz"),
            variants=str(tmp_path / "variants"),
            seed=3,
            threads=1,
        )
        return msgspec.structs.replace(request, **changes)

    return make


def test_what_is_built_can_be_loaded_and_says_how_it_was_made(request_for, linear, tmp_path):
    parent = linear[0]
    variant = build(request_for("copy"), LIMITS)
    folder = tmp_path / "variants" / variant.id
    assert nouns.read(folder / "manifest.json", Variant) == variant
    assert variant.parent_id == parent.id
    assert variant.name == "candidate"
    (step,) = variant.recipe
    assert step.name == "plant"
    assert step.parameters == {"what": "copy", "rows_seen": 20}
    assert step.calibration_rows == 20
    assert step.calibration_sha256 == calibration.load(tmp_path / "rows.npz").sha256
    assert step.seed == 3
    assert variant.runtime.engine_version == ENGINES["onnxruntime"].version()
    session = load(folder, variant, threads=1)
    verify_golden(folder, variant, session)
    assert list(read_golden(folder, variant)[0]) == [spec.name for spec in variant.inputs]
    assert not list((tmp_path / "variants").glob(f"{SCRATCH}*")), "nothing is left behind"


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("raise", "KeyError: 'the operator\\\\n Frobnicate is unknown'"),
        ("abort", "plant ended by SIGABRT: it crashed"),
        ("leave", "plant ended with exit status 7 and without an answer"),
        ("nan", "output 'y' is not finite on the golden inputs"),
        ("text", "candidate: onnxruntime .* cannot load .*"),
    ],
)
def test_a_pass_that_fails_is_a_result_in_one_line(request_for, tmp_path, what, reason):
    with pytest.raises(CannotMeasure) as caught:
        build(request_for(what), LIMITS)
    assert "\n" not in str(caught.value)
    assert re.fullmatch(reason, str(caught.value)), str(caught.value)
    assert not list((tmp_path / "variants").iterdir())


def test_a_pass_that_hangs_is_stopped(request_for):
    with pytest.raises(CannotMeasure, match=r"plant was stopped: it took over 3\.00 s"):
        build(request_for("hang"), Limits(time_s=3.0, memory_bytes=2.0**33))


def test_a_pass_that_eats_memory_is_stopped_before_the_machine_suffers(request_for):
    with pytest.raises(CannotMeasure, match="plant was stopped: it took over 400 MiB of memory"):
        build(request_for("eat"), Limits(time_s=60.0, memory_bytes=400 * 2.0**20))


def test_a_full_disk_is_no_result_of_the_candidate(request_for):
    with pytest.raises(ResourceError, match="the disk is full"):
        build(request_for("full"), LIMITS)


def test_a_module_that_is_gone_is_a_result(request_for):
    with pytest.raises(CannotMeasure, match="ModuleNotFoundError: No module named 'no_such_pass'"):
        build(request_for("copy", module="no_such_pass"), LIMITS)


def test_the_free_memory_bounds_a_build():
    limits = free_limits()
    assert 0 < limits.memory_bytes < psutil.virtual_memory().total
    assert limits.time_s > 60.0


def test_the_child_does_not_outlive_a_killed_run(request_for, tmp_path):
    nouns.write(tmp_path / "request.json", request_for("hang"))
    script = """
import sys
from pathlib import Path
from tradewind.files import nouns
from tradewind.lab.optimization.building import Limits, Request, build
build(nouns.read(Path(sys.argv[1]), Request), Limits(time_s=60.0, memory_bytes=2.0**33))
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    run = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "request.json")], env=environment)
    deadline = time.monotonic() + 60.0
    children = []
    while not children and time.monotonic() < deadline:
        time.sleep(0.05)
        children = psutil.Process(run.pid).children()
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert len(children) == 1
    _, alive = psutil.wait_procs(children, timeout=60.0)
    assert not alive
