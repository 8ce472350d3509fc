"""Small groups: one flush, and no vector lost whatever a crash keeps of the vector file."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID
from zlib import crc32

import apsw
import numpy as np
import pytest

from pergamum.domain.vectors import Matrix
from pergamum.errors import Damaged, LibraryReadOnly, OutcomeUnknown, StorageFull
from pergamum.storage.sqlite import pending
from pergamum.storage.sqlite.library_store import SqliteLibraryStore
from pergamum.storage.sqlite.storage import SqliteStorage
from pergamum.storage.vectors import FIRST_SIZE, HEADER_BYTES
from tests.support.faulty_vfs import FaultyVfs, faulty_vfs
from tests.support.storage import document, library, save_vectors, stored

DIMENSION = 512
ROW_BYTES = DIMENSION * 4
GROUP = 20
SMALL = 64
LARGE = SMALL + 1
LIBRARY = library(dimension=DIMENSION)


@pytest.fixture(autouse=True)
def limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "SMALL_GROUP_BYTES", SMALL * ROW_BYTES)
    monkeypatch.setattr(pending, "MOST_VECTORS", 1_024)
    monkeypatch.setattr(pending, "MOST_BYTES", 4 << 20)


@pytest.fixture
def vfs() -> Iterator[FaultyVfs]:
    with faulty_vfs() as installed:
        yield installed


@pytest.fixture
def storage(vfs: FaultyVfs, tmp_path: Path) -> Iterator[SqliteStorage]:
    made = SqliteStorage(tmp_path / "data")
    made.create(LIBRARY)
    yield made
    made.close()


@pytest.fixture
def store(storage: SqliteStorage) -> Iterator[SqliteLibraryStore]:
    opened = storage.open(LIBRARY.id)
    yield opened
    opened.close()


@pytest.fixture
def flushes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The flushes of files that are not SQLite's."""
    made: list[int] = []
    flush = os.fdatasync

    def counted(file: int) -> None:
        made.append(file)
        flush(file)

    monkeypatch.setattr(os, "fdatasync", counted)
    return made


def vectors(first: int, count: int) -> Matrix:
    return np.arange(first * DIMENSION, (first + count) * DIMENSION, dtype=np.float32).reshape(count, DIMENSION)


def write(store: SqliteLibraryStore, first: int, count: int = GROUP) -> None:
    """Commit a group of chunks with their vectors in the slots from `first` on."""
    added = vectors(first, count)
    chunks = [replace(stored(first + at), vector_crc=crc32(vector.data)) for at, vector in enumerate(added)]
    with store.writing() as work:
        state = work.rows.state()
        work.rows.put_documents([document()])
        work.rows.put_chunks(chunks)
        work.store_vectors(first, added)
        work.rows.save_state(replace(state, next_slot=first + count, chunks=state.chunks + count))
        work.commit()


def copies(folder: Path) -> int:
    with apsw.Connection(str(generation(folder) / "library.db")) as other:
        found = other.execute("SELECT count(*) FROM pending").fetchall()
    return int(found[0][0])  # type: ignore[arg-type]  # it counts


def generation(folder: Path, library_id: UUID = LIBRARY.id) -> Path:
    return folder / "libraries" / str(library_id) / "g000001"


def opened_after_a_crash(tmp_path: Path, lose: Callable[[Path], object]) -> tuple[SqliteStorage, SqliteLibraryStore]:
    """Open a copy of the data folder as it is now, after `lose` has changed its vector file."""
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "data", copy, ignore=shutil.ignore_patterns("lock", "*-shm"))
    lose(generation(copy) / "vectors.f32")
    storage = SqliteStorage(copy)
    return storage, storage.open(LIBRARY.id)


def lose_nothing(file: Path) -> None:
    """The system had written everything back by itself."""


def lose_content(file: Path) -> None:
    size = file.stat().st_size
    os.truncate(file, HEADER_BYTES)
    os.truncate(file, size)


def lose_growth(file: Path) -> None:
    os.truncate(file, FIRST_SIZE)


def lose_every_second_page(file: Path) -> None:
    with file.open("r+b") as opened:
        for offset in range(HEADER_BYTES, file.stat().st_size, 8_192):
            opened.seek(offset)
            opened.write(bytes(4_096))


LOSSES = [lose_nothing, lose_content, lose_growth, lose_every_second_page]


def assert_whole(store: SqliteLibraryStore, folder: Path, slots: int) -> None:
    np.testing.assert_array_equal(store.vectors.matrix(slots)[:slots], vectors(0, slots))
    assert copies(folder) == 0


