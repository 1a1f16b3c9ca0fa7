"""Plans of training jobs: known cases, impossible goals, and what a plan says."""

import msgspec
import pytest

from tradewind.decide.planning.training import constants_of, network_of, plan_training
from tradewind.domain import codec
from tradewind.domain.architecture import Recommender
from tradewind.domain.errors import InputError
from tradewind.domain.training import Train, TrainGoal, TrainingPlan
from tradewind.files.sheets import architectures, devices
from training_cases import CALIBRATION, DENSE, LARGE, goal, offer, offers_of

TODAY = "2026-11-25"
H100 = offer("H100-SXM", 8, 55.04, instance_type="p5.48xlarge", network_gbps=3200.0)
A100 = offer("A100-80GB", 8, 32.77, instance_type="p4de.24xlarge", network_gbps=400.0)


def plan(wanted, *several, wider=None):
    return plan_training(
        wanted,
        offers_of(*several),
        CALIBRATION,
        devices=devices(),
        architectures=architectures(),
        today=TODAY,
        wider=wider,
    )


def named(model, *, accelerators=1024, budget=1e9, objective="cost", **train):
    return TrainGoal(
        name="named",
        model=model,
        train=Train(**({"deadline_s": 1e8} | train)),
        budget_usd=budget,
        objective=objective,
        accelerators_at_most=accelerators,
    )


# Llama 3 was trained with 8-way tensor parallelism inside machines, pipelines and FSDP across (2407.21783, table 4).
@pytest.mark.parametrize("accelerators", [64, 128, 256])
def test_llama_3_70b_gets_tensor_parallelism_inside_machines_and_fsdp_or_stages_across(accelerators):
    quota = msgspec.structs.replace(H100, most_machines=accelerators / 8.0)
    wanted = named(
        "Llama 3 70B",
        tokens=1e10,
        sequence=8192,
        global_batch=512,
        accelerators=accelerators,
        objective="time",
    )
    layout = plan(wanted, quota).choice.layout
    assert layout.devices == accelerators
    assert 2 <= layout.tensor <= 8
    assert layout.pipeline > 1 or layout.zero_stage == 3


# ResNet-50 has 25.6 million weights, 100 MB: DistributedDataParallel is what everybody uses.
def test_a_network_of_100_mb_on_8_gpus_gets_plain_data_parallelism():
    wanted = named(
        "ResNet-50", samples=1.28e6, global_batch=2048, accelerators=8, objective="time", deadline_s=1e6
    )
    choice = plan(wanted, A100).choice
    layout = choice.layout
    assert (layout.tensor, layout.pipeline, layout.context, layout.data, layout.zero_stage) == (1, 1, 1, 8, 0)
    assert choice.runtime == "torch DistributedDataParallel over 8"


# DLRM on Criteo's terabyte has 188 million rows of 128 numbers, 96 GB: MLPerf submissions share the tables.
def test_tables_that_no_device_holds_are_shared():
    wanted = named("DLRM v1", samples=4e9, global_batch=65536, accelerators=8)
    choice = plan(wanted, A100).choice
    assert choice.layout.expert == choice.layout.data == 8
    assert choice.runtime.startswith("TorchRec: tables row-wise over 8 devices")


def test_small_tables_may_be_copied():
    small = Recommender(
        name="small",
        family="ncf",
        table_rows=(1000.0, 1000.0),
        embedding_dim=8,
        lookups_per_table=1.0,
        dense=(16, 64, 1),
    )
    choice = plan(goal(small, samples=1e6, batch=1024, tokens=0), offer("A10G", 1, 1.0)).choice
    assert choice.layout.expert == 1


def test_a_network_that_fits_nowhere_alone_is_split():
    choice = plan(goal(LARGE), offer("A10G", 4, 4.0, most_machines=2.0)).choice
    layout = choice.layout
    assert layout.tensor > 1 or layout.pipeline > 1 or layout.zero_stage == 3
    assert choice.memory_bytes.high <= 24 * 2**30


