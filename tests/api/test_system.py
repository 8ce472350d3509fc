import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import structlog
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from pergamum.api.dependencies import Services
from pergamum.api.logs import configure_logs
from pergamum.api.middleware import Observed
from pergamum.api.observability import Metrics
from tests.api.conftest import assert_problem, chunk, new_library, put, serving


def test_the_server_is_alive_and_ready(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "alive"}

    ready = client.get("/readyz").json()

    assert (ready["status"], ready["read_only"], ready["damaged_chunks"], ready["unlisted"]) == ("ready", 0, 0, [])


def test_once_the_gate_is_shut_requests_are_sent_away(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as client:
        client.app.state.gate.close()  # type: ignore[attr-defined]  # TestClient keeps the app as a bare callable

        answer = client.get("/v1/libraries")

        assert_problem(answer, 503, "shutting-down")
        assert answer.headers["connection"] == "close"
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200


def test_what_was_stored_is_there_after_a_restart(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as client:
        library = new_library(client, name="kept", metric="l2", dimension=2)
        put(client, library, "d", chunk("c", 1, 2), title="t")
        before = client.get(library).json(), client.get(f"{library}/documents/d").json()
        operation = client.post(f"{library}/index", json={}).headers["location"]

    with serving(tmp_path / "data") as client:
        assert client.get(f"{library}/documents/d").json() == before[1]
        assert client.get("/v1/libraries/kept").json()["created_at"] == before[0]["created_at"]
        assert client.post(f"{library}/search", json={"vector": [1, 2]}).json()["hits"][0]["distance"] == 0
        assert client.get(operation).json()["status"] == "succeeded"


def test_what_is_logged_during_a_request_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", "json")
    log = structlog.get_logger("a test")

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        log.info("at work")
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def ignore(_message: Message) -> None:
        """Nobody reads the answer."""

    async def nothing() -> Message:
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "GET", "path": "/", "raw_path": b"/", "headers": [(b"x-request-id", b"abc-1")]}
    asyncio.run(Observed(app, Metrics())(scope, nothing, ignore))
    log.info("idle")

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    named = {line["event"]: line.get("request_id") for line in lines if line["event"] in {"at work", "idle"}}
    assert named == {"at work": "abc-1", "idle": None}


def test_a_request_id_is_kept_or_made(client: TestClient) -> None:
    given = client.get("/healthz", headers={"x-request-id": "abc-123"})
    made = client.get("/healthz", headers={"x-request-id": "two words"})

    assert given.headers["x-request-id"] == "abc-123"
    assert len(made.headers["x-request-id"]) == 32


def test_figures_tell_of_requests_searches_chunks_and_flushes(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as client:
        library = new_library(client, name="counted", dimension=2)
        put(client, library, "d", chunk("a", 1, 1), chunk("b", 1, 1))
        client.post(f"{library}/search", json={"vector": [1, 1]})
        client.get("/no/such/path")

        figures = client.get("/metrics").text.splitlines()

    for line in (
        'pergamum_requests_total{method="POST",route="/v1/libraries/{library}/search",status="200"} 1.0',
        'pergamum_requests_total{method="GET",route="none",status="404"} 1.0',
        'pergamum_searches_total{plan="exact_scan"} 1.0',
        'pergamum_chunks{library="counted"} 2.0',
        "pergamum_flush_seconds_count 1.0",
        "pergamum_libraries 1.0",
    ):
        assert line in figures


def test_an_unforeseen_error_tells_nothing_of_the_inside(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as client:
        client.app.state.services = Broken()  # type: ignore[attr-defined]  # TestClient keeps the app as a bare callable
        answer = client.get("/v1/libraries")

    problem = assert_problem(answer, 500, "internal")
    assert "secret" not in answer.text
    assert problem["instance"] == "/v1/libraries"
    assert len(answer.headers["x-request-id"]) == 32


class Broken:
    """Stands in for the services and fails at once."""

    @property
    def libraries(self) -> Services:
        raise RuntimeError("secret")


def test_the_description_names_every_shape_it_uses(client: TestClient) -> None:
    described: dict[str, Any] = client.get("/openapi.json").json()

    text = json.dumps(described)
    used = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert used <= described["components"]["schemas"].keys()
    assert "Problem" in used
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert operation["description"], (path, method)
            if path.startswith("/v1") and method in {"post", "put", "patch"}:
                assert operation["requestBody"]["content"], (path, method)
