"""The search: build every candidate, judge it, measure all of them together, keep the front."""

from __future__ import annotations

import functools
import hashlib
import shutil
from typing import TYPE_CHECKING, Final

import msgspec

from tradewind.domain.errors import CannotMeasure, DataError
from tradewind.domain.noun import Noun, Rejected
from tradewind.domain.profile import Front, Profile
from tradewind.domain.variant import Judgement, Variant
from tradewind.files import nouns
from tradewind.lab.models.artifact import MANIFEST
from tradewind.lab.optimization import calibration as rows_file
from tradewind.lab.optimization.building import SCRATCH, Request, build, free_limits
from tradewind.lab.optimization.candidates import Candidate, candidates
from tradewind.lab.optimization.evaluation import ROWS_PER_CALL, answers
from tradewind.lab.optimization.front import front_of
from tradewind.lab.optimization.judge import LEVEL, RESAMPLES, Group, Scores, groups, judge, score
from tradewind.lab.optimization.passes import PASSES, Pass
from tradewind.lab.profiling import profiles

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tradewind.domain.goal import Goal
    from tradewind.domain.host import Host
    from tradewind.files.steps import Steps
    from tradewind.lab.models import Data, Metric

__all__ = ["optimize"]

BATCHES: Final = (1, 2, 4, 8, 16, 32, 64)
MEASURE_S: Final = 4.0
"""For a network whose calls are short; each cell is measured at least a few times all the same."""
LONGEST_MEASURE_S: Final = 30.0
"""Large batches are left out until the calls that each cell needs fit into about this time."""
CALLS_PER_CELL: Final = 5
"""What a cell takes at least: warming up and three bursts."""


class Built(Noun, frozen=True, kw_only=True):
    """What came of building a candidate: one of the two."""

    variant: Variant | None = None
    reason: str | None = None


class Judged(Noun, frozen=True, kw_only=True):
    """What came of judging a variant: one of the two."""

    judgement: Judgement | None = None
    reason: str | None = None


class Measured(Noun, frozen=True, kw_only=True):
    """The profiles of all variants that could be measured, and those that could not."""

    profiles: tuple[Profile, ...]
    failed: tuple[Rejected, ...]


def optimize(
    goal: Goal,
    profile: Profile,
    data: Data,
    metric: Metric,
    variants: Path,
    steps: Steps,
    passes: Mapping[str, Pass] = PASSES,
    *,
    metric_content: object = "",
) -> Front:
    """The measured front: the original and every variant that the passes can make of it.

    Every candidate is built in a child process, judged on all test rows, and timed together with all
    others, so that their ratios are fair. What fails on the way is in `Front.failed` with its reason.
    Each part is a step of its own, so that an interrupted run goes on where it was.

    Args:
        goal: Says what quality may be given up.
        profile: The original on this host.
        data: The user's splits; quality is judged on `test`.
        metric: Of quality, larger being better.
        variants: Variants are kept here, in folders named by their ids.
        steps: Keeps the results of the parts.
        passes: What may be tried.
        metric_content: What the metric is made from besides its name, such as hashes of the user's code:
            variants are judged anew when it changes.

    Errors: DataError when the test split cannot tell quality, ResourceError when the machine refuses,
    CannotMeasure when the original itself can no longer be run.
    """
    return _Search(goal, profile, data, metric, variants, steps, passes, metric_content).front()


