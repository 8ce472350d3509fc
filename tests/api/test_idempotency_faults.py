"""A write whose flush failed may be sent again under its key, whether it was kept or not."""

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from tests.api.conftest import assert_problem, serving
from tests.support.faulty_vfs import FaultyVfs, faulty_vfs

WRITES = {
    "document": ("/v1/libraries/known/documents", {"title": "once"}),
    "library": ("/v1/libraries", {"name": "once", "dimension": 2}),
}


@pytest.fixture
def vfs() -> Iterator[FaultyVfs]:
    with faulty_vfs() as installed:
        yield installed


@pytest.mark.parametrize("what", WRITES)
def test_a_write_of_unknown_outcome_is_repeated_safely(vfs: FaultyVfs, tmp_path: Path, what: str) -> None:
    path, body = WRITES[what]
    key = {"Idempotency-Key": "key"}
    with serving(tmp_path / "data") as client:
        client.post("/v1/libraries", json={"name": "known", "dimension": 2})
        vfs.fail_sync = apsw.SQLITE_IOERR_FSYNC
        failed = client.post(path, json=body, headers=key)
        vfs.fail_sync = 0

        first = client.post(path, json=body, headers=key)
        again = client.post(path, json=body, headers=key)
        documents = client.get("/v1/libraries/known").json()["documents"]
        libraries = [library["name"] for library in client.get("/v1/libraries").json()["items"]]

    assert_problem(failed, 503, "outcome-unknown")
    assert (first.status_code, again.content) == (201, first.content)
    assert (documents, libraries) == ((1, ["known"]) if what == "document" else (0, ["known", "once"]))
