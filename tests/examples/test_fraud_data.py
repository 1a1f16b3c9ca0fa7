from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.domain import codec
from tradewind.domain.goal import Goal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

EXAMPLE = Path(__file__).parents[2] / "examples" / "fraud"
DAY_S = 86_400


@pytest.fixture(scope="module")
def data() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXAMPLE))
        yield importlib.import_module("fraud.data")


@pytest.fixture(scope="module")
def whole(data: ModuleType) -> Any:
    return data.generate(data.Population())


@pytest.fixture(scope="module")
def few(data: ModuleType) -> Any:
    return data.generate(data.Population(customers=60, terminals=90, radius=20.0, days=60, seed=1))


@pytest.fixture(scope="module")
def splits(data: ModuleType) -> Any:
    return data.load()


# The transactions


def test_the_same_population_makes_the_same_transactions_and_another_seed_others(data: ModuleType) -> None:
    small = {"customers": 50, "terminals": 50, "radius": 20.0, "days": 20}
    first, again, other = (data.generate(data.Population(**small, seed=seed)) for seed in (3, 3, 4))
    for name in ("time_s", "customer", "terminal", "amount_cents", "channel", "scenario"):
        assert np.array_equal(getattr(first, name), getattr(again, name)), name
    assert len(first.time_s) != len(other.time_s) or (first.time_s != other.time_s).any()


def test_there_are_enough_transactions_in_order_of_time(data: ModuleType, whole: Any) -> None:
    assert len(whole.time_s) >= 250_000
    assert (np.diff(whole.time_s) >= 0).all()
    assert whole.day.min() == 0
    assert whole.day.max() == data.Population().days - 1


def test_habits_follow_the_published_method(whole: Any) -> None:
    genuine = ~whole.fraud
    assert np.mean(whole.time_s % DAY_S) == pytest.approx(DAY_S / 2, rel=0.01)
    # A normal deviation of 20,000 s, cut where the day ends.
    assert np.std(whole.time_s % DAY_S) == pytest.approx(18_190, rel=0.02)
    # Amounts average U(5, 100), and a bit more as the negative tail is drawn again.
    assert 50_00 < whole.amount_cents[genuine].mean() < 58_00
    assert whole.amount_cents.min() >= 0
    days_per_customer = np.bincount(whole.customer) / (whole.day.max() + 1)
    assert days_per_customer.max() < 4.8
    assert days_per_customer[days_per_customer > 0].mean() == pytest.approx(2.0, rel=0.07)


def test_customers_buy_only_at_terminals_within_the_radius(data: ModuleType) -> None:
    population = data.Population(customers=40, terminals=60, radius=15.0, days=40, seed=5)
    transactions = data.generate(population)
    random = np.random.default_rng(population.seed)
    home, shop = random.uniform(0, 100, (40, 2)), random.uniform(0, 100, (60, 2))
    between = home[transactions.customer] - shop[transactions.terminal]
    assert len(between) > 1_000
    assert np.hypot(*between.T).max() < population.radius


def test_the_share_of_fraud_and_every_scenario(whole: Any) -> None:
    assert 0.04 < whole.fraud.mean() < 0.07
    assert (np.bincount(whole.scenario, minlength=4) > 100).all()


def test_scenario_1_is_an_exact_rule_and_no_dear_transaction_is_genuine(data: ModuleType, whole: Any) -> None:
    assert whole.amount_cents[whole.scenario == 1].min() > data.LARGE_AMOUNT_CENTS
    assert whole.amount_cents[~whole.fraud].max() <= data.LARGE_AMOUNT_CENTS


def test_scenario_2_spares_no_transaction_of_a_compromised_terminal_on_that_day(whole: Any) -> None:
    place = whole.terminal * 1_000 + whole.day
    compromised = np.isin(place, place[whole.scenario == 2])
    assert whole.fraud[compromised].all()


