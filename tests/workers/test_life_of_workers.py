"""How workers begin, end, come back, and what they leave to the process that writes."""

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import psutil
import pytest

from pergamum.api.middleware import Gate
from pergamum.cli.http_server import HttpServer
from tests.support.server import running_server
from tests.workers.conftest import Crowd, crowd_on, until

LINES = 3_000


def _workers(crowd: Crowd) -> list[psutil.Process]:
    children = psutil.Process(crowd.server.process.pid).children(recursive=True)
    return [child for child in children if "worker" in child.cmdline()]


def test_a_killed_worker_comes_back_and_nobody_waits_for_it(tmp_path: Path) -> None:
    with crowd_on(tmp_path / "data") as crowd:
        library = crowd.new_library()
        before = {process.pid for process in _workers(crowd)}
        victim = min(before)

        os.kill(victim, signal.SIGKILL)
        until(lambda: crowd.metric("pergamum_workers") == 1)
        for _ in range(30):
            answer = httpx.post(f"{crowd.url}{library}/search", json={"vector": [0.0] * 4}, verify=False)
            assert answer.status_code == 200
        until(lambda: len({process.pid for process in _workers(crowd)} - before) == 1)
        crowd.wait_for_workers()

        assert victim not in {process.pid for process in _workers(crowd)}
        assert [line["exit_code"] for line in crowd.log("worker ended, it is started again")] == [-signal.SIGKILL]


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_the_server(tmp_path: Path, sent: signal.Signals) -> None:
    with crowd_on(tmp_path / "data") as crowd:
        workers = _workers(crowd)
        assert len(workers) == 2

        crowd.server.process.send_signal(sent)

        assert crowd.server.process.wait(30) == (-sent if sent is signal.SIGKILL else 0)
        gone, alive = psutil.wait_procs(workers, timeout=30)
        assert (len(gone), alive) == (2, [])
        assert crowd.log("worker killed, it did not end in time") == []
        assert "Traceback" not in crowd.server.log.read_text()

    if sent is signal.SIGKILL:
        with running_server(tmp_path / "data"):
            pass  # workers that were left behind are not in its way


@pytest.mark.parametrize(("signals", "seconds"), [((signal.SIGTERM,), "1"), ((signal.SIGINT, signal.SIGINT), "60")])
def test_a_worker_that_does_not_end_is_killed(
    tmp_path: Path, signals: tuple[signal.Signals, ...], seconds: str
) -> None:
    """After the time that requests are given to finish, or when Ctrl-C comes a second time."""
    with crowd_on(tmp_path / "data", PERGAMUM_SHUTDOWN_SECONDS=seconds) as crowd:
        stuck, other = _workers(crowd)
        stuck.suspend()

        for sent in signals:
            crowd.server.process.send_signal(sent)
            psutil.wait_procs([other], timeout=30)

        assert crowd.server.process.wait(30) == 0
        assert not stuck.is_running()
        assert [line["pid"] for line in crowd.log("worker killed, it did not end in time")] == [stuck.pid]


async def test_a_signal_waits_for_nothing_where_it_arrives() -> None:
    """The thread that it interrupts may hold the lock of the workers, or that of the log."""
    done: list[str] = []
    workers: Any = SimpleNamespace(stop=lambda: done.append("stop"), kill=lambda: done.append("kill"))
    app: Any = SimpleNamespace(state=SimpleNamespace(gate=Gate()))
    server = HttpServer(app, 1.0, lambda: None, workers=workers)
    for after in (["stop"], ["stop", "kill"]):
        before = list(done)
        server.handle_exit(signal.SIGINT, None)
        assert (done, app.state.gate.shut) == (before, True)
        await asyncio.sleep(0)
        assert done == after


def _to_a_worker(crowd: Crowd, library: str) -> httpx.Client:
    """A connection to a worker: what it says of itself is a search that it answered."""
    crowd.opened_everywhere(library)
    for client in crowd.clients:
        answer = client.post(f"{library}/search", json={"vector": [0.0] * 4})
        if crowd.process_of(answer) != "writer":
            return client
    raise AssertionError("no connection goes to a worker")


