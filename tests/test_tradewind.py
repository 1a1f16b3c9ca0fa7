import subprocess
import sys

import tradewind

HEAVY = ("torch", "onnx", "onnxruntime", "openvino", "nncf", "duckdb", "numpy", "uvloop", "yaml", "typer")


def test_importing_the_package_loads_nothing_heavy():
    script = f"import sys, tradewind; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_loads_no_network_library():
    script = (
        "import sys\nfrom tradewind.show.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as stop:\n    assert not stop.code\n"
        f"print([name for name in {HEAVY[:8]!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_the_public_surface_is_sorted_complete_and_importable():
    assert tradewind.__all__ == sorted(tradewind.__all__)
    assert set(tradewind.__all__) == set(tradewind._HOMES)
    for name in tradewind.__all__:
        assert getattr(tradewind, name).__name__ == name
