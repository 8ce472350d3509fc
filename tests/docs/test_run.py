"""run.sh does what README says: serves from any folder, passes signals on, shows a demo, names a missing Python.

The checkout's copy made here comes with a finished environment (this one), so that nothing is installed.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.server import RunningServer, free_port, wait_until_ready
from tests.support.source import ROOT

KERNELS = {"PERGAMUM_KERNEL_CACHE": os.environ.get("PERGAMUM_KERNEL_CACHE") or str(Path.home() / ".cache" / "pergamum")}
"""Compiled already: a home of its own would have each server compile them for minutes, beyond its own end."""
COPIED = ("run.sh", "pyproject.toml", "requirements/server.txt", "scripts/lib", "examples")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with run.sh and what it reads, its environment ready."""
    root = tmp_path / "checkout"
    for name in COPIED:
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, target)
    programs = root / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, arguments in (("python", ""), ("pergamum", "-m pergamum ")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments}"$@"\n')
        program.chmod(0o755)
    lock = subprocess.run(
        ["bash", "-c", 'cat "$0/requirements/server.txt" "$0/pyproject.toml" | cksum', root],
        check=True,
        capture_output=True,
        text=True,
    )
    (root / ".venv" / ".lock").write_text(f"{root} {lock.stdout}")
    return root


@contextmanager
def _running(checkout: Path, *arguments: str, **env: str) -> Iterator[RunningServer]:
    """run.sh, called from another folder than its own, once its server is ready."""
    port = free_port()
    log = checkout.parent / "output"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [checkout / "run.sh", *arguments],
            env=os.environ | {"PERGAMUM_PORT": str(port), "HOME": str(checkout.parent)} | KERNELS | env,
            cwd=checkout.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    server = RunningServer(f"http://127.0.0.1:{port}", process, log)
    try:
        wait_until_ready(server)
        yield server
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_server_gets_the_signal_and_ends_cleanly(checkout: Path, number: signal.Signals) -> None:
    with _running(checkout) as server:
        server.process.send_signal(number)

        assert server.process.wait(60) == 0

    assert (checkout / "data").is_dir()


def test_the_data_folder_can_be_chosen(checkout: Path, tmp_path: Path) -> None:
    with _running(checkout, PERGAMUM_DATA_DIR="elsewhere") as server:
        assert httpx.get(f"{server.base_url}/healthz", trust_env=False).is_success

    assert (tmp_path / "elsewhere").is_dir()
    assert not (checkout / "data").exists()


def test_the_demo_imports_the_sample_and_shows_a_search_to_try(checkout: Path) -> None:
    with _running(checkout, "--demo") as server:
        _read_until(server, "Ctrl-C stops the server")
        query = {"text": "a word for fear of heights", "k": 3}
        answer = httpx.post(f"{server.base_url}/v1/libraries/wordnet/search", json=query, trust_env=False)
        server.process.send_signal(signal.SIGTERM)
        code = server.process.wait(60)

    assert len(answer.json()["hits"]) == 3
    assert "pergamum search wordnet" in server.log.read_text()
    assert code == 0


def _read_until(server: RunningServer, words: str) -> None:
    """Follow the output to the line with `words`; the output ending first fails the test."""
    tail = ["tail", "--lines=+1", "--follow", f"--pid={server.process.pid}", "--sleep-interval=0.1", str(server.log)]
    with subprocess.Popen(tail, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        found = any(words in line for line in following.stdout)
        following.kill()
    assert found, server.log.read_text()


def test_a_missing_python_is_named(checkout: Path, tmp_path: Path) -> None:
    (checkout / ".venv" / ".lock").unlink()
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "basename", "cat", "cksum", "dirname"):
        (tools / name).symlink_to(shutil.which(name) or name)

    done = subprocess.run(
        [checkout / "run.sh"], env={"PATH": str(tools)}, capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == 1
    assert "needs Python 3.11" in done.stderr
