from __future__ import annotations

import json

import numpy as np
import pytest

from tradewind.domain import codec
from tradewind.domain.errors import CannotMeasure
from tradewind.domain.host import Host
from tradewind.domain.profile import LatencyPoint, Profile
from tradewind.lab.profiling import profile, profiles
from tradewind.lab.profiling.counting import count_payload
from tradewind.lab.profiling.footprint import measure_footprint
from tradewind.lab.profiling.profiles import _difference, _message_bytes

HOST = Host(
    cpu_model="any",
    cpu_vendor="any",
    cpu_architecture="x86_64",
    physical_cores=1,
    logical_cores=1,
    ghz=None,
    isa=(),
    memory_bytes=2**30,
    memory_bandwidth_bytes_per_s=1e10,
    gemm_flops_per_s_per_core=1e10,
)


def test_a_profile_holds_everything_that_was_measured(linear):
    variant, folder, rows = linear
    found = profile(variant, folder, rows, HOST, batches=(1, 4), seconds=0.2)
    assert codec.decode(codec.encode(found), Profile, source="profile") == found
    assert (found.variant, found.host) == (variant, HOST)
    assert found.operators == count_payload(variant, folder)
    assert [(point.threads, point.batch) for point in found.curve] == [(1, 1), (1, 4)]
    assert found.weight_bytes == 4 * variant.parameters
    assert found.peak_memory_bytes > 2**24, "Python and NumPy alone are larger than that"
    assert found.load_s > 0.01
    assert found.noise >= 0.0
    assert found.flops == 2 * 6 * 2 + 6, "the matrix, and a sum of one term"


def test_several_variants_share_one_noise(linear):
    variant, folder, rows = linear
    found = profiles([(variant, folder)] * 2, rows, HOST, batches=(1,), threads=(1,), seconds=0.1)
    assert len(found) == 2
    assert found[0].noise == found[1].noise
    assert found[0].measured_at == found[1].measured_at


def test_the_noise_is_the_difference_of_twins():
    def curve(*lows):
        return tuple(
            LatencyPoint(batch=b, threads=1, low_s=low, median_s=1.0, high_s=1.0, cpu_s=1.0, runs=3)
            for b, low in enumerate(lows)
        )

    assert _difference(curve(1.0, 2.0), curve(1.0, 2.0)) == 0.0
    assert _difference(curve(1.0), curve(1.1)) == pytest.approx(0.1)
    assert _difference(curve(1.1), curve(1.0)) == pytest.approx(0.1)


def test_a_message_has_the_size_of_the_protocols_json():
    arrays = {"x": np.array([[0.5, -1.0]], np.float32), "ids": np.array([[7]])}
    body = {
        "inputs": [
            {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [0.5, -1.0]},
            {"name": "ids", "shape": [1, 1], "datatype": "INT64", "data": [7]},
        ]
    }
    assert _message_bytes("inputs", arrays) == len(json.dumps(body, separators=(",", ":")))


def test_a_variant_that_does_not_run_alone_is_told_in_one_line(linear, tmp_path):
    variant, folder, _ = linear
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.onnx").write_bytes(b"")
    with pytest.raises(CannotMeasure, match=r"cannot run in a process of its own: .*has changed") as error:
        measure_footprint(variant, tmp_path, threads=1, largest_batch=1)
    assert "\n" not in str(error.value)


def test_the_memory_is_that_of_the_child_not_of_its_parent(linear):
    variant, folder, _ = linear
    ballast = np.ones(2**25)  # 256 MiB, which a child started by fork would inherit in its maximum
    found = measure_footprint(variant, folder, threads=1, largest_batch=4)
    assert found.peak_memory_bytes < ballast.nbytes
