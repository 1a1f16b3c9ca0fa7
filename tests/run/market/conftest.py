from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from price_lists import publish
from tradewind.run.market import build


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small folder of published lists, with what each is known to get wrong."""
    return publish(tmp_path / "published")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("catalog") / "snapshot"
    build(publish(folder.parent / "published"), folder)
    return folder


@pytest.fixture
def snapshot(built: Path, tmp_path: Path) -> Path:
    """A copy of the snapshot that is built from them."""
    return shutil.copytree(built, tmp_path / "catalog")