class _Search:
    """One optimization: what it works on, and what several of its steps need."""

    def __init__(
        self,
        goal: Goal,
        profile: Profile,
        data: Data,
        metric: Metric,
        variants: Path,
        steps: Steps,
        passes: Mapping[str, Pass],
        metric_content: object,
    ) -> None:
        self.goal, self.data, self.metric, self.metric_content = goal, data, metric, metric_content
        self.host, self.original_profile, self.original = profile.host, profile, profile.variant
        self.variants, self.steps = variants, steps
        self.wanted = candidates(self.original, passes)
        self.groups: tuple[Group, ...] = groups(data.test, goal.quality.slices)
        self.calibration = rows_file.choose(data.calibration, rows_file.ROWS, goal.seed)
        self.failed: list[Rejected] = []
        self.done = 0

    def front(self) -> Front:
        for left in self.variants.glob(f"{SCRATCH}*"):
            shutil.rmtree(left, ignore_errors=True)
        try:
            built = self._build_all()
            judged = self._judge_all([self.original, *built])
            measured = self._measure(judged)
        finally:
            self._calibration_path.unlink(missing_ok=True)
        return front_of(measured.profiles, (*self.failed, *measured.failed))

    def _tell(self, doing: str) -> None:
        # Each candidate is built and judged; the original is judged; and all are measured, which takes
        # about as long as three of them.
        self.steps.tell(doing, self.done / (2 * len(self.wanted) + 4))
        self.done += 1

    # Building

    def _build_all(self) -> list[Variant]:
        """Every candidate that can be built, parents before children."""
        known = {self.original.name: self.original}
        for candidate in self.wanted:
            self._tell(f"building {candidate.name}")
            reason: str | None = None
            if candidate.parent not in known:
                reason = f"needs {candidate.parent}, which failed"
            else:
                reason = candidate.by.unavailable()
            if reason is None:
                built = self._build(candidate, known[candidate.parent])
                if built.variant is not None:
                    known[candidate.name] = built.variant
                    continue
                reason = built.reason or "no reason was given"
            self.failed.append(Rejected(name=candidate.name, reason=reason))
        return [variant for name, variant in known.items() if name != self.original.name]

    def _build(self, candidate: Candidate, parent: Variant) -> Built:
        by = candidate.by
        reads = {
            "name": candidate.name,
            "pass": [
                by.name,
                by.module,
                by.version(),
                dict(by.parameters),
                by.writes,
                by.engine,
                by.precision,
            ],
            "parent": parent.id,
            "seed": self.goal.seed,
            "calibration": self.calibration.sha256 if by.calibrated else None,
            "golden": self._golden_sha256,
            "host": _identity(self.host),
        }

        def work() -> Built:
            try:
                return Built(variant=build(self._request(candidate, parent), free_limits()))
            except CannotMeasure as error:
                return Built(reason=_without_name(str(error), candidate.name))

        return self.steps.do(f"build-{candidate.name}", reads, Built, work, valid=self._is_there)

    def _is_there(self, built: Built) -> bool:
        return built.variant is None or (self.variants / built.variant.id / MANIFEST).is_file()

    def _request(self, candidate: Candidate, parent: Variant) -> Request:
        by = candidate.by
        if not self._calibration_path.is_file():
            rows_file.save(self._calibration_path, self.calibration)
        return Request(
            name=candidate.name,
            pass_name=by.name,
            module=by.module,
            version=by.version(),
            engine=by.engine,
            writes=by.writes,
            precision=by.precision,
            calibrated=by.calibrated,
            parameters=dict(by.parameters),
            parent_folder=str((self.variants / parent.id).resolve()),
            golden_folder=str((self.variants / self.original.id).resolve()),
            calibration=str(self._calibration_path.resolve()),
            variants=str(self.variants.resolve()),
            seed=self.goal.seed,
            threads=self.host.physical_cores,
        )

    @property
    def _calibration_path(self) -> Path:
        return self.variants / f"{SCRATCH}calibration.npz"

    @functools.cached_property
    def _golden_sha256(self) -> str:
        path = self.variants / self.original.id / self.original.golden.inputs
        return hashlib.sha256(path.read_bytes()).hexdigest()

    # Judging

    def _judge_all(self, built: list[Variant]) -> list[Variant]:
        """The variants with their judgements, which go into their manifests too; the original first."""
        judged = []
        for variant in built:
            self._tell(f"judging {variant.name} on {self.data.test.rows} rows")
            found = self._judge(variant)
            if found.judgement is None:
                reason = found.reason or "no reason was given"
                if variant.id == self.original.id:
                    raise CannotMeasure(f"the original cannot be judged: {reason}")
                self.failed.append(Rejected(name=variant.name, reason=reason))
                continue
            with_judgement = msgspec.structs.replace(variant, judgement=found.judgement)
            _keep_manifest(self.variants / variant.id / MANIFEST, with_judgement)
            judged.append(with_judgement)
        return judged

    def _judge(self, variant: Variant) -> Judged:
        reads = {
            "variant": variant.id,
            "original": self.original.id,
            "data": self.data.sha256,
            "metric": [self.metric.name, self.metric_content],
            "quality": self.goal.quality,
            "method": [RESAMPLES, LEVEL, ROWS_PER_CALL],
            "seed": self.goal.seed,
            "host": _identity(self.host),
        }

        def work() -> Judged:
            original = self._original_scores
            try:
                scores = original if variant.id == self.original.id else self._scores(variant)
            except (CannotMeasure, DataError) as error:
                # The metric has taken the original's outputs, so it is these outputs that do not fit.
                return Judged(reason=_without_name(str(error), variant.name))
            return Judged(
                judgement=judge(
                    self.metric,
                    self.goal.quality,
                    self.groups,
                    original,
                    scores,
                    data_sha256=self.data.sha256,
                )
            )

        return self.steps.do(f"judge-{variant.name}", reads, Judged, work)

    @functools.cached_property
    def _original_scores(self) -> Scores:
        return self._scores(self.original)

    def _scores(self, variant: Variant) -> Scores:
        outputs = answers(
            self.variants / variant.id, variant, self.data.test.inputs, threads=self.host.physical_cores
        )
        return score(self.metric, self.data.test.labels, outputs, self.groups, seed=self.goal.seed)

    # Measuring

    def _measure(self, judged: list[Variant]) -> Measured:
        self._tell(f"measuring {len(judged)} variants in turns")
        batches = _batches(self.original_profile, len(judged))
        reads = {
            "variants": [variant.id for variant in judged],
            "data": self.data.sha256,
            "batches": batches,
            "seconds": MEASURE_S,
            "seed": self.goal.seed,
            "host": _identity(self.host),
        }
        work = functools.partial(self._measure_those_that_can, judged, batches)
        measured = self.steps.do("measure-variants", reads, Measured, work)
        # The measurement may be older than the judgements, which it does not read.
        by_id = {variant.id: variant for variant in judged}
        return Measured(
            profiles=tuple(
                msgspec.structs.replace(one, variant=by_id[one.variant.id]) for one in measured.profiles
            ),
            failed=measured.failed,
        )

    def _measure_those_that_can(self, judged: list[Variant], batches: tuple[int, ...]) -> Measured:
        try:
            return Measured(profiles=self._profiles(judged, batches, MEASURE_S), failed=())
        except CannotMeasure:
            # One of them spoils it for all: find out which.
            failed = []
            for variant in judged:
                try:
                    self._profiles([variant], batches[:1], 0.0)
                except CannotMeasure as error:
                    if variant.id == self.original.id:
                        raise
                    reason = _without_name(str(error), variant.name)
                    failed.append(Rejected(name=variant.name, reason=reason))
            if not failed:
                raise
        names = {one.name for one in failed}
        able = [variant for variant in judged if variant.name not in names]
        return Measured(profiles=self._profiles(able, batches, MEASURE_S), failed=tuple(failed))

    def _profiles(
        self, subjects: list[Variant], batches: tuple[int, ...], seconds: float
    ) -> tuple[Profile, ...]:
        return tuple(
            profiles(
                [(variant, self.variants / variant.id) for variant in subjects],
                {name: array[: max(BATCHES)] for name, array in self.data.test.inputs.items()},
                self.host,
                batches=batches,
                seconds=seconds,
                seed=self.goal.seed,
            )
        )


