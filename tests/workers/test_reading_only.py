"""A library open for reading beside its writer: it follows, it writes nothing, it is in nobody's way."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pytest

from pergamum.domain.commands import DeleteChunk, DeleteDocument
from pergamum.domain.filter_reading import read_filter
from pergamum.engine import reader_library
from pergamum.engine.elsewhere import Elsewhere
from pergamum.engine.live_library import LiveLibrary
from pergamum.engine.reader_library import ReaderLibrary
from pergamum.engine.recovery import open_view
from pergamum.engine.where import Where
from pergamum.errors import Damaged
from pergamum.storage.base import Rows
from pergamum.storage.sqlite.read_only import ReadOnlyStorage
from tests.support.library import NOW, a_chunk, put, put_chunks, vector
from tests.workers.both import Both, ignore


def test_it_follows_what_is_written(both: Both) -> None:
    assert both.found(1, 0) == ["a", "b"]
    both.write(put_chunks([a_chunk("c", "d", vector(1.1, 0)), a_chunk("a", "d", vector(9, 0), "moved")]))
    assert both.found(1, 0) == ["c", "b", "a"]
    both.write(DeleteChunk("c", NOW))
    assert both.found(1, 0) == ["b", "a"]
    assert both.later.work() == 0


def test_without_a_commit_it_reads_nothing(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    both.found(1, 0)
    monkeypatch.setattr(ReaderLibrary, "reading", None)
    monkeypatch.setattr(both.reader._store, "reading", None)

    assert both.found(1, 0) == ["a", "b"]


def test_a_commit_while_it_catches_up_is_not_missed(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, more = both.reader._store.reading, [a_chunk("e", "d", vector(4, 0))]

    @contextmanager
    def meanwhile() -> Iterator[Rows]:
        with reading() as rows:
            if more:
                both.write(put_chunks([more.pop()]))
            yield rows

    both.write(put_chunks([a_chunk("c", "d", vector(3, 0))]))
    monkeypatch.setattr(both.reader._store, "reading", meanwhile)
    both.reader.refresh()

    assert (more, both.reader.view.state.position) == ([], both.writer.view.state.position - 1)
    assert both.found(4, 0) == ["e", "c", "b"]


def test_nobody_waits_for_the_background(both: Both) -> None:
    """It may hold the view for seconds, and searches come from the event loop."""
    both.write(put_chunks([a_chunk("c", "d", vector(3, 0))]))
    refused: list[Elsewhere] = []

    def search() -> None:
        try:
            both.found(3, 0)
        except Elsewhere as elsewhere:
            refused.append(elsewhere)

    both.reader._at_work.add("rows")
    with both.reader._lock:
        searching = threading.Thread(target=search, daemon=True)
        searching.start()
        searching.join(30)

    assert len(refused) == 1
    assert both.found(3, 0) == ["c", "b", "a"]


def test_much_is_caught_up_with_in_the_background(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pergamum.engine.catching_up.MOST_SLOTS", 3)
    both.write(put_chunks([a_chunk(str(number), "d", vector(5, number)) for number in range(4)]))

    with pytest.raises(Elsewhere):
        both.found(5, 3)
    with pytest.raises(Elsewhere):
        both.found(5, 3)
    assert both.later.work() == 1
    assert both.found(5, 3, k=1) == ["3"]


def test_many_rows_that_were_written_again_are_read_in_the_background(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert both.found(1, 0) == ["a", "b"]
    monkeypatch.setattr(reader_library, "MOST_ROWS", 1)
    both.write(put_chunks([a_chunk(id, "d", vector(number, 0), "again") for id, number in (("a", 1), ("b", 2))]))

    with pytest.raises(Elsewhere):
        both.found(1, 0)
    both.later.work()
    both.reader.refresh()
    (answer,) = both.reader.search(vector(1, 0)[np.newaxis], 2, "exact")
    assert [hit.chunk.text for hit in answer.hits] == ["again", "again"]


def test_many_dead_slots_are_read_in_the_background(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pergamum.engine.catching_up.MOST_DEAD", 1)
    both.write(DeleteChunk("a", NOW))
    assert both.found(1, 0) == ["b"]
    both.write(put_chunks([a_chunk("b", "d", vector(3, 0))]))

    with pytest.raises(Elsewhere):
        both.found(1, 0)
    assert both.later.work() == 1
    both.write(put_chunks([a_chunk("c", "d", vector(1, 0))]))
    assert both.found(1, 0) == ["c", "b"]


def test_columns_are_read_in_the_background_and_follow_from_there(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(*numbers: int) -> None:
        chunks = [replace(a_chunk(f"c{n}", f"of {n}", vector(n, 0)), metadata={"n": n}) for n in numbers]
        both.write(*(put(f"of {n}", [chunk]) for n, chunk in zip(numbers, chunks, strict=True)))

    def matching() -> list[str]:
        both.reader.refresh()
        where = Where.of(
            read_filter({"field": "n", "op": "gte", "value": 2}), both.reader.view.state.library.metadata_schema
        )
        (answer,) = both.reader.search(vector(0, 0)[np.newaxis], 9, "exact", where=where)
        assert answer.position == both.writer.view.state.position
        return [hit.chunk.id for hit in answer.hits]

    write(1, 2)
    with pytest.raises(Elsewhere):
        matching()
    assert both.later.work() == 1
    assert matching() == ["c2"]

    write(3)
    assert matching() == ["c2", "c3"]
    assert both.later.work() == 0

    both.writer.save_snapshot()
    assert matching() == ["c2", "c3"]
    assert both.later.work() == 1
    assert matching() == ["c2", "c3"]

    monkeypatch.setattr("pergamum.engine.catching_up.MOST_DOCUMENTS", 3)  # which have gone, only all of them tell
    both.write(DeleteDocument("of 2", NOW))
    write(4)
    with pytest.raises(Elsewhere):
        matching()
    assert both.later.work() == 1
    assert matching() == ["c3", "c4"]


def test_another_snapshot_is_searched_once_it_was_read(both: Both) -> None:
    both.writer.save_snapshot()
    assert both.found(1, 0) == ["a", "b"]
    both.write(put_chunks([a_chunk("c", "d", vector(1.1, 0))]))
    before = both.reader.view.index
    assert both.later.work() == 1

    assert both.reader._snapshot is not None
    assert both.reader.view.index is not before
    assert both.found(1, 0) == ["a", "c", "b"]


def test_a_snapshot_is_not_overlooked_when_there_is_much_to_catch_up_with(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pergamum.engine.catching_up.MOST_SLOTS", 3)
    both.write(put_chunks([a_chunk(str(number), "d", vector(5, number)) for number in range(4)]))
    both.writer.save_snapshot()

    with pytest.raises(Elsewhere):
        both.found(5, 3)
    both.later.work()
    assert both.found(5, 3, k=1) == ["3"]
    both.later.work()

    with both.writer.reading() as rows:
        assert both.reader._snapshot == rows.snapshot()


def test_a_snapshot_that_cannot_be_read_is_asked_for_again_later(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    both.writer.save_snapshot()

    def fail(*_: object, **__: object) -> None:
        raise OSError

    with monkeypatch.context() as patched:
        patched.setattr(reader_library, "open_view", fail)
        assert both.found(1, 0) == ["a", "b"]
        assert both.later.work() == 1
    assert both.found(1, 0) == ["a", "b"]
    assert both.later.work() == 0  # not at once
    both.reader._not_before = 0.0

    assert both.found(1, 0) == ["a", "b"]
    assert both.later.work() == 1
    with both.writer.reading() as rows:
        assert both.reader._snapshot == rows.snapshot()


def test_a_snapshot_that_goes_while_it_is_read_is_looked_for_again(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    both.writer.save_snapshot()
    opening = open_view
    turns: list[int] = []

    def replaced(store: Any, *, discard: bool) -> Any:  # noqa: ANN401 - as the real one has it
        assert not discard
        turns.append(1)
        if len(turns) == 1:
            both.write(put_chunks([a_chunk("c", "d", vector(3, 0))]))
            both.writer.save_snapshot()
        return opening(store, discard=discard)

    monkeypatch.setattr(reader_library, "open_view", replaced)
    both.found(1, 0)
    both.later.work()

    assert len(turns) == 2
    with both.writer.reading() as rows:
        assert both.reader._snapshot == rows.snapshot()


def test_reading_leaves_every_file_as_it_is(both: Both) -> None:
    both.writer.save_snapshot()
    both.found(1, 0)
    before = _files(both.data)
    for number in range(5):
        both.found(number, 0)
    both.later.work()
    both.reader.close()

    assert _files(both.data) == before


def test_the_last_to_close_leaves_the_log_to_the_next_writer(both: Both) -> None:
    """Where the writer was killed, only the next one may say what of its log counts."""
    both.write(put_chunks([a_chunk("c", "d", vector(3, 0))]))
    both.writer._store._failure = "as if its flush had failed"  # type: ignore[attr-defined]
    both.writer.close()
    before = _files(both.data)
    assert any(name.endswith("library.db-wal") and content for name, content in before.items())

    both.reader.close()

    assert _files(both.data) == before
    both.writer = LiveLibrary(both.storage.open(both.settings.id), ignore)
    assert both.writer.view.state.position == 2


def test_an_older_format_is_the_writers_to_bring_up_to_date(both: Both) -> None:
    (path,) = both.data.rglob("library.db")
    with apsw.Connection(str(path)) as older:
        older.pragma("user_version", 1)

    with pytest.raises(Damaged, match="another format"):
        ReadOnlyStorage(both.data, 1).open(both.settings.id)


def _files(folder: Path) -> dict[str, bytes]:
    """All files but the memory that SQLite's processes share, by name."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith("-shm")
    }


