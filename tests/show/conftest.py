from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType


@pytest.fixture(scope="session")
def story() -> ModuleType:
    """The constructed run of `report/story.py`."""
    path = Path(__file__).parent / "report" / "story.py"
    spec = importlib.util.spec_from_file_location("story", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
