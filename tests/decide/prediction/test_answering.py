"""What replicas bear: laws of the tables, and their agreement with the model that they are made of."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation_cases import CONSTANTS, EXPERTS, LARGE, SMALL
from tradewind.decide.prediction.answering import (
    BATCHES,
    PRECISIONS,
    USED_SHARE,
    Bounds,
    Way,
    calls_of,
    computes,
    servers_of,
)
from tradewind.decide.prediction.architectures import architecture_of
from tradewind.decide.prediction.decoding import pass_terms_s
from tradewind.files.sheets import architectures, devices

KNOWN = {device.name: device for device in devices()}
NAMES = ("L4", "A100-80GB", "H100-SXM", "MI300X", "TPU-v5e", "Inferentia2")
ANY = Bounds(np.inf, np.inf, np.inf, np.inf)


def way(device="H100-SXM", precision="bf16", tensor=1, pipeline=1, apart=False):
    return Way(KNOWN[device], 8, None, precision, tensor, pipeline, apart)


def servers(network=SMALL, *ways, prompt=512, output=128, longest=None):
    calls = calls_of(network, prompt, output, ways or (way(),))
    return servers_of(calls, float(longest or prompt + output), CONSTANTS)


def simulated(calls, batch, rate, requests, seed=0):
    """Quantiles (p50, p99) of waiting for the first token and of the time a token, pass by pass.

    A pass takes up waiting prompts, as many as find a place and a chunk holds, beside one token of each request.
    """
    chance = np.random.default_rng(seed)
    prompt, output = int(calls.prompt[0]), int(calls.output[0])
    arrivals = np.cumsum(chance.exponential(1.0 / rate, requests))
    known = {}

    def pass_s(prompts, running):
        if (prompts, running) not in known:
            columns = np.array([float(prompts)]), np.array([float(running)])
            terms = pass_terms_s(calls, CONSTANTS, prefilled=columns[0], running=columns[1])
            host = CONSTANTS["decode_step_s"] + CONSTANTS["decode_request_s"] * (prompts + running)
            known[prompts, running] = max(float(sum(term[0] for term in terms.values())), host)
        return known[prompts, running]

    first, end, left = np.zeros(requests), np.zeros(requests), np.full(requests, output)
    now, arrived, ended, running, waiting = 0.0, 0, 0, [], []
    while ended < requests:
        while arrived < requests and arrivals[arrived] <= now:
            waiting.append(arrived)
            arrived += 1
        if not running and not waiting:
            now = arrivals[arrived]
            continue
        count = min(len(waiting), max(1, 8192 // prompt), batch - len(running))
        now += pass_s(count, len(running))
        for request in waiting[:count]:
            first[request] = now
        running, waiting = running + waiting[:count], waiting[count:]
        left[running] -= 1
        for request in [one for one in running if left[one] == 0]:
            end[request] = now
            ended += 1
        running = [one for one in running if left[one] > 0]
    warm = slice(requests // 5, None)
    wait, each = (first - arrivals)[warm], ((end - first) / (output - 1))[warm]
    return np.quantile(wait, [0.5, 0.99]), np.quantile(each, [0.5, 0.99])


# The formulas against a simulation, at a fifth, half and four fifths of what is bearable.
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
@pytest.mark.parametrize(
    ("network", "device", "prompt", "output"),
    [(SMALL, "L4", 512, 128), (LARGE, "H100-SXM", 512, 128), (LARGE, "A100-80GB", 300, 300)],
)
def test_waits_and_token_times_are_those_of_a_simulation(network, device, prompt, output, share):
    found = servers(network, way(device), prompt=prompt, output=output)
    server = np.nonzero(found.batch == 64)[0]
    rate = share * found.bearable_rps(ANY, 1.0, server)
    answers = found.answers(server, rate)
    wait, each = simulated(found.calls, 64, rate[0], 1500)
    assert answers.first_token_p50[0] == pytest.approx(wait[0], rel=0.15)
    assert answers.token_p50[0] == pytest.approx(each[0], rel=0.1)
    assert answers.token_p99[0] == pytest.approx(each[1], rel=0.12)
    assert 0.9 < answers.first_token_p99[0] / wait[1] < 1.5


@settings(max_examples=50, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    network=st.sampled_from([SMALL, LARGE, EXPERTS]),
    tensor=st.sampled_from([1, 2, 4]),
    rate=st.floats(0.01, 500.0),
    more=st.floats(1.0, 3.0),
    slow=st.floats(0.5, 3.0),
)
def test_nothing_gets_faster_at_a_higher_rate_on_a_slower_machine_or_with_fewer_together(
    name, network, tensor, rate, more, slow
):
    found = servers(network, way(name, tensor=tensor))
    if not len(found):
        return
    every = np.arange(len(found))
    at = [
        found.answers(every, np.full(len(every), one), factor)
        for one, factor in ((rate, 1.0), (rate * more, 1.0), (rate, slow))
    ]
    slower, faster = (2, 0) if slow >= 1.0 else (0, 2)
    for field in ("first_token_p50", "first_token_p99", "token_p50", "token_p99"):
        calm, busy = getattr(at[0], field), getattr(at[1], field)
        assert (calm <= busy * (1 + 1e-9)).all()
        assert (getattr(at[faster], field) <= getattr(at[slower], field) * (1 + 1e-9)).all()
        # The servers stand by their most of requests.
        assert (np.maximum(calm[1:], 0) <= calm[:-1] * (1 + 1e-9)).all()
    assert (at[0].token_p50 <= at[0].token_p99 * (1 + 1e-9)).all()


@settings(max_examples=50, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    first=st.floats(0.02, 3.0),
    token=st.floats(0.001, 0.2),
    slow=st.floats(0.7, 2.0),
)
def test_what_is_bearable_keeps_the_bounds_and_more_does_not(name, first, token, slow):
    found = servers(SMALL, way(name))
    every = np.arange(len(found))
    bounds = Bounds(np.inf, first, np.inf, token)
    rate = found.bearable_rps(bounds, slow)
    able = rate > 0.0
    assert found.answers(every, rate * (1 - 1e-9), slow).keep(bounds)[able].all()
    assert not found.answers(every, np.maximum(rate * (1 + 1e-6), 1e-9), slow).keep(bounds).any()


@settings(max_examples=30, deadline=None)
@given(name=st.sampled_from(NAMES), longest=st.integers(640, 60_000), precision=st.sampled_from(PRECISIONS))
def test_what_fits_leaves_a_tenth_of_the_memory_and_longer_requests_fit_no_better(name, longest, precision):
    one = servers(LARGE, way(name, precision))
    longer = servers(LARGE, way(name, precision), longest=longest)
    assert len(longer) <= len(one)
    for batch in longer.batch.tolist():
        held = longer.memory_bytes(0, batch, float(longest), CONSTANTS)
        assert held <= USED_SHARE * KNOWN[name].memory_bytes


def test_one_request_alone_waits_for_its_prompt_and_nothing_else():
    found = servers(SMALL)
    answers = found.answers(np.array([len(found) - 1]), np.array([1e-6]))
    step = found.step[0, 1]
    assert answers.token_p50[0] == pytest.approx(step)
    assert answers.first_token_p50[0] == pytest.approx(found.joined[0, 0] + 0.5 * step, rel=1e-3)


# Llama 3 8B has 16 GB of weights in 16 bits; an L4 has 24. One request of 8192 tokens has 1 GB of keys and values.
def test_llama_3_8b_fits_24_gb_only_with_short_contexts_or_quantised():
    llama = architecture_of("Llama 3 8B", architectures())
    room = {
        (precision, longest): servers(llama, way("L4", precision), prompt=512, output=128, longest=longest)
        for precision in ("bf16", "int4")
        for longest in (2048, 65_536)
    }
    assert len(room["bf16", 2048]) > 0
    assert len(room["bf16", 65_536]) == 0
    assert len(room["int4", 65_536]) > 0
    assert room["int4", 2048].batch.max() > room["bf16", 2048].batch.max()


# 70.6 billion weights of 2 bytes are 141 GB.
def test_llama_3_70b_in_16_bits_needs_more_than_two_of_80_gb_to_serve_many():
    llama = architecture_of("Llama 3 70B", architectures())
    fits = {tensor: servers(llama, way("H100-SXM", tensor=tensor)).batch for tensor in (1, 2, 4, 8)}
    assert len(fits[1]) == 0
    assert max(fits[4], default=0) >= 64
    assert max(fits[8], default=0) >= max(fits[2], default=0)
    assert len(servers(llama, way("H100-SXM", "fp8", tensor=2)).batch) > 0
    assert len(servers(llama, way("H100-SXM", "int4")).batch) > 0


def test_narrow_products_need_units_for_them():
    assert [computes(KNOWN["A100-80GB"], one) for one in PRECISIONS] == [True, False, True, True]
    assert [computes(KNOWN["H100-SXM"], one) for one in PRECISIONS] == [True, True, True, True]
    assert [computes(KNOWN["TPU-v5e"], one) for one in PRECISIONS] == [True, False, True, False]


def test_experts_may_be_shared_with_attention_apart():
    found = servers(EXPERTS, way(tensor=4, apart=True))
    assert set(found.batch.tolist()) <= {4 * size for size in BATCHES.tolist()}
