"""tradewind init: a commented goal file to start from."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Annotated, Final

import typer

from tradewind.domain import codec
from tradewind.domain.errors import InputError, nearest
from tradewind.domain.goal import Goal
from tradewind.files import atomic
from tradewind.show.cli.options import EPILOG

app = typer.Typer(add_completion=False, rich_markup_mode=None)

TEMPLATE: Final = """\
# What you want. Every key is explained by: tradewind goal schema
name: {name}                          # names the folder under runs/
model: {model}  # module:callable that returns a torch.nn.Module, or a .pt2 or .onnx file
data: {data}    # module:callable that returns the splits train, calibration and test
metric: accuracy                      # or average_precision, roc_auc, f1, neg_mean_squared_error, module:callable
quality:
  max_drop: 0.01                      # how much of the metric may be lost for speed
  slices: []                          # columns by which quality is judged too, such as [country]
serve:
  p99: 50 ms                          # the latency that 99 % of the requests must keep (or p50, p90, p95)
  load: 100 rps                       # how many requests arrive
budget: 500 usd/month
confidence: 0.9                       # with which the plan must keep its promises
clouds: [aws, azure, gcp]
regions: [europe-*]                   # names or patterns; europe-*, us-*, asia-* hold for every cloud
purchase: [on_demand, spot]           # also commit_1y, commit_3y
# data_at:                            # where the data live: adds storage and egress to the cost
#   uri: s3://my-bucket/path
#   region: eu-west-1
#   size: 100 GiB
#   read_per_month: 10 GiB
"""

DATA_NAMES: Final = ("load", "load_data", "splits", "data", "datasets")
"""Names of functions that probably return the data."""


@app.command(epilog=EPILOG.format("tradewind init fraud.model:build"))
def init(
    model: Annotated[
        str, typer.Argument(help="module:callable, or a .pt2 or .onnx file.", show_default=False)
    ],
    data: Annotated[
        str | None, typer.Option(help="module:callable that returns the splits; else it is looked for.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="The goal file to write.")] = Path("goal.yaml"),
) -> None:
    """Write a commented goal file for a model, next to its module."""
    if out.exists():
        raise InputError(f"{out}: exists already; name another file with --out")
    folder = out.resolve().parent
    if model.endswith((".pt2", ".onnx")):
        if not (folder / model).is_file():
            raise InputError(f"{model}: no such file in {folder}; check the path")
        stem = Path(model).stem
    else:
        _check(model, folder)
        stem = model.partition(":")[0].partition(".")[0]
    found = data or _find_data(model, folder)
    if data is not None:
        _check(data, folder)
    text = TEMPLATE.format(
        name=re.sub(r"[^a-z0-9_-]", "-", stem.lower()).strip("-_") or "goal",
        model=model,
        data=found or f"{stem}_data:load",
    )
    codec.decode(text, Goal, source=str(out))
    atomic.write_text(out, text)
    typer.echo(f"wrote {out}; set the latency, load and budget, then: tradewind run {out}")
    if found is None:
        typer.echo(
            f"no function that returns the data was found: write {stem}_data.py with load(), see the comment"
        )


def _check(reference: str, folder: Path) -> None:
    """Refuses a reference whose module or function is not there; nothing is imported."""
    module, _, function = reference.partition(":")
    path = _module_file(module, folder)
    if not function:
        raise InputError(f"{reference}: names no callable; write module:callable, such as {module}:build")
    if path is None:
        raise InputError(
            f"{reference}: no module {module} in {folder}; run this where the module can be imported"
        )
    functions = _functions(path)
    if function not in functions:
        guess = nearest(function, functions)
        hint = f"did you mean {guess}?" if guess else f"it has: {', '.join(functions) or 'no functions'}"
        raise InputError(f"{reference}: {path.name} has no {function}; {hint}")


def _module_file(module: str, folder: Path) -> Path | None:
    base = folder.joinpath(*module.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def _functions(path: Path) -> list[str]:
    try:
        tree = ast.parse(path.read_text())
    except SyntaxError as error:
        raise InputError(f"{path}: line {error.lineno}: {error.msg}") from None
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]


def _find_data(model: str, folder: Path) -> str | None:
    """A function beside the model that probably returns the data."""
    module = model.partition(":")[0]
    start = _module_file(module, folder) if ":" in model else folder / model
    if start is None:
        return None
    for path in sorted(start.parent.glob("*.py")):
        functions = [name for name in DATA_NAMES if name in _functions(path)]
        if functions:
            inside = path.relative_to(folder).with_suffix("").parts
            return f"{'.'.join(inside)}:{functions[0]}"
    return None
