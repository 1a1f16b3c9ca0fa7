"""Runs every benchmark and keeps its table, dated, in benchmarks/results/.

    python benchmarks/run.py [name ...] [-- options of the benchmark]

Each benchmark is one claim in one file, bench_<name>.py, which prints a table in Markdown; peers run in the same
process or alternate with us, and the ratio is what counts on a noisy machine.
"""

import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent


def main(arguments: list[str]) -> int:
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    names, options = arguments[:cut], arguments[cut + 1 :]
    failed = []
    for script in sorted(HERE.glob("bench_*.py")):
        name = script.stem.removeprefix("bench_")
        if names and name not in names:
            continue
        print(f"== {name}", file=sys.stderr, flush=True)
        done = subprocess.run([sys.executable, str(script), *options], stdout=subprocess.PIPE, text=True)
        print(done.stdout, flush=True)
        if done.returncode:
            failed.append(name)
            continue
        today = datetime.now(UTC).date().isoformat()
        header = f"<!-- {today}, {_cpu()}, python {platform.python_version()} -->\n"
        (HERE / "results").mkdir(exist_ok=True)
        (HERE / "results" / f"{name}.md").write_text(header + done.stdout)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(models)} x {models[0]}" if models else platform.processor()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