def test_the_writer_opens_a_library_again_while_it_is_read(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it does after a failed flush: the log stays where it is, because a transaction reads from it."""
    monkeypatch.setattr("pergamum.storage.sqlite.connection.BUSY_MILLISECONDS", 1)
    with both.reader.reading() as rows:
        both.write(put_chunks([a_chunk("c", "d", vector(3, 0))]))
        both.writer.close()
        both.writer = LiveLibrary(both.storage.open(both.settings.id), ignore)
        assert rows.state().position == 1
        assert both.writer.view.state.position == 2

    both.write(put_chunks([a_chunk("e", "d", vector(4, 0))]))
    assert both.found(3, 0) == ["c", "b", "e"]


def test_it_cannot_write(both: Both) -> None:
    with both.reader.reading() as rows, pytest.raises(apsw.ReadOnlyError):
        rows._connection.execute("DELETE FROM chunks")  # type: ignore[attr-defined]


def test_a_library_that_was_deleted_is_not_followed_any_more(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that was begun before finds it closed; its files are gone."""
    monkeypatch.setattr("pergamum.engine.catching_up.MOST_SLOTS", 0)
    failures: list[str] = []
    monkeypatch.setattr(reader_library.log, "warning", lambda event, **_: failures.append(event))
    both.write(put_chunks([a_chunk("c", "d", vector(3, 0))]))
    with pytest.raises(Elsewhere):
        both.found(3, 0)

    both.reader.close()
    both.writer.close()
    both.storage.catalog.remove(both.settings.id)
    both.storage.destroy(both.settings.id)

    assert both.later.work() == 1
    assert failures == []
