"""tradewind explain: why a plan is what it is, in one page."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from tradewind.domain import codec
from tradewind.domain.errors import InputError
from tradewind.domain.explanation import Explanation, Option
from tradewind.domain.generating import GenerateGoal, GenerationPlan
from tradewind.domain.goal import Goal
from tradewind.domain.plan import Plan
from tradewind.domain.profile import Front
from tradewind.domain.training import TrainGoal, TrainingPlan
from tradewind.files import atomic, nouns
from tradewind.show.cli.options import EPILOG, JsonOption
from tradewind.show.cli.results import print_table

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog=EPILOG.format("tradewind explain runs/fraud"))
def explain(
    plan_file: Annotated[
        Path,
        typer.Argument(help="A plan.json of any kind, or the folder of a run.", show_default=False),
    ],
    front_file: Annotated[
        Path | None, typer.Option("--front", help="The front; else front.json beside the plan.")
    ] = None,
    stored: Annotated[
        bool, typer.Option("--stored", help="Compare only what the plan keeps; do not ask the planner again.")
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="Also name every family that fell out.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", help="Also write it as a page for a browser.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say why this plan: what binds it, what is next to it, what would change it, and where its numbers come from."""
    found = _explained(plan_file, front_file, stored=stored)
    if html is not None:
        from tradewind.show import report

        atomic.write_text(
            html, report.explanation_page(found, generated_at=datetime.now(UTC).isoformat(timespec="seconds"))
        )
    if as_json:
        typer.echo(codec.encode(found).decode(), nl=False)
        return
    from tradewind.show import explaining

    print_table(explaining.page(found))
    if every:
        print_table(explaining.families(found))


def _explained(path: Path, front_file: Path | None, *, stored: bool) -> Explanation:
    from tradewind.decide.planning import explaining

    if path.is_dir():
        path = _of_run(path)
    plan = _read(path)
    if not isinstance(plan, Plan):
        return _job(plan, stored=stored)
    front = front_file or path.parent / "front.json"
    if front_file is not None and not front.is_file():
        raise InputError(f"{front}: no such file; check the path")
    if stored or not front.is_file() or plan.goal.overlay is not None:
        found = explaining.explain(plan)
        if plan.goal.overlay is not None:
            note = f"{found.basis_note}, whose prices are those of the overlay {plan.goal.overlay}, too"
            return msgspec.structs.replace(found, basis_note=note)
        return found
    return _asked_again(plan, nouns.read(front, Front))


def _of_run(folder: Path) -> Path:
    """The plan that holds in a run's folder: the corrected one, where there is one."""
    for name in ("replan.json", "plan.json"):
        if (folder / name).is_file():
            return folder / name
    raise InputError(
        f"{folder}: no plan.json in it; name a plan, or the folder of a run that has come to one"
    )


def _read(path: Path) -> Plan | TrainingPlan | GenerationPlan:
    """A plan of any kind, told apart by what its goal asks."""
    plain = codec.parse(nouns.content(path, "a plan"), source=str(path))
    goal = plain.get("goal") if isinstance(plain, dict) else None
    if not isinstance(goal, dict):
        raise InputError(f"{path}: not a plan: it has no goal; name a plan.json or the folder of a run")
    if "train" in goal:
        return codec.from_plain(plain, TrainingPlan, source=str(path))
    if "trials" in goal:
        raise InputError(
            f"{path}: a plan of trials says all on its own page; run tradewind plan on its goal file again"
        )
    if "generate" in goal:
        return codec.from_plain(plain, GenerationPlan, source=str(path))
    return codec.from_plain(plain, Plan, source=str(path))


def _asking() -> AbstractContextManager[object]:
    """Says on a terminal what takes so long."""
    console = Console(stderr=True, highlight=False)
    said = "asking the planner again at every value (--stored compares only what the plan keeps)"
    return console.status(said) if console.is_terminal else nullcontext()


def _asked_again(plan: Plan, front: Front) -> Explanation:
    """The explanation with the planner at hand: the catalogue as it is now, the day of the plan."""
    from tradewind.decide import catalog
    from tradewind.decide.planning.explaining_again import explain_again
    from tradewind.decide.planning.search import Search
    from tradewind.decide.planning.sensitivity import planner_of
    from tradewind.run import market

    prices = market.load_catalog()

    def searched(goal: Goal) -> Search:
        offers = catalog.offers(goal, prices, plan.today)
        if not len(offers):
            raise InputError(
                "the catalogue has no offers for the plan's goal; explain what it keeps with --stored"
            )
        return Search(goal, front.profiles, offers, plan.calibration, plan.today, curve=plan.load)

    with _asking():
        search = searched(plan.goal)
        return explain_again(plan, search, planner_of(search), wider=lambda goal: planner_of(searched(goal)))


def _job(plan: TrainingPlan | GenerationPlan, *, stored: bool) -> Explanation:
    """The explanation of a training job or a language model."""
    from tradewind.decide import catalog
    from tradewind.decide.planning.explaining_generation import explain_generation, option_of_generation
    from tradewind.decide.planning.explaining_jobs import ask_again, generation_wishes, training_wishes
    from tradewind.decide.planning.explaining_training import explain_training, option_of_training
    from tradewind.decide.planning.generation import plan_generation
    from tradewind.decide.planning.training import plan_training
    from tradewind.decide.prediction.fitted import with_defaults
    from tradewind.files import sheets
    from tradewind.run import market

    devices = sheets.devices()
    kept = (
        explain_training(plan, devices)
        if isinstance(plan, TrainingPlan)
        else explain_generation(plan, devices)
    )
    if stored or plan.goal.overlay is not None:
        return kept
    prices, constants = market.load_catalog(), with_defaults(sheets.calibration())
    known: dict[str, Any] = {"devices": devices, "architectures": sheets.architectures(), "today": plan.today}

    def train(goal: TrainGoal) -> Option | None:
        try:
            found = plan_training(goal, catalog.offers(goal, prices, plan.today), constants, **known)
        except InputError:
            return None
        return option_of_training(found.choice) if found.meets_goal else None

    def generate(goal: GenerateGoal) -> Option | None:
        try:
            found = plan_generation(goal, catalog.offers(goal, prices, plan.today), constants, **known)
        except InputError:
            return None
        return option_of_generation(found.choice, goal) if found.meets_goal else None

    with _asking():
        if isinstance(plan, TrainingPlan):
            return ask_again(kept, plan.goal, training_wishes(plan.goal), train)
        return ask_again(kept, plan.goal, generation_wishes(plan.goal), generate)
