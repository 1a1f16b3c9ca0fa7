"""Fits the constants of collectives to measured ones, and scores the clusters that are left out.

The table `collectives_measured.csv` (columns cluster, op, world, devices_per_node, bytes, time_us_median) does not say
how fast its networks are. Each placement's network is read off its own largest message, as a probe of the user's cluster
would, so that the score of traffic between machines is that of the curve below the largest message and no more.
"""

from __future__ import annotations

import csv
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from tradewind.decide.prediction import collectives
from tradewind.decide.prediction.devices import DeviceColumns, columns_of
from tradewind.files.sheets import devices

FITTED_ON = "vidur@7d47513 and vTrain@f8dda84 (one machine of V100 or A100)"

# Device, whether its links form a mesh, and how many it joins; four A100 that NVLink joins in pairs meet over PCIe 4.
CLUSTERS = {
    "a100_dgx": ("A100-80GB", False),
    "a100_node_vtrain": ("A100-80GB", False),
    "a100_pairwise_nvlink": ("A100-80GB-PCIe", False),
    "v100_node_vtrain": ("V100-32GB", True),
}
PCIE4_BYTES_PER_S = 32e9
# What was known before the fit, which a fit must not replace by its own results: a value, and how far off it may be
# (the standard deviation of its logarithm).
PRIOR = {
    # No device sends faster than its link; the two clusters that send inside a machine reach 0.8 and 1.05 of it.
    "link_bandwidth_ratio": (0.93, 0.03),
    "collective_bandwidth_ratio": (0.80, 0.2),
    "collective_start_s": (30e-6, 0.5),
    "link_step_s": (3e-6, 0.5),
    "network_step_s": (8e-6, 0.5),
    "quick_start_s": (10e-6, 0.5),
    "quick_bandwidth_ratio": (0.2, 0.5),
}
FREE = tuple(PRIOR)


@dataclass
class Fit:
    """Constants by name as (value, standard error, what they were fitted on), and how they fare out of sample."""

    constants: dict[str, tuple[float, float, str]]
    residuals: dict[str, list[float]] = field(default_factory=dict)
    """log(measured / predicted) out of sample, by table."""
    report: list[dict[str, Any]] = field(default_factory=list)
    """table, split, n, median, p90: absolute percentage errors."""


@dataclass
class Rows:
    """The measured collectives as columns."""

    cluster: np.ndarray
    op: np.ndarray
    world: np.ndarray
    inside: np.ndarray
    size: np.ndarray
    seconds: np.ndarray
    meshed: np.ndarray
    columns: DeviceColumns

    def take(self, which: np.ndarray) -> Rows:
        """Some of the rows."""
        names = ("cluster", "op", "world", "inside", "size", "seconds", "meshed")
        return Rows(*(getattr(self, name)[which] for name in names), self.columns.take(which))

    @property
    def across(self) -> np.ndarray:
        """Whether a row has members in more than one machine."""
        return self.world > self.inside

    @property
    def group(self) -> np.ndarray:
        """The cluster, the operation and the placement of a row, as one text."""
        keys = zip(self.cluster, self.op, self.world, self.inside, strict=True)
        return np.array([" ".join(map(str, key)) for key in keys])


