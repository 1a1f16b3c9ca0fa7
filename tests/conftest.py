"""A small project of a user: a goal file, a network and data, in a folder of their own."""

import os
import tempfile

import pytest
from hypothesis import settings

# Whoever runs the tests may have refreshed prices of their own; the tests are about those that ship.
os.environ["TRADEWIND_CATALOG"] = os.path.join(tempfile.gettempdir(), "tradewind-tests-have-no-catalogue")

# The same examples on every run and no limit on time: a busy machine must not fail a law.
settings.register_profile("tradewind", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("tradewind")

GOAL = """\
name: small
model: small.network:build
data: small.tables:load
metric: average_precision
quality: {max_drop: 0.02, slices: [band]}
serve: {p99: 50 ms, load: 200 rps}
budget: 900 usd/month
regions: [europe-*]
"""

NETWORK = """\
import torch

from small.shape import WIDTH


def build():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(8, WIDTH), torch.nn.ReLU(), torch.nn.Linear(WIDTH, 1))
"""

TABLES = """\
import numpy as np


def load():
    rng = np.random.default_rng(0)
    splits = {}
    for name, rows in {"train": 200, "calibration": 100, "test": 800}.items():
        x = rng.normal(size=(rows, 8)).astype("float32")
        labels = (x[:, 0] + 0.3 * rng.normal(size=rows) > 0.8).astype("int64")
        splits[name] = {
            "inputs": x,
            "labels": labels,
            "slices": {"band": np.where(x[:, 1] > 0, "high", "low")},
        }
    return splits
"""


def write_project(folder):
    package = folder / "small"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "network.py").write_text(NETWORK)
    (package / "shape.py").write_text("WIDTH = 16\n")
    (package / "tables.py").write_text(TABLES)
    (folder / "goal.yaml").write_text(GOAL)
    return folder


@pytest.fixture
def project(tmp_path):
    """The folder of the project; tests change its files as a user would."""
    return write_project(tmp_path / "project")


@pytest.fixture(scope="session")
def shared_project(tmp_path_factory):
    """The same project, written once, for tests that share one finished run."""
    return write_project(tmp_path_factory.mktemp("shared") / "project")
