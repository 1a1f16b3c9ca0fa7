import os
import subprocess
import sys

import onnx
from onnx import TensorProto, helper

SCRIPT = """
import sys, numpy as np
from tradewind.lab.engines.telemetry import silence_telemetry
silence_telemetry()
import onnxruntime, openvino, nncf
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
session.run(None, {"x": np.ones((1, 2), dtype="float32")})
openvino.Core().compile_model(sys.argv[1], "CPU")
"""


def test_silenced_libraries_leave_nothing_in_the_home_of_the_user(tmp_path):
    network = helper.make_model(
        helper.make_graph(
            [helper.make_node("Relu", ["x"], ["y"])],
            "one",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    onnx.save(network, tmp_path / "one.onnx")
    home = tmp_path / "home"
    home.mkdir()
    hidden = ("XDG_", "ORT_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "one.onnx")],
        check=True,
        env={**environment, "HOME": str(home)},
        capture_output=True,
    )
    assert [path for path in home.rglob("*") if path.is_file()] == []
