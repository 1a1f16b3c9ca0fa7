"""Each example runs once, through the command line, as a user runs it; the tests look at what it left."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
COMMAND = (sys.executable, "-c", "from tradewind.show.cli import main; main()")


@dataclass(frozen=True)
class Ran:
    """A finished run: the example's own folder (a copy), the folder of the run, and what was printed."""

    source: Path
    folder: Path
    out: str
    err: str

    def again(self, *extra: str) -> subprocess.CompletedProcess:
        """The same command again."""
        return tradewind("run", str(self.source / "goal.yaml"), "--runs", str(self.folder.parent), *extra)


def tradewind(*arguments: str, **options) -> subprocess.CompletedProcess:
    """The command line in a process of its own."""
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=1500, **options)


def run_example(name: str, tmp: Path) -> Ran:
    source = tmp / name
    shutil.copytree(EXAMPLES / name, source, ignore=shutil.ignore_patterns("__pycache__", "runs"))
    done = tradewind("run", str(source / "goal.yaml"), "--runs", str(tmp / "runs"))
    assert done.returncode == 0, done.stderr[-2000:]
    return Ran(source=source, folder=tmp / "runs" / name, out=done.stdout, err=done.stderr)


@pytest.fixture(scope="session")
def fraud(tmp_path_factory):
    return run_example("fraud", tmp_path_factory.mktemp("fraud"))


@pytest.fixture(scope="session")
def sentiment(tmp_path_factory):
    return run_example("sentiment", tmp_path_factory.mktemp("sentiment"))


@pytest.fixture(params=["fraud", "sentiment"])
def ran(request):
    return request.getfixturevalue(request.param)
