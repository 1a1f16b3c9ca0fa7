"""Small markets and wishes for the tests of plans of language models, and a search that proves nothing."""

import functools
import itertools

import numpy as np

from tradewind.decide.control.sizing import instances_with_spares
from tradewind.decide.planning.generation import spread_of
from tradewind.decide.planning.loads import curve_of
from tradewind.decide.prediction import default_calibration
from tradewind.decide.prediction.answering import (
    PRECISIONS,
    Way,
    bounds_of,
    calls_of,
    computes,
    servers_of,
)
from tradewind.decide.prediction.architectures import parameters_of
from tradewind.decide.prediction.devices import device_of
from tradewind.decide.prediction.fitted import with_defaults
from tradewind.domain.architecture import Transformer
from tradewind.domain.generating import Generate, GenerateGoal
from tradewind.domain.goal import Hour, Load, Serve
from tradewind.domain.offer import Offer, Offers
from tradewind.files.sheets import devices

CALIBRATION = with_defaults(default_calibration())
CONSTANTS = {name: one.value for name, one in CALIBRATION.constants.items()}
HOURS = 730.0

SMALL = Transformer(
    name="small", family="llama", layers=8, hidden=1024, heads=4, kv_heads=2, head_dim=256, ffn=4096, gated=True,
    vocab=32000,
)  # fmt: skip
LARGE = Transformer(
    name="large", family="llama", layers=40, hidden=5120, heads=8, kv_heads=8, head_dim=640, ffn=13824, gated=True,
    vocab=32000,
)  # fmt: skip
EXPERTS = Transformer(
    name="experts", family="moe", layers=8, hidden=2048, heads=4, kv_heads=4, head_dim=512, ffn=0, gated=True,
    vocab=32000, experts=8, experts_per_token=2, expert_ffn=4096,
)  # fmt: skip
NETWORKS = (SMALL, LARGE, EXPERTS)


def offer(accelerator="L4", count=1, price=1.0, **given):
    fields = {
        "cloud": "aws",
        "region": "us-east-1",
        "instance_type": f"{accelerator.lower()}.{count}",
        "purchase": "on_demand",
        "price_usd_per_hour": price,
        "vcpus": 8 * count,
        "memory_bytes": 64e9 * count,
        "network_gbps": 100.0,
        "grid_gco2e_per_kwh": 300.0,
        "accelerator": accelerator,
        "accelerator_count": float(count),
        "source": "test",
        "as_of": "2026-11-01",
        "confidence": "A",
    }
    return Offer(**(fields | given))


def offers_of(*offers):
    return Offers.of(offers, snapshot="test")


def goal(model=SMALL, *, rate=5.0, day=(), budget=1e9, most=8, confidence=0.9, **given):
    """A goal; `day` has pairs of an hour and a rate."""
    load = (
        Load(profile=tuple(Hour(rate_rps=rps, from_hour=hour) for hour, rps in day))
        if day
        else Load(rate_rps=rate)
    )
    wish = Generate(**({"load": load, "prompt": 512, "output": 128} | given))
    return GenerateGoal(
        name="case",
        model=model,
        generate=wish,
        budget_usd_per_month=budget,
        accelerators_at_most=most,
        confidence=confidence,
        purchase=("on_demand", "spot", "commit_1y", "commit_3y"),
    )


def brute_usd(wanted, offers):
    """The least cost over every offer, way, most of requests and number of machines, each looked at; inf: none."""
    load = _load(wanted)
    slow = spread_of(CALIBRATION).factor(wanted.confidence)
    best = np.inf
    for place in _places(offers):
        for needed in _needs(wanted, place[0], load.rates_rps, slow):
            shares = np.array(load.shares)
            best = min(best, *(_alone_usd(one, needed, shares) for one in place))
            if len(shares) > 1:
                best = min(best, _mixed_usd(place, needed, shares))
    return best


def _load(wanted):
    start_s = CALIBRATION["spot_replacement_s"].value + 2.0 * parameters_of(wanted.model) / 1e9
    return curve_of(Serve(load=wanted.generate.load, p99_s=1.0), start_s)


def _places(offers):
    """Offers that differ in how they are paid alone."""

    def key(one):
        return (one.cloud, one.region, one.instance_type, one.accelerator, one.accelerator_count)

    ordered = sorted(offers, key=lambda one: tuple(map(str, key(one))))
    return [list(group) for _, group in itertools.groupby(ordered, key=key)]


