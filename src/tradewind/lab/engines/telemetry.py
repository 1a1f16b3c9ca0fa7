"""Third-party telemetry, switched off."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["silence_telemetry"]


def silence_telemetry() -> None:
    """Keeps openvino and nncf from phoning home; call it before they are imported.

    Both send usage events through the package openvino_telemetry, and work without it when it cannot be
    imported. So it is made unimportable in this process; nothing is written to the user's home.
    """
    modules: dict[str, Any] = sys.modules
    if "openvino_telemetry" not in modules:
        modules["openvino_telemetry"] = None
