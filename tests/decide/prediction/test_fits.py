import importlib.util
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "bench_memory.py"


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("bench_memory", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("place", range(3))
def test_what_is_said_to_fit_survives_in_that_memory(bench, place):
    pytest.importorskip("torch")
    run = bench.QUICK[place]
    measured = bench.trained(run)
    parts = bench.predicted(run, measured)
    bound = float(parts.quantile(bench.SURELY)[0]) * (1 + 1e-9)
    assert parts.fits(bound)[0] == 1.0
    assert bench.trained(run, bound) is not None, f"{bench.name(run)} died in {bound / bench.MIB:.0f} MiB"
    assert measured["peak_bytes"] <= bound < 2.0 * measured["peak_bytes"]
    # The limit is a real one: with half of what its tensors take, the run dies, and nobody said that it fits.
    half = 0.5 * bench.in_use(parts)
    assert parts.fits(half)[0] == 0.0
    assert bench.trained(run, half) is None


@pytest.mark.slow
@pytest.mark.parametrize("place", range(2))
def test_tensors_of_transformers_take_what_the_closed_form_says(bench, place):
    pytest.importorskip("torch")
    run = bench.QUICK[place]
    measured = bench.trained(run, environment=bench.RETURNING)
    assert bench.in_use(bench.predicted(run, measured)) == pytest.approx(measured["peak_bytes"], rel=0.05)
