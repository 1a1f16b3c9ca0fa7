"""Small markets and networks for the tests of training plans, and a search that bounds nothing."""

import dataclasses
import itertools

import numpy as np

from tradewind.decide.planning.meshes import meshes, shapes
from tradewind.decide.planning.training import CHECKPOINT_BYTES_PER_WEIGHT, constants_of
from tradewind.decide.planning.training_pricing import Asked, Pricing, Spread
from tradewind.decide.planning.training_search import SURE, Space, memory_setting_of
from tradewind.decide.planning.training_space import market_of
from tradewind.decide.planning.training_times import Columns, kind_columns, layout_of, setting_of
from tradewind.decide.prediction import default_calibration
from tradewind.decide.prediction.architectures import parameters_of
from tradewind.decide.prediction.memory import training_memory
from tradewind.decide.prediction.training import step_times
from tradewind.decide.prediction.transformers import transformer_columns
from tradewind.domain.architecture import Transformer
from tradewind.domain.offer import Offer, Offers, StoragePrice
from tradewind.domain.training import Train, TrainGoal
from tradewind.files.sheets import devices

CALIBRATION = default_calibration()
CONSTANTS = constants_of(CALIBRATION)
SPREAD = Spread(0.8, 1.3)
FAR = Spread(0.5, 1.8)
"""Of kinds that the fit of the prediction did not know."""
MOST = 8
TOKENS = 2048
BATCH = 8

# 0.3 and 3 billion weights: one fits everywhere, the other needs to be split on 24 GB; and one with experts.
DENSE = Transformer(
    name="dense",
    family="gpt",
    layers=6,
    hidden=1024,
    heads=4,
    kv_heads=2,
    head_dim=256,
    ffn=4096,
    gated=True,
    vocab=32000,
)
LARGE = Transformer(
    name="large",
    family="gpt",
    layers=10,
    hidden=5120,
    heads=4,
    kv_heads=4,
    head_dim=1280,
    ffn=16384,
    gated=False,
    vocab=50000,
)
EXPERTS = Transformer(
    name="experts",
    family="moe",
    layers=4,
    hidden=2048,
    heads=2,
    kv_heads=2,
    head_dim=1024,
    ffn=0,
    gated=True,
    vocab=32000,
    experts=4,
    experts_per_token=2,
    expert_ffn=4096,
)
NETWORKS = (DENSE, LARGE, EXPERTS)


def offer(accelerator="A10G", count=4, price=4.0, **given):
    fields = {
        "cloud": "aws",
        "region": "us-east-1",
        "instance_type": f"{accelerator.lower()}.{count}",
        "purchase": "on_demand",
        "vcpus": 8 * count,
        "memory_bytes": 64e9 * count,
        "network_gbps": 100.0,
        "grid_gco2e_per_kwh": 300.0,
        "source": "test",
        "as_of": "2026-11-01",
        "confidence": "A",
    }
    fields |= {
        "accelerator": accelerator,
        "accelerator_count": float(count),
        "price_usd_per_hour": price,
        **given,
    }
    return Offer(**fields)


def offers_of(*several):
    storage = (
        StoragePrice(
            cloud="aws",
            region="us-east-1",
            service="S3",
            tier="Standard",
            usd_per_gb_month=0.023,
            source="t",
            as_of="2026-11-01",
        ),
    )
    return Offers.of(list(several), storage=storage, snapshot="test")


def goal(network=DENSE, *, samples=1e5, deadline_s=1e6, budget=1e9, batch=BATCH, tokens=TOKENS, **given):
    return TrainGoal(
        name="small",
        model=network,
        train=Train(samples=samples, sequence=tokens, global_batch=batch, deadline_s=deadline_s),
        budget_usd=budget,
        **({"accelerators_at_most": MOST} | given),
    )


def timed(network, kind, tokens, batch, most):
    """Devices and step of every layout of a network on a kind of machines that fits, by the prediction itself."""
    key = network, kind.words, tokens, batch, most
    if key not in _TIMED:
        _TIMED[key] = _timed(network, kind, tokens, batch, most)
    return _TIMED[key]


