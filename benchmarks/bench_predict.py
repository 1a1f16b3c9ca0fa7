"""How good predictions are: against published runs, a constant share of the peak, and other predictors.

    python benchmarks/run.py predict -- --tables DIR

DIR holds train_*.csv, infer_*.csv and, of other tools, predictor_outputs_*.csv: what they predicted for the same rows.
The figures of fits with groups and tables left out come from results/fits.json, which calibrate.py keeps.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from tradewind.decide.prediction.fitted import with_defaults
from tradewind.decide.prediction.published import predict_rows
from tradewind.decide.prediction.scoring import CONSTANT_MFU, Score, score
from tradewind.files import rows, sheets
from tradewind.run import market

FITS = Path(__file__).parent / "results" / "fits.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=Path, required=True)
    asked = parser.parse_args()
    print("# Predictions against published measurements\n")
    print("Errors are absolute and relative, in %, median / p90. Intervals are meant to hold 80 %.\n")
    scores = _scores(asked.tables)
    _shipped(scores)
    _left_out()
    _peers(asked.tables, scores)


def _scores(tables: Path) -> dict[str, Score]:
    calibration, processors = with_defaults(sheets.calibration()), market.processors()
    found = {}
    for path in sorted([*tables.glob("train_*.csv"), *tables.glob("infer_*.csv*")]):
        _, measured = rows.read(path)
        predictions = predict_rows(
            measured, sheets.devices(), sheets.architectures(), calibration, processors=processors
        )
        found[path.name.removesuffix(".gz").removesuffix(".csv")] = score(measured, predictions)
    return found


def _shipped(scores: dict[str, Score]) -> None:
    print("## The shipped constants, on the tables that they were fitted on\n")
    print(f"Beside them a constant share of the peak ({CONSTANT_MFU} of it, for everything).\n")
    print(
        "| table | rows | tradewind | constant MFU | in the interval | width | memory | regret of the layout, mean / p90 |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, one in scores.items():
        memory, regret = _pair(one.memory_median, one.memory_p90), _pair(one.regret_mean, one.regret_p90)
        print(
            f"| {name} | {one.compared}/{one.rows} | {_pair(one.median, one.p90)} "
            f"| {_pair(one.constant_median, one.constant_p90)} | {one.coverage:.0%} | {one.width:.2f}x | {memory} | {regret} |"
        )
    for title, chosen in (("training", "train_"), ("inference", "infer_")):
        some = [one for name, one in scores.items() if name.startswith(chosen)]
        own = _pair(np.mean([one.median for one in some]), np.mean([one.p90 for one in some]))
        known = [one for one in some if one.constant_median < 10.0]
        rival = _pair(
            np.mean([one.constant_median for one in known]), np.mean([one.constant_p90 for one in known])
        )
        print(
            f"| **average of {title}** |  | **{own}** | {rival} | {np.mean([one.coverage for one in some]):.0%} |  |  |  |"
        )
    print(
        "\nAverages weigh tables equally; the constant's leave out tables whose unit of work it cannot know.\n"
    )


def _left_out() -> None:
    print("## Constants fitted without the rows that they are scored on\n")
    print("| room | table | what was left out | rows | error |")
    print("|---|---|---|---|---|")
    averages: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in json.loads(FITS.read_text()):
        if "left out" not in one["split"] or ("without" in one["split"]):
            continue
        if one["room"] == "training":
            averages[one["split"]].append(one)
        print(
            f"| {one['room']} | {one['table']} | {one['split']} | {one['n']} | {one['median']:.1f} / {one['p90']:.1f} |"
        )
    for split, lines in averages.items():
        median, p90 = (np.mean([one[name] for one in lines]) for name in ("median", "p90"))
        print(
            f"| **training** | **average of {len(lines)} tables** | **{split}** |  | **{median:.1f} / {p90:.1f}** |"
        )
    print(
        "\nThe form of the model was chosen with all tables in view, so these judge the constants, not the form.\n"
    )


def _peers(tables: Path, scores: dict[str, Score]) -> None:
    print("## Other predictors, on the same rows, by their own defaults\n")
    print("| predictor | set | rows | its error | tradewind on that table, fitted without it |")
    print("|---|---|---|---|---|")
    without = {one["table"]: one for one in json.loads(FITS.read_text()) if one["split"] == "table left out"}
    names = {
        "megatron-korthikanti22": "train_megatron",
        "vtrain": "train_vtrain_a100",
        "mosaic": "train_mosaic_mpt",
        "torchtitan": "train_torchtitan",
        "ft-gpt": "fastertransformer latency",
    }
    for path in sorted(tables.glob("predictor_outputs_*.csv")):
        groups: dict[tuple[str, str], list[float]] = defaultdict(list)
        with path.open() as file:
            for row in csv.DictReader(file):
                error = row.get("ape") or row.get("neusight_ape_pct")
                if error:
                    groups[(row.get("predictor") or "NeuSight", row.get("set") or "neusight")].append(
                        float(error)
                    )
        for (predictor, chosen), errors in sorted(groups.items()):
            table = next((own for word, own in names.items() if chosen.startswith(word)), "")
            ours = without.get(table)
            said = f"{ours['median']:.1f} / {ours['p90']:.1f}" if ours else "-"
            if chosen == "neusight":
                one = scores["infer_train_neusight_labels"]
                said = f"{_pair(one.median, one.p90)} (in the fit)"
            print(
                f"| {predictor} | {chosen} | {len(errors)} | {np.median(errors):.1f} / {np.quantile(errors, 0.9):.1f} | {said} |"
            )


def _pair(first: float, second: float) -> str:
    return "-" if np.isnan(first) else f"{100 * first:.1f} / {100 * second:.1f}"


if __name__ == "__main__":
    main()