def _needs(wanted, machine, rates, slow):
    """The machines at each rate of every way and every most of requests that can serve at all."""
    network, wish = wanted.model, wanted.generate
    key = (network.name, machine.accelerator, int(machine.accelerator_count), machine.network_gbps)
    ways, servers = _tables(*key, wish.prompt, wish.output, wish.longest)
    if not len(servers):
        return set()
    devices_each = np.array([way.tensor * way.pipeline for way in ways])[servers.way]
    per = int(machine.accelerator_count)
    allowed = np.array(
        [
            way.precision in wish.precisions and way.tensor * way.pipeline <= wanted.accelerators_at_most
            for way in ways
        ]
    )[servers.way]
    levels = []
    for rate in rates:
        if rate == 0.0:
            levels.append(np.zeros(len(servers)))
            continue
        least = np.full(len(servers), np.inf)
        for machines in range(wanted.accelerators_at_most // per, 0, -1):
            held = machines * per // devices_each
            replicas = np.where(devices_each > per, held, machines * (per // devices_each))
            whole = (devices_each <= per) | (machines % np.maximum(devices_each // per, 1) == 0)
            able = allowed & whole & (replicas > 0)
            answers = servers.answers(np.arange(len(servers)), rate / np.maximum(replicas, 1), slow)
            least = np.where(able & answers.keep(bounds_of(wish)), machines, least)
        levels.append(least)
    table = np.array(levels).T
    return {tuple(row) for row in table[np.isfinite(table).all(axis=1)].astype(int).tolist()}


@functools.cache
def _tables(network, accelerator, per, gbps, prompt, output, longest):
    """Every way of a machine, and every most of requests on each that fits."""
    network = next(one for one in NETWORKS if one.name == network)
    device = device_of(accelerator, devices())
    ways = []
    for tensor, pipeline, precision in itertools.product(range(1, per + 1), (1, 2, 3, 4, 6, 8), PRECISIONS):
        spans = tensor * pipeline > per
        if per % tensor or (tensor > 1 and network.heads % tensor) or pipeline > network.layers:
            continue
        if not computes(device, precision) or (spans and (tensor * pipeline) % per):
            continue
        stated = gbps * 1.25e8 / per if spans else None
        apart = (False, True) if network.experts and tensor > 1 and device.kind == "gpu" else (False,)
        ways += [Way(device, per, stated, precision, tensor, pipeline, one) for one in apart]
    return ways, servers_of(calls_of(network, prompt, output, ways), longest, CONSTANTS)


def _usd(one, machines):
    if machines > (one.most_machines if one.most_machines is not None else np.inf):
        return np.inf
    used = max(machines - one.prepaid_machines, 0.0) * one.price_usd_per_hour
    return max(used - one.prepaid_usd_per_hour, 0.0) * HOURS * (one.managed_ratio or 1.0)


def _up(one, machines):
    """With spares."""
    if one.purchase != "spot" or machines == 0:
        return machines
    rate = one.interruptions_per_hour
    return instances_with_spares(
        machines,
        interruptions_per_hour=CALIBRATION["spot_accelerator_interruptions_per_hour"].value
        if rate is None
        else rate,
        replacement_s=CALIBRATION["spot_replacement_s"].value,
        availability=CALIBRATION["spot_availability_ratio"].value,
    )


def _alone_usd(one, needed, shares):
    committed = one.purchase.startswith("commit")
    levels = [needed[-1] if committed else machines for machines in needed]
    paid = [_usd(one, _up(one, machines)) for machines in levels]
    return np.inf if np.isinf(paid[-1]) else float(np.dot(shares, paid))


def _mixed_usd(place, needed, shares):
    """The best of one commitment, one hourly and one spot offer, every number of each at every rate."""
    none = [None]
    committed = [one for one in place if one.purchase.startswith("commit")] + none
    hourly = [one for one in place if one.purchase == "on_demand"] + none
    spot = [one for one in place if one.purchase == "spot"] + none
    best = np.inf
    for base, by_hour, taken in itertools.product(committed, hourly, spot):
        for held in range(needed[-1] + 1) if base else (0,):
            total = _usd(base, held) if base else 0.0
            for machines, share in zip(needed, shares, strict=True):
                rest = max(machines - held, 0)
                ways = [
                    (_usd(by_hour, rest - up) if by_hour else (np.inf if rest - up else 0.0))
                    + (_usd(taken, _up(taken, up)) if taken else (np.inf if up else 0.0))
                    for up in range(rest + 1)
                ]
                total += share * min(ways)
            best = min(best, total)
    return best
