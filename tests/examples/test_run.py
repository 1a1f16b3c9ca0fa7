"""What `tradewind run` leaves behind is true: checked from the files, by other means than made them."""

import json
import math
import re
import subprocess
import sys
from statistics import NormalDist

import numpy as np
import pytest
from sklearn import metrics

from tradewind.decide import catalog
from tradewind.decide.planning.tariffs import Tariffs
from tradewind.decide.prediction.estimating import Tables, replica_memory_bytes, replica_of
from tradewind.decide.prediction.service import service_on, work_of
from tradewind.domain.estimate import Figures, Observation
from tradewind.domain.goal import Goal
from tradewind.domain.plan import Plan
from tradewind.domain.profile import Front
from tradewind.files import nouns
from tradewind.run import market

JUDGES = {
    "average_precision": lambda labels, scores: metrics.average_precision_score(labels, scores.reshape(-1)),
    "accuracy": lambda labels, logits: metrics.accuracy_score(labels, logits.argmax(axis=1)),
}
"""The same metrics by another library."""


def outputs_of(ran, variant, inputs_file, tmp_path):
    """What a variant answers in a process that knows neither the user's code nor torch's example modules."""
    answers = tmp_path / f"{variant.id}.npz"
    script = (
        "import sys, pathlib, numpy as np\n"
        "from tradewind.domain.variant import Variant\n"
        "from tradewind.files import nouns\n"
        "from tradewind.lab import engines\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "variant = nouns.read(folder / 'manifest.json', Variant)\n"
        "session = engines.load(folder, variant, threads=1)\n"
        "engines.verify_golden(folder, variant, session)\n"
        "inputs = dict(np.load(sys.argv[2], allow_pickle=False))\n"
        "rows = len(next(iter(inputs.values())))\n"
        "parts = [session.run({k: v[i : i + 64] for k, v in inputs.items()}) for i in range(0, rows, 64)]\n"
        "np.savez(sys.argv[3], **{k: np.concatenate([p[k] for p in parts]) for k in parts[0]})\n"
    )
    folder = ran.folder / "variants" / variant.id
    subprocess.run(
        [sys.executable, "-c", script, str(folder), str(inputs_file), str(answers)],
        check=True,
        cwd=tmp_path,
        timeout=600,
    )
    with np.load(answers) as arrays:
        return arrays[variant.outputs[0].name]


@pytest.fixture
def plan(ran):
    return nouns.read(ran.folder / "plan.json", Plan)


@pytest.fixture
def front(ran):
    return nouns.read(ran.folder / "front.json", Front)


@pytest.fixture
def test_split(ran, plan, tmp_path):
    from tradewind.lab.models import load_data

    split = load_data(plan.goal, ran.source).test
    inputs = tmp_path / "inputs.npz"
    np.savez(inputs, **split.inputs)
    return split, inputs


def test_the_quality_that_was_judged_is_the_quality_that_another_library_finds(
    ran, plan, front, test_split, tmp_path
):
    split, inputs = test_split
    judge = JUDGES[plan.goal.metric]
    baseline = front.profiles[0].variant
    found = judge(split.labels, outputs_of(ran, plan.variant, inputs, tmp_path))
    before = judge(split.labels, outputs_of(ran, baseline, inputs, tmp_path))
    judgement = plan.variant.judgement
    assert judgement.rows == split.rows
    # Another number of threads rounds sums differently, which may turn the odd row that stands on the edge.
    edge = max(1e-4, 3.0 / split.rows)
    assert found == pytest.approx(judgement.value, abs=edge)
    assert before == pytest.approx(judgement.baseline, abs=edge)
    assert before - found <= plan.goal.quality.max_drop
    assert judgement.within
    assert judgement.low <= judgement.value <= judgement.high