def test_scenario_3_takes_a_third_online_at_five_times_the_amount(whole: Any) -> None:
    leaked = whole.scenario == 3
    assert (whole.channel[leaked] == 2).all()
    usual = np.bincount(whole.customer[~leaked], whole.amount_cents[~leaked], minlength=1_500)
    usual /= np.maximum(np.bincount(whole.customer[~leaked], minlength=1_500), 1)
    ratio = whole.amount_cents[leaked].sum() / usual[whole.customer[leaked]].sum()
    assert ratio == pytest.approx(5.0, rel=0.05)
    # Every day strikes 3 of the customers for 14 days, so about 42 of them are struck on any day.
    late = whole.day >= 14
    share = leaked[late].mean() * 1_500 / 42
    assert share == pytest.approx(1 / 3, rel=0.15)


def test_every_strike_lasts_its_days(data: ModuleType) -> None:
    struck = data.struck(np.random.default_rng(0), 50, 400, a_day=2, for_days=28)
    begun = np.flatnonzero(struck[10] & ~struck[9])
    assert len(begun) == 2
    assert struck[10:38, begun].all()
    assert struck.sum(axis=1)[27:].max() <= 2 * 28


def test_contactless_is_for_small_amounts_and_every_channel_is_used(data: ModuleType, whole: Any) -> None:
    contactless = data.CHANNELS[whole.channel] == "contactless"
    assert whole.amount_cents[contactless].max() <= data.CONTACTLESS_LIMIT_CENTS
    assert (np.bincount(whole.channel) / len(whole.channel) > 0.2).all()


