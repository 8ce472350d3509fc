"""A full disk, a real one: writes are refused, reads and deletions go on, nothing is lost, space brings writes back."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.crash.checker import check
from tests.crash.rest import RestDatabase
from tests.crash.workload import (
    DIMENSION,
    Chunk,
    CreateLibrary,
    DeleteDocument,
    Document,
    Ledger,
    PutDocuments,
    carry_out,
)
from tests.support.server import running_server

SIZE = "64m"
FILLER_BYTES = 8 << 20
MAX_DOCUMENTS = 500


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder that is a file system of its own, of a few megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid():
        pytest.skip("only root can mount a small disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)], check=False)
    if mounted.returncode:
        pytest.skip("this system does not let root mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def a_document(number: int) -> PutDocuments:
    text = f"{number} " * 20_000
    chunks = {f"{number}/{i}": Chunk(text, (float(number), float(i)) + (1.0,) * (DIMENSION - 2)) for i in range(4)}
    return PutDocuments("a.full", {f"d{number}": Document(f"title {number}", chunks)})


def fill(database: RestDatabase, ledger: Ledger, first: int) -> int:
    """Put documents until the disk is full; return how many went in."""
    for number in range(first, MAX_DOCUMENTS):
        refused = carry_out(database, a_document(number), ledger)
        if refused:
            assert "/problems/storage-full" in str(refused)
            return number - first
    raise AssertionError("the disk does not get full")


def make_room(database: RestDatabase, ledger: Ledger, numbers: range) -> None:
    for number in numbers:
        refused = carry_out(database, DeleteDocument("a.full", f"d{number}"), ledger)
        assert refused is None, "a full disk must let go of what is on it"


def test_a_full_disk_refuses_writes_and_loses_nothing(small_disk: Path) -> None:
    ledger = Ledger()
    lanes = {"a": ledger}
    filler = small_disk / "filler"

    with running_server(small_disk) as server, closing(RestDatabase(server.base_url)) as database:
        assert carry_out(database, CreateLibrary("a.full", ""), ledger) is None
        filler.write_bytes(bytes(FILLER_BYTES))
        stored = fill(database, ledger, first=0)
        assert stored > 3
        check(database, lanes)
        make_room(database, ledger, range(3))
        check(database, lanes)
        filler.unlink()
        assert fill(database, ledger, first=stored + 1) > 3
        check(database, lanes)

    with running_server(small_disk) as server, closing(RestDatabase(server.base_url)) as database:
        check(database, lanes)


def test_the_refusal_is_a_problem_that_says_so(small_disk: Path) -> None:
    with running_server(small_disk) as server, httpx.Client(base_url=server.base_url, trust_env=False) as client:
        client.post("/v1/libraries", json={"name": "full", "embedding_model": None}).raise_for_status()
        chunk = {"text": "long " * 1_000_000, "embedding": [1.0]}
        answer = client.post("/v1/libraries/full/documents", json={"chunks": [chunk]})
        while answer.is_success:
            answer = client.post("/v1/libraries/full/documents", json={"chunks": [chunk]})

        assert answer.status_code == 507
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"] == "/problems/storage-full"
        assert client.get("/v1/libraries/full").is_success
