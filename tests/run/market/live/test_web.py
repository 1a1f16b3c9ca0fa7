from __future__ import annotations

from typing import Any

import pytest

from price_endpoints import Reply
from tradewind.domain.errors import MissingExtra, ResourceError
from tradewind.run.market.live import web as module
from tradewind.run.market.live.web import TRIES, Web


def get(web: Web, endpoint: Any) -> bytes:
    return web.get(endpoint.url, {}, {}, 1000)


def test_the_whole_answer(web: Web, text_endpoint: Any) -> None:
    assert (
        web.get(f"{text_endpoint.url}/a", {"$filter": "x eq 'y z'"}, {"Secret": "s"}, 1000)
        == b'{"said": "yes"}'
    )
    assert text_endpoint.asked == ["/a?%24filter=x+eq+%27y+z%27"]
    assert text_endpoint.headers[0]["Secret"] == "s"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_passes_is_asked_again(web: Web, text_endpoint: Any, waits: list[float], status: int) -> None:
    text_endpoint.instead = {0: Reply(b"", status=status), 1: Reply(b"", status=status)}
    assert get(web, text_endpoint) == b'{"said": "yes"}'
    assert len(text_endpoint.asked) == 3
    assert len(waits) == 2


def test_429_waits_as_long_as_the_server_says(web: Web, text_endpoint: Any, waits: list[float]) -> None:
    text_endpoint.instead = {0: Reply(b"", status=429, headers={"Retry-After": "17"})}
    get(web, text_endpoint)
    assert waits == [17.0]


def test_the_server_may_give_a_date_by_its_own_clock(
    web: Web, text_endpoint: Any, waits: list[float]
) -> None:
    headers = {"Retry-After": "Wed, 25 Nov 2026 10:00:40 GMT", "Date": "Wed, 25 Nov 2026 10:00:00 GMT"}
    text_endpoint.instead = {0: Reply(b"", status=503, headers=headers)}
    get(web, text_endpoint)
    assert waits == [40.0]


def test_who_asks_for_too_long_a_wait_is_left_alone(web: Web, text_endpoint: Any, waits: list[float]) -> None:
    text_endpoint.instead = {0: Reply(b"", status=429, headers={"Retry-After": "3600"})}
    with pytest.raises(ResourceError, match="429 Too Many Requests, and to wait 3600 s; run it again later"):
        get(web, text_endpoint)
    assert waits == []


def test_a_dropped_connection_is_asked_again(web: Web, text_endpoint: Any) -> None:
    text_endpoint.instead = {0: None}
    assert get(web, text_endpoint) == b'{"said": "yes"}'


def test_an_answer_that_stops_before_its_end_is_asked_again(web: Web, text_endpoint: Any) -> None:
    text_endpoint.instead = {0: Reply(b'{"said": "yes"}', cut=5)}
    assert get(web, text_endpoint) == b'{"said": "yes"}'
    assert len(text_endpoint.asked) == 2


def test_waits_double_and_differ_by_chance_but_not_from_run_to_run(
    web: Web, text_endpoint: Any, waits: list[float]
) -> None:
    text_endpoint.instead = {n: Reply(b"", status=503) for n in range(2 * TRIES)}
    with pytest.raises(ResourceError, match=f"503 Service Unavailable, {TRIES} times; run it again later"):
        get(web, text_endpoint)
    assert len(text_endpoint.asked) == TRIES
    first = list(waits)
    assert len(first) == TRIES - 1
    for n, wait_s in enumerate(first):
        assert module.FIRST_WAIT_S * 2**n / 2 <= wait_s <= module.FIRST_WAIT_S * 2**n
    again: list[float] = []
    with pytest.raises(ResourceError):
        get(Web(extra="azure", sleep=again.append, seed=0), text_endpoint)
    assert again == first


def test_nobody_there_is_an_error_in_one_line(web: Web) -> None:
    with pytest.raises(
        ResourceError, match=r"http://127.0.0.1:9/: ConnectError .*, 6 times; run it again later"
    ):
        web.get("http://127.0.0.1:9/", {}, {}, 1000)


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404])
def test_what_does_not_pass_is_an_error_at_once_with_the_servers_words(
    web: Web, text_endpoint: Any, status: int
) -> None:
    text_endpoint.instead = {
        0: Reply(b"no such\n thing", status=status, headers={"Location": "http://127.0.0.1:9/"})
    }
    with pytest.raises(ResourceError, match=f"{status} .*: no such thing$"):
        get(web, text_endpoint)
    assert len(text_endpoint.asked) == 1


def test_an_answer_over_the_limit_is_refused(web: Web, text_endpoint: Any) -> None:
    assert len(web.get(text_endpoint.url, {}, {}, 15)) == 15
    with pytest.raises(ResourceError, match="over the limit of 14 bytes"):
        web.get(text_endpoint.url, {}, {}, 14)


def test_without_httpx_the_command_that_brings_it(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradewind.run.market.live.web.find_spec", lambda name: None)
    with pytest.raises(
        MissingExtra, match=r"httpx is not installed; install it with: pip install 'tradewind\[azure\]'"
    ):
        web.get("http://127.0.0.1:9/", {}, {}, 1000)
