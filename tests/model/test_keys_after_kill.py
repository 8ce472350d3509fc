"""kill -9 of a live server under writes with keys, which are sent again until they are answered: each is one write."""

import os
import random
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from tests.crash.helpers import quick_folder
from tests.crash.servers import Nursery

KILLS, LANES, LIMIT = 6, 3, 60.0

pytestmark = pytest.mark.xdist_group("crash")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A killed process loses nothing that it gave to the kernel, whatever the disk: memory is as good."""
    with TemporaryDirectory(dir=quick_folder()) as name:
        yield Path(name)


@dataclass
class Lane:
    """Makes a library, then documents in it, the server choosing their ids; then gives every other one a new title."""

    name: str
    answers: list[httpx.Response] = field(default_factory=list)

    def run(self, url: str) -> None:
        """Go on from the request that was not answered, until the server dies."""
        with httpx.Client(base_url=url, timeout=LIMIT, trust_env=False) as client:
            while True:
                number = len(self.answers)
                try:
                    answer = self._send(client, number)
                except httpx.TransportError:
                    return
                assert answer.is_success, answer.text
                self.answers.append(answer)

    def _send(self, client: httpx.Client, number: int) -> httpx.Response:
        key = {"Idempotency-Key": f"{self.name}-{number}"}
        if number == 0:
            return client.post("/v1/libraries", json={"name": self.name, "dimension": 2}, headers=key)
        if number % 2:
            return client.post(f"/v1/libraries/{self.name}/documents", json={"title": "new"}, headers=key)
        document = self.answers[number - 1].json()["id"]
        return client.patch(f"/v1/libraries/{self.name}/documents/{document}", json={"title": "old"}, headers=key)

    def assert_once(self, client: httpx.Client) -> None:
        """The library holds what was answered and, of the request under way, all or nothing."""
        if not self.answers:
            return
        listed = client.get(f"/v1/libraries/{self.name}/documents", params={"limit": 1_000}).json()["items"]
        versions = {document["id"]: document["version"] for document in listed}
        told = dict[str, int]()
        for answer in self.answers[1:]:
            told[answer.json()["id"]] = answer.json()["version"]
        assert len(self.answers) == 1 or told.items() - versions.items() <= {_patched(told, len(self.answers))}
        assert len(versions) - len(told) in {0, 1}, "a document was stored twice"
        assert max(versions.values(), default=1) <= 2, "a document was changed twice"


def _patched(told: dict[str, int], number: int) -> tuple[str, int] | None:
    """The last document, where its change was under way: it may have its next version already."""
    return list(told.items())[-1] if number % 2 == 0 else None


def test_no_request_is_carried_out_twice(folder: Path) -> None:
    lanes, rng = [Lane(f"lane{lane}") for lane in range(LANES)], random.Random(3)

    with Nursery(folder / "data") as nursery:
        for _ in range(KILLS):
            child, url = nursery.start()
            _check(lanes, url)
            _kill_under_load(lanes, child, url, rng)
        child, url = nursery.start()
        _check(lanes, url)
        os.kill(child, signal.SIGKILL)

    assert min(len(lane.answers) for lane in lanes) > KILLS, "the lanes hardly wrote"


def _check(lanes: Sequence[Lane], url: str) -> None:
    with httpx.Client(base_url=url, timeout=LIMIT, trust_env=False) as client:
        for lane in lanes:
            lane.assert_once(client)


def _kill_under_load(lanes: Sequence[Lane], child: int, url: str, rng: random.Random) -> None:
    """Let the lanes run, kill the server once some more requests are answered, return when all have noticed."""
    wanted = sum(len(lane.answers) for lane in lanes) + rng.randint(3, 30)
    threads = [threading.Thread(target=lane.run, args=(url,)) for lane in lanes]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + LIMIT
    while sum(len(lane.answers) for lane in lanes) < wanted:
        assert time.monotonic() < deadline, "a healthy server does not answer"
        threading.Event().wait(0.002)
    os.kill(child, signal.SIGKILL)
    for thread in threads:
        thread.join()
