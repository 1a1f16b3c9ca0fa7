"""The whole server as a process: real clients, matched answers, overload, and draining."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tritonclient.http
from tritonclient.utils import InferenceServerException

from tradewind.domain.errors import CannotMeasure, InputError, ResourceError
from tradewind.run import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tradewind.domain.plan import Run


@contextmanager
def server(folder: Path, log: Path, **options: Any) -> Iterator[Run]:
    chosen = {"model": folder.name, "threads": 1, "max_batch": 16, "latency_s": 5.0, **options}
    run = serving.start(folder, log=log, **chosen)
    try:
        yield run
    finally:
        serving.stop(run)


@pytest.fixture(scope="module")
def doubler(doubling: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with server(doubling, tmp_path_factory.mktemp("log") / "server.log") as run:
        yield run


@pytest.fixture(scope="module")
def texter(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with server(text, tmp_path_factory.mktemp("log") / "server.log") as run:
        yield run


def infer(run: Run, document: Any, *, timeout_s: float = 30.0) -> tuple[int, dict[str, Any], dict[str, str]]:
    return fetch(f"{run.endpoint}/v2/models/{run.model}/infer", json.dumps(document).encode(), timeout_s)


def fetch(url: str, body: bytes | None = None, timeout_s: float = 30.0) -> tuple[int, Any, dict[str, str]]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body), timeout=timeout_s) as answer:
            return answer.status, json.loads(answer.read()), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read()), dict(error.headers)


def doubling_request(*rows: list[float], **more: Any) -> dict[str, Any]:
    return {
        "inputs": [{"name": "x", "shape": [len(rows), 4], "datatype": "FP32", "data": list(rows)}],
        **more,
    }


def text_request(ids: list[int], mask: list[int] | None = None) -> dict[str, Any]:
    def tensor(name: str, data: list[int]) -> dict[str, Any]:
        return {"name": name, "shape": [1, len(data)], "datatype": "INT64", "data": data}

    return {"inputs": [tensor("ids", ids), tensor("mask", mask or [1] * len(ids))]}


def metrics(run: Run) -> dict[str, float]:
    with urllib.request.urlopen(f"{run.endpoint}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    values = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in values}


async def converse(
    run: Run, requests: list[list[Any]], *, until_closed: bool = False
) -> list[list[tuple[int, dict[str, Any]]]]:
    """One connection for each list; each request is sent when the one before it is answered.

    With `until_closed`, the requests repeat until an answer says that the connection ends.
    """
    address = run.endpoint.removeprefix("http://").rpartition(":")

    async def one(documents: list[Any]) -> list[tuple[int, dict[str, Any]]]:
        reader, writer = await asyncio.open_connection(address[0], int(address[2]))
        answers = []
        place = 0
        while until_closed or place < len(documents):
            body = json.dumps(documents[place % len(documents)]).encode()
            writer.write(
                b"POST /v2/models/%b/infer HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b"
                % (run.model.encode(), len(body), body)
            )
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
            answers.append((int(head.split()[1]), json.loads(await reader.readexactly(length))))
            place += 1
            if "connection: close" in head:
                break
        writer.close()
        return answers

    return list(await asyncio.gather(*[one(documents) for documents in requests]))


class TestProtocol:
    def test_health_and_metadata(self, doubler: Run) -> None:
        base = doubler.endpoint
        assert fetch(f"{base}/v2/health/live")[0] == 200
        assert fetch(f"{base}/v2/health/ready")[0] == 200
        status, about, _ = fetch(f"{base}/v2")
        assert (status, about["name"]) == (200, "tradewind")
        assert "binary_tensor_data" in about["extensions"]
        for path in ("/v2/models/doubling", "/v2/models/doubling/versions/1"):
            assert fetch(f"{base}{path}/ready")[0] == 200
            status, about, _ = fetch(f"{base}{path}")
            assert status == 200
            assert about == {
                "name": "doubling",
                "versions": ["1"],
                "platform": "onnxruntime_onnx",
                "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
                "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 4]}],
            }

    @pytest.mark.parametrize(
        ("path", "body", "status", "words"),
        [
            ("/", None, 404, "unknown path '/'"),
            ("/v2/models", None, 404, "unknown path"),
            ("/v2/models/other/ready", None, 404, "unknown model 'other'; this server has doubling"),
            ("/v2/models/doubling/versions/2/infer", b"{}", 404, "unknown version '2'"),
            ("/v2/models/doubling/infer", None, 405, "takes POST"),
            ("/v2/health/live", b"{}", 405, "takes GET"),
            ("/v2/models/doubling/infer", b"not json", 400, "not a valid request"),
            ("/v2/models/doubling/infer", b'{"inputs":[]}', 400, "takes 'x'"),
        ],
    )
    def test_errors_say_what_to_do(
        self, doubler: Run, path: str, body: bytes | None, status: int, words: str
    ) -> None:
        got, said, _ = fetch(doubler.endpoint + path, body)
        assert got == status
        assert list(said) == ["error"]
        assert words in said["error"]

    def test_paths_in_other_spellings(self, doubler: Run) -> None:
        assert fetch(f"{doubler.endpoint}/v2/models/d%6Fubling?verbose=1")[0] == 200

    def test_metrics_count_what_happens(self, doubler: Run) -> None:
        before = metrics(doubler)
        for _ in range(3):
            assert infer(doubler, doubling_request([1, 2, 3, 4], [5, 6, 7, 8]))[0] == 200
        assert infer(doubler, {})[0] == 400
        after = metrics(doubler)

        def grown(name: str) -> float:
            return after[name] - before.get(name, 0.0)

        assert grown('tradewind_answers_total{code="200"}') == 4, "three answers and a page of metrics"
        assert grown('tradewind_answers_total{code="400"}') == 1
        assert grown("tradewind_rows_total") == 6
        assert grown("tradewind_request_seconds_count") == 3
        assert grown("tradewind_batch_rows_sum") == 6
        assert grown("tradewind_batch_rows_count") == sum(
            grown(name) for name in after if name.startswith("tradewind_batches_total")
        )
        assert after["tradewind_in_flight"] == after["tradewind_waiting_rows"] == 0
        assert after["process_resident_memory_bytes"] > 2**20
        assert grown("process_cpu_seconds_total") > 0
        assert grown("tradewind_uptime_seconds") > 0


class TestClients:
    @pytest.mark.parametrize("binary", [True, False])
    def test_tritonclient(self, doubler: Run, binary: bool) -> None:
        x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
        with closing(
            tritonclient.http.InferenceServerClient(doubler.endpoint.removeprefix("http://"))
        ) as client:
            assert client.is_server_live()
            assert client.is_server_ready()
            assert client.is_model_ready("doubling", "1")
            assert client.get_model_metadata("doubling")["outputs"][0]["name"] == "y"
            given = tritonclient.http.InferInput("x", [5, 4], "FP32")
            given.set_data_from_numpy(x, binary_data=binary)
            wanted = tritonclient.http.InferRequestedOutput("y", binary_data=binary)
            for outputs in ([wanted], None):
                answer = client.infer("doubling", [given], request_id="seven", outputs=outputs)
                np.testing.assert_array_equal(answer.as_numpy("y"), 2 * x + 1)
                assert answer.get_response()["id"] == "seven"
            with pytest.raises(InferenceServerException, match="unknown model"):
                client.infer("other", [given])

    def test_tritonclient_carries_a_deadline(self, doubler: Run) -> None:
        given = tritonclient.http.InferInput("x", [1, 4], "FP32")
        given.set_data_from_numpy(np.zeros((1, 4), np.float32))
        with (
            closing(
                tritonclient.http.InferenceServerClient(doubler.endpoint.removeprefix("http://"))
            ) as client,
            pytest.raises(InferenceServerException, match="deadline"),
        ):
            client.infer("doubling", [given], timeout=1)

    @pytest.mark.parametrize(
        "options", [[], ["-H", "Expect: 100-continue"], ["-H", "Transfer-Encoding: chunked"]]
    )
    def test_curl(self, doubler: Run, options: list[str], tmp_path: Path) -> None:
        body = tmp_path / "body.json"
        body.write_text(json.dumps(doubling_request([1, 2, 3, 4.5])))
        url = f"{doubler.endpoint}/v2/models/doubling/infer"
        done = subprocess.run(
            ["curl", "-sS", "--fail", "-d", f"@{body}", *options, url],
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(done.stdout)["outputs"][0]["data"] == [3, 5, 7, 10]

    def test_curl_with_a_body_that_is_large(self, doubler: Run, tmp_path: Path) -> None:
        """Over a mebibyte curl asks whether it may continue."""
        body = tmp_path / "body.json"
        body.write_text(json.dumps(doubling_request([1, 2, 3, 4])) + " " * 3_000_000)
        url = f"{doubler.endpoint}/v2/models/doubling/infer"
        done = subprocess.run(
            ["curl", "-sS", "--fail", "-d", f"@{body}", url], capture_output=True, text=True, check=True
        )
        assert json.loads(done.stdout)["outputs"][0]["data"] == [3, 5, 7, 9]


class TestAnswers:
    def test_answers_are_never_mixed_up(self, doubler: Run) -> None:
        """Rows that name their connection and place, of many connections at once, in batches."""
        requests = [
            [
                doubling_request(
                    *[[client, place, row, 0.5] for row in range(1 + (client + place) % 3)],
                    id=f"{client}-{place}",
                )
                for place in range(12)
            ]
            for client in range(48)
        ]
        for asked, answered in zip(requests, asyncio.run(converse(doubler, requests)), strict=True):
            for document, (status, answer) in zip(asked, answered, strict=True):
                assert status == 200
                assert answer["id"] == document["id"]
                rows = np.array(document["inputs"][0]["data"])
                output = answer["outputs"][0]
                assert output["shape"] == list(rows.shape)
                assert output["data"] == (2 * rows + 1).ravel().tolist()

    def test_rows_of_different_lengths_are_not_put_together(self, texter: Run) -> None:
        generator = np.random.default_rng(1)
        requests = [
            [
                text_request(generator.integers(0, 100, size=generator.integers(1, 9)).tolist())
                for _ in range(8)
            ]
            for _ in range(32)
        ]
        for asked, answered in zip(requests, asyncio.run(converse(texter, requests)), strict=True):
            for document, (status, answer) in zip(asked, answered, strict=True):
                assert status == 200
                assert answer["outputs"][0]["data"] == [3 * sum(document["inputs"][0]["data"])]

    def test_an_input_that_the_network_cannot_compute_fails_alone(self, texter: Run) -> None:
        good, bad = text_request([1, 2, 3]), text_request([1, 2, 3000])
        requests = [[bad if client % 4 == 0 else good] * 6 for client in range(32)]
        for asked, answered in zip(requests, asyncio.run(converse(texter, requests)), strict=True):
            for document, (status, answer) in zip(asked, answered, strict=True):
                if document is good:
                    assert (status, answer["outputs"][0]["data"]) == (200, [18])
                else:
                    assert status == 400
                    assert "cannot compute this input" in answer["error"]


class TestOverload:
    def test_what_is_refused_is_told_and_what_is_answered_is_right(self, heavy: Path, tmp_path: Path) -> None:
        with server(heavy, tmp_path / "log", latency_s=0.01) as run:
            requests = [[doubling_request([client, 1, 2, 3])] * 6 for client in range(400)]
            results = asyncio.run(converse(run, requests))
            counted = metrics(run)
        statuses = {200: 0, 503: 0}
        for client, answered in enumerate(results):
            for status, answer in answered:
                statuses[status] += 1
                if status == 200:
                    assert answer["outputs"][0]["data"] == [2 * client + 1, 3, 5, 7]
                else:
                    assert "try again later" in answer["error"].lower()
        assert sum(statuses.values()) == 2400
        assert statuses[503] > 0
        refused = sum(value for name, value in counted.items() if name.startswith("tradewind_refusals_total"))
        assert refused == statuses[503] == counted['tradewind_answers_total{code="503"}']
        assert counted["tradewind_rows_total"] == statuses[200]

    def test_a_deadline_that_cannot_be_kept_is_refused_at_once(self, doubler: Run) -> None:
        status, answer, headers = infer(doubler, doubling_request([1, 2, 3, 4], parameters={"timeout": 1}))
        assert status == 503
        assert int(headers["Retry-After"]) >= 1
        assert "refused" in answer["error"]
        status, *_ = infer(doubler, doubling_request([1, 2, 3, 4], parameters={"timeout": 30_000_000}))
        assert status == 200


class TestDraining:
    def test_no_request_is_lost(self, heavy: Path, tmp_path: Path) -> None:
        run = serving.start(
            heavy, model="heavy", threads=1, max_batch=8, latency_s=60.0, log=tmp_path / "log"
        )
        stopper = threading.Timer(0.3, serving.stop, (run,))
        stopper.start()
        requests = [[doubling_request([client, 1, 2, 3])] for client in range(24)]
        results = asyncio.run(converse(run, requests, until_closed=True))
        stopper.join()
        for client, answered in enumerate(results):
            assert answered, "every connection was answered, up to the answer that ended it"
            for status, answer in answered:
                assert status == 200
                assert answer["outputs"][0]["data"] == [2 * client + 1, 3, 5, 7]
        assert not running(run.pid)
        assert (tmp_path / "log").read_text().endswith("drained\n")

    def test_it_is_not_ready_while_it_drains_and_finishes_what_has_begun(
        self, doubling: Path, tmp_path: Path
    ) -> None:
        run = serving.start(doubling, model="m", threads=1, max_batch=8, latency_s=60.0, log=tmp_path / "log")
        host, _, port = run.endpoint.removeprefix("http://").partition(":")
        body = json.dumps(doubling_request([1, 2, 3, 4])).encode()
        with (
            socket.create_connection((host, int(port))) as asking,
            socket.create_connection((host, int(port))) as sending,
        ):
            asking.sendall(b"GET /v2/health/rea")
            sending.sendall(b"POST /v2/models/m/infer HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body))
            time.sleep(0.05)
            stopper = threading.Thread(target=serving.stop, args=(run,))
            stopper.start()
            while True:
                try:
                    socket.create_connection((host, int(port))).close()
                except ConnectionError:
                    break
                time.sleep(0.01)
            asking.sendall(b"dy HTTP/1.1\r\n\r\n")
            assert asking.makefile("rb").readline() == b"HTTP/1.1 503 Service Unavailable\r\n"
            sending.sendall(body)
            answer = sending.makefile("rb").read()
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"[3.0,5.0,7.0,9.0]" in answer
        stopper.join()
        assert not running(run.pid)

    def test_stopping_twice_is_no_error(self, doubling: Path, tmp_path: Path) -> None:
        run = serving.start(doubling, model="m", threads=1, max_batch=8, latency_s=1.0, log=tmp_path / "log")
        serving.stop(run)
        serving.stop(run)

    def test_it_ends_with_whoever_started_it(self, doubling: Path, tmp_path: Path) -> None:
        """Even when that process is killed without a chance to clean up."""
        program = (
            "import sys, time; from pathlib import Path; from tradewind.run import serving\n"
            f"run = serving.start(Path({str(doubling)!r}), model='m', threads=1, max_batch=8, latency_s=1.0, "
            f"log=Path({str(tmp_path / 'log')!r}))\n"
            "print(run.pid, flush=True); time.sleep(60)"
        )
        with subprocess.Popen(
            [sys.executable, "-c", program],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": source()},
        ) as starter:
            assert starter.stdout is not None
            pid = int(starter.stdout.readline())
            assert running(pid)
            starter.send_signal(signal.SIGKILL)
        until_s = time.monotonic() + 30.0
        while running(pid) and time.monotonic() < until_s:
            time.sleep(0.02)
        assert not running(pid)


class TestStarting:
    def test_a_port_in_use_is_said_in_one_line(self, doubling: Path, tmp_path: Path) -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as other:
            port = other.getsockname()[1]
            with pytest.raises(ResourceError, match=f"port {port} on 127.0.0.1 is in use"):
                serving.start(
                    doubling,
                    model="m",
                    threads=1,
                    max_batch=8,
                    latency_s=1.0,
                    port=port,
                    log=tmp_path / "log",
                )

    def test_golden_outputs_are_checked(self, doubling: Path, tmp_path: Path) -> None:
        other = tmp_path / "other"
        other.mkdir()
        for file in doubling.iterdir():
            (other / file.name).write_bytes(file.read_bytes())
        (other / "golden_outputs.npz").write_bytes(
            (doubling / "golden_inputs.npz").read_bytes().replace(b"x", b"y")
        )
        with pytest.raises(CannotMeasure, match="golden"):
            serving.start(other, model="m", threads=1, max_batch=8, latency_s=1.0, log=tmp_path / "log")

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"model": "a/b"}, "cannot stand in a URL"),
            ({"threads": 0}, "at least 1"),
            ({"max_batch": 0}, "at least 1"),
            ({"latency_s": 0.0}, "between 0 and 3600"),
            ({"host": "no.such.host.invalid"}, "no such address"),
            ({"host": "192.0.2.1"}, "cannot listen"),
            ({"port": 70000}, "between 0 and 65535"),
        ],
    )
    def test_what_cannot_be_served_is_said_in_one_line(
        self, doubling: Path, tmp_path: Path, options: dict[str, Any], words: str
    ) -> None:
        chosen = {"model": "m", "threads": 1, "max_batch": 8, "latency_s": 1.0, **options}
        with pytest.raises(InputError, match=words) as refused:
            serving.start(doubling, log=tmp_path / "log", **chosen)
        assert "\n" not in str(refused.value)

    def test_a_network_that_mixes_its_rows_is_not_served(self, mixing: Path, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="differ in their rows"):
            serving.start(mixing, model="m", threads=1, max_batch=8, latency_s=1.0, log=tmp_path / "log")

    def test_a_folder_without_a_variant(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="no such file"):
            serving.start(tmp_path, model="m", threads=1, max_batch=8, latency_s=1.0, log=tmp_path / "log")

    def test_the_exit_status_of_bad_input_is_2(self, tmp_path: Path) -> None:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "tradewind.run.serving", str(tmp_path), "--model", "m"),
                *("--threads", "1", "--max-batch", "1", "--latency-s", "1"),
            ],
            env={**os.environ, "PYTHONPATH": source()},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1


def running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def source() -> str:
    return str(Path(serving.__file__).resolve().parents[3])
