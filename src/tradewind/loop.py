"""Every verb in the order it runs.

    work = Work.on(Path("goal.yaml"), runs=Path("runs"))
    variant = original(work)              the network as the user gave it, exported once
    profile = profile_original(work, variant)
    front = optimize(work, profile)       every variant that was measured here, and what failed
    plan = decide(work, front, today)     which variant, offer and layout; what it will do and cost
    observation = rehearse(work, plan)    the plan served on this machine, at a load scaled to it
    story = correct(work, front, plan, observation)

`run` is these lines. Each verb keeps its result by the content of what it read (see `files.steps`), so the
second run redoes only what changed and a killed one goes on where it was. The verbs import their rooms when
they are called: a run in which nothing changed loads no network library at all.
"""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

import tradewind
from tradewind.domain.errors import NoPlan
from tradewind.domain.estimate import Observation
from tradewind.domain.goal import CLOUDS, Goal
from tradewind.domain.host import Host
from tradewind.domain.overlay import Overlay
from tradewind.domain.plan import Event, Plan
from tradewind.domain.profile import Front, Profile
from tradewind.domain.story import Observed, Planned, Replanned
from tradewind.domain.variant import Variant
from tradewind.files import nouns
from tradewind.files.runs import RunFolder
from tradewind.files.steps import Progress, Steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from tradewind.decide.catalog import Catalog
    from tradewind.domain.generating import GenerationPlan
    from tradewind.domain.offer import Offers
    from tradewind.domain.training import TrainingPlan
    from tradewind.domain.trials import TrialsPlan
    from tradewind.lab.models import Data, Metric

__all__ = [
    "Work",
    "correct",
    "decide",
    "kind_of_goal",
    "no_plan",
    "observe",
    "optimize",
    "original",
    "plan_generation",
    "plan_training",
    "plan_trials",
    "probe",
    "profile_original",
    "rehearse",
    "run",
    "story",
]

REHEARSAL_S: Final = 7.0
"""How long the rehearsal is measured: long enough for a p99 at a few hundred requests per second."""
WARM_UP_S: Final = 1.0
CONNECTIONS: Final = 64
MOST_CONNECTIONS: Final = 1024
"""Keep-alive connections of the rehearsal, at least and at most."""
PROFILE_S: Final = 1.5
"""Time budget for measuring one network over batches and threads."""
ENGINE_LIBRARIES: Final = ("torch", "onnx", "onnxscript", "onnxruntime", "openvino", "nncf", "numpy")


@dataclass(frozen=True)
class Work:
    """A goal, where its files are, and where the results go."""

    goal: Goal
    source: Path
    """The folder of the goal file: the user's modules and files are found from here."""
    folder: RunFolder
    steps: Steps

    @classmethod
    def on(
        cls, goal_file: Path, *, runs: Path, listener: Callable[[Progress], None] = lambda progress: None
    ) -> Work:
        """The work on a goal file, under `runs/<name of the goal>/`."""
        goal = nouns.read(goal_file, Goal)
        folder = RunFolder(runs / goal.name)
        steps = Steps(folder.steps, version=tradewind.__version__, listener=listener)
        return cls(goal=goal, source=goal_file.resolve().parent, folder=folder, steps=steps)

    @cached_property
    def data(self) -> Data:
        """The user's splits, loaded and checked when a step first needs them."""
        from tradewind.lab.models import load_data

        self.steps.tell("loading the data")
        return load_data(self.goal, self.source)

    @cached_property
    def metric(self) -> Metric:
        """The metric, larger is better."""
        from tradewind.lab.models import load_metric

        return load_metric(self.goal, self.source)

    @cached_property
    def data_content(self) -> object:
        """What the data depend on: code, declared files or the user's own fingerprint, else the data themselves."""
        from tradewind.lab.models import data_fingerprint, fingerprint

        declared = data_fingerprint(self.goal, self.source)
        content = declared if declared is not None else {"sha256": self.data.sha256}
        return {
            "reference": self.goal.data,
            "code": fingerprint(self.goal.data, self.source),
            "content": content,
            "slices": self.goal.quality.slices,
        }

    @cached_property
    def metric_content(self) -> object:
        """What the metric depends on."""
        from tradewind.lab.models import fingerprint

        own = ":" in self.goal.metric
        return [self.goal.metric, fingerprint(self.goal.metric, self.source) if own else {}]

    def has(self, *variants: Variant) -> bool:
        """Whether the payloads of these variants are on the disk."""
        return all((self.folder.variants / v.id / "manifest.json").is_file() for v in variants)


