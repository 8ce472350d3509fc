"""The data folder: one process, one format, nothing half made, nothing taken for empty."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import apsw
import numpy as np
import pytest

from pergamum.errors import Damaged, DataFolderInUse, NewerFormat, UnsafeSqlite
from pergamum.storage.sqlite.pool import ConnectionPool
from pergamum.storage.sqlite.storage import SqliteStorage
from tests.support.storage import library, save, stored

OPEN = (
    "import sys, pathlib; from pergamum.storage.sqlite.storage import SqliteStorage as S; S(pathlib.Path(sys.argv[1]))"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "data"


@pytest.fixture
def storage(folder: Path) -> Iterator[SqliteStorage]:
    made = SqliteStorage(folder)
    yield made
    made.close()


def test_a_second_process_is_refused_and_told_who_has_the_folder(storage: SqliteStorage, folder: Path) -> None:
    second = subprocess.run([sys.executable, "-c", OPEN, folder], capture_output=True, text=True, check=False)

    assert second.returncode == 1
    assert "DataFolderInUse" in second.stderr
    assert "in use by process" in second.stderr


def test_the_folder_is_free_again_after_closing(folder: Path) -> None:
    SqliteStorage(folder).close()

    SqliteStorage(folder).close()


def test_one_process_cannot_open_it_twice_either(storage: SqliteStorage, folder: Path) -> None:
    with pytest.raises(DataFolderInUse):
        SqliteStorage(folder)


def test_a_newer_format_is_refused_and_the_lock_let_go(folder: Path) -> None:
    SqliteStorage(folder).close()
    (folder / "format").write_text("pergamum data folder, format 2\n")

    for _ in range(2):
        with pytest.raises(NewerFormat, match="format 2"):
            SqliteStorage(folder)


@pytest.mark.parametrize("content", [None, "", "something else\n"])
def test_data_without_its_format_is_damage(folder: Path, content: str | None) -> None:
    SqliteStorage(folder).close()
    (folder / "format").unlink()
    if content is not None:
        (folder / "format").write_text(content)

    with pytest.raises(Damaged, match="format"):
        SqliteStorage(folder)


def test_a_start_that_was_cut_short_is_taken_up_again(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "lock").touch()
    (folder / ".new-0123").write_bytes(b"perg")
    (folder / "catalog.new").write_bytes(b"half")

    storage = SqliteStorage(folder)

    assert storage.catalog.libraries() == set()
    storage.close()


def test_a_creation_that_was_cut_short_leaves_only_trash(storage: SqliteStorage, folder: Path) -> None:
    half = folder / "trash" / "0123"
    half.mkdir()
    (half / "CURRENT").touch()

    assert storage.tidy() == []
    assert list((folder / "trash").iterdir()) == []


@pytest.mark.parametrize("current", ["", "g1\n", "../../x\n", "g000002\n"])
def test_a_wrong_generation_is_damage(storage: SqliteStorage, folder: Path, current: str) -> None:
    kept = library()
    storage.create(kept)
    (folder / "libraries" / str(kept.id) / "CURRENT").write_text(current)

    with pytest.raises(Damaged):
        storage.open(kept.id)
    assert storage.tidy() == [kept.id]


def test_a_library_without_its_vectors_is_damage(storage: SqliteStorage, folder: Path) -> None:
    kept = library(dimension=2)
    storage.create(kept)
    store = storage.open(kept.id)
    store.vectors.create(2)
    store.vectors.write(0, np.ones((1, 2), np.float32))
    save(store, stored(0))
    store.close()
    (folder / "libraries" / str(kept.id) / "g000001" / "vectors.f32").unlink()

    with pytest.raises(Damaged):
        storage.open(kept.id)


def test_vectors_of_a_first_write_that_was_never_committed_are_forgotten(storage: SqliteStorage) -> None:
    kept = library()
    storage.create(kept)
    store = storage.open(kept.id)
    store.vectors.create(3)
    store.close()

    store = storage.open(kept.id)

    assert store.vectors.dimension is None
    store.close()


def test_the_reserve_can_be_given_back_and_made_again(storage: SqliteStorage, folder: Path) -> None:
    assert (folder / "reserve").stat().st_blocks * 512 >= 1 << 20

    storage.release_reserve()
    assert not (folder / "reserve").exists()

    storage.restore_reserve()
    storage.restore_reserve()
    assert (folder / "reserve").stat().st_size == 1 << 20


def test_the_log_is_moved_into_the_database_when_it_is_long(folder: Path) -> None:
    storage = SqliteStorage(folder, checkpoint_bytes=100_000)
    kept = library()
    storage.create(kept)
    store = storage.open(kept.id)
    database = folder / "libraries" / str(kept.id) / "g000001" / "library.db"
    before = database.stat().st_size

    save(store, stored(0))
    store.checkpoint()
    assert database.stat().st_size == before
    save(store, *(stored(slot, text="x" * 10_000) for slot in range(1, 50)))
    store.checkpoint()
    assert database.stat().st_size > before + 400_000
    store.close()
    storage.close()


def test_an_unsafe_sqlite_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.51.2")

    with pytest.raises(UnsafeSqlite, match=r"3\.51\.3 or later"):
        SqliteStorage(folder)


def test_a_reader_waits_while_all_connections_are_in_use() -> None:
    pool = ConnectionPool(lambda: apsw.Connection(":memory:"), limit=1)
    first = pool.take()
    waiting, taken = threading.Event(), []

    def wait_for_it() -> None:
        waiting.set()
        taken.append(pool.take())

    thread = threading.Thread(target=wait_for_it)
    thread.start()
    waiting.wait()
    assert taken == []
    pool.give_back(first)
    thread.join()

    assert taken == [first]


def test_a_connection_that_cannot_be_made_frees_its_place() -> None:
    def refuse() -> apsw.Connection:
        raise Damaged("library.db", "gone")

    pool = ConnectionPool(refuse, limit=1)

    for _ in range(2):
        with pytest.raises(Damaged):
            pool.take()
