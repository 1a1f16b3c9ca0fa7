import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.decide.prediction.pipelines import (
    bubble_s,
    idle_share,
    simulated,
    stage_in_flight,
    stages_of,
    step_s,
    stretch_s,
)
from tradewind.domain.errors import InputError

TIMES = st.floats(0.5, 1.5)


def most_in_flight(tasks, rank, virtual_stages=1):
    """The most micro-batches that a device holds, from each forward pass's start to its last backward's end."""
    last = "weight" if any(task.kind == "weight" for task in tasks) else "backward"
    events = [(task.start_s, 1) for task in tasks if task.stage == rank and task.kind == "forward"]
    events += [(task.end_s, -1) for task in tasks if task.stage == rank and task.kind == last]
    held = list(itertools.accumulate(change for _, change in sorted(events)))
    return max(held) / virtual_stages


@pytest.mark.parametrize("schedule", ["gpipe", "1f1b", "interleaved", "zb_h1", "zb_h2"])
@pytest.mark.parametrize(("stages", "micro_batches"), [(2, 4), (4, 8), (4, 16), (8, 16)])
@pytest.mark.parametrize("times", [(1.0, 1.0, 1.0), (1.0, 1.2, 0.8), (1.0, 1.1, 1.0)])
def test_simulated_bubbles_are_the_published_closed_forms(schedule, stages, micro_batches, times):
    virtual = 2 if schedule == "interleaved" else 1
    columns = [[time] * stages for time in times]
    tasks = simulated(schedule, *columns, micro_batches, virtual_stages=virtual)
    waited = stretch_s(tasks) - micro_batches * sum(times)
    assert waited == pytest.approx(float(bubble_s(schedule, stages, virtual, *times)), abs=1e-9)
    closed = step_s(
        schedule, *(np.array(column) for column in columns), micro_batches, virtual_stages=virtual
    )
    assert stretch_s(tasks) == pytest.approx(float(closed))


@pytest.mark.parametrize(
    ("schedule", "virtual", "share"),
    [
        ("gpipe", 1, 3 / 8),
        ("1f1b", 1, 3 / 8),
        ("interleaved", 2, 3 / 16),
        ("zb_h1", 1, 1 / 8),
        ("zb_h2", 1, 0.0),
    ],
)
def test_four_stages_and_eight_micro_batches_wait_the_published_share(schedule, virtual, share):
    # (p - 1) / m, (p - 1) / (v m): Narayanan et al. 2021; a third and nothing: Qi et al. 2023 with F = B = W.
    tasks = simulated(schedule, [1.0] * 4, [1.0] * 4, [1.0] * 4, 8, virtual_stages=virtual)
    assert idle_share(tasks) == pytest.approx(share)


@pytest.mark.parametrize("schedule", ["gpipe", "1f1b", "interleaved", "zb_h1", "zb_h2"])
def test_no_device_holds_more_micro_batches_than_the_schedule_promises(schedule):
    stages, micro_batches = 4, 16
    virtual = 2 if schedule == "interleaved" else 1
    tasks = simulated(
        schedule, [1.0] * stages, [1.0] * stages, [1.0] * stages, micro_batches, virtual_stages=virtual
    )
    promised = stage_in_flight(schedule, stages, micro_batches, virtual)
    held = [most_in_flight(tasks, rank, virtual) for rank in range(stages)]
    assert all(one <= bound + 1e-9 for one, bound in zip(held, promised, strict=True)), (held, promised)
    assert max(held) == max(promised)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["gpipe", "1f1b", "interleaved", "zb_h1", "zb_h2"]),
    st.lists(st.tuples(TIMES, TIMES, TIMES), min_size=2, max_size=4),
    st.integers(1, 3),
    st.floats(0.0, 0.3),
)
def test_timelines_are_possible(schedule, times, groups, send):
    p, virtual = len(times), 2 if schedule == "interleaved" else 1
    micro_batches = groups * p
    forward, backward, weight = (list(column) for column in zip(*times, strict=True))
    tasks = simulated(schedule, forward, backward, weight, micro_batches, virtual_stages=virtual, send_s=send)
    ends = {(task.kind, task.chunk * p + task.stage, task.micro_batch): task.end_s for task in tasks}
    kinds = 3 if schedule.startswith("zb") else 2
    assert len(tasks) == len(ends) == kinds * p * virtual * micro_batches
    for task in tasks:
        place = task.chunk * p + task.stage
        if task.kind == "forward" and place > 0:
            assert task.start_s >= ends["forward", place - 1, task.micro_batch] + send - 1e-9
        if task.kind == "backward":
            assert task.start_s >= ends["forward", place, task.micro_batch] - 1e-9
            if place < p * virtual - 1:
                assert task.start_s >= ends["backward", place + 1, task.micro_batch] + send - 1e-9
        if task.kind == "weight":
            assert task.start_s >= ends["backward", place, task.micro_batch] - 1e-9
    for rank in range(p):
        mine = sorted((task.start_s, task.end_s) for task in tasks if task.stage == rank)
        assert all(end <= start + 1e-9 for (_, end), (start, _) in itertools.pairwise(mine))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TIMES, TIMES), min_size=1, max_size=4), st.integers(1, 12))