def _identity(host: Host) -> dict[str, object]:
    """What makes results of one machine those of another; measured speeds vary and do not."""
    return {
        "cpu_model": host.cpu_model,
        "cpu_architecture": host.cpu_architecture,
        "isa": host.isa,
        "physical_cores": host.physical_cores,
        "operating_system": host.operating_system,
    }


def _batches(original: Profile, variants: int) -> tuple[int, ...]:
    """The batches that can be measured in time, as many of the largest left out as must be.

    The original's times stand for those of all variants, and its twin is measured too.
    """
    by_batch: dict[int, float] = {}
    for point in original.curve:
        by_batch[point.batch] = by_batch.get(point.batch, 0.0) + point.median_s
    taken: list[int] = []
    needed_s = 0.0
    for batch in BATCHES:
        if batch not in by_batch:
            continue
        needed_s += by_batch[batch] * CALLS_PER_CELL * (variants + 1)
        if taken and needed_s > LONGEST_MEASURE_S:
            break
        taken.append(batch)
    return tuple(taken) or BATCHES[:1]


def _keep_manifest(path: Path, variant: Variant) -> None:
    """Writes the manifest unless it says the same already."""
    if nouns.read(path, Variant) != variant:
        nouns.write(path, variant)


def _without_name(reason: str, name: str) -> str:
    """The reason without the name in front, which stands beside it anyway."""
    return reason.removeprefix(f"{name}: ")