def run(work: Work, *, today: str) -> Planned | Observed | Replanned:
    """The whole loop. When nothing meets the goal it ends with the plan, which holds the nearest answers."""
    with work.folder.alone():
        variant = original(work)
        profile = profile_original(work, variant)
        front = optimize(work, profile)
        plan = decide(work, front, today=today)
        if not plan.meets_goal:
            work.folder.drop("observation.json", "replan.json")
            return Planned(front=front, plan=plan)
        observation = rehearse(work, plan)
        return correct(work, front, plan, observation)


def original(work: Work) -> Variant:
    """The user's network, exported once so that no later step needs the user's code."""
    from tradewind.lab.models import fingerprint

    def export() -> Variant:
        from tradewind.lab import models

        data = work.data
        work.steps.tell("building and exporting the network")
        return models.original(work.goal, work.source, data, work.folder.variants)

    reads = {
        "model": work.goal.model,
        "code": fingerprint(work.goal.model, work.source),
        "data": work.data_content,
        "libraries": _versions("torch", "onnx", "onnxruntime"),
        "seed": work.goal.seed,
    }
    return work.steps.do("original", reads, Variant, export, valid=work.has)


def probe(work: Work) -> Host:
    """The machine at hand, measured once."""

    def measure() -> Host:
        from tradewind.lab import profiling

        return profiling.probe()

    return work.steps.do("probe", _identity(), Host, measure)


def profile_original(work: Work, variant: Variant) -> Profile:
    """What the network costs as it is: operators, memory, latency over batch sizes and threads."""

    def measure() -> Profile:
        from tradewind.lab import profiling

        return profiling.profile(
            variant,
            work.folder.variants / variant.id,
            dict(work.data.test.inputs),
            host,
            seconds=PROFILE_S,
            seed=work.goal.seed,
        )

    host = probe(work)
    reads = {"variant": variant.id, "host": host, "libraries": _versions(*ENGINE_LIBRARIES)}
    profile = work.steps.do("profile", reads, Profile, measure)
    nouns.write(work.folder.path / "profile.json", profile)
    return profile


def optimize(work: Work, profile: Profile) -> Front:
    """Every variant that can be made and run here, judged on the user's data and measured side by side."""

    def search() -> Front:
        from tradewind.lab import optimization

        return optimization.optimize(
            work.goal,
            profile,
            work.data,
            work.metric,
            work.folder.variants,
            work.steps,
            metric_content=work.metric_content,
        )

    reads = {
        "profile": profile,
        "data": work.data_content,
        "metric": work.metric_content,
        "quality": work.goal.quality,
        "libraries": _versions(*ENGINE_LIBRARIES),
        "seed": work.goal.seed,
    }
    front = work.steps.do(
        "optimize", reads, Front, search, valid=lambda kept: work.has(*(p.variant for p in kept.profiles))
    )
    nouns.write(work.folder.path / "front.json", front)
    return front


def decide(work: Work, front: Front, *, today: str) -> Plan:
    """Which variant on which machines of which cloud. Never empty-handed: see `Plan.meets_goal`."""

    def search() -> Plan:
        from functools import partial

        from tradewind.decide import catalog, planning, prediction
        from tradewind.files.traces import read_trace

        prices = _catalog(work, today)
        offers = catalog.offers(work.goal, prices, today)
        found = planning.plan(
            work.goal,
            front,
            offers,
            prediction.default_calibration(),
            host=front.profiles[0].host,
            today=today,
            seed=work.goal.seed,
            traces={name: planning.Trace(*read_trace(work.source / name)) for name in traces},
            # Only a goal that cannot be met asks what it would cost with one of its limits opened.
            wider={
                name: partial(catalog.offers, opened, prices, today)
                for name, opened in planning.opened(work.goal).items()
            },
        )
        return _explained(found, offers)

    trace = work.goal.serve.load.trace
    traces = () if trace is None else (trace,)

    reads = {
        "goal": work.goal,
        "front": front,
        "catalog": _catalog_content(),
        "overlay": _overlay(work),
        "today": today,
        "traces": {name: _sha256(work.source / name) for name in traces},
    }
    plan = work.steps.do("plan", reads, Plan, search)
    nouns.write(work.folder.path / "plan.json", plan)
    return plan


Kind = Literal["serve", "train", "generate", "trials"]
JOBS: Final[tuple[Kind, ...]] = ("train", "generate", "trials")