def test_uneven_stages(times, micro_batches):
    forward, backward = (np.array(column) for column in zip(*times, strict=True))
    nothing = np.zeros(len(times))

    def ends(schedule):
        return max(task.end_s for task in simulated(schedule, forward, backward, nothing, micro_batches))

    assert ends("gpipe") == pytest.approx(float(step_s("gpipe", forward, backward, nothing, micro_batches)))
    bound, exact = float(step_s("1f1b", forward, backward, nothing, micro_batches)), ends("1f1b")
    assert bound <= exact + 1e-9
    assert exact <= 1.12 * bound


def test_a_slow_last_stage_is_exact():
    # The head makes the last stage the slowest one in practice.
    forward, backward = np.array([1.0, 1.0, 1.0, 1.4]), np.array([2.0, 2.0, 2.0, 2.8])
    tasks = simulated("1f1b", forward, backward, [0.0] * 4, 8)
    assert stretch_s(tasks) == pytest.approx(float(step_s("1f1b", forward, backward, np.zeros(4), 8)))


def test_columns_of_steps():
    forward = np.ones((3, 4))
    steps = step_s("1f1b", forward, forward, forward, np.array([4.0, 8.0, 16.0]))
    assert steps.tolist() == [21.0, 33.0, 57.0]


def test_interleaving_needs_whole_groups():
    with pytest.raises(InputError, match="nearest: 8"):
        simulated("interleaved", [1.0] * 4, [1.0] * 4, [0.0] * 4, 7, virtual_stages=2)


def pace_of(cut, layers, first, last):
    ends = list(itertools.accumulate(cut, initial=0))
    sums = [sum(layers[start:end]) for start, end in itertools.pairwise(ends)]
    sums[0] += first
    sums[-1] += last
    return max(sums)


def fitting(cut, states, activations, in_flight, limit, first, last):
    ends = list(itertools.accumulate(cut, initial=0))
    held = [
        sum(states[start:end]) + count * sum(activations[start:end])
        for (start, end), count in zip(itertools.pairwise(ends), in_flight, strict=True)
    ]
    held[0] += first
    held[-1] += last
    return all(one <= limit for one in held)


SMALL = st.integers(1, 6).map(float)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(SMALL, SMALL, SMALL), min_size=1, max_size=8),
    st.integers(1, 4),
    st.tuples(SMALL, SMALL, SMALL, SMALL),
    st.integers(5, 80).map(float),
)
def test_cuts_are_as_fast_as_the_best_of_all(layers, stages, ends, limit):
    times, states, activations = (list(column) for column in zip(*layers, strict=True))
    in_flight = stage_in_flight("1f1b", stages, 3)
    first_s, last_s, first_bytes, last_bytes = ends
    n = len(layers)
    cuts = [
        tuple(end - start for start, end in itertools.pairwise((0, *inner, n)))
        for inner in itertools.combinations(range(1, n), stages - 1)
    ]
    possible = [
        cut for cut in cuts if fitting(cut, states, activations, in_flight, limit, first_bytes, last_bytes)
    ]
    found = stages_of(
        times,
        states,
        activations,
        in_flight=in_flight,
        limit_bytes=limit,
        first_s=first_s,
        last_s=last_s,
        first_bytes=first_bytes,
        last_bytes=last_bytes,
    )
    if not possible:
        assert found is None
    else:
        assert found in possible
        best = min(pace_of(cut, times, first_s, last_s) for cut in possible)
        assert pace_of(found, times, first_s, last_s) == best


def test_llama_405b_gives_its_ends_a_layer_less():
    # 126 layers on 16 stages (Llama 3, section 3.3.2, takes one layer from the first and the last stage of 128).
    cut = stages_of(
        [1.0] * 126, [1.0] * 126, [0.1] * 126, in_flight=stage_in_flight("1f1b", 16, 16), limit_bytes=99.0,
        first_s=0.3, last_s=1.0,
    )  # fmt: skip
    assert cut == (7, *[8] * 14, 7)