def test_a_carried_import_streams_and_is_finished_after_sigterm(tmp_path: Path) -> None:
    """Its first lines are stored before the last are sent, which is after the signal."""
    with crowd_on(tmp_path / "data") as crowd:
        library = crowd.new_library()
        worker = _to_a_worker(crowd, library)
        other = crowd.clients[0] if crowd.clients[0] is not worker else crowd.clients[1]
        begun, answers = threading.Event(), []

        def body() -> Iterator[bytes]:
            yield b"".join(b'{"id": "%d"}\n' % number for number in range(LINES))
            until(lambda: len(other.get(f"{library}/documents").json()["items"]) > 0)
            crowd.server.process.send_signal(signal.SIGTERM)
            begun.set()
            time.sleep(0.3)
            yield b'{"id": "last"}\n'

        def send() -> None:
            headers = {"content-type": "application/x-ndjson"}
            answers.append(
                worker.post(f"{library}/documents:import?on_error=skip", content=body(), headers=headers, timeout=60)
            )

        sending = threading.Thread(target=send)
        sending.start()
        assert begun.wait(60)
        sending.join(60)

        assert crowd.server.process.wait(60) == 0
        (answer,) = answers
        assert (answer.status_code, answer.json()["accepted"]) == (200, LINES + 1)


def test_a_client_that_leaves_during_an_import_leaves_the_writer_too(tmp_path: Path) -> None:
    with crowd_on(tmp_path / "data") as crowd:
        library = crowd.new_library()
        worker = _to_a_worker(crowd, library)
        address = worker.base_url

        def body() -> Iterator[bytes]:
            yield b'{"id": "first"}\n'
            raise ConnectionResetError

        with httpx.Client(base_url=address) as leaving, pytest.raises(ConnectionResetError):
            leaving.post(
                f"{library}/documents:import?on_error=abort",
                content=body(),
                headers={"content-type": "application/x-ndjson"},
            )

        assert worker.get(f"{library}/documents").json()["items"] == []
        crowd.server.process.send_signal(signal.SIGTERM)
        assert crowd.server.process.wait(30) == 0


def test_figures_of_all_processes_come_together(crowd: Crowd) -> None:
    """What was counted is what was logged, whoever answered; every process has a part in it."""
    library = crowd.new_library()
    crowd.opened_everywhere(library)
    for client in crowd.clients:
        for _ in range(25):
            client.post(f"{library}/search", json={"vector": [0.0] * 4}).raise_for_status()

    def searches() -> list[dict[str, Any]]:
        return [line for line in crowd.log("request") if line["path"].endswith("/search")]

    until(lambda: crowd.metric("pergamum_requests_total", "/search") == len(searches()))
    until(lambda: crowd.metric("pergamum_request_seconds_count", "/search") == len(searches()))
    assert {line.get("process") for line in searches()} == {None, "worker-1", "worker-2"}


def test_what_a_worker_has_counted_is_not_lost_when_it_ends(tmp_path: Path) -> None:
    with crowd_on(tmp_path / "data") as crowd:
        library = crowd.new_library()
        worker = _to_a_worker(crowd, library)
        for _ in range(50):
            worker.post(f"{library}/search", json={"vector": [0.0] * 4}).raise_for_status()
        for process in _workers(crowd):
            process.terminate()
        logged = [line for line in crowd.log("request") if line["path"].endswith("/search")]

        until(lambda: crowd.metric("pergamum_requests_total", "/search") == len(logged))
        assert {line["exit_code"] for line in crowd.log("worker ended, it is started again")} <= {0}


def test_a_deleted_library_gives_its_bytes_back(crowd: Crowd) -> None:
    """A worker that has it open lets go of its files within a second or so."""
    library = crowd.new_library()
    chunks = [{"text": "x", "embedding": [0.0] * 4}]
    crowd.clients[0].put(f"{library}/documents/d", json={"chunks": chunks}).raise_for_status()
    crowd.opened_everywhere(library)
    held = partial(_held, crowd, library.rpartition("/")[2])
    assert held() == len(crowd.clients)

    crowd.clients[1].delete(library).raise_for_status()

    until(lambda: held() == 0)


def _held(crowd: Crowd, library_id: str) -> int:
    """How many processes have mapped or opened a file of the library, be it deleted."""
    pids = [crowd.server.process.pid, *(process.pid for process in _workers(crowd))]
    return sum(_names(pid, library_id) for pid in pids)


def _names(pid: int, text: str) -> bool:
    """Whether a process has a file open, or mapped, by a path that had this text when it was opened."""
    links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]
    return any(text in path for path in links) or text in Path(f"/proc/{pid}/maps").read_text()