def kind_of_goal(goal_file: Path) -> Kind:
    """What a goal file asks for: by its `train`, `generate` or `trials` part; else serving."""
    from tradewind.domain import codec

    plain = codec.parse(nouns.content(goal_file, "a goal file"), source=str(goal_file))
    for kind in JOBS:
        if isinstance(plain, dict) and kind in plain and "serve" not in plain:
            return kind
    return "serve"


def plan_training(goal_file: Path, *, today: str) -> TrainingPlan:
    """On which machines, how many, and how a step is spread over them, for a goal with `train`."""
    from tradewind.decide import catalog
    from tradewind.decide.planning.training import plan_training as plan
    from tradewind.decide.prediction.fitted import with_defaults
    from tradewind.domain.training import TrainGoal
    from tradewind.files import sheets

    goal = nouns.read(goal_file, TrainGoal)
    everything = _prices(goal.overlay, goal_file.resolve().parent, today)
    anywhere = msgspec.structs.replace(goal, clouds=CLOUDS, regions=("*",), jurisdiction=(), accelerator=())
    return plan(
        goal,
        catalog.offers(goal, everything, today),
        with_defaults(sheets.calibration()),
        devices=sheets.devices(),
        architectures=sheets.architectures(),
        today=today,
        wider=catalog.offers(anywhere, everything, today),
    )


def plan_generation(goal_file: Path, *, today: str) -> GenerationPlan:
    """On which machines, in which precision and how batched a language model answers, for a goal with `generate`."""
    from tradewind.decide import catalog
    from tradewind.decide.planning.generation import plan_generation as plan
    from tradewind.decide.prediction.fitted import with_defaults
    from tradewind.domain.generating import GenerateGoal
    from tradewind.files import sheets

    goal = nouns.read(goal_file, GenerateGoal)
    everything = _prices(goal.overlay, goal_file.resolve().parent, today)
    return plan(
        goal,
        catalog.offers(goal, everything, today),
        with_defaults(sheets.calibration()),
        devices=sheets.devices(),
        architectures=sheets.architectures(),
        today=today,
    )


def plan_trials(goal_file: Path, *, today: str) -> TrialsPlan:
    """On which machines, how many, and when to leave spot, for a search of hyperparameters: a goal with `trials`."""
    from tradewind.decide import catalog
    from tradewind.decide.planning.trials import plan_search
    from tradewind.decide.prediction.fitted import with_defaults
    from tradewind.domain.trials import TrialsGoal
    from tradewind.files import sheets

    goal = nouns.read(goal_file, TrialsGoal)
    everything = _prices(goal.overlay, goal_file.resolve().parent, today)
    return plan_search(
        goal, catalog.offers(goal, everything, today), with_defaults(sheets.calibration()), today=today
    )


def rehearse(work: Work, plan: Plan) -> Observation:
    """The chosen variant, served on this machine and driven at the load of one replica, scaled to it."""

    def drive() -> Observation:
        work.steps.tell(f"serving here, at {plan.rehearsal.load_rps:.0f} requests per second")
        work.folder.note(_event("rehearsing", plan.variant.name))
        return observe(plan, work.folder.variants, endpoint=None, seconds=REHEARSAL_S)

    reads = {
        "variant": plan.variant.id,
        "rehearsal": plan.rehearsal,
        "serve": plan.goal.serve,
        "host": _identity(),
        "libraries": _versions("uvloop", "httptools", "msgspec", plan.variant.runtime.engine),
    }
    observation = work.steps.do("rehearse", reads, Observation, drive)
    nouns.write(work.folder.path / "observation.json", observation)
    return observation


def observe(plan: Plan, variants: Path, *, endpoint: str | None, seconds: float) -> Observation:
    """What happens at the load of the plan's rehearsal. Without an endpoint, a server is started and drained.

    The requests are the variant's golden inputs, so the user's code and data are not needed.
    """
    from tradewind.lab import engines
    from tradewind.run import loadgen, serving

    rehearsal, serve = plan.rehearsal, plan.goal.serve
    # Users far away leave the server less of the bound than the goal says.
    bound_s = plan.sites[0].bound_s if plan.sites else serve.latency_s
    folder = variants / plan.variant.id
    load: Any = {
        "model": plan.goal.name,
        "rows": engines.read_golden(folder, plan.variant)[0],
        "rate_rps": rehearsal.load_rps,
        "seconds": seconds,
        "warmup_s": WARM_UP_S,
        # A request that waits for a free connection would count that as latency.
        "connections": min(max(CONNECTIONS, int(2.0 * rehearsal.load_rps * bound_s)), MOST_CONNECTIONS),
        "seed": plan.seed,
        "bound_s": bound_s,
    }
    if endpoint is not None:
        return loadgen.drive_apart(endpoint, **load)
    running = serving.start(
        folder,
        model=plan.goal.name,
        threads=rehearsal.layout.threads,
        max_batch=rehearsal.layout.max_batch,
        latency_s=bound_s,
        log=variants.parent / "server.log",
    )
    try:
        return loadgen.drive_apart(running, **load)
    finally:
        serving.stop(running)


