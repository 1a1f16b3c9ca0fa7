from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from price_endpoints import Aws, Azure, Ec2, Gcp, Text, cut_off
from tradewind.run.market.live.answers import Answers
from tradewind.run.market.live.web import Web


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cut_off(monkeypatch, tmp_path)


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


@pytest.fixture
def text_endpoint() -> Iterator[Text]:
    with Text() as endpoint:
        yield endpoint


@pytest.fixture
def azure_endpoint() -> Iterator[Azure]:
    with Azure() as endpoint:
        yield endpoint


@pytest.fixture
def gcp_endpoint() -> Iterator[Gcp]:
    with Gcp() as endpoint:
        yield endpoint


@pytest.fixture
def aws_endpoint() -> Iterator[Aws]:
    with Aws() as endpoint:
        yield endpoint


@pytest.fixture
def ec2_endpoint() -> Iterator[Ec2]:
    with Ec2() as endpoint:
        yield endpoint


@pytest.fixture
def waits() -> list[float]:
    """The seconds that were waited, instead of waiting."""
    return []


@pytest.fixture
def web(waits: list[float]) -> Web:
    return Web(extra="azure", sleep=waits.append, seed=0)


@pytest.fixture
def answers(tmp_path: Path, web: Web) -> Callable[[], Answers]:
    """The same folder of answers, opened anew, as by a refresh that goes on."""
    return lambda: Answers(tmp_path / "raw", "2026-11-25", web, lambda text: None)
