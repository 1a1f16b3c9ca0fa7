"""Meshes: every way to spread a step, none of them twice, none that is never better."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.decide.planning.meshes import LEAST_TOKENS, Shape, divisors, meshes, shapes, stage_counts
from tradewind.domain.architecture import Transformer


def network(layers=12, heads=8, experts=0):
    return Transformer(
        name="small",
        family="gpt",
        layers=layers,
        hidden=64 * heads,
        heads=heads,
        kv_heads=heads,
        head_dim=64,
        ffn=256 * heads,
        gated=False,
        vocab=1000,
        experts=experts,
        experts_per_token=2 if experts else 0,
        expert_ffn=64 if experts else 0,
    )


@given(st.integers(1, 500))
def test_divisors_divide(number):
    assert divisors(number) == tuple(one for one in range(1, number + 1) if number % one == 0)


@given(st.integers(1, 130))
def test_stage_counts_leave_out_only_stages_of_a_depth_that_fewer_have(layers):
    counts = stage_counts(layers)
    depths = [-(-layers // stages) for stages in counts]
    assert len(set(depths)) == len(depths)
    for stages in range(1, layers + 1):
        depth = -(-layers // stages)
        least = min(one for one in range(1, layers + 1) if -(-layers // one) <= depth)
        assert least in counts


@given(
    layers=st.integers(1, 14),
    low=st.integers(1, 24),
    more=st.integers(0, 24),
    most=st.integers(1, 32),
    tensor=st.sampled_from([1, 2, 4]),
    context=st.sampled_from([1, 2]),
    expert=st.sampled_from([1, 2, 4]),
    size=st.sampled_from([1, 2, 4]),
)
def test_meshes_are_all_that_a_count_by_hand_finds(layers, low, more, most, tensor, context, expert, size):
    high = low + more
    found = meshes(network(layers, experts=4), Shape(tensor, context, expert, size), (low, high), most)
    rows = set(
        zip(
            found.pipeline.tolist(),
            found.virtual_stages.tolist(),
            found.data.tolist(),
            found.accumulation.tolist(),
            strict=True,
        )
    )
    assert len(rows) == len(found)
    by_hand = set()
    for stages in stage_counts(layers):
        for data in range(1, most + 1):
            if tensor * context * stages * data > most or (data * context) % expert:
                continue
            for virtual in (1, 2, 4):
                if virtual > 1 and (stages == 1 or layers % (stages * virtual)):
                    continue
                allowed = [
                    count
                    for count in range(1, high + 1)
                    if low <= count * size * data <= high and (virtual == 1 or count % stages == 0)
                ]
                if allowed:
                    by_hand.add((stages, virtual, data, max(allowed)))
    assert rows == by_hand
    assert (found.devices == tensor * context * found.pipeline * found.data).all()


def test_shapes_cut_heads_and_samples_evenly_and_leave_enough_tokens():
    found = shapes(network(heads=12), 4096, (64, 64), 16, 8)
    assert len(set(found)) == len(found)
    for shape in found:
        assert 12 % shape.tensor == 0
        assert shape.tensor <= 8
        assert shape.context == 1 or 4096 // shape.context >= LEAST_TOKENS
        assert 64 % shape.micro_batch == 0
    assert {shape.tensor for shape in found} == {1, 2, 3, 4, 6}
    assert {shape.context for shape in found} == {1, 2, 4}


def test_experts_are_spread_over_the_data_dimension():
    found = meshes(network(experts=8), Shape(1, 1, 8, 1), (64, 64), 64)
    assert len(found)
    assert (found.data % 8 == 0).all()


def test_one_batch_must_be_met_exactly():
    found = meshes(network(), Shape(1, 1, 1, 4), (96, 96), 8)
    assert (4 * found.data * found.accumulation == 96).all()
    assert 5 not in found.data.tolist()


def test_no_more_stages_than_layers():
    found = meshes(network(layers=3), Shape(1, 1, 1, 1), (64, 64), 64)
    assert int(np.max(found.pipeline)) == 3


@pytest.mark.parametrize(("layers", "counts"), [(80, 17), (1, 1)])
def test_llama_3_70b_has_17_depths(layers, counts):
    assert len(stage_counts(layers)) == counts
