"""A real server for tests: `pergamum serve` in a process of its own, on a free port, stopped at the end."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

START_LIMIT = 120.0
STOP_LIMIT = 30.0


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that has said it is ready. `log` is the file that its output goes to."""

    base_url: str
    process: subprocess.Popen[bytes]
    log: Path


class ServerDidNotStartError(RuntimeError):
    """The process ended, or was not ready in time; the message ends with what it printed."""


def free_port() -> int:
    """A TCP port that nobody on this machine listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start_server(data_dir: Path, command: Sequence[str] = (), **env: str) -> RunningServer:
    """Start `pergamum serve` on `data_dir` and return once /readyz says 200.

    `env` are further environment variables; `command` replaces `python -m pergamum serve` (a wrapper, for instance).
    The log is written beside the data folder. Raises `ServerDidNotStartError`.
    """
    port = free_port()
    log = data_dir.parent / f"{data_dir.name}-server-{port}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    variables = {"PERGAMUM_HOST": "127.0.0.1", "PERGAMUM_PORT": str(port), "PERGAMUM_DATA_DIR": str(data_dir)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*_end_with_me(), *(command or [sys.executable, "-m", "pergamum", "serve"])],
            env=os.environ | variables | env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    server = RunningServer(f"http://127.0.0.1:{port}", process, log)
    try:
        wait_until_ready(server)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return server


def _end_with_me() -> list[str]:
    """What to put before a command so that the kernel ends it when this process is killed, where that exists."""
    return ["setpriv", "--pdeathsig", "TERM", "--"] if shutil.which("setpriv") else []


def wait_until_ready(server: RunningServer, limit: float = START_LIMIT) -> None:
    """Return when /readyz answers 200. Raises `ServerDidNotStartError` if the process ends or `limit` passes."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline and server.process.poll() is None:
        if _is_ready(server.base_url):
            return
        time.sleep(0.02)
    state = f"exit code {server.process.poll()}"
    raise ServerDidNotStartError(f"{state}, its output:\n{server.log.read_text(errors='replace')[-4000:]}")


def _is_ready(base_url: str) -> bool:
    try:
        return httpx.get(f"{base_url}/readyz", timeout=5.0, trust_env=False).is_success
    except httpx.TransportError:
        return False


def stop_server(server: RunningServer, limit: float = STOP_LIMIT) -> int:
    """Ask the server to stop (SIGTERM) and return its exit code; kill it when it takes longer than `limit` seconds."""
    if server.process.poll() is None:
        server.process.send_signal(signal.SIGTERM)
    try:
        return server.process.wait(limit)
    except subprocess.TimeoutExpired:
        server.process.kill()
        return server.process.wait()


@contextmanager
def running_server(data_dir: Path, command: Sequence[str] = (), **env: str) -> Iterator[RunningServer]:
    """A ready server for the length of the block, stopped by SIGTERM (a test may have ended it before)."""
    server = start_server(data_dir, command, **env)
    try:
        yield server
    finally:
        stop_server(server)
