from __future__ import annotations

import subprocess
import sys
import time

import pytest

from tradewind.domain.errors import DataError, InputError
from tradewind.lab.models import data_fingerprint, fingerprint

SOURCES = {
    "entry": "from small import near\nimport json, numpy\nfrom .deep import thing\ndef build():\n    import small.lazy\n",
    "near": "from sklearn.metrics import f1_score\n",
    "deep": "from . import near\nthing = 1\n",
    "lazy": "import absent_library\n",
    "unrelated": "import torch\n",
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "small").mkdir()
    for name, source in SOURCES.items():
        (tmp_path / "small" / f"{name}.py").write_text(source)
    return tmp_path


def test_it_names_the_local_modules_and_the_packages_that_are_imported(folder):
    import numpy
    import sklearn

    found = fingerprint("small.entry:build", folder)
    assert set(found) == {
        *("small.entry", "small.near", "small.deep", "small.lazy"),
        *("package numpy", "package sklearn", "package absent_library"),
    }
    assert found["package numpy"] == numpy.__version__
    assert found["package sklearn"] == sklearn.__version__
    assert found["package absent_library"] == "not installed"


@pytest.mark.parametrize("name", ["entry", "near", "deep", "lazy"])
def test_a_change_in_any_of_them_shows(folder, name):
    before = fingerprint("small.entry:build", folder)
    (folder / "small" / f"{name}.py").write_text(SOURCES[name] + "# changed\n")
    after = fingerprint("small.entry:build", folder)
    assert {key for key in before if before[key] != after[key]} == {f"small.{name}"}


def test_a_change_elsewhere_does_not_show(folder):
    before = fingerprint("small.entry:build", folder)
    (folder / "small/unrelated.py").write_text("")
    assert fingerprint("small.entry:build", folder) == before


def test_an_init_file_belongs_to_its_modules(folder):
    (folder / "small/__init__.py").write_text("from small import unrelated\n")
    assert {"small", "small.unrelated", "package torch"} <= set(fingerprint("small.entry:build", folder))


def test_nothing_is_imported_and_it_is_quick(folder):
    script = (
        "import sys, time, pathlib; from tradewind.lab.models import fingerprint; begun = time.process_time();"
        f"fingerprint('small.entry:build', pathlib.Path({str(folder)!r}));"
        "print(time.process_time() - begun, *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    cpu_s, *modules = done.stdout.split()
    assert not {"small", "torch", "sklearn", "onnxruntime", "openvino"} & set(modules)
    # Its bound is 0.1 s; the margin is for coverage and busy machines.
    assert float(cpu_s) < 1.0


def test_a_file_is_its_content(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"1")
    first = fingerprint("model.onnx", tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"2")
    assert list(first) == ["model.onnx"]
    assert fingerprint("model.onnx", tmp_path) != first
    with pytest.raises(InputError, match="no such file"):
        fingerprint("absent.onnx", tmp_path)


def test_declared_data_files_are_hashed(make_goal, project):
    folder = project()
    (folder / "rows").mkdir()
    (folder / "rows/a.csv").write_text("1")
    (folder / "rows/b.csv").write_text("2")
    goal = make_goal(data_files="['rows/*.csv']")
    before = data_fingerprint(goal, folder)
    assert set(before) == {"rows/a.csv", "rows/b.csv"}
    (folder / "rows/b.csv").write_text("3")
    after = data_fingerprint(goal, folder)
    assert {key for key in before if before[key] != after[key]} == {"rows/b.csv"}
    with pytest.raises(DataError, match=r"'rows/\*.parquet' matches no file"):
        data_fingerprint(make_goal(data_files="['rows/*.parquet']"), folder)


def test_the_users_own_fingerprint_counts(make_goal, project):
    folder = project(data="def load():\n    return {}\ndef fingerprint():\n    return 'v7'\n")
    assert data_fingerprint(make_goal(), folder) == {"small.data:fingerprint()": "v7"}


def test_without_either_only_loading_tells(make_goal, project):
    assert data_fingerprint(make_goal(), project()) is None


def test_time_is_not_read(folder):
    first = fingerprint("small.entry:build", folder)
    for path in (folder / "small").iterdir():
        path.touch()
    time.sleep(0.01)
    assert fingerprint("small.entry:build", folder) == first