def correct(work: Work, front: Front, plan: Plan, observation: Observation) -> Observed | Replanned:
    """What the measurement says about the prediction, and the plan that follows from it."""
    seen = _seen(front, plan, observation)
    if not seen["advice"]:
        work.folder.drop("replan.json")
        return Observed(**seen)

    def search() -> Plan:
        from tradewind.decide import catalog, planning

        offers = catalog.offers(work.goal, _catalog(work, plan.today), plan.today)
        found = planning.replan(plan, observation, front, offers, plan.calibration, seed=work.goal.seed)
        return _explained(found, offers)

    reads = {
        "plan": plan,
        "observation": observation,
        "front": front,
        "catalog": _catalog_content(),
        "overlay": _overlay(work),
    }
    replanned = work.steps.do("replan", reads, Plan, search)
    nouns.write(work.folder.path / "replan.json", replanned)
    return Replanned(**seen, replanned=replanned)


def story(folder: Path) -> Planned | Observed | Replanned:
    """What a run has left in its folder. Errors: InputError when it has not come to a plan."""
    front = nouns.read(folder / "front.json", Front)
    plan = nouns.read(folder / "plan.json", Plan)
    if not (folder / "observation.json").is_file():
        return Planned(front=front, plan=plan)
    observation = nouns.read(folder / "observation.json", Observation)
    seen = _seen(front, plan, observation)
    if seen["advice"] and (folder / "replan.json").is_file():
        return Replanned(**seen, replanned=nouns.read(folder / "replan.json", Plan))
    return Observed(**seen)


def no_plan(plan: Plan) -> NoPlan:
    """The error that says which constraints cannot be met, and what the nearest plan misses."""
    misses = "; ".join(miss.advice for miss in plan.misses)
    return NoPlan(f"no plan meets the goal {plan.goal.name}: {misses}", plan)


def _seen(front: Front, plan: Plan, observation: Observation) -> dict[str, Any]:
    from tradewind.decide import diagnosis

    return {
        "front": front,
        "plan": plan,
        "observation": observation,
        "comparisons": diagnosis.compare(plan.rehearsal.estimate, observation),
        "advice": diagnosis.diagnose(plan, observation),
    }


def _event(what: str, detail: str) -> Event:
    return Event(at=datetime.now(UTC).isoformat(timespec="seconds"), what=what, detail=detail)


def _versions(*names: str) -> dict[str, str]:
    """The installed versions, without importing anything."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found


def _identity() -> dict[str, Any]:
    """What makes this machine this machine, cheaply: enough to know that measurements still hold."""
    import os

    model = ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        lines = (line for line in cpuinfo.read_text().splitlines() if line.startswith("model name"))
        model = next(lines, "").partition(":")[2].strip()
    return {"machine": platform.machine(), "cpu": model, "cores": len(os.sched_getaffinity(0))}


def _explained(plan: Plan, offers: Offers) -> Plan:
    """The plan with where its prices come from, which is kept with it: the catalogue may be another one tomorrow."""
    from tradewind.run import market

    steps = market.explanations(plan, offers.storage, offers.transfer)
    return msgspec.structs.replace(plan, explanations=steps)


def _catalog(work: Work, today: str) -> Catalog:
    return _prices(work.goal.overlay, work.source, today)


def _prices(overlay: str | None, source: Path, today: str) -> Catalog:
    """The current catalogue with the user's overlay, if the goal names one; it is found from the goal's folder."""
    from tradewind.decide import catalog
    from tradewind.run import market

    found = market.load_catalog()
    return (
        found
        if overlay is None
        else catalog.with_overlay(found, nouns.read(source / overlay, Overlay), today)
    )


def _overlay(work: Work) -> Overlay | None:
    if work.goal.overlay is None:
        return None
    return nouns.read(work.source / work.goal.overlay, Overlay)


def _sha256(path: Path) -> str:
    return hashlib.sha256(nouns.content(path, "a trace of requests")).hexdigest()


def _catalog_content() -> dict[str, str]:
    """The current snapshot, by the content of its index, which holds the hash of every file."""
    from tradewind.run import market

    index = market.current() / "snapshot.json"
    return {"snapshot": hashlib.sha256(index.read_bytes()).hexdigest()}
