"""tradewind predict: what machines that nobody has rented yet will do."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from tradewind.domain import codec, units
from tradewind.domain.errors import InputError, nearest
from tradewind.domain.host import Host
from tradewind.domain.layout import Layout
from tradewind.domain.plan import Plan
from tradewind.domain.profile import Front
from tradewind.files import nouns, rows
from tradewind.show.cli.options import EPILOG, JsonOption, OutOption
from tradewind.show.cli.results import print_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewind.decide.prediction.generation_cpu import Described
    from tradewind.decide.prediction.published import Prediction
    from tradewind.domain.estimate import Calibration

app = typer.Typer(add_completion=False, rich_markup_mode=None)

PREDICTED = (
    "pred_step_time_s",
    "pred_latency_ms",
    "pred_low",
    "pred_high",
    "pred_mem_gib_per_gpu",
    "pred_fits",
    "because",
)


@app.command(epilog=EPILOG.format("tradewind predict train.csv --out predictions.csv"))
def predict(
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="Tables of training or inference runs (CSV), or one folder under runs/ with a plan.",
            show_default=False,
        ),
    ],
    out: OutOption = None,
    host: Annotated[
        Path | None,
        typer.Option(
            help="A machine that probe --out wrote: what it measured holds for rows about its device."
        ),
    ] = None,
    observed: Annotated[
        Path | None,
        typer.Option(help="A table of your own runs, measured: they tighten predictions of the same kind."),
    ] = None,
    score: Annotated[
        bool, typer.Option("--score", help="Compare with the measured columns of the tables.")
    ] = False,
    offer: Annotated[
        str | None,
        typer.Option(help="Of a run: cloud/region/instance_type/purchase, as plans name offers."),
    ] = None,
    variant: Annotated[str | None, typer.Option(help="Of a run: the variant; else the planned one.")] = None,
    load: Annotated[str | None, typer.Option(help="Of a run: the load; else the goal's.")] = None,
    instances: Annotated[int, typer.Option(help="Of a run: how many machines.", min=1)] = 1,
    replicas: Annotated[int, typer.Option(help="Of a run: server processes per machine.", min=1)] = 1,
    threads: Annotated[int, typer.Option(help="Of a run: cores per server process.", min=1)] = 1,
    max_batch: Annotated[int, typer.Option(help="Of a run: the largest batch.", min=1)] = 64,
    as_json: JsonOption = False,
) -> None:
    """Time, memory and cost with their intervals, and what dominates them.

    A table gets the columns pred_step_time_s or pred_latency_ms, pred_low, pred_high, pred_mem_gib_per_gpu, pred_fits
    and because. Its rows keep their order; what they say was measured is not read, except by --score.
    """
    if len(sources) == 1 and sources[0].is_dir():
        layout = Layout(
            instances=instances, replicas_per_instance=replicas, threads=threads, max_batch=max_batch
        )
        _of_run(sources[0], offer, variant, load, layout, out, as_json=as_json)
    elif score:
        _scores(sources, _Known(host, observed), as_json=as_json)
    elif len(sources) > 1:
        raise InputError(
            f"{len(sources)} tables: give one, or --score to compare several with what was measured"
        )
    else:
        _of_table(sources[0], out, _Known(host, observed), as_json=as_json)


def _of_run(
    run_folder: Path,
    offer: str | None,
    variant: str | None,
    load: str | None,
    layout: Layout,
    out: Path | None,
    *,
    as_json: bool,
) -> None:
    from tradewind.decide import catalog, prediction
    from tradewind.run import market
    from tradewind.show import tables

    if offer is None:
        raise InputError("--offer is missing: name a machine as cloud/region/instance_type/purchase")
    plan = nouns.read(run_folder / "plan.json", Plan)
    front = nouns.read(run_folder / "front.json", Front)
    names = {profile.variant.name: profile for profile in front.profiles}
    wanted = variant or plan.variant.name
    if wanted not in names:
        raise InputError(f"{wanted}: no such variant; known: {', '.join(names)}")
    offers = catalog.offers(plan.goal, market.load_catalog(), datetime.now(UTC).date().isoformat())
    known = {found.key: found for found in offers}
    if offer not in known:
        guess = nearest(offer, list(known))
        raise InputError(f"{offer}: no such offer for this goal; did you mean {guess}?")
    estimate = prediction.predict(
        names[wanted],
        known[offer],
        layout,
        plan.calibration,
        load_rps=plan.goal.serve.load.rate_rps if load is None else units.read(load, "rate"),
        serve=plan.goal.serve,
    )
    if out is not None:
        nouns.write(out, estimate)
    if as_json:
        typer.echo(codec.encode(estimate).decode(), nl=False)
    else:
        print_table(tables.estimate(estimate))


class _Known(NamedTuple):
    """What is known beside the shipped constants."""

    host: Path | None
    """A probed machine."""
    observed: Path | None
    """Measured runs."""


def _predicted(found: Sequence[Mapping[str, str]], known: _Known) -> list[Prediction]:
    from tradewind.decide.prediction.fitted import with_defaults
    from tradewind.decide.prediction.probing import rescaled, with_observations
    from tradewind.decide.prediction.scoring import measured_seconds
    from tradewind.files import sheets

    calibration = with_defaults(sheets.calibration())
    predictions = _by(found, known, calibration)
    if known.observed is None:
        return predictions
    _, runs = rows.read(known.observed)
    told = _by(runs, known, calibration)
    measured = [measured_seconds(row, one) or math.nan for row, one in zip(runs, told, strict=True)]
    if not any(value > 0.0 for value in measured):
        raise InputError(f"{known.observed}: no row has a measurement, such as step_time_s or latency_ms")
    return rescaled(predictions, with_observations(calibration, told, measured))


def _by(found: Sequence[Mapping[str, str]], known: _Known, calibration: Calibration) -> list[Prediction]:
    """Predictions by a calibration; by what its probe measured for rows about the device of the host."""
    from tradewind.decide.prediction.devices import device_of
    from tradewind.decide.prediction.probing import device_at_hand, tightened
    from tradewind.decide.prediction.published import device_text, predict_rows
    from tradewind.files import sheets

    processors: dict[str, Described] = {}
    if any("instance_type" in row for row in found[:1]):
        from tradewind.run import market

        processors = dict(market.processors())
    devices, architectures = sheets.devices(), sheets.architectures()
    predictions = predict_rows(found, devices, architectures, calibration, processors=processors)
    if known.host is None:
        return predictions
    host = nouns.read(known.host, Host)
    device = device_at_hand(host, devices)
    here = predict_rows(
        found, devices, architectures, tightened(calibration, host, device), processors=processors
    )
    own = [device_of(device_text(row), devices) == device for row in found]
    return [tight if is_own else one for tight, is_own, one in zip(here, own, predictions, strict=True)]


def _of_table(source: Path, out: Path | None, known: _Known, *, as_json: bool) -> None:
    header, found = rows.read(source)
    predictions = _predicted(found, known)
    columns = [name for name in header if name not in PREDICTED] + list(PREDICTED)
    answered = [{**row, **cells(row, one)} for row, one in zip(found, predictions, strict=True)]
    if out is not None:
        rows.write(out, columns, answered)
    if as_json:
        typer.echo(
            codec.encode([{name: row[name] for name in PREDICTED} for row in answered]).decode(), nl=False
        )
    elif out is None:
        rows.write_to(typer.get_text_stream("stdout"), columns, answered)
    else:
        unanswered = sum(math.isnan(one.seconds) for one in predictions)
        typer.echo(f"{len(found)} rows to {out}; {unanswered} without an answer, each with its reason")


def cells(row: Mapping[str, str], one: Prediction) -> dict[str, str]:
    """The columns that a prediction adds to its row.

    Tables of training state seconds of a step, and so do pred_step_time_s, pred_low and pred_high; tables of inference
    state milliseconds of a call, and so do pred_latency_ms, pred_low and pred_high.
    """
    if math.isnan(one.seconds):
        return {**dict.fromkeys(PREDICTED, ""), "because": one.because}
    training = one.kind in ("training", "counted_training")
    in_ms = "latency_ms" in row or "seq_in" in row or not training
    unit = 1e3 if in_ms else 1.0
    gib = one.memory_bytes / 2**30
    return {
        "pred_step_time_s": _digits(one.seconds) if training else "",
        "pred_latency_ms": _digits(1e3 * one.seconds) if in_ms else "",
        "pred_low": _digits(unit * one.low),
        "pred_high": _digits(unit * one.high),
        "pred_mem_gib_per_gpu": "" if math.isnan(gib) else _digits(gib),
        "pred_fits": "" if one.fits is None else "yes" if one.fits else "no",
        "because": one.because,
    }


def _digits(value: float) -> str:
    return f"{value:.6g}"


def _scores(sources: Sequence[Path], known: _Known, *, as_json: bool) -> None:
    from tradewind.decide.prediction.scoring import score
    from tradewind.show import tables

    found = {}
    for source in sources:
        _, measured = rows.read(source)
        found[source.name.removesuffix(".gz").removesuffix(".csv")] = score(
            measured, _predicted(measured, known)
        )
    if as_json:
        # What cannot be told (no memory stated, no layouts to choose among) is null.
        plain = {
            name: {key: None if math.isnan(value) else value for key, value in vars(one).items()}
            for name, one in found.items()
        }
        typer.echo(codec.encode(plain).decode(), nl=False)
    else:
        print_table(tables.scores(found))