def read(tables: Path) -> Rows:
    with (tables / "collectives_measured.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    named = {device.name: device for device in devices()}
    cluster = np.array([row["cluster"] for row in rows])
    columns = columns_of([named[CLUSTERS[name][0]] for name in cluster], ["fp16"] * len(rows))
    world, inside, size = (
        np.array([float(row[name]) for row in rows]) for name in ("world", "devices_per_node", "bytes")
    )
    seconds = np.array([float(row["time_us_median"]) * 1e-6 for row in rows])
    op = np.array([row["op"] for row in rows])
    over_pcie = (cluster == "a100_pairwise_nvlink") & (inside > 2)
    link = np.where(over_pcie, PCIE4_BYTES_PER_S, columns.link_bytes_per_s)
    per_machine = np.where(cluster == "a100_pairwise_nvlink", 4.0, columns.devices_per_machine)
    # One lane is worth what the largest message between two devices reaches, more lanes what their sum does.
    network = columns.network_bytes_per_s.copy()
    for name in set(cluster):
        far = (cluster == name) & (world > inside)
        for members in set(inside[far]):
            probed = far & (inside == members) & (op == ("send_recv" if members == 1 else "all_reduce"))
            at = np.flatnonzero(probed)[np.argmax(size[probed])]
            ring = 2.0 * (world[at] - 1.0) / world[at] / PRIOR["collective_bandwidth_ratio"][0]
            moved = ring if members > 1 else 1.0
            network[far & (inside == members)] = moved * size[at] / seconds[at] / members
    columns = replace(
        columns, link_bytes_per_s=link, network_bytes_per_s=network, devices_per_machine=per_machine
    )
    meshed = np.array([CLUSTERS[name][1] for name in cluster])
    return Rows(cluster, op, world, inside, size, seconds, meshed, columns)


def predict(rows: Rows, c: dict[str, float]) -> np.ndarray:
    reduced = collectives.all_reduce_s(
        rows.size, rows.world, rows.inside, rows.columns, c, meshed=rows.meshed
    )
    far = np.where(rows.across, rows.columns.devices_per_machine, 1.0)
    sent = collectives.send_s(rows.size, far, rows.columns, c)
    return np.where(rows.op == "send_recv", sent, reduced)


def estimate(rows: Rows) -> tuple[dict[str, float], dict[str, float]]:
    """Constants that fit best, and their standard errors."""
    start = {name: value for name, (value, _, _) in collectives.ASSUMED.items()}
    # The probe already holds what the network achieves of its rate; rings take their share of it.
    start["network_bandwidth_ratio"] = 1.0
    centre = np.log([PRIOR[name][0] for name in FREE])
    spread = np.array([PRIOR[name][1] for name in FREE])
    group = rows.group
    # Each placement weighs as much as this many independent rows, however many sizes it was measured at.
    count = dict(zip(*np.unique(group, return_counts=True), strict=True))
    weight = np.sqrt([15.0 / count[name] for name in group]) / 0.15

    def residuals(logs: np.ndarray) -> np.ndarray:
        c = start | dict(zip(FREE, np.exp(logs), strict=True))
        error = np.log(rows.seconds / predict(rows, c)) / 0.15
        softened = np.sign(error) * np.sqrt(2.0 * (np.sqrt(1.0 + error**2) - 1.0))
        return np.concatenate([0.15 * weight * softened, (logs - centre) / spread])

    found = least_squares(residuals, centre, max_nfev=40)
    values = np.exp(found.x)
    errors = values * np.sqrt(np.diag(np.linalg.inv(found.jac.T @ found.jac)))
    return start | dict(zip(FREE, values, strict=True)), dict(zip(FREE, errors, strict=True))


def fit(tables: Path) -> Fit:
    """The constants fitted on all rows; residuals and errors of clusters that were left out."""
    rows = read(tables)
    values, errors = estimate(rows)
    answer = Fit({name: (float(values[name]), float(errors[name]), FITTED_ON) for name in FREE})
    left_out = np.zeros(len(rows.size))
    for cluster in CLUSTERS:
        here = rows.cluster == cluster
        of_others, _ = estimate(rows.take(np.flatnonzero(~here)))
        left_out[here] = predict(rows.take(np.flatnonzero(here)), of_others)
    large = rows.size >= 2.0**20
    for split, predicted in (("in sample", predict(rows, values)), ("cluster left out", left_out)):
        for table, which in (
            ("collectives in a machine", ~rows.across),
            ("collectives across, network probed", rows.across),
        ):
            answer.report.append(score(table, split, rows, predicted, which))
            answer.report.append(score(table, split + ", from 1 MiB", rows, predicted, which & large))
    for group in sorted(set(rows.group)):
        here = rows.group == group
        answer.report.append(score("collectives", "left out: " + group, rows, left_out, here))
        answer.report.append(
            score("collectives", "left out from 1 MiB: " + group, rows, left_out, here & large)
        )
    error = np.log(rows.seconds / left_out)
    # As the product knows a cluster before a probe: by the network that such machines usually have.
    named = {device.name: device for device in devices()}
    usual = columns_of([named[CLUSTERS[name][0]] for name in rows.cluster], ["fp16"] * len(rows.size))
    unprobed = replace(rows.columns, network_bytes_per_s=usual.network_bytes_per_s)
    shipped = {name: value for name, (value, _, _) in collectives.ASSUMED.items()}
    blind = predict(replace(rows, columns=unprobed), shipped)
    answer.report.append(score("collectives across", "network by the sheet", rows, blind, rows.across))
    answer.residuals["collectives in a machine"] = error[large & ~rows.across].tolist()
    answer.residuals["collectives across, network probed"] = error[large & rows.across].tolist()
    return answer


def score(table: str, split: str, rows: Rows, predicted: np.ndarray, which: np.ndarray) -> dict[str, Any]:
    error = 100.0 * np.abs(predicted[which] / rows.seconds[which] - 1.0)
    median, p90 = np.percentile(error, [50, 90])
    return {"table": table, "split": split, "n": int(which.sum()), "median": float(median), "p90": float(p90)}


def main() -> None:
    answer = fit(Path(sys.argv[1]))
    for name, (value, error, _) in answer.constants.items():
        print(f"{name:28s} {value:.4g} +- {error:.2g}")
    for row in answer.report:
        print(f"{row['table']:35s} {row['split']:56s} {row['n']:6d} {row['median']:6.1f} {row['p90']:6.1f}")


if __name__ == "__main__":
    main()