def test_a_request_with_two_lengths_reaches_nobody(crowd: Crowd) -> None:
    """Else one process would take for a second request what the other took for a body."""
    library = crowd.new_library()
    address = crowd.url.removeprefix("http://").split(":")
    inner = b"DELETE %b HTTP/1.1\r\nHost: x\r\n\r\n" % library.encode()
    head = b"POST %b/chunks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" % library.encode()
    lengths = b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % (5 + len(inner))
    for _ in crowd.clients:
        with socket.create_connection((address[0], int(address[1])), 30) as client:
            client.sendall(head + lengths + inner)
            assert client.recv(100).startswith(b"HTTP/1.1 400 ")

    assert crowd.clients[0].get(library).status_code == 200


def test_pages_are_kept_where_every_process_finds_them(crowd: Crowd) -> None:
    library = crowd.new_library()
    chunks = [{"id": f"c{n}", "text": "x", "embedding": [float(n), 0, 0, 0]} for n in range(30)]
    crowd.clients[0].put(f"{library}/documents/d", json={"chunks": chunks}).raise_for_status()
    crowd.opened_everywhere(library)

    answer = crowd.clients[0].post(f"{library}/search", json={"vector": [0.0] * 4, "k": 10, "page": True}).json()
    found = [hit["chunk_id"] for hit in answer["hits"]]
    for client in crowd.clients[1:]:
        answer = client.post(f"{library}/search", json={"cursor": answer["next_cursor"]}).json()
        found += [hit["chunk_id"] for hit in answer["hits"]]

    assert found == [f"c{n}" for n in range(30)]


def test_a_position_that_is_asked_for_is_waited_for_by_every_process(crowd: Crowd) -> None:
    library = crowd.new_library()
    crowd.opened_everywhere(library)
    written = crowd.clients[0].put(f"{library}/documents/d", json={"chunks": []})

    for client in crowd.clients:
        for ahead, status in ((0, 200), (1, 504)):
            wanted = {"pergamum-min-position": str(int(written.headers["pergamum-position"]) + ahead)}
            answer = client.post(f"{library}/search", json={"vector": [0.0] * 4}, headers=wanted)
            assert answer.status_code == status


def test_searches_go_on_while_indexes_are_built_and_a_worker_comes_to_use_the_new_one(tmp_path: Path) -> None:
    """Each snapshot takes the place of the one before, whose files the writer deletes."""
    numbers = np.random.default_rng(3)
    vectors = numbers.normal(size=(1_500, 8)).round(3)
    with crowd_on(tmp_path / "data") as crowd:
        library = crowd.new_library(dimension=8, index={"kind": "brute_force"})
        chunks = [{"id": str(n), "text": "x", "embedding": vector} for n, vector in enumerate(vectors.tolist())]
        crowd.clients[0].put(f"{library}/documents/d", json={"chunks": chunks}).raise_for_status()
        ask = {"vector": vectors[7].tolist(), "k": 3, "recall": "exact"}
        crowd.opened_everywhere(library, **ask)
        for kind, strategy in (("hnsw", "graph"), ("kd_tree", "tree"), ("ivf", "partitions")):
            crowd.clients[1].post(f"{library}/index", json={"kind": kind}).raise_for_status()
            until(partial(_all_plan, crowd, library, ask, strategy))


def _all_plan(crowd: Crowd, library: str, ask: dict[str, Any], strategy: str) -> bool:
    """Whether every process weighs this strategy. Whatever it has, each finds the nearest."""
    weighed = {}
    for client in crowd.clients:
        response = client.post(f"{library}/search", json={**ask, "recall": 0.9, "explain": True})
        answer = response.json()
        assert answer["hits"][0]["chunk_id"] == "7"
        plans = [answer["explain"]["plan"], *answer["explain"]["refused"]]
        weighed[crowd.process_of(response)] = {plan["strategy"] for plan in plans}
    if len(weighed) < len(crowd.clients):
        crowd.connect(len(crowd.clients))
        return False
    return all(strategy in strategies for strategies in weighed.values())


def test_without_workers_there_is_one_process(tmp_path: Path) -> None:
    with running_server(tmp_path / "data") as server:
        assert psutil.Process(server.process.pid).children() == []
        assert "pergamum_workers" not in httpx.get(f"{server.base_url}/metrics").text
