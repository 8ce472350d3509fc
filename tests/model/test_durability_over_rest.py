"""A real server process: how it ends, that nothing acknowledged is lost, and that a folder has one master."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.support import keywords
from tests.support.model import Record
from tests.support.server import RunningServer, free_port, running_server

LIMIT = 30.0
WRITERS = 4
CANNOT_START = 2


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_sigterm_lets_a_running_request_finish(data_dir: Path) -> None:
    body = json.dumps({"id": "last", "chunks": [{"id": "c", "text": "last words", "embedding": [1, 2]}]}).encode()
    with running_server(data_dir) as server:
        _create_library(server)
        with _request_without_body(server, "/v1/libraries/lib/documents", len(body)) as connection:
            server.process.send_signal(signal.SIGTERM)
            _until(lambda: not _takes_connections(server))
            connection.sendall(body)
            response = http.client.HTTPResponse(connection)
            response.begin()

        assert response.status == 201
        assert server.process.wait(LIMIT) == 0, server.log.read_text()
    with running_server(data_dir) as server:
        assert _get(server, "libraries/lib/chunks/c")["text"] == "last words"


def test_what_was_acknowledged_before_sigterm_is_there_after_a_restart(data_dir: Path) -> None:
    with running_server(data_dir) as server:
        _create_library(server)
        acknowledged: dict[str, int] = {}
        writers = [threading.Thread(target=_write, args=(server, seed, acknowledged)) for seed in range(WRITERS)]
        for writer in writers:
            writer.start()
        _until(lambda: len(acknowledged) >= 100)
        server.process.send_signal(signal.SIGTERM)
        for writer in writers:
            writer.join(LIMIT)
        assert server.process.wait(LIMIT) == 0, server.log.read_text()
    assert keywords.faults(data_dir) == []

    with running_server(data_dir) as server:
        library = _get(server, "libraries/lib")
        stored = {item["id"] for item in _all_documents(server)}

        assert set(acknowledged) <= stored
        assert len(stored) <= len(acknowledged) + WRITERS, "more than the requests whose answer was cut off"
        assert library["documents"] == library["chunks"] == len(stored)
        assert library["position"] >= max(acknowledged.values())
        assert len(set(acknowledged.values())) == len(acknowledged), "two writes were given one position"


def test_a_second_process_on_the_same_folder_is_refused(data_dir: Path) -> None:
    with running_server(data_dir) as server:
        second = subprocess.run(
            [sys.executable, "-m", "pergamum", "serve", "--port", str(free_port()), "--data-dir", str(data_dir)],
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
            env=dict(os.environ),
        )

        assert second.returncode == CANNOT_START
        assert f"{data_dir} is in use by" in " ".join(second.stderr.split())
        assert str(server.process.pid) in second.stderr
        assert "Traceback" not in second.stderr
        assert httpx.get(f"{server.base_url}/readyz", trust_env=False).is_success, "the first was disturbed"


def test_a_folder_is_free_again_after_sigterm(data_dir: Path) -> None:
    for attempt in range(2):
        with running_server(data_dir) as server:
            assert len(_get(server, "libraries")["items"]) == attempt
            _create_library(server, f"library {attempt}")


# How the tests speak to the server


def _create_library(server: RunningServer, name: str = "lib") -> None:
    body = {"name": name, "dimension": 2, "metric": "l2"}
    response = httpx.post(f"{server.base_url}/v1/libraries", json=body, trust_env=False)
    assert response.status_code == 201, response.text


def _get(server: RunningServer, path: str) -> Record:
    response = httpx.get(f"{server.base_url}/v1/{path}", trust_env=False)
    assert response.status_code == 200, response.text
    answer: Record = response.json()
    return answer


def _all_documents(server: RunningServer) -> list[Record]:
    items: list[Record] = []
    query: dict[str, str | int] = {"limit": 500}
    while True:
        page = httpx.get(f"{server.base_url}/v1/libraries/lib/documents", params=query, trust_env=False).json()
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        query["cursor"] = page["next_cursor"]


def _write(server: RunningServer, seed: int, acknowledged: dict[str, int]) -> None:
    """Store documents until the server ends; note those that were acknowledged, with their positions."""
    with httpx.Client(base_url=server.base_url, trust_env=False, timeout=LIMIT) as client:
        for number in range(100_000):
            document_id = f"{seed}-{number}"
            chunk = {"id": document_id, "text": document_id, "embedding": [seed, number]}
            try:
                response = client.put(f"/v1/libraries/lib/documents/{document_id}", json={"chunks": [chunk]})
            except httpx.TransportError:
                return
            if response.status_code != 201:
                assert response.status_code == 503, response.text
                return
            acknowledged[document_id] = response.json()["position"]


def _request_without_body(server: RunningServer, path: str, length: int) -> socket.socket:
    """Begin a POST; return when the server waits for its body, so that the request is running."""
    host, port = server.base_url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), LIMIT)
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n"
    connection.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
    received = b""
    while not received.endswith(b"\r\n\r\n"):
        received += connection.recv(1)
    assert received.startswith(b"HTTP/1.1 100"), received
    return connection


def _takes_connections(server: RunningServer) -> bool:
    host, port = server.base_url.removeprefix("http://").split(":")
    try:
        socket.create_connection((host, int(port)), LIMIT).close()
    except ConnectionError:
        return False
    return True


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)
