"""`pergamum serve` and `pergamum doctor`: how a server starts, ends, and leaves its folder."""

import fcntl
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import httpx
import psutil
import pytest

from pergamum.client import Pergamum
from pergamum.index import kernel_cache
from pergamum.index.bodies import bodies
from pergamum.storage.base import IndexSnapshot
from pergamum.storage.sqlite.codec import snapshot_row
from tests.cli.conftest import Shell
from tests.support.server import RunningServer, running_server

ENOUGH_FOR_A_BATCH = 5_000


def test_signals_let_a_running_request_finish_and_a_restart_finds_everything(tmp_path: Path, shell: Shell) -> None:
    """The request is an import whose body ends only after the signal was sent, while the server is reading it."""
    with running_server(tmp_path / "data") as server, Pergamum(server.base_url) as client:
        answer = _import_during(client, lambda: server.process.send_signal(signal.SIGTERM))

        assert server.process.wait(30) == 0
        assert answer.json()["accepted"] == ENOUGH_FOR_A_BATCH + 1
        assert f"listening on {server.base_url}" in server.log.read_text()

    with running_server(tmp_path / "data") as server, Pergamum(server.base_url) as client:
        assert client.library("x").documents.get("last").version == 1
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(30) == 0

    checked = shell("doctor", tmp_path / "data", "--json")
    assert checked.code == 0
    assert checked.json.items() >= {"damages": 0, "findings": []}.items()
    assert "nothing is wrong" in shell("doctor", tmp_path / "data").out


def _import_during(client: Pergamum, happens: Callable[[], None]) -> httpx.Response:
    """Import into a new library `x`; between the first and the last line, something happens."""
    documents = client.libraries.create(name="x", dimension=2).documents

    def body() -> Iterator[bytes]:
        yield b"".join(b'{"id": "%d"}\n' % number for number in range(ENOUGH_FOR_A_BATCH))
        while not next(iter(documents.list(page_size=1)), None):  # until the server has stored the first batch
            pass
        happens()
        yield b'{"id": "last"}\n'

    return httpx.post(
        f"{client.url}/v1/libraries/x/documents:import?on_error=skip",
        content=body(),
        headers={"content-type": "application/x-ndjson"},
        timeout=30,
    )


def _serve(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pergamum", "serve", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_processes_that_compile_kernels_end_with_the_server(tmp_path: Path, sent: signal.Signals) -> None:
    """One of the server and one of its worker; neither comes to an end by itself while the test holds their lock."""
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with running_server(tmp_path / "data", PERGAMUM_KERNEL_CACHE=str(tmp_path), PERGAMUM_WORKERS="1") as server:
            compiling = _compiling(server, 2)

            server.process.send_signal(sent)
            server.process.wait(30)

            assert psutil.wait_procs(compiling, timeout=30)[1] == []
            assert "cannot compile" not in server.log.read_text()


def _compiling(server: RunningServer, wanted: int) -> list[psutil.Process]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        children = psutil.Process(server.process.pid).children(recursive=True)
        found = [child for child in children if kernel_cache.__name__ in child.cmdline()]
        if len(found) == wanted:
            return found
        time.sleep(0.02)
    raise AssertionError("nobody compiles")


def test_a_data_folder_in_use_is_refused_by_a_server_and_by_the_doctor(server: RunningServer, shell: Shell) -> None:
    folder = next(server.log.parent.glob("data"))

    second, doctor = _serve("--port", "0", "--data-dir", str(folder)), shell("doctor", folder)

    assert (second.returncode, doctor.code) == (2, 2)
    assert "in use" in second.stderr
    assert "in use" in doctor.err
    assert "Traceback" not in second.stderr


def test_a_port_in_use_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        refused = _serve("--port", port, "--data-dir", str(tmp_path / "data"))

    assert refused.returncode == 2
    assert f"cannot listen on 127.0.0.1 port {port}" in refused.stderr
    assert not (tmp_path / "data").exists()


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    refused = _serve("--data-dir", str(tmp_path / "data"), PERGAMUM_MAX_K="none")

    assert refused.returncode == 2
    assert refused.stderr.startswith("pergamum: PERGAMUM_MAX_K:")


def test_the_doctor_refuses_what_is_no_data_folder(tmp_path: Path, shell: Shell) -> None:
    done = shell("doctor", tmp_path)

    assert done.code == 2
    assert list(tmp_path.glob("format")) == []


@pytest.fixture(scope="module")
def closed_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with nine vectors that a server has closed."""
    folder = tmp_path_factory.mktemp("closed") / "data"
    with running_server(folder) as server, Pergamum(server.base_url) as client:
        library = client.libraries.create(name="x", dimension=64)
        library.documents.add(chunks=[{"text": f"{n}" * 500, "embedding": [float(n + 1)] * 64} for n in range(9)])
    return folder


@pytest.mark.parametrize("part", ["vectors.f32", "library.db"])
def test_the_doctor_finds_damage(tmp_path: Path, shell: Shell, closed_folder: Path, part: str) -> None:
    folder = shutil.copytree(closed_folder, tmp_path / "data")
    [file] = folder.rglob(part)
    content = bytearray(file.read_bytes())
    place = 4096 + 100 if part == "vectors.f32" else content.index(b"7" * 500)
    content[place] ^= 1
    file.write_bytes(content)

    done = shell("doctor", folder, "--json")

    assert done.code == 1
    assert done.json["damages"] >= 1
    assert shell("doctor", folder).out.startswith("damage: ")


def test_the_doctor_says_which_kernels_this_processor_runs(shell: Shell, closed_folder: Path) -> None:
    told, printed = shell("doctor", closed_folder, "--json").json["kernels"], shell("doctor", closed_folder).out

    assert told == bodies()
    assert printed.splitlines()[0] == f"kernels: scan {told['scan']}, rows {told['rows']}, fastscan {told['fastscan']}"


def test_the_doctor_removes_a_broken_index_when_told_to(tmp_path: Path, shell: Shell, closed_folder: Path) -> None:
    folder = shutil.copytree(closed_folder, tmp_path / "data")
    library = next((folder / "libraries").glob("*/g000001"))
    snapshot = library / "index" / "1"
    snapshot.mkdir()
    with apsw.Connection(str(library / "library.db")) as database:
        row = snapshot_row(IndexSnapshot("1", 1, 9, 0))
        database.execute("INSERT INTO snapshot VALUES (1, ?, ?, ?, ?, ?)", row)

    assert shell("doctor", folder, "--json").json["warnings"] == 1
    assert snapshot.exists()
    repaired = shell("doctor", folder, "--repair", "--json")

    assert (repaired.code, repaired.json["repaired"], repaired.json["warnings"]) == (0, 1, 0)
    assert not snapshot.exists()
    assert "nothing is wrong" in shell("doctor", folder).out
