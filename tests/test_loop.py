"""The loop under what users and machines do to it: mistakes, edits, kill -9, Ctrl-C, a full disk."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tradewind.domain.plan import Plan
from tradewind.files import nouns
from tradewind.show.cli import main

COMMAND = (sys.executable, "-c", "from tradewind.show.cli import main; main()")


def status(capsys, *arguments):
    """Exit status and standard error of a command, run in this process."""
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return stop.value.code or 0, capsys.readouterr().err


def start(project, *arguments, **options):
    return subprocess.Popen(
        [*COMMAND, *arguments],
        # A shell that starts tests in the background has them ignore Ctrl-C; a user's terminal has not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


def finish(project, *arguments, **options):
    process = start(project, *arguments, **options)
    out, err = process.communicate(timeout=600)
    return process.returncode, out, err


def records(project):
    """The finished steps: name and time of writing of each record."""
    folder = project / "runs" / "small" / "steps"
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.json")} if folder.exists() else {}


def steps(names):
    return {name.rpartition("-")[0] for name in names}


def edit(path, before, after):
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


@pytest.mark.parametrize(
    ("file", "before", "after", "says"),
    [
        ("goal.yaml", "budget", "bugdet", "bugdet: unknown key; did you mean budget?"),
        ("goal.yaml", "50 ms", "50 GB", "not a time"),
        ("goal.yaml", "small.tables:load", "small.tables:laod", "laod"),
        ("goal.yaml", "small.network:build", "small.netwrk:build", "small.netwrk"),
        ("goal.yaml", "average_precision", "average_precison", "average_precision"),
        ("goal.yaml", "[band]", "[bands]", "band"),
        ("goal.yaml", "model: small.network:build", "model: missing.onnx", "missing.onnx"),
        ("small/network.py", "    torch.manual_seed(0)", "    raise KeyError('weights')", "weights"),
        ("small/network.py", "return torch", "torch", "NoneType"),
        ("small/network.py", "Linear(8, WIDTH)", "Linear(9, WIDTH)", ""),
        (
            "small/network.py",
            "import torch",
            "import torch\nimport nowhere_to_be_found",
            "nowhere_to_be_found",
        ),
        ("small/tables.py", '"test": 800', '"test": 0', "test"),
        ("small/tables.py", '"test": 800', '"tset": 800', "test"),
        ("small/tables.py", "labels = (", "x[3, 2] = np.nan\n        labels = (", "NaN"),
        ("small/tables.py", "> 0.8", "> 99.0", "class"),
        ("small/tables.py", '"labels": labels', '"labels": labels[1:]', "rows"),
        ("small/tables.py", "def load():", "def load(:", "line"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(project, capsys, file, before, after, says):
    edit(project / file, before, after)
    code, said = status(capsys, "profile", project / "goal.yaml", "--runs", project / "runs", "--json")
    last = said.strip().splitlines()[-1]
    assert code == 2, said
    assert last.startswith("tradewind: ")
    assert says in last
    assert "Traceback" not in said


def test_a_network_that_cannot_be_exported_is_one_line(project, capsys):
    (project / "small" / "network.py").write_text(
        "import torch\n\n\nclass Branches(torch.nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n        self.linear = torch.nn.Linear(8, 1)\n\n"
        "    def forward(self, x):\n        if x.sum() > 0:\n            return self.linear(x)\n"
        "        return -self.linear(x)\n\n\ndef build():\n    return Branches()\n"
    )
    code, said = status(capsys, "profile", project / "goal.yaml", "--runs", project / "runs", "--json")
    last = said.strip().splitlines()[-1]
    assert code == 2, said
    assert "export" in last
    assert "network.py" in last


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [("[europe-*]", "[atlantis-*]", "atlantis-*"), ("[europe-*]", "[europe-west99]", "europe-west99")],
)
def test_a_region_that_no_cloud_has_is_one_line(project, capsys, ran_once, before, after, says):
    shutil.copytree(ran_once / "runs", project / "runs")
    edit(project / "goal.yaml", before, after)
    front = ran_once / "runs" / "small" / "front.json"
    code, said = status(
        capsys, "plan", project / "goal.yaml", "--front", front, "--runs", project / "runs", "--json"
    )
    assert code == 2, said
    assert says in said.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("before", "after", "constraint"),
    [
        ("p99: 50 ms", "p99: 1 us", "p99"),
        ("900 usd/month", "0 usd/month", "budget"),
        ("max_drop: 0.02", "max_drop: 0.02, minimum: 0.9999", "quality"),
    ],
)
def test_a_goal_that_cannot_be_met_is_status_3_with_the_nearest_plans(
    project, capsys, ran_once, before, after, constraint
):
    edit(project / "goal.yaml", before, after)
    out = project / "plan.json"
    front = ran_once / "runs" / "small" / "front.json"
    code, said = status(
        capsys, "plan", project / "goal.yaml", "--front", front, "--runs", project / "runs", "--json",
        "--out", out,
    )  # fmt: skip
    plan = nouns.read(out, Plan)
    assert code == 3, said
    assert not plan.meets_goal
    assert any(miss.constraint == constraint for miss in plan.misses), plan.misses
    assert all(miss.got != miss.asked and miss.advice for miss in plan.misses)
    assert plan.nearest


@pytest.fixture(scope="module")
def ran_once(shared_project):
    """One finished run of the small project, shared by the tests that only look or copy."""
    code, out, err = finish(shared_project, "run", "goal.yaml")
    assert code == 0, err
    assert "report: runs/small/report.html" in out
    return shared_project


@pytest.fixture
def finished(ran_once, tmp_path):
    """A copy of the finished run, to be edited."""
    target = tmp_path / "copy"
    shutil.copytree(ran_once, target)
    return target


@pytest.mark.parametrize(
    ("file", "before", "after", "redone"),
    [
        ("goal.yaml", "900 usd/month", "901 usd/month", {"plan"}),
        ("goal.yaml", "max_drop: 0.02", "max_drop: 0.03", {"optimize", "plan"}),
        ("small/tables.py", "default_rng(0)", "default_rng(1)", {"original", "profile", "optimize", "plan"}),
        ("small/shape.py", "16", "24", {"original", "profile", "optimize", "plan"}),
    ],
)
def test_what_depends_on_a_change_is_redone_and_nothing_else(finished, file, before, after, redone):
    edit(finished / file, before, after)
    old = records_of(finished)
    code, _, err = finish(finished, "plan", "goal.yaml")
    assert code == 0, err
    new = records_of(finished)
    assert {name: new[name] for name in old} == old, "a kept record was written again"
    outer = {"original", "probe", "profile", "optimize", "plan"}
    made = steps(set(new) - set(old)) & outer
    # An edit that leaves the same weights or rows leaves what is made from them, too.
    assert made <= redone
    assert "plan" in made or made == redone - {"plan"}


def records_of(root):
    folder = root / "runs" / "small" / "steps"
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.json")}


def test_a_plan_keeps_where_its_prices_come_from_and_the_report_links_it(ran_once):
    folder = ran_once / "runs" / "small"
    plan = nouns.read(folder / "plan.json", Plan)
    for candidate in (plan.choice, *plan.pareto):
        assert plan.explanations[candidate.offer.key][-1].startswith("confidence ")
    assert plan.explanations["egress_internet"][0].startswith("price: transfer/")
    assert "Where these prices come from" in (folder / "report.html").read_text()


def test_the_users_own_world_changes_the_plan(project, capsys, ran_once):
    folder = ran_once / "runs" / "small"
    before = nouns.read(folder / "plan.json", Plan).choice

    def planned():
        out = project / "plan.json"
        code, said = status(
            capsys, "plan", project / "goal.yaml", "--front", folder / "front.json", "--runs", project / "runs",
            "--json", "--out", out,
        )  # fmt: skip
        assert code == 0, said
        return nouns.read(out, Plan).choice

    goal = project / "goal.yaml"
    goal.write_text(goal.read_text() + "overlay: overlay.yaml\njurisdiction: [eu]\n")
    code, said = status(capsys, "plan", goal, "--front", folder / "front.json", "--runs", project / "runs")
    assert (code, "overlay.yaml: no such file" in said) == (2, True), said
    (project / "overlay.yaml").write_text(f"forbidden: [{{cloud: {before.offer.cloud}}}]\n")
    elsewhere = planned()
    assert elsewhere.offer.cloud != before.offer.cloud
    (project / "overlay.yaml").write_text(f"commitments: [{{cloud: {before.offer.cloud}, machines: 100}}]\n")
    prepaid = planned()
    assert prepaid.offer.cloud == before.offer.cloud
    assert next(part for part in prepaid.costs if part.name == "compute").usd_per_month == 0.0
    goal.write_text(
        goal.read_text().replace("overlay: overlay.yaml\n", "")
        + f"footprint: {{cloud: {elsewhere.offer.cloud}, switching_cost: 1200000 usd}}\n"
    )
    at_home = planned()
    assert at_home.offer.cloud == elsewhere.offer.cloud
    assert {part.name: part.usd_per_month for part in at_home.costs}["footprint"] == 0.0


def test_a_run_without_changes_loads_no_network_library(ran_once):
    script = (
        "import sys\nfrom tradewind.show.cli import main\n"
        "try:\n    main(['run', 'goal.yaml', '--json'])\nexcept SystemExit as stop:\n    assert not stop.code\n"
        "print([n for n in ('torch', 'onnx', 'onnxruntime', 'openvino') if n in sys.modules], file=sys.stderr)"
    )
    old = records_of(ran_once)
    done = subprocess.run([sys.executable, "-c", script], cwd=ran_once, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip().splitlines()[-1] == "[]"
    assert records_of(ran_once) == old
    assert json.loads(done.stdout)["plan"]["meets_goal"]


def kill_after_next_record(project, known):
    """Runs until one more step than the known ones is finished, then kill -9 for the whole process group."""
    process = start(project, "run", "goal.yaml")
    while process.poll() is None and not set(records(project)) - set(known):
        time.sleep(0.02)
    finished_by_itself = process.poll() is not None
    if not finished_by_itself:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return finished_by_itself


def test_killed_in_the_middle_it_goes_on_where_it_was(project):
    for _ in range(3):
        known = records(project)
        if kill_after_next_record(project, known):
            break
        assert set(known.items()) <= set(records(project).items())
    kept = records(project)
    code, _, err = finish(project, "run", "goal.yaml")
    assert code == 0, err
    assert set(kept.items()) <= set(records(project).items()), "what was finished was done again"


@pytest.mark.slow
def test_killed_after_every_single_step_it_still_arrives(project):
    for _ in range(60):
        known = records(project)
        if kill_after_next_record(project, known):
            break
        assert set(known.items()) <= set(records(project).items())
    code, _, err = finish(project, "run", "goal.yaml")
    assert code == 0, err


def test_ctrl_c_stops_at_once_and_says_how_to_go_on(project):
    process = start(project, "run", "goal.yaml")
    while process.poll() is None and not records(project):
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; go on with: tradewind run goal.yaml" in err
    assert "Traceback" not in err


def test_a_disk_that_is_full_is_one_line_and_leaves_what_was_there(finished):
    edit(finished / "goal.yaml", "900 usd/month", "902 usd/month")
    before = (finished / "runs" / "small" / "plan.json").read_bytes()
    limit = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)); "
    script = limit + "from tradewind.show.cli import main; main(['plan', 'goal.yaml', '--json'])"
    done = subprocess.run([sys.executable, "-c", script], cwd=finished, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "size limit" in done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert (finished / "runs" / "small" / "plan.json").read_bytes() == before


def test_two_runs_at_once_do_not_mix(project):
    first = start(project, "run", "goal.yaml")
    while first.poll() is None and not records(project):
        time.sleep(0.02)
    code, _, err = finish(project, "run", "goal.yaml")
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    assert code == 2
    assert "another tradewind works here" in err
