"""Servers to be recorded and to be killed, and writers that keep them busy."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx

from tests.crash.checker import check, lane_of
from tests.crash.helpers import PROJECT
from tests.crash.power_cuts import Lane
from tests.crash.recording import Marker, Recorder
from tests.crash.rest import RestDatabase
from tests.crash.workload import Command, Ledger, State, Tell, about, carry_out, untold
from tests.support.server import free_port, running_server

SERVE = (sys.executable, "-m", "tests.crash.serve")
LIMIT = 60.0


@dataclass
class Writer:
    """A lane on its way: what it sends, how far it has come, and what its libraries may hold."""

    name: str
    commands: Sequence[Command]
    ledger: Ledger = field(default_factory=Ledger)
    next: int = 0
    stopped_by: Exception | None = None

    def run(self, url: str, until: int, tell: Tell = untold) -> None:
        """Send commands up to number `until`; stop at the first that is not acknowledged."""
        database = RestDatabase(url)
        while self.next < until:
            number = self.next
            self.stopped_by = carry_out(database, self.commands[number], self.ledger, about(tell, self.name, number))
            if self.stopped_by:
                break
            self.next += 1
        database.close()

    def found(self, state: State) -> None:
        """The lane's libraries hold `state` after a crash: the command under way is done, or has to be sent again."""
        pending = self.next < len(self.commands) and self.ledger.is_done(self.commands[self.next], state)
        self.ledger.found(state)
        self.next += pending


def run_lanes(writers: Sequence[Writer], url: str, until: int, tell: Tell) -> None:
    """Let the writers run at once."""
    threads = [threading.Thread(target=writer.run, args=(url, until, tell)) for writer in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def record_server_run(recorder: Recorder, lanes: Sequence[Lane], starts: int) -> None:
    """Run the lanes' scripts at once against a recorded server, which is stopped and started again in between."""
    marker = Marker(recorder.log)
    writers = [Writer(lane.name, lane.commands()) for lane in lanes]
    length = min(lane.length for lane in lanes)
    recorder.root.mkdir()
    for start in range(1, starts + 1):
        with running_server(recorder.root, SERVE, **recorder.environment()) as server:
            run_lanes(writers, server.base_url, length * start // starts, marker.mark)
    marker.close()
    refusals = [writer.stopped_by for writer in writers if writer.stopped_by]
    assert not refusals, f"a healthy server refused: {refusals}"


class Nursery:
    """Starts servers of one data folder quickly, one after another. Use it in a `with` block."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> Self:
        self._log = self._folder.with_name(f"{self._folder.name}.log").open("wb")
        self._process = subprocess.Popen(
            [*SERVE, "nursery"],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        return self

    def start(self) -> tuple[int, str]:
        """Start a server, the one before being dead; return its process number and URL once it is ready."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        port = free_port()
        self._process.stdin.write(f"{port} {self._folder}\n")
        self._process.stdin.flush()
        child, url = int(self._process.stdout.readline()), f"http://127.0.0.1:{port}"
        _wait_until_ready(url)
        return child, url

    def __exit__(self, *exc: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()
        self._log.close()


def _wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/readyz", trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.005)
    raise TimeoutError(f"{url} is not ready after {LIMIT} s")


def kill_under_load(writers: Sequence[Writer], child: int, url: str, rng: random.Random) -> None:
    """Let the writers run, kill the server when some more commands are acknowledged, return when all have noticed."""
    wanted = sum(writer.next for writer in writers) + rng.randint(1, 12)
    reached = threading.Event()

    def count(word: str) -> None:
        if sum(writer.next for writer in writers) >= wanted:
            reached.set()

    threads = [threading.Thread(target=writer.run, args=(url, len(writer.commands), count)) for writer in writers]
    for thread in threads:
        thread.start()
    assert reached.wait(LIMIT), "a healthy server does not acknowledge"
    time.sleep(rng.random() * 0.01)  # so that it dies anywhere inside a command, not just after one
    os.kill(child, signal.SIGKILL)
    for thread in threads:
        thread.join()


def find_again(writers: Sequence[Writer], url: str) -> None:
    """Check what the server holds, and let each writer go on from there. Raises `Broken`."""
    database = RestDatabase(url)
    held = check(database, {writer.name: writer.ledger for writer in writers})
    database.close()
    for writer in writers:
        writer.found({name: library for name, library in held.items() if lane_of(name) == writer.name})