# The features


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 60), delay_days=st.sampled_from([0, 1, 7]))
def test_window_sums_are_what_a_slow_loop_finds(
    data: ModuleType, seed: int, rows: int, delay_days: int
) -> None:
    random = np.random.default_rng(seed)
    # Times on a coarse grid, so that the edges of windows and simultaneous rows are met.
    time_s = np.sort(random.integers(0, 80, rows)) * (DAY_S // 2)
    entity, value = random.integers(0, 4, rows), random.integers(0, 1_000, rows)
    for days in (1, 7, 30):
        count, total = data.window_sums(entity, time_s, value, days, delay_days)
        for row in range(rows):
            end_s = time_s[row] - delay_days * DAY_S
            begin_s = end_s - days * DAY_S
            known = [
                other
                for other in range(rows if delay_days else row + 1)
                if entity[other] == entity[row] and begin_s < time_s[other] <= end_s
            ]
            assert (count[row], total[row]) == (len(known), value[known].sum())


def test_a_window_without_rows_has_no_risk(data: ModuleType, few: Any) -> None:
    features = dict(zip(data.FEATURES, data.features(few).T, strict=True))
    for days in data.WINDOW_DAYS:
        empty = features[f"terminal_count_{days}d"] == 0
        assert empty.any()
        assert (features[f"terminal_risk_{days}d"][empty] == 0).all()
        assert features[f"terminal_risk_{days}d"].max() <= 1
        assert features[f"customer_count_{days}d"].min() >= 1


def test_no_feature_sees_what_comes_later(data: ModuleType, few: Any) -> None:
    before = data.features(few)
    now = len(few.time_s) * 2 // 3
    altered = data.Transactions(
        time_s=few.time_s,
        customer=np.where(np.arange(len(few.time_s)) > now, few.customer[::-1], few.customer),
        terminal=np.where(np.arange(len(few.time_s)) > now, few.terminal[::-1], few.terminal),
        amount_cents=np.where(np.arange(len(few.time_s)) > now, 999_99, few.amount_cents),
        channel=few.channel,
        scenario=np.where(np.arange(len(few.time_s)) > now, 2, few.scenario),
    )
    after = data.features(altered)
    assert np.array_equal(after[: now + 1], before[: now + 1])
    assert not np.array_equal(after[now + 1 :], before[now + 1 :])


def test_no_feature_sees_a_label_of_the_last_seven_days(data: ModuleType, few: Any) -> None:
    now = len(few.time_s) * 2 // 3
    unknown = few.time_s > few.time_s[now] - 7 * DAY_S
    altered = data.Transactions(
        few.time_s,
        few.customer,
        few.terminal,
        few.amount_cents,
        few.channel,
        np.where(unknown, 1 - few.fraud, few.scenario),
    )
    assert np.array_equal(data.features(altered)[: now + 1], data.features(few)[: now + 1])


# The splits


def test_splits_follow_each_other_in_time_with_a_gap_for_late_labels(data: ModuleType) -> None:
    days = data.SPLIT_DAYS
    assert list(days) == ["train", "calibration", "test"]
    assert days["train"][0] >= max(data.WINDOW_DAYS) + data.LABEL_DELAY_DAYS
    assert days["calibration"][0] - days["train"][1] >= data.LABEL_DELAY_DAYS
    assert days["test"][0] >= days["calibration"][1]
    assert days["test"][1] <= data.Population().days


def test_splits_hold_the_rows_of_their_days_and_no_others(data: ModuleType, whole: Any, splits: Any) -> None:
    features = data.features(whole)
    for name, (first_day, end_day) in data.SPLIT_DAYS.items():
        rows = (whole.day >= first_day) & (whole.day < end_day)
        assert np.array_equal(splits[name]["inputs"]["features"], features[rows]), name
        assert np.array_equal(splits[name]["labels"], whole.fraud[rows]), name


def test_splits_are_arrays_as_the_contract_wants_them(data: ModuleType, splits: Any) -> None:
    for split in splits.values():
        features, labels = split["inputs"]["features"], split["labels"]
        assert features.dtype == np.float32
        assert features.shape == (len(labels), len(data.FEATURES))
        assert np.isfinite(features).all()
        assert set(np.unique(labels)) == {0, 1}
        assert all(len(column) == len(labels) for column in split["slices"].values())


def test_every_slice_of_the_test_days_has_enough_frauds_to_judge_by(splits: Any) -> None:
    test = splits["test"]
    for column, values in test["slices"].items():
        for value in np.unique(values):
            assert test["labels"][values == value].sum() >= 300, f"{column}={value}"


def test_the_goal_file_decodes_and_names_what_is_there(data: ModuleType, splits: Any) -> None:
    goal = codec.decode((EXAMPLE / "goal.yaml").read_bytes(), Goal, source="goal.yaml")
    assert (goal.model, goal.data) == ("fraud.model:build", "fraud.data:load")
    assert set(goal.quality.slices) == set(splits["test"]["slices"])


def test_the_fingerprint_names_every_parameter(data: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    first = data.fingerprint()
    assert data.fingerprint() == first
    monkeypatch.setitem(data.SPLIT_DAYS, "test", (100, 113))
    assert data.fingerprint() != first


def test_the_data_need_neither_torch_nor_tradewind() -> None:
    code = "import sys, fraud.data; print(sorted({'torch', 'tradewind'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=EXAMPLE, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


# The network


def test_the_network_scores_rows_whatever_their_number(data: ModuleType, splits: Any) -> None:
    torch = pytest.importorskip("torch")
    model = importlib.import_module("fraud.model")
    features = torch.from_numpy(splits["train"]["inputs"]["features"][::40])
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        network = model.FraudScore(features, 0.05).eval()
        scores = network(features)
        assert torch.allclose(network(features[:1]), scores[:1], atol=1e-5)
    assert scores.shape == (len(features),)
    # It begins with the odds of a fraud among all transactions.
    assert torch.sigmoid(scores).mean().item() == pytest.approx(0.05, abs=0.03)


def test_training_is_repeatable(data: ModuleType, splits: Any) -> None:
    torch = pytest.importorskip("torch")
    model = importlib.import_module("fraud.model")
    features = torch.from_numpy(splits["train"]["inputs"]["features"][::100])
    fraud = torch.from_numpy(splits["train"]["labels"][::100]).float()
    weights = []
    for _ in range(2):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = model.fit(model.FraudScore(features, 0.05), features, fraud)
        weights.append(torch.nn.utils.parameters_to_vector(network.parameters()).detach())
    assert not network.training
    assert torch.equal(*weights)
