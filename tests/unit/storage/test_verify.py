"""The doctor finds what was damaged, and nothing in a sound folder."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import apsw
import numpy as np
import pytest

from pergamum.domain.replies import KeptReply, Key
from pergamum.errors import DataFolderInUse
from pergamum.storage.base import IndexSnapshot
from pergamum.storage.sqlite.storage import SqliteStorage
from pergamum.storage.sqlite.verify import Finding, Severity, verify_data_folder
from pergamum.storage.vectors import HEADER_BYTES
from tests.support.storage import NOW, document, library, save_vectors, stored

REPLY = KeptReply(Key("key", "0" * 64), NOW, b"reply")
VECTORS = np.arange(20, dtype=np.float32).reshape(5, 4)


@pytest.fixture
def generation(tmp_path: Path) -> Path:
    """The folder of a library of four chunks and one dead slot, listed in the catalogue."""
    kept = library(dimension=4)
    storage = SqliteStorage(tmp_path / "data")
    storage.create(kept)
    storage.catalog.add(kept.id, kept.name, NOW, REPLY)
    store = storage.open(kept.id)
    save_vectors(store, 0, VECTORS)
    snapshot = store.index_folder / "1"
    snapshot.mkdir()
    (snapshot / "manifest.json").write_bytes(b"{}")
    chunks = [replace(stored(slot), vector_crc=crc32(VECTORS[slot].data)) for slot in range(5)]
    with store.writing() as work:
        work.rows.put_documents([document(chunks=4)])
        work.rows.put_chunks(chunks)
        work.rows.remove_chunks(chunks[2:3])
        work.rows.save_state(replace(work.rows.state(), position=1, next_slot=5, documents=1, chunks=4))
        work.rows.keep_reply(REPLY)
        work.rows.name_snapshot(IndexSnapshot("1", 1, 5, crc32(b"{}")))
        work.commit()
    store.close()
    storage.close()
    return tmp_path / "data" / "libraries" / str(kept.id) / "g000001"


def findings(generation: Path) -> list[Finding]:
    return list(verify_data_folder(generation.parents[2]))


def sql(statement: str, file: str = "library.db") -> Callable[[Path], None]:
    def change(generation: Path) -> None:
        path = generation / file if file == "library.db" else generation.parents[2] / file
        apsw.Connection(str(path)).execute(statement).close()

    return change


def flip_a_vector(generation: Path) -> None:
    with (generation / "vectors.f32").open("r+b") as file:
        file.seek(HEADER_BYTES + 3 * 16)
        file.write(b"\xff")


def copy_a_vector(slot: int, copy: bytes) -> Callable[[Path], None]:
    """Leave a copy beside the rows, as a crash after a small group does."""
    return sql(f"INSERT INTO pending VALUES ({slot}, x'{copy.hex()}')")


def lose_a_vector_that_has_a_copy(generation: Path) -> None:
    flip_a_vector(generation)
    copy_a_vector(3, VECTORS[3].tobytes())(generation)


def flip_a_page(generation: Path) -> None:
    with (generation / "library.db").open("r+b") as file:
        file.seek(8_192 * 3 + 3)
        file.write(b"\xff\xff")


def test_a_sound_folder_has_no_findings(generation: Path) -> None:
    assert findings(generation) == []


@pytest.mark.parametrize(
    "crash", [lose_a_vector_that_has_a_copy, *(copy_a_vector(slot, VECTORS[slot].tobytes()) for slot in (2, 4))]
)
def test_what_a_crash_leaves_for_the_next_start_is_sound(generation: Path, crash: Callable[[Path], None]) -> None:
    crash(generation)

    assert findings(generation) == []


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (sql("UPDATE chunks SET text = 'x' WHERE slot = 1"), "'c1'"),
        (sql("UPDATE chunks SET text = CAST(x'ff' AS TEXT) WHERE slot = 1"), "library.db"),
        (sql("UPDATE documents SET title = 'x'"), "document number 1"),
        (sql("UPDATE state SET chunks = 5"), "the state"),
        (sql("DELETE FROM state"), "the state of the library is missing"),
        (sql("DELETE FROM chunks WHERE slot = 4"), "there are 1 documents and 3 chunks"),
        (sql("DELETE FROM chunks WHERE slot = 4"), "says 4 chunks, has 3"),
        (sql("INSERT INTO dead_slots VALUES (1)"), "marked dead and hold a chunk"),
        (sql("INSERT INTO dead_slots VALUES (9)"), "beyond next_slot 5"),
        (sql("UPDATE names SET library = 'x'", "catalog.db"), "'papers'"),
        (sql("UPDATE replies SET reply = x'00'"), "under 'key': it does not match its checksum"),
        (sql("UPDATE replies SET request = ''", "catalog.db"), "under 'key': the row does not match its checksum"),
        (flip_a_vector, "slot 3"),
        (copy_a_vector(5, VECTORS[0].tobytes()), "beyond next_slot 5"),
        (flip_a_page, "library.db"),
        (lambda generation: (generation / "vectors.f32").unlink(), "fails its checksum"),
        (lambda generation: (generation / "library.db").unlink(), "missing"),
        (lambda generation: shutil.rmtree(generation.parent), "listed"),
        (lambda generation: (generation.parent / "CURRENT").write_text("?"), "not the name of a generation"),
    ],
)
def test_damage_is_found_and_named(generation: Path, damage: Callable[[Path], None], says: str) -> None:
    damage(generation)

    found = [finding for finding in findings(generation) if finding.severity is Severity.DAMAGE]

    assert any(says in f"{finding.what}: {finding.detail}" for finding in found), found


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (sql("DELETE FROM dead_slots"), "1 slots hold no chunk"),
        (sql("DELETE FROM snapshot"), "no row names"),
        (copy_a_vector(3, VECTORS[0].tobytes()), "the next start removes it"),
        (sql("DELETE FROM names; DELETE FROM libraries", "catalog.db"), "does not list"),
        (lambda generation: (generation / "index" / "1" / "manifest.json").write_text("{ }"), "rebuilds the index"),
        (lambda generation: shutil.rmtree(generation / "index" / "1"), "rebuilds the index"),
    ],
)
def test_what_only_costs_time_or_space_is_a_warning(
    generation: Path, change: Callable[[Path], None], says: str
) -> None:
    change(generation)

    found = findings(generation)

    assert [finding.severity for finding in found] == [Severity.WARNING]
    assert says in found[0].detail


def test_a_folder_in_use_is_refused(generation: Path) -> None:
    storage = SqliteStorage(generation.parents[2])

    with pytest.raises(DataFolderInUse):
        findings(generation)

    storage.close()


def test_a_missing_folder_is_a_finding_and_stays_missing(tmp_path: Path) -> None:
    found = list(verify_data_folder(tmp_path / "nowhere"))

    assert [finding.detail for finding in found] == ["there is no such folder"]
    assert not (tmp_path / "nowhere").exists()
