"""Kinds of machines that language models are served on, and the ways to run a replica."""

import msgspec
import numpy as np
import pytest

from generation_cases import EXPERTS, LARGE, SMALL, offer, offers_of
from tradewind.decide.planning.generation_space import kinds_of, ways_of
from tradewind.decide.prediction.answering import PRECISIONS
from tradewind.files.sheets import devices


def kinds(*offers, most=64):
    return kinds_of(offers_of(*offers), devices(), most)


def test_offers_of_one_machine_are_of_one_kind_wherever_they_stand():
    found = kinds(offer("L4", 1), offer("L4", 1, region="eu-west-1", purchase="spot"), offer("L4", 4))
    assert [kind.words for kind in found.kinds] == ["1 x L4, 100 Gbit/s", "4 x L4, 100 Gbit/s"]
    assert found.of(0).tolist() == [0, 1]
    assert found.of(1).tolist() == [2]


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"accelerator": None, "accelerator_count": 0.0}, "no accelerator"),
        ({"accelerator": "Abacus 9"}, "no sheet of devices"),
        ({"accelerator": "L4", "accelerator_count": 0.5}, "whole accelerators"),
    ],
)
def test_what_cannot_serve_is_rejected_with_the_reason(given, word):
    fields = {"instance_type": "x"} | given
    found = kinds(msgspec.structs.replace(offer(), **fields), offer("L4", 1))
    assert len(found.rows) == 1
    assert word in found.rejected[0].reason


@pytest.mark.parametrize("network", [SMALL, LARGE, EXPERTS])
def test_replicas_take_whole_machines_or_share_one(network):
    found = kinds(offer("L4", 1), offer("L4", 4), offer("H100-SXM", 8), most=32)
    ways = ways_of(network, found.kinds, PRECISIONS, 32)
    for kind, way, per, over in zip(ways.kind, ways.way, ways.per_machine, ways.machines, strict=True):
        one, machine = ways.ways[way], found.kinds[kind]
        assert network.heads % one.tensor == 0
        assert one.tensor <= machine.domain
        assert one.devices <= 32
        assert one.pipeline <= network.layers
        if per:
            assert per * one.devices <= machine.per_machine
            assert over == 1
            assert one.network_bytes_per_s is None
        else:
            assert over * machine.per_machine == one.devices
        assert one.apart <= (network.experts > 0)


def test_ways_are_shared_by_kinds_that_differ_in_what_does_not_matter():
    slow, fast = offer("L4", 4, network_gbps=10.0), offer("L4", 4, network_gbps=100.0)
    found = kinds(slow, fast)
    ways = ways_of(SMALL, found.kinds, ("bf16",), 4)
    assert len(found.kinds) == 2
    assert len(ways.ways) == len(ways.way) / 2
    assert np.array_equal(ways.way[: ways.first[1]], ways.way[ways.first[1] :])