# --- what is flushed when


def test_a_small_group_is_not_flushed_and_has_copies(
    store: SqliteLibraryStore, tmp_path: Path, flushes: list[int]
) -> None:
    write(store, 0, SMALL)
    flushes.clear()

    write(store, SMALL, SMALL)

    assert (flushes, copies(tmp_path / "data")) == ([], 2 * SMALL)


def test_a_large_group_is_flushed_and_has_none(store: SqliteLibraryStore, tmp_path: Path, flushes: list[int]) -> None:
    write(store, 0, LARGE)
    flushes.clear()

    write(store, LARGE, LARGE)

    assert (len(flushes), copies(tmp_path / "data")) == (1, 0)


def test_upkeep_drops_the_copies_when_there_are_many(
    store: SqliteLibraryStore, tmp_path: Path, flushes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "MOST_VECTORS", 3 * GROUP)
    seen = []
    for first in range(0, 4 * GROUP, GROUP):
        write(store, first)
        flushes.clear()
        store.checkpoint()
        seen.append((len(flushes), copies(tmp_path / "data")))

    assert seen == [(0, GROUP), (0, 2 * GROUP), (1, 0), (0, GROUP)]


def test_upkeep_drops_the_copies_when_they_are_long(
    store: SqliteLibraryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "MOST_BYTES", GROUP * ROW_BYTES)
    write(store, 0)

    store.checkpoint()

    assert copies(tmp_path / "data") == 0


def test_a_write_that_is_undone_leaves_no_copies(store: SqliteLibraryStore, tmp_path: Path) -> None:
    with store.writing() as work:
        work.store_vectors(0, vectors(0, 1))

    assert copies(tmp_path / "data") == 0
    write(store, 0)
    assert copies(tmp_path / "data") == GROUP


def test_closing_leaves_no_copies(storage: SqliteStorage, tmp_path: Path) -> None:
    store = storage.open(LIBRARY.id)
    write(store, 0)

    store.close()

    assert copies(tmp_path / "data") == 0


# --- crashes


@pytest.mark.parametrize("lose", LOSSES)
def test_after_a_crash_every_committed_vector_is_there(
    store: SqliteLibraryStore, tmp_path: Path, lose: Callable[[Path], object]
) -> None:
    slots = 15 * GROUP
    assert slots * ROW_BYTES > FIRST_SIZE
    for first in range(0, slots, GROUP):
        write(store, first)

    storage, again = opened_after_a_crash(tmp_path, lose)

    assert_whole(again, tmp_path / "copy", slots)
    again.close()
    storage.close()


@pytest.mark.parametrize("lose", LOSSES)
def test_small_groups_beside_large_ones_are_restored(
    store: SqliteLibraryStore, tmp_path: Path, lose: Callable[[Path], object]
) -> None:
    write(store, 0, LARGE)
    flushed = (generation(tmp_path / "data") / "vectors.f32").read_bytes()
    for first in (LARGE, LARGE + SMALL):
        write(store, first, SMALL)

    def back_to_the_flush(file: Path) -> None:
        lose(file)
        with file.open("r+b") as opened:
            opened.write(flushed[: HEADER_BYTES + LARGE * ROW_BYTES])

    storage, again = opened_after_a_crash(tmp_path, back_to_the_flush)

    assert_whole(again, tmp_path / "copy", LARGE + 2 * SMALL)
    again.close()
    storage.close()


@pytest.mark.parametrize("flushed", [False, True], ids=["before the flush", "after the flush"])
def test_a_crash_amid_the_upkeep_loses_nothing(
    store: SqliteLibraryStore, tmp_path: Path, vfs: FaultyVfs, flushed: bool
) -> None:
    write(store, 0)
    if flushed:
        store.vectors.flush()

    storage, again = opened_after_a_crash(tmp_path, lose_nothing if flushed else lose_content)

    assert_whole(again, tmp_path / "copy", GROUP)
    again.close()
    storage.close()