_TIMED = {}


def _timed(network, kind, tokens, batch, most):
    device, half = kind_columns([kind], "bf16")
    columns = transformer_columns([network])
    base = setting_of(tokens, "bf16")
    found = []
    for shape in shapes(network, tokens, (batch, batch), most, kind.domain):
        if kind.domain % shape.tensor:
            continue
        grid = meshes(network, shape, (batch, batch), most)
        # ZeRO stages over all replicas, and stage 3 over those that the fast link joins.
        ways = [(zero, 0) for zero in range(4)] + [(3, kind.domain // shape.tensor)]
        places = [
            (place, zero, level, inside)
            for place, (zero, inside), level in itertools.product(range(len(grid)), ways, range(3))
            if grid.devices[place] % kind.per_machine == 0
            and (zero == 0 or grid.data[place] * shape.context > max(inside, 1))
            and ((zero, inside) != (3, 1))
            and (inside == 0 or (inside > 1 and grid.data[place] * shape.context % inside == 0))
        ]
        if not places:
            continue
        at, zero, level, inside = (np.array(one) for one in zip(*places, strict=True))
        rows = Columns(
            pair=np.zeros(len(at), dtype=np.int64),
            pipeline=grid.pipeline[at],
            virtual_stages=grid.virtual_stages[at],
            data=grid.data[at],
            accumulation=grid.accumulation[at],
            zero_stage=zero,
            checkpointing=level,
            inside=inside,
        )
        n = len(at)
        lay = layout_of(*(np.full(n, float(one)) for one in shape), rows)
        none = np.zeros(n, dtype=np.int64)
        needed = training_memory(
            columns.take(none), lay, memory_setting_of(tokens, shape, rows), CONSTANTS
        ).quantile(SURE)
        setting = dataclasses.replace(
            base,
            **{one.name: np.broadcast_to(getattr(base, one.name), (n,)) for one in dataclasses.fields(base)},
        )
        step = step_times(
            columns.take(none), device.take(none), half.take(none), lay, setting, CONSTANTS
        ).total_s
        good = needed <= kind.device.memory_bytes
        found.append(np.stack([grid.devices[at], step, np.full(n, batch)])[:, good])
    return np.concatenate(found, axis=1) if found else np.zeros((3, 0))


def spreads_of(market):
    """Of each kind of a market."""
    return tuple(FAR if kind.device.name in ("L4", "A100-40GB") else SPREAD for kind in market.kinds)


def checkpoint_bytes(network):
    return CHECKPOINT_BYTES_PER_WEIGHT * parameters_of(network)


def brute(asked: Asked, wanted: TrainGoal, several) -> float:
    """The least value of all layouts on all offers, each offer a market of its own; infinite where nothing will do."""
    least = np.inf
    for one in several:
        market = market_of(
            wanted, offers_of(one), devices(), CALIBRATION, checkpoint_bytes=checkpoint_bytes(wanted.model)
        )
        if not market.kinds:
            continue
        kind = market.kinds[0]
        size, step, batch = timed(
            wanted.model, kind, wanted.train.sequence, wanted.train.batch[1], wanted.accelerators_at_most
        )
        if not len(size):
            continue
        pricing = Pricing(
            market, (SPREAD,), checkpoint_bytes(wanted.model), wanted.train.checkpoint_bytes_per_s
        )
        work = np.ceil(wanted.train.samples_in_all / batch) * step
        tender = np.zeros(len(size), dtype=np.int64)
        priced = pricing.priced(asked, tender, size / kind.per_machine, work)
        least = min(least, float(np.min(priced.value[priced.good], initial=np.inf)))
    return least


def space_of(wanted, several):
    """The space of a goal with a transformer on some offers."""
    size = checkpoint_bytes(wanted.model)
    market = market_of(wanted, offers_of(*several), devices(), CALIBRATION, checkpoint_bytes=size)
    return Space(
        wanted.model,
        wanted,
        market,
        CONSTANTS,
        (SPREAD,) * len(market.kinds),
        size,
        wanted.accelerators_at_most,
    )
