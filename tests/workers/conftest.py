"""Servers with workers: processes that answer searches beside the one that writes."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.server import RunningServer, running_server
from tests.workers.both import Both, both_on

WORKERS = 2
LIMIT = 60.0
TURNS = 20
LASTING = httpx.Limits(keepalive_expiry=None)
NUMBERS = count()


@dataclass(frozen=True, slots=True)
class Crowd:
    """A server with workers, and a connection for each of its processes that lasts."""

    server: RunningServer
    clients: list[httpx.Client]

    @property
    def url(self) -> str:
        return self.server.base_url

    def metric(self, name: str, label: str = "") -> float:
        """The sum of a figure over its labels, of those that hold this text."""
        page = httpx.get(f"{self.url}/metrics").text
        found = re.findall(rf"^{name}({{.*}})? (\S+)$", page, re.MULTILINE)
        return sum(float(value) for labels, value in found if label in labels)

    def wait_for_workers(self, wanted: int = WORKERS) -> None:
        until(lambda: self.metric("pergamum_workers") == wanted)

    def log(self, event: str) -> list[dict[str, Any]]:
        """What the processes have logged under this name."""
        lines = self.server.log.read_text().splitlines()
        return [line for text in lines if text.startswith("{") and (line := json.loads(text))["event"] == event]

    def process_of(self, answer: httpx.Response) -> str:
        """The process that answered."""
        found: list[str] = []

        def logged() -> bool:
            asked = answer.headers["x-request-id"]
            found[:] = [line.get("process", "writer") for line in self.log("request") if line["request_id"] == asked]
            return bool(found)

        until(logged)
        (process,) = found
        return process

    def new_library(self, **fields: object) -> str:
        """Create a library of 4-d vectors, searched exactly; return its path."""
        body = {"name": f"library {next(NUMBERS)}", "dimension": 4, "metric": "l2", **fields}
        answer = httpx.post(f"{self.url}/v1/libraries", json=body)
        assert answer.status_code == 201, answer.text
        return f"/v1/libraries/{answer.json()['id']}"

    def opened_everywhere(self, library: str, **search: object) -> None:
        """Return once every process answers such searches itself."""
        body, turns = {"vector": [0.0] * 4, **search}, count(1)

        def answered_by_all() -> bool:
            answers = [client.post(f"{library}/search", json=body) for client in self.clients]
            assert all(answer.status_code == 200 for answer in answers), answers[-1].text
            everyone = len({self.process_of(answer) for answer in answers}) == len(self.clients)
            if not everyone and next(turns) % TURNS == 0:  # on a busy machine two may have come to one process
                self.connect(len(self.clients))
            return everyone

        until(answered_by_all)

    def connect(self, number: int) -> None:
        """Make connections anew. Processes take them in turns, unless one of them is very busy."""
        self.disconnect()
        self.clients.extend(httpx.Client(base_url=self.url, timeout=60, limits=LASTING) for _ in range(number))
        for client in self.clients:
            client.get("/healthz")

    def disconnect(self) -> None:
        while self.clients:
            self.clients.pop().close()


def until(holds: Callable[[], bool], limit: float = LIMIT) -> None:
    """Return once it holds."""
    deadline = time.monotonic() + limit
    while not holds():
        assert time.monotonic() < deadline, "it does not come to hold"
        time.sleep(0.02)


@contextmanager
def crowd_on(data_dir: Path, workers: int = WORKERS, **settings: str) -> Iterator[Crowd]:
    """A server with workers that take requests."""
    with running_server(data_dir, PERGAMUM_WORKERS=str(workers), PERGAMUM_LOG_FORMAT="json", **settings) as server:
        crowd = Crowd(server, [])
        crowd.wait_for_workers(workers)
        crowd.connect(workers + 1)
        try:
            yield crowd
        finally:
            crowd.disconnect()


@pytest.fixture(scope="session")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    """A server with workers that tests share; each makes its own library, and breaks nothing."""
    with crowd_on(tmp_path_factory.mktemp("crowd") / "data") as crowd:
        yield crowd


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    """A library open for writing and for reading."""
    with both_on(tmp_path / "data") as both:
        yield both