def test_a_failure_while_opening_leaves_everything_for_the_next_try(
    store: SqliteLibraryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(5, "input/output error")

    write(store, 0)
    storage, again = opened_after_a_crash(tmp_path, lose_nothing)
    write(again, GROUP)
    again._failure = "so that closing moves nothing"
    again.close()
    lose_content(generation(tmp_path / "copy") / "vectors.f32")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", fail)
        with pytest.raises(OutcomeUnknown):
            storage.open(LIBRARY.id)

    again = storage.open(LIBRARY.id)

    matrix = again.vectors.matrix(2 * GROUP)
    np.testing.assert_array_equal(matrix[GROUP : 2 * GROUP], vectors(GROUP, GROUP))
    again.close()
    storage.close()


def test_a_lost_growth_whose_last_chunk_was_deleted_does_not_matter(store: SqliteLibraryStore, tmp_path: Path) -> None:
    slots = 15 * GROUP
    for first in range(0, slots, GROUP):
        write(store, first)
    with store.writing() as work:
        work.rows.remove_chunks([stored(slot) for slot in range(GROUP, slots)])
        work.rows.save_state(replace(work.rows.state(), chunks=GROUP))
        work.commit()

    storage, again = opened_after_a_crash(tmp_path, lose_growth)

    assert len(again.vectors.matrix(slots)) >= slots
    np.testing.assert_array_equal(again.vectors.matrix(GROUP)[:GROUP], vectors(0, GROUP))
    again.close()
    storage.close()


def test_a_damaged_copy_does_not_replace_a_sound_vector(store: SqliteLibraryStore, tmp_path: Path) -> None:
    write(store, 0)
    with apsw.Connection(str(generation(tmp_path / "data") / "library.db")) as other:
        other.execute("UPDATE pending SET vector = x'00' WHERE slot = 3")

    storage, again = opened_after_a_crash(tmp_path, lose_nothing)

    assert_whole(again, tmp_path / "copy", GROUP)
    again.close()
    storage.close()


def test_copies_do_not_stand_in_for_a_file_that_is_missing(store: SqliteLibraryStore, tmp_path: Path) -> None:
    write(store, 0)

    with pytest.raises(Damaged, match="missing"):
        opened_after_a_crash(tmp_path, Path.unlink)


# --- failures


def test_after_a_failed_upkeep_opening_again_writes_the_vectors_again(
    storage: SqliteStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(5, "input/output error")

    store = storage.open(LIBRARY.id)
    write(store, 0)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", fail)
        with pytest.raises(OutcomeUnknown):
            store.settle()

    assert store.failure is not None
    with pytest.raises(LibraryReadOnly):
        store.writing()
    store.close()
    assert copies(tmp_path / "data") == GROUP
    lose_content(generation(tmp_path / "data") / "vectors.f32")
    again = storage.open(LIBRARY.id)
    assert_whole(again, tmp_path / "data", GROUP)
    write(again, GROUP)
    again.close()


@pytest.mark.parametrize("code", [apsw.SQLITE_FULL, apsw.SQLITE_IOERR_WRITE])
def test_copies_that_cannot_be_dropped_stay(
    storage: SqliteStorage, vfs: FaultyVfs, tmp_path: Path, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "MOST_VECTORS", 1)
    store = storage.open(LIBRARY.id)
    write(store, 0)
    vfs.fail_write = code

    store.checkpoint()

    vfs.fail_write = 0
    assert (store.failure is None) == (code == apsw.SQLITE_FULL)
    assert copies(tmp_path / "data") == GROUP
    store.close()
    storage.open(LIBRARY.id).close()
    assert copies(tmp_path / "data") == 0


def test_a_full_disk_does_not_keep_the_library_from_opening(
    store: SqliteLibraryStore, tmp_path: Path, vfs: FaultyVfs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> None:
        raise StorageFull

    write(store, 0)
    with monkeypatch.context() as patched:
        patched.setattr(pending.PendingVectors, "settle", full)
        storage, again = opened_after_a_crash(tmp_path, lose_content)

    np.testing.assert_array_equal(again.vectors.matrix(GROUP)[:GROUP], vectors(0, GROUP))
    again.close()
    assert copies(tmp_path / "copy") == 0
    storage.close()


# --- formats


def test_a_library_of_format_1_is_brought_up_to_date(storage: SqliteStorage, tmp_path: Path) -> None:
    with apsw.Connection(str(generation(tmp_path / "data") / "library.db")) as older:
        older.execute("DROP TABLE keyword_counts; DROP TABLE keywords; DROP TABLE keyword_state; DROP TABLE pending")
        older.execute("DROP TABLE replies")
        older.execute("DROP INDEX changed_documents; DROP INDEX rewritten_chunks")
        older.execute("ALTER TABLE documents DROP COLUMN changed; PRAGMA user_version = 1")

    store = storage.open(LIBRARY.id)

    save_vectors(store, 0, vectors(0, 1))
    assert copies(tmp_path / "data") == 1
    store.close()