def test_uneven_stages_hold_all_layers_and_none_is_deeper_than_predicted():
    network = msgspec.structs.replace(LARGE, layers=11, heads=1, kv_heads=1, head_dim=5120)
    wanted = goal(network, tokens=2047, accelerators_at_most=4)
    layout = plan(wanted, offer("A10G", 1, 1.0, network_gbps=5.0)).choice.layout
    if layout.pipeline > 1:
        assert sum(layout.stages) == 11
        assert len(layout.stages) == layout.pipeline
        assert max(layout.stages) == -(-11 // layout.pipeline)


def test_a_plan_meets_its_goal_and_adds_up():
    found = plan(goal(DENSE), offer("A10G", 4, 4.0), offer("H100-SXM", 8, 40.0))
    choice = found.choice
    assert found.meets_goal
    assert not found.misses
    assert not found.nearest
    assert choice in found.pareto
    assert choice.confidence >= 0.9
    assert sum(part.usd for part in choice.costs) == pytest.approx(choice.cost_usd.likely)
    assert choice.machines * choice.offer.accelerator_count == choice.accelerators
    assert choice.duration_s.low < choice.duration_s.likely < choice.duration_s.high
    assert found.considered > found.excluded > 0
    assert 0.05 < choice.flops_share < 0.9


def test_a_plan_travels():
    wanted = named("GPT-2 XL", tokens=1e8, sequence=1024, global_batch=(32, 64), accelerators=8)
    found = plan(wanted, offer("A10G", 4, 4.0))
    assert codec.decode(codec.encode(found), TrainingPlan, source="plan.json") == found


def test_equal_goals_give_equal_plans():
    several = offer("A10G", 4, 4.0), offer("H100-SXM", 8, 40.0)
    assert plan(goal(DENSE), *several) == plan(goal(DENSE), *several)


# ---- Impossible goals


def test_too_small_a_budget_comes_back_with_its_price():
    several = offer("A10G", 4, 4.0), offer("H100-SXM", 8, 40.0)
    cheapest = plan(goal(DENSE), *several).choice
    found = plan(goal(DENSE, budget=cheapest.cost_usd.likely / 3.0), *several)
    assert not found.meets_goal
    assert found.choice.cost_usd.likely == pytest.approx(cheapest.cost_usd.likely)
    (miss,) = found.misses
    assert miss.constraint == "budget"
    assert miss.got > cheapest.cost_usd.likely
    again = plan(goal(DENSE, budget=miss.got * 1.01), *several)
    assert again.meets_goal


def test_too_near_a_deadline_comes_back_with_the_nearest_one():
    several = offer("A10G", 4, 4.0), offer("H100-SXM", 8, 40.0)
    wanted = goal(DENSE, samples=1e6, objective="time")
    soonest = plan(wanted, *several).choice
    found = plan(goal(DENSE, samples=1e6, deadline_s=soonest.duration_s.likely / 2.0), *several)
    assert not found.meets_goal
    constraints = [one.constraint for one in found.nearest]
    assert "deadline" in constraints
    later = found.nearest[constraints.index("deadline")].candidate
    assert later.duration_s.likely <= soonest.duration_s.likely * 1.1
    assert found.misses[0].constraint == "deadline"
    again = plan(goal(DENSE, samples=1e6, deadline_s=found.misses[0].got * 1.01), *several)
    assert again.meets_goal


def test_too_few_accelerators_come_back_with_more_and_other_places_with_theirs():
    near, far = offer("A10G", 1, 1.0), offer("H100-SXM", 8, 40.0, region="eu-west-1")
    one = goal(DENSE, samples=1e6, accelerators_at_most=1)
    alone = plan(one, near).choice
    tight = goal(DENSE, samples=1e6, accelerators_at_most=1, deadline_s=alone.duration_s.likely)
    found = plan(tight, near)
    more = {one.constraint: one for one in found.nearest}["accelerators"]
    assert 1 < more.candidate.accelerators <= 4
    eight = goal(DENSE, samples=3e6, deadline_s=alone.duration_s.likely / 2.0)
    found = plan(eight, near, wider=offers_of(near, far))
    places = {one.constraint: one for one in found.nearest}["places"]
    assert places.candidate.offer.region == "eu-west-1"
    assert "other clouds" in places.words


def test_a_network_that_fits_nothing_is_an_error_that_says_so():
    with pytest.raises(InputError, match="fits none of 1 offers"):
        plan(goal(LARGE, accelerators_at_most=1), offer("A10G", 1, 1.0, most_machines=1.0))


def test_offers_without_known_accelerators_are_an_error_that_says_so():
    with pytest.raises(InputError, match="no offer with accelerators"):
        plan(goal(DENSE), offer("Inferentia2", 12, 1.0))


def test_an_unknown_network_is_an_error_that_says_so():
    wanted = named("no such network at all", tokens=1e9, sequence=4096, global_batch=64)
    with pytest.raises(InputError, match="no published network"):
        network_of(wanted, architectures())


# ---- What runs it


@pytest.mark.parametrize("accelerator", ["TPU-v5e", "Trainium", "Gaudi"])
def test_chips_that_nothing_here_runs_on_are_predicted_only(accelerator):
    found = plan(goal(DENSE), offer(accelerator, 8, 8.0))
    assert found.runtime.startswith("predicted only")


def test_what_is_taken_back_or_paid_to_its_end_is_said():
    spot = offer("A10G", 4, 1.0, purchase="spot", interruptions_per_hour=0.01)
    found = plan(goal(DENSE, samples=1e6), spot)
    assert any("taken back" in line for line in found.because)
    committed = plan(goal(DENSE), offer("A10G", 4, 1.0, purchase="commit_1y")).choice
    assert committed.costs[0].usd == pytest.approx(committed.machines * 8760.0)
    assert "paid to its end" in committed.costs[0].because


def test_the_constants_of_a_calibration_come_before_what_is_assumed():
    known = CALIBRATION["memory_ratio"].value
    constants = constants_of(CALIBRATION)
    assert constants["memory_ratio"] == known
    assert "training_step_s" in constants


def test_a_layout_names_what_runs_it():
    found = plan(goal(DENSE), offer("A10G", 4, 4.0))
    assert found.runtime == found.choice.runtime
    assert found.runtime.split(":")[0].split(" over")[0] in {
        "torch on one device",
        "torch DistributedDataParallel",
        "torch FSDP2",
        "Megatron-Core",
    }
