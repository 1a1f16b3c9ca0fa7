"""Third-party telemetry, switched off."""

from __future__ import annotations

import os
import sys
from typing import Any

__all__ = ["silence_telemetry"]


def silence_telemetry() -> None:
    """Keeps openvino, nncf and onnxruntime from phoning home; call it before they are imported.

    The first two send usage events through the package openvino_telemetry, and work without it when it cannot
    be imported; so it is made unimportable in this process. ONNX Runtime keeps events in a database in the
    user's home (seen in 1.32 on Linux) for its uploader, unless its environment variable says otherwise.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    modules: dict[str, Any] = sys.modules
    if "openvino_telemetry" not in modules:
        modules["openvino_telemetry"] = None