def test_every_variant_reproduces_its_golden_outputs_in_a_new_process(ran, front, tmp_path):
    script = (
        "import sys, pathlib\n"
        "from tradewind.domain.variant import Variant\n"
        "from tradewind.files import nouns\n"
        "from tradewind.lab import engines\n"
        "for name in sys.argv[1:]:\n"
        "    folder = pathlib.Path(name)\n"
        "    variant = nouns.read(folder / 'manifest.json', Variant)\n"
        "    session = engines.load(folder, variant, threads=1)\n"
        "    engines.verify_golden(folder, variant, session)\n"
        "    outputs = engines.read_golden(folder, variant)[1]\n"
        "    print(variant.id, sum(array.size for array in outputs.values()))\n"
    )
    folders = [str(ran.folder / "variants" / profile.variant.id) for profile in front.profiles]
    done = subprocess.run(
        [sys.executable, "-c", script, *folders], capture_output=True, text=True, cwd=tmp_path, timeout=600
    )
    assert done.returncode == 0, done.stderr
    verified = [line.split() for line in done.stdout.splitlines()]
    assert [identity for identity, _ in verified] == [profile.variant.id for profile in front.profiles]
    assert all(int(values) > 0 for _, values in verified)


def test_every_engine_was_tried_and_every_candidate_is_accounted_for(front):
    names = {profile.variant.name for profile in front.profiles} | {failed.name for failed in front.failed}
    wanted = {
        "original",
        "onnxruntime-fp32",
        "onnxruntime-int8-dynamic",
        "onnxruntime-int8-static",
        "openvino-fp32",
        "openvino-bf16",
        "openvino-int8",
    }
    assert wanted <= names
    front_names = {front.profile(identity).variant.name for identity in front.pareto}
    lost = {rejected.name for rejected in front.lost}
    assert front_names | lost == {profile.variant.name for profile in front.profiles}
    assert all(rejected.reason.strip() for rejected in (*front.lost, *front.failed))


def test_no_variant_on_the_front_is_beaten_in_everything(front):
    def paces(profile):
        best = max(point.batch / point.low_s for point in profile.curve)
        memory, size = profile.peak_memory_bytes, profile.variant.size_bytes
        return np.array([1.0 / profile.latency_s(1, 1), best, 1.0 / memory, 1.0 / size])

    members = [front.profile(identity) for identity in front.pareto]
    for one in members:
        for other in front.profiles:
            # What differs by less than two measurements of the same thing is no difference.
            faster = paces(other) / paces(one) > 1.0 + one.noise
            better = other.variant.judgement.value > one.variant.judgement.value
            assert not (better and faster.all()), (one.variant.name, other.variant.name)


def test_the_plan_meets_the_goal_and_its_cost_is_the_sum_of_its_parts(plan):
    choice = plan.choice
    assert plan.meets_goal
    assert not plan.misses
    parts = sum(part.usd_per_month for part in choice.costs)
    assert choice.cost_usd_per_month == pytest.approx(parts)
    assert choice.estimate.cost_usd_per_month.likely == pytest.approx(parts)
    assert parts <= plan.goal.budget_usd_per_month
    compute = next(part for part in choice.costs if part.name == "compute")
    assert compute.usd_per_month == pytest.approx(
        choice.layout.instances * choice.offer.price_usd_per_hour * 730.0
    )
    assert choice.estimate.latency_s[plan.goal.serve.percentile].likely <= plan.goal.serve.latency_s
    assert choice.confidence >= plan.goal.confidence
    assert all(part.source and part.as_of for part in choice.costs if part.usd_per_month)


