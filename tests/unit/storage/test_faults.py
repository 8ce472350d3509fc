"""A failed flush, a full disk and damaged rows, as SQLite meets them."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import apsw
import pytest

from pergamum.errors import Damaged, LibraryReadOnly, NewerFormat, OutcomeUnknown, StorageFull
from pergamum.storage.base import IndexSnapshot
from pergamum.storage.sqlite.library_store import SqliteLibraryStore
from pergamum.storage.sqlite.storage import SqliteStorage
from tests.support.faulty_vfs import FaultyVfs, faulty_vfs
from tests.support.storage import NOW, document, library, save, stored


@pytest.fixture
def vfs() -> Iterator[FaultyVfs]:
    with faulty_vfs() as installed:
        yield installed


@pytest.fixture
def storage(vfs: FaultyVfs, tmp_path: Path) -> Iterator[SqliteStorage]:
    made = SqliteStorage(tmp_path / "data")
    yield made
    made.close()


@pytest.fixture
def library_id(storage: SqliteStorage) -> UUID:
    kept = library()
    storage.create(kept)
    return kept.id


@pytest.fixture
def store(storage: SqliteStorage, library_id: UUID) -> Iterator[SqliteLibraryStore]:
    opened = storage.open(library_id)
    yield opened
    opened.close()


def position(store: SqliteLibraryStore) -> int:
    with store.reading() as rows:
        return rows.state().position


def database(tmp_path: Path, library_id: UUID) -> Path:
    return tmp_path / "data" / "libraries" / str(library_id) / "g000001" / "library.db"


# --- flushes


def test_after_a_failed_flush_only_opening_again_lets_writes_in(
    storage: SqliteStorage, library_id: UUID, vfs: FaultyVfs
) -> None:
    store = storage.open(library_id)
    save(store, stored(0))
    vfs.fail_sync = apsw.SQLITE_IOERR_FSYNC
    with pytest.raises(OutcomeUnknown):
        save(store, stored(1))
    vfs.fail_sync = 0

    with pytest.raises(LibraryReadOnly):
        save(store, stored(1))
    assert position(store) == 1
    store.close()

    again = storage.open(library_id)
    assert position(again) in {1, 2}
    save(again, stored(2))
    again.close()


def test_a_commit_whose_flush_failed_is_whole_or_absent_after_opening_again(
    storage: SqliteStorage, library_id: UUID, vfs: FaultyVfs
) -> None:
    store = storage.open(library_id)
    save(store, stored(0))
    vfs.fail_sync = apsw.SQLITE_IOERR_FSYNC
    with pytest.raises(OutcomeUnknown):
        save(store, stored(1), stored(2))
    vfs.fail_sync = 0
    store.close()

    again = storage.open(library_id)

    with again.reading() as rows:
        assert rows.state().chunks == len(rows.chunks(None, 10)) in {1, 3}
    again.close()


def test_opening_fails_while_the_disk_does(storage: SqliteStorage, library_id: UUID, vfs: FaultyVfs) -> None:
    store = storage.open(library_id)
    save(store, stored(0))
    vfs.fail_sync = apsw.SQLITE_IOERR_FSYNC
    with pytest.raises(OutcomeUnknown):
        save(store, stored(1))
    store.close()

    with pytest.raises(OutcomeUnknown):
        storage.open(library_id)

    vfs.fail_sync = 0
    storage.open(library_id).close()


def test_a_failed_flush_of_the_vectors_stops_the_rows_too(
    store: SqliteLibraryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(5, "input/output error")

    store.vectors.create(4)
    monkeypatch.setattr("os.fdatasync", fail)
    with pytest.raises(OutcomeUnknown):
        store.vectors.flush()

    with pytest.raises(LibraryReadOnly):
        store.writing()


def test_the_catalogue_opens_itself_again_after_a_failed_flush(
    storage: SqliteStorage, library_id: UUID, vfs: FaultyVfs
) -> None:
    vfs.fail_sync = apsw.SQLITE_IOERR_FSYNC
    with pytest.raises(OutcomeUnknown):
        storage.catalog.add(library_id, "papers", NOW)
    vfs.fail_sync = 0

    kept = storage.catalog.libraries()

    assert kept in (set(), {library_id})
    storage.catalog.add(UUID(int=1), "books", NOW)
    assert storage.catalog.libraries() == kept | {UUID(int=1)}


# --- a full disk


@pytest.mark.parametrize("code", [apsw.SQLITE_FULL])
def test_a_full_disk_undoes_the_write_and_the_next_may_try(
    store: SqliteLibraryStore, vfs: FaultyVfs, code: int
) -> None:
    save(store, stored(0))
    vfs.fail_write = code
    with pytest.raises(StorageFull):
        save(store, stored(1))
    assert position(store) == 1
    vfs.fail_write = 0

    save(store, stored(1))

    assert position(store) == 2


def test_a_write_larger_than_the_page_cache_meets_the_full_disk_before_commit(
    store: SqliteLibraryStore, vfs: FaultyVfs
) -> None:
    vfs.fail_write = apsw.SQLITE_FULL

    with pytest.raises(StorageFull):
        save(store, *(stored(slot, text="x" * 100_000) for slot in range(200)))

    vfs.fail_write = 0
    assert position(store) == 0
    save(store, stored(0))


def test_after_a_full_disk_the_log_gives_its_bytes_back(
    store: SqliteLibraryStore, vfs: FaultyVfs, library_id: UUID, tmp_path: Path
) -> None:
    log = database(tmp_path, library_id).with_name("library.db-wal")
    save(store, stored(0))
    store.checkpoint()
    assert log.stat().st_size > 0
    vfs.fail_write = apsw.SQLITE_FULL
    with pytest.raises(StorageFull):
        save(store, stored(1))
    store.checkpoint()
    assert log.stat().st_size > 0
    vfs.fail_write = 0

    store.checkpoint()

    assert log.stat().st_size == 0
    save(store, stored(1))
    assert position(store) == 2


def test_a_refused_write_cannot_go_on_piecemeal(store: SqliteLibraryStore, vfs: FaultyVfs) -> None:
    vfs.fail_write = apsw.SQLITE_FULL
    with store.writing() as work:
        work.rows.put_documents([document()])
        with pytest.raises(StorageFull), work.savepoint():
            work.rows.put_chunks([stored(slot, text="x" * 100_000) for slot in range(200)])
        vfs.fail_write = 0
        with pytest.raises(StorageFull):
            work.rows.put_documents([document("after")])
        with pytest.raises(StorageFull):
            work.commit()

    with store.reading() as rows:
        assert rows.documents(None, 10) == []


# --- damage


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE chunks SET text = 'txxt 1' WHERE slot = 1",
        "UPDATE chunks SET vector_crc = vector_crc + 1 WHERE slot = 1",
        "UPDATE chunks SET metadata = '{\"a\":1}' WHERE slot = 1",
        "UPDATE chunks SET document = document + 1 WHERE slot = 1",
        "UPDATE chunks SET created_at = created_at - 1 WHERE slot = 1",
        "UPDATE chunks SET text = CAST(x'74ff' AS TEXT) WHERE slot = 1",
        "DELETE FROM documents",
    ],
)
def test_a_damaged_chunk_is_not_returned(storage: SqliteStorage, library_id: UUID, tmp_path: Path, change: str) -> None:
    store = storage.open(library_id)
    save(store, stored(0), stored(1))
    apsw.Connection(str(database(tmp_path, library_id))).execute(change).close()

    with store.reading() as rows:
        for read in (
            lambda: rows.chunk("c1"),
            lambda: rows.chunks_at([1]),
            lambda: rows.chunks(None, 9),
        ):
            with pytest.raises(Damaged):
                read()
    store.close()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE chunks SET text = 'txxt 1' WHERE slot IN (1, 2, 5)",
        "UPDATE chunks SET text = CAST(x'74ff' AS TEXT) WHERE slot IN (1, 2, 5)",
        "UPDATE chunks SET document = 9 WHERE slot IN (1, 2, 5)",
    ],
)
def test_a_damaged_row_vouches_for_no_vector_and_the_others_do(
    storage: SqliteStorage, library_id: UUID, tmp_path: Path, change: str
) -> None:
    store = storage.open(library_id)
    save(store, *map(stored, range(6)))
    apsw.Connection(str(database(tmp_path, library_id))).execute(change).close()

    with store.reading() as rows:
        found = list(rows.vector_checksums(0))

    sound = {slot: stored(slot).vector_crc for slot in (0, 3, 4)}
    assert found == [(slot, sound.get(slot)) for slot in range(6)]
    store.close()


@pytest.mark.parametrize(
    "change",
    ["UPDATE documents SET title = 'other'", "UPDATE documents SET text = NULL", "UPDATE documents SET chunks = 5"],
)
def test_a_damaged_document_is_not_returned(
    storage: SqliteStorage, library_id: UUID, tmp_path: Path, change: str
) -> None:
    store = storage.open(library_id)
    save(store, documents=(document(title="title", text="text"),))
    apsw.Connection(str(database(tmp_path, library_id))).execute(change).close()

    with store.reading() as rows, pytest.raises(Damaged, match="document 'd'"):
        rows.document("d")
    store.close()


def test_damage_to_the_state_or_the_snapshot_is_found(storage: SqliteStorage, library_id: UUID, tmp_path: Path) -> None:
    store = storage.open(library_id)
    with store.writing() as work:
        work.rows.name_snapshot(IndexSnapshot("1", 1, 1, 1))
        work.commit()
    with apsw.Connection(str(database(tmp_path, library_id))) as other:
        other.execute("UPDATE state SET next_slot = 7; UPDATE snapshot SET slots = 7")

    with store.reading() as rows:
        with pytest.raises(Damaged):
            rows.state()
        with pytest.raises(Damaged):
            rows.snapshot()
    store.close()


def test_a_database_of_a_newer_release_is_refused(storage: SqliteStorage, library_id: UUID, tmp_path: Path) -> None:
    apsw.Connection(str(database(tmp_path, library_id))).execute("PRAGMA user_version = 99").close()

    with pytest.raises(NewerFormat, match="format 99"):
        storage.open(library_id)


@pytest.mark.parametrize("content", [b"", b"no database at all" * 1_000])
def test_a_file_that_is_no_database_is_damage(
    storage: SqliteStorage, library_id: UUID, tmp_path: Path, content: bytes
) -> None:
    database(tmp_path, library_id).write_bytes(content)

    with pytest.raises(Damaged):
        storage.open(library_id)
