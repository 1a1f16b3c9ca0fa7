from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.decide.prediction.architectures import forward_flops_per_token, parameters_of
from tradewind.decide.prediction.paper import NOWHERE, PAPER_ENGINE, profile_of
from tradewind.domain.architecture import Architecture, Counted, Recommender, Transformer
from tradewind.domain.profile import Profile
from tradewind.files import package_data

SHEET = msgspec.json.decode(
    (package_data("facts") / "architectures.json").read_bytes(), type=tuple[Architecture, ...]
)
PRODUCTS = {"gemm", "attention"}


@given(
    network=st.sampled_from([one for one in SHEET if isinstance(one, Transformer)]),
    tokens=st.integers(1, 16384),
)
def test_operators_of_a_transformer_add_up_to_its_forward_pass(network: Transformer, tokens: int) -> None:
    products = sum(one.flops for one in profile_of(network, tokens=tokens).operators if one.kind in PRODUCTS)
    assert products == pytest.approx(tokens * forward_flops_per_token(network, tokens), rel=1e-9)


@given(network=st.sampled_from(SHEET))
def test_a_profile_from_paper_says_so_and_survives_json(network: Architecture) -> None:
    found = profile_of(network)
    assert (found.origin, found.architecture, found.curve) == ("predicted", network, ())
    assert (found.host, found.variant.runtime.engine) == (NOWHERE, PAPER_ENGINE)
    assert found.peak_memory_bytes > found.weight_bytes > 0
    assert all(one.calls > 0 and one.flops >= 0 and one.activation_bytes > 0 for one in found.operators)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Profile) == found


@pytest.mark.parametrize(
    "network", [one for one in SHEET if isinstance(one, Counted)], ids=lambda one: one.name
)
def test_a_counted_network_keeps_its_counts(network: Counted) -> None:
    found = profile_of(network, precision="fp32")
    assert found.flops == 2 * network.macs
    assert found.weight_bytes == 4 * network.parameters


def test_a_batch_of_few_tokens_reads_few_experts() -> None:
    mixtral = next(one for one in SHEET if one.name == "Mixtral 8x7B")
    assert isinstance(mixtral, Transformer)

    def read(tokens: int) -> float:
        return sum(one.weight_bytes for one in profile_of(mixtral, tokens=tokens).operators)

    # One token visits two of eight experts; thousands visit all of them.
    embedding = 2.0 * mixtral.vocab * mixtral.hidden
    assert read(1) < 0.3 * 2 * parameters_of(mixtral)
    assert read(4096) == pytest.approx(2 * parameters_of(mixtral) - embedding, rel=1e-6)


def test_a_recommender_is_mostly_tables() -> None:
    dlrm = next(one for one in SHEET if one.name == "DLRM v2")
    assert isinstance(dlrm, Recommender)
    found = profile_of(dlrm)
    assert sum(one.weight_bytes for one in found.operators) < 0.01 * found.weight_bytes
