"""The processes that answer searches beside the one that writes: started with it, started again, ended with it.

Each is `pergamum worker`, a command that nobody else calls. It inherits the socket that the server listens on, so all
processes accept from one queue; its standard input, which ends when this process does; and a pipe that it reports by.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from pergamum.cli.accepting import Shares

if TYPE_CHECKING:
    from pergamum.api.observability import Metrics
    from pergamum.settings import Settings

BACKLOG: Final = 2048
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0
"""Seconds before a worker that has ended is started again; they double each time."""
STEADY_SECONDS: Final = 60.0
"""After so long a life the pauses begin anew."""
LAST_SECONDS: Final = 2.0
"""What a worker is given beyond the time to drain before it is killed."""

log = structlog.get_logger(__name__)


class Workers:
    """Threads: `start`, `stop` and `join` one after the other. One thread looks after each process.

    `link` is the socket by which they reach this process; `shares` says how many connections each process has.
    """

    def __init__(self, settings: "Settings", listener: socket.socket, link: socket.socket) -> None:
        self.link, self._listener = link, listener
        self.shares = Shares.among(settings.workers + 1)
        self._metrics: Metrics | None = None
        self._environment = os.environ | {"PERGAMUM_DATA_DIR": str(settings.data_dir.absolute())}
        self._lock, self._stopping = threading.Lock(), threading.Event()
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._ready: set[int] = set()
        self._keepers = [
            threading.Thread(target=self._keep, args=(number,), name=f"worker-{number}", daemon=True)
            for number in range(1, settings.workers + 1)
        ]

    def report_to(self, metrics: "Metrics") -> None:
        """Let what they have counted, and how many take requests, be seen there."""
        self._metrics = metrics
        metrics.watch_workers(lambda: len(self._ready))

    def start(self) -> None:
        """Start them all; returns at once."""
        for keeper in self._keepers:
            keeper.start()

    def stop(self) -> None:
        """Let each finish what it is at, and end."""
        with self._lock:
            self._stopping.set()
            for process in self._running.values():
                process.terminate()

    def join(self, seconds: float) -> None:
        """Return when all have ended; those that take longer than `seconds` are killed."""
        self.stop()
        until = time.monotonic() + seconds + LAST_SECONDS
        for keeper in self._keepers:
            keeper.join(max(0.0, until - time.monotonic()))
        self.kill()
        for keeper in self._keepers:
            keeper.join()

    def kill(self) -> None:
        """End those at once that have not ended."""
        with self._lock:
            for number, process in self._running.items():
                log.error("worker killed, it did not end in time", worker=number, pid=process.pid)
                process.kill()

    def _keep(self, number: int) -> None:
        pause = FIRST_PAUSE
        while True:
            started = time.monotonic()
            code = self._run(number)
            if self._stopping.is_set():
                return
            pause = FIRST_PAUSE if time.monotonic() - started > STEADY_SECONDS else pause
            log.warning("worker ended, it is started again", worker=number, exit_code=code, seconds=pause)
            if self._stopping.wait(pause):
                return
            pause = min(2 * pause, LONGEST_PAUSE)

    def _run(self, number: int) -> int | None:
        """Run one worker to its end; return its exit code, None where it could not be started."""
        reports, reporting = os.pipe()
        try:
            with self._lock:
                if self._stopping.is_set():
                    return None
                process = self._running[number] = self._spawn(number, reporting)
        except OSError as error:
            log.error("worker not started", worker=number, reason=str(error))
            os.close(reports)
            return None
        finally:
            os.close(reporting)
        try:
            self._hear(number, process, reports)
            return process.wait()
        finally:
            self.shares.end(number)
            with self._lock:
                self._ready.discard(number)
                del self._running[number]
            if process.stdin is not None:
                process.stdin.close()

    def _spawn(self, number: int, reporting: int) -> "subprocess.Popen[bytes]":
        listener, link = self._listener.fileno(), self.link.getsockname()
        shares = self.shares.descriptor
        options = {"number": number, "listener": listener, "shares": shares, "reports": reporting, "link": link}
        arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        return subprocess.Popen(
            [sys.executable, "-m", "pergamum", "worker", *arguments],
            env=self._environment,
            stdin=subprocess.PIPE,
            pass_fds=(listener, shares, reporting),
            start_new_session=True,  # Ctrl-C at the terminal is for this process, which tells the others
        )

    def _hear(self, number: int, process: "subprocess.Popen[bytes]", reports: int) -> None:
        """Take what the worker reports, until it ends."""
        with os.fdopen(reports, "rb") as lines:
            for line in lines:
                if number not in self._ready:
                    self._ready.add(number)
                    log.info("worker ready", worker=number, pid=process.pid)
                self._count(line)

    def _count(self, report: bytes) -> None:
        """Count what a worker has counted. A report that was cut short is left out: the worker was killed."""
        with suppress(ValueError):
            figures = json.loads(report)
            if self._metrics is not None:
                self._metrics.add(figures)


@contextmanager
def linked() -> Iterator[socket.socket]:
    """A Unix domain socket that listens in a folder that only this user may enter; both are removed at the end."""
    with tempfile.TemporaryDirectory(prefix="pergamum-") as folder, socket.socket(socket.AF_UNIX) as link:
        path = Path(folder) / "writer"
        link.bind(str(path))
        path.chmod(0o600)
        link.listen(BACKLOG)
        yield link
