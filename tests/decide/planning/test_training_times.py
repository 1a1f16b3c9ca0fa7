"""The factored time of a step equals the prediction's own, which the search relies on."""

import dataclasses

import numpy as np
import pytest

from tradewind.decide.planning.training_times import CHECKPOINTINGS, Columns, kind_columns, layout_of, step_s
from tradewind.decide.prediction.training import step_times
from training_cases import CONSTANTS, DENSE, EXPERTS, LARGE, goal, offer, space_of


@pytest.mark.parametrize("network", [DENSE, LARGE, EXPERTS], ids=lambda network: network.name)
def test_the_factored_step_equals_the_prediction(network):
    wanted = goal(network, batch=(30, 64), accelerators_at_most=32)
    space = space_of(
        wanted, [offer("A10G", 4), offer("H100-SXM", 8), offer("H100-SXM", 8, network_gbps=3200.0)]
    )
    chance = np.random.default_rng(0)
    parts = []
    for pair in range(len(space.kind)):
        grid = space.meshes_of(int(space.shape[pair]))
        if not len(grid):
            continue
        at = chance.integers(len(grid), size=4)
        parts.append(
            Columns(
                pair=np.full(4, pair),
                pipeline=grid.pipeline[at],
                virtual_stages=grid.virtual_stages[at],
                data=grid.data[at],
                accumulation=grid.accumulation[at],
                zero_stage=chance.integers(4, size=4),
                checkpointing=chance.integers(3, size=4),
                inside=chance.choice([0, 0, 2], size=4),
            )
        )
    rows = Columns.joined(parts)
    works, at = space.works, rows.pair
    lay = layout_of(works.tensor[at], works.context[at], works.expert[at], works.micro_batch[at], rows)
    setting = dataclasses.replace(
        space.setting,
        **{
            one.name: np.broadcast_to(getattr(space.setting, one.name), (len(rows),))
            for one in dataclasses.fields(space.setting)
        },
    )
    none = np.zeros(len(rows), dtype=np.int64)
    kind = space.kind[at]
    true = step_times(
        space.columns.take(none), space.device.take(kind), space.half.take(kind), lay, setting, CONSTANTS
    )
    assert len(rows) > 300
    np.testing.assert_allclose(step_s(works, rows, CONSTANTS), true.total_s, rtol=1e-9)


def test_more_recomputation_is_never_faster():
    space = space_of(goal(DENSE, accelerators_at_most=32), [offer("A10G", 4), offer("H100-SXM", 8)])
    for less, more in ((0, 1), (1, 2)):
        assert (space.works.layers_s(less) <= space.works.layers_s(more)).all(), CHECKPOINTINGS[more]


def test_the_network_of_an_offer_comes_before_that_of_its_device():
    space = space_of(goal(DENSE), [offer("A10G", 4, network_gbps=400.0), offer("A10G", 4, network_gbps=None)])
    device, half = kind_columns(space.market.kinds, "bf16")
    stated = [kind.network_bytes_per_s is not None for kind in space.market.kinds]
    assert device.network_bytes_per_s[stated.index(True)] == pytest.approx(12.5e9)
    assert half.network_bytes_per_s[stated.index(False)] < 12.5e9
    assert (device.devices_per_machine == 4).all()