def ways_that_cost_less(plan, front, offers):
    """Every way to keep the goal for less money than the plan, found one by one without the planner's search."""
    goal, calibration, usd = plan.goal, plan.calibration, plan.choice.cost_usd_per_month
    load, bound_s = goal.serve.load.rate_rps, goal.serve.latency_s
    level, odds = float(goal.serve.percentile[1:]) / 100.0, NormalDist().inv_cdf(goal.confidence)
    tables, tariffs = Tables(), Tariffs(goal, front.profiles, offers, calibration, plan.today)
    for profile in front.profiles:
        judgement = profile.variant.judgement
        if not judgement.within:
            continue
        for offer in offers:
            fixed_usd = tariffs.usd_per_month(offer.cloud, offer.region, load)
            room = offer.memory_bytes - calibration["operating_system_memory_bytes"].value
            replicas = int(room // replica_memory_bytes(profile, calibration))
            # The cheapest that any number of these machines can be is one.
            if fixed_usd + offer.price_usd_per_hour * 730.0 >= usd or offer.shared_cpu or replicas < 1:
                continue
            cores = offer.physical_cores or (
                offer.vcpus if offer.cpu_architecture == "arm64" else offer.vcpus // 2
            )
            for threads in sorted({point.threads for point in profile.curve}):
                service = service_on(profile, work_of(profile, threads, calibration), offer, calibration)
                if isinstance(service, str) or cores < threads:
                    continue
                each = min(cores // threads, replicas)
                for batch in sorted({point.batch for point in profile.curve}):
                    replica = replica_of(service, batch, calibration, tables)
                    capacity = replica.capacity_rps(bound_s, level, odds)
                    if capacity <= 0.0:
                        continue
                    needed = math.ceil(load / (capacity * each) * (1.0 - 1e-12))
                    # Spot machines need a spare, which is left out here: it only makes them dearer.
                    least_usd = fixed_usd + needed * offer.price_usd_per_hour * 730.0
                    if offer.purchase == "spot":
                        least_usd += offer.price_usd_per_hour * 730.0
                    if least_usd < usd * (1.0 - 1e-9):
                        yield profile.variant.name, offer.key, threads, batch, needed, least_usd


def test_no_offer_is_cheaper_that_also_meets_the_goal(plan, front):
    offers = catalog.offers(plan.goal, market.load_catalog(), plan.today)
    assert list(ways_that_cost_less(plan, front, offers)) == []


def test_the_observation_has_the_figures_of_the_estimate_and_adds_up(ran, plan):
    observation = nouns.read(ran.folder / "observation.json", Observation)
    assert set(Figures.__struct_fields__) <= set(Observation.__struct_fields__)
    # The number of requests in the window is whole.
    assert observation.load_rps == pytest.approx(plan.rehearsal.load_rps, rel=0.05)
    assert observation.sent == observation.answered + observation.refused + observation.failed
    assert observation.failed == 0
    assert observation.answered > 0
    latencies = [observation.latency_s[name].likely for name in ("p50", "p90", "p95", "p99")]
    assert latencies == sorted(latencies)
    assert all(0 < latency < math.inf for latency in latencies)


def test_the_report_is_one_file_that_asks_the_network_for_nothing(ran, plan):
    report = (ran.folder / "report.html").read_text()
    assert len(report.encode()) < 2_000_000
    assert not re.search(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", report)
    assert "@import" not in report
    assert not re.search(r"url\(\s*['\"]?(?:https?:)?//", report)
    assert plan.choice.offer.instance_type in report
    assert plan.variant.name in report
    assert f"report: {ran.folder / 'report.html'}" in ran.out


def test_the_same_command_again_redoes_nothing_and_answers_the_same(ran):
    records = {path.name: path.stat().st_mtime_ns for path in (ran.folder / "steps").iterdir()}
    done = ran.again("--json")
    assert done.returncode == 0
    assert {path.name: path.stat().st_mtime_ns for path in (ran.folder / "steps").iterdir()} == records
    assert "working" not in done.stderr
    story = json.loads(done.stdout)
    assert story["plan"] == json.loads((ran.folder / "plan.json").read_text())


def test_a_looser_goal_redoes_the_plan_and_nothing_before_it(ran):
    goal_file = ran.source / "looser.yaml"
    goal = nouns.read(ran.source / "goal.yaml", Goal)
    text = (ran.source / "goal.yaml").read_text()
    loose = re.sub(r"^budget:.*$", f"budget: {goal.budget_usd_per_month * 2} usd/month", text, flags=re.M)
    goal_file.write_text(loose)
    before = {path.name for path in (ran.folder / "steps").iterdir()}
    done = subprocess.run(
        [sys.executable, "-c", "from tradewind.show.cli import main; main()", "plan", str(goal_file), "--runs",
         str(ran.folder.parent), "--json", "--out", str(ran.source / "looser.json")],
        capture_output=True,
        text=True,
        timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    new = {path.name.partition("-")[0] for path in (ran.folder / "steps").iterdir()} - before
    made = {path.name for path in (ran.folder / "steps").iterdir()} - before
    assert {name.rpartition("-")[0] for name in made} == {"plan"}, new
    looser = nouns.read(ran.source / "looser.json", Plan)
    first = nouns.read(ran.folder / "plan.json", Plan)
    assert looser.choice.cost_usd_per_month <= first.choice.cost_usd_per_month + 1e-9
