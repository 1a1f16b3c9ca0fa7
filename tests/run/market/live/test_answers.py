from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from price_endpoints import Reply
from tradewind.domain.errors import CodecError
from tradewind.run.market.live.answers import MOST_PAGES, Answers

Open = Callable[[], Answers]


def form(answer: bytes) -> str:
    try:
        return str(json.loads(answer)["said"])
    except ValueError:
        raise CodecError("cut off") from None


def test_an_answer_is_asked_for_once_and_then_read(answers: Open, text_endpoint: Any) -> None:
    for _ in range(2):
        opened = answers()
        assert opened.get(text_endpoint.url, form, params={"page": "1"}) == "yes"
    assert len(text_endpoint.asked) == 1
    assert (opened.asked, opened.reused) == (0, 1)


def test_it_lies_compressed_under_the_hash_of_its_bytes(
    answers: Open, text_endpoint: Any, tmp_path: Path
) -> None:
    answers().get(text_endpoint.url, form)
    [digest] = json.loads((tmp_path / "raw" / "index.json").read_text()).values()
    kept = gzip.decompress((tmp_path / "raw" / f"{digest}.json.gz").read_bytes())
    assert kept == b'{"said": "yes"}'
    assert hashlib.sha256(kept).hexdigest() == digest


def test_headers_which_hold_secrets_are_nowhere_in_the_folder(
    answers: Open, text_endpoint: Any, tmp_path: Path
) -> None:
    answers().get(text_endpoint.url, form, headers={"X-Goog-Api-Key": "a-secret-key"})
    assert text_endpoint.headers[0]["X-Goog-Api-Key"] == "a-secret-key"
    for path in (tmp_path / "raw").iterdir():
        data = path.read_bytes()
        assert b"a-secret-key" not in (gzip.decompress(data) if path.suffix == ".gz" else data)


def test_what_cannot_be_read_is_not_kept(answers: Open, text_endpoint: Any) -> None:
    text_endpoint.instead = {0: Reply(b'{"said": "ye')}
    with pytest.raises(CodecError):
        answers().get(text_endpoint.url, form)
    assert answers().get(text_endpoint.url, form) == "yes"


@pytest.mark.parametrize("damage", [b"", b"\x1f\x8b", gzip.compress(b'{"said": "no"}')])
def test_a_damaged_answer_is_asked_for_again(
    answers: Open, text_endpoint: Any, tmp_path: Path, damage: bytes
) -> None:
    answers().get(text_endpoint.url, form)
    [path] = (tmp_path / "raw").glob("*.json.gz")
    path.write_bytes(damage)
    assert answers().get(text_endpoint.url, form) == "yes"
    assert len(text_endpoint.asked) == 2


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]"])
def test_a_damaged_index_is_no_index(
    answers: Open, text_endpoint: Any, tmp_path: Path, damage: bytes
) -> None:
    answers().get(text_endpoint.url, form)
    (tmp_path / "raw" / "index.json").write_bytes(damage)
    assert answers().get(text_endpoint.url, form) == "yes"


def test_what_is_forgotten_is_asked_for_again_but_still_there_to_look_at(
    answers: Open, text_endpoint: Any, tmp_path: Path
) -> None:
    opened = answers()
    opened.get(text_endpoint.url, form)
    opened.forget()
    assert (tmp_path / "raw" / "refused-index.json").exists()
    assert len(list((tmp_path / "raw").glob("*.json.gz"))) == 1
    answers().get(text_endpoint.url, form)
    assert len(text_endpoint.asked) == 2


class TestFollow:
    def test_pages_come_in_their_order(self, answers: Open) -> None:
        pages = {"": ("a", "1"), "1": ("b", "2"), "2": ("c", "")}
        assert answers().follow(pages.__getitem__, "a list") == ["a", "b", "c"]

    def test_pages_in_a_circle_are_refused(self, answers: Open) -> None:
        pages = {"": ("a", "1"), "1": ("b", "2"), "2": ("c", "1")}
        with pytest.raises(CodecError, match="a list: page 3 leads back to an earlier one"):
            answers().follow(pages.__getitem__, "a list")

    def test_pages_without_end_are_refused(self, answers: Open) -> None:
        with pytest.raises(
            CodecError, match=f"a list: page {MOST_PAGES} is not the last; this is no price list"
        ):
            answers().follow(lambda token: ("a", f"{token}x"), "a list")
