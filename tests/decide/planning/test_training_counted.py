"""Networks that every device holds whole: the search equals one by hand, and its step is the prediction's."""

import numpy as np
import pytest

from tradewind.decide.planning.training_counted import CountedSpace
from tradewind.decide.planning.training_pricing import Asked, Incumbent, Tally
from tradewind.decide.planning.training_search import SURE
from tradewind.decide.planning.training_space import market_of
from tradewind.decide.prediction.counted import calls_of, training_step_s
from tradewind.domain.architecture import Counted, Recommender
from tradewind.files.sheets import devices
from training_cases import CALIBRATION, CONSTANTS, SPREAD, goal, offer, offers_of

RESNET = Counted(
    name="ResNet-50",
    family="resnet",
    style="cnn",
    parameters=25.6e6,
    macs=4.1e9,
    activations=11.1e6,
    calls=174,
    input="224 x 224 image",
)
DLRM = Recommender(
    name="tables",
    family="dlrm",
    table_rows=(40e6, 40e6, 1000.0),
    embedding_dim=128,
    lookups_per_table=1.0,
    dense=(13, 512, 256, 128, 512, 1),
)


def space_of(network, *several, batch=256, **given):
    wanted = goal(network, tokens=0, batch=batch, **given)
    market = market_of(wanted, offers_of(*several), devices(), CALIBRATION, checkpoint_bytes=1e9)
    return wanted, CountedSpace(
        network, wanted, market, CONSTANTS, (SPREAD,) * len(market.kinds), 1e9, wanted.accelerators_at_most
    )


def test_one_micro_batch_takes_what_the_prediction_says():
    _, space = space_of(RESNET, offer("A10G", 4))
    rows = np.nonzero(space.accumulation == 1)[0]
    assert len(rows)
    for row in rows.tolist():
        batch = int(space.pair_batch[space.pair[row]])
        read = calls_of(
            [
                {
                    "model": "ResNet-50",
                    "device": "A10G",
                    "batch": str(batch),
                    "precision": "amp",
                    "framework": "pytorch 2 compile",
                    "notes": "training",
                }
            ],
            devices(),
            (RESNET,),
        )
        device = space.device.take(np.zeros(1, dtype=np.int64))
        true = training_step_s(read.calls, device, CONSTANTS, devices=space.data[row : row + 1].astype(float))
        assert space.once_s[row] + space.exchanges[0][row] == pytest.approx(float(true[0]), rel=1e-9)


def test_the_search_equals_one_by_hand():
    wanted, space = space_of(RESNET, offer("A10G", 4, 4.0), offer("A10G", 1, 0.9), samples=1e6)
    asked = Asked("cost", 1e6, 1e9, 0.9)
    best = Incumbent()
    space.search(asked, best, Tally())
    step = space.once_s + (space.accumulation - 1) * space.again_s + space.exchanges[0]
    fits = space.parts(space.pair, space.data, 0).quantile(SURE) <= space.device.memory_bytes[0]
    batch = space.pair_batch[space.pair] * space.data * space.accumulation
    work = np.ceil(wanted.train.samples_in_all / batch) * step
    kind = space.pair_kind[space.pair]
    machines = space.data // space.per[kind]
    least = min(
        float(np.min(priced.value[priced.good & fits & (kind == space.market.kind[tender])]))
        for tender in range(len(space.market.row))
        for priced in [space.pricing.priced(asked, np.full(len(kind), tender), machines.astype(float), work)]
    )
    assert best.found.value == pytest.approx(least)


def test_shared_tables_need_less_memory_the_more_devices_share_them():
    _, space = space_of(DLRM, offer("A10G", 4))
    pair = np.zeros(3, dtype=np.int64)
    held = space.parts(pair, np.array([2.0, 4.0, 8.0]), 1).total
    whole = space.parts(pair[:1], np.array([1.0]), 0).total
    assert whole[0] > held[0] > held[1] > held[2]
    assert whole[0] > 40e9


def test_the_largest_global_batch_that_is_allowed_is_filled():
    _, space = space_of(RESNET, offer("A10G", 1), batch=(100, 200))
    batch = space.pair_batch[space.pair] * space.data * space.accumulation
    assert batch.min() >= 100
    assert batch.max() == 200
