"""Columns come from the rows or from a snapshot, and are what the rows say, whatever was written meanwhile."""

import errno
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import apsw
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pergamum.domain.commands import (
    Command,
    DeleteDocument,
    NewDocument,
    PatchDocument,
    PutDocuments,
    UpdateSchema,
    WriteMode,
)
from pergamum.domain.document import Document
from pergamum.domain.fields import FieldType, Level, ScalarType
from pergamum.domain.filters import Condition, Op
from pergamum.domain.library import Library
from pergamum.domain.schema import MetadataField, MetadataSchema, SchemaMode
from pergamum.domain.schema_changes import LevelChanges, SchemaChanges
from pergamum.engine import live_columns, live_library
from pergamum.engine.columns import files, loading
from pergamum.engine.columns.columns import Columns
from pergamum.engine.columns.loading import read_columns
from pergamum.engine.columns.names import columns_of
from pergamum.engine.columns.table import Table
from pergamum.engine.index_faults import look_inside
from pergamum.engine.live_library import LiveLibrary
from pergamum.engine.saved_columns import CHUNKS, DOCUMENTS
from pergamum.errors import LibraryReadOnly, OutcomeUnknown
from pergamum.storage.base import Rows
from pergamum.storage.sqlite.storage import SqliteStorage
from pergamum.storage.sqlite.unit_of_work import SqliteUnitOfWork
from tests.support.library import NOW, a_chunk, a_library, put, put_chunks, vector
from tests.support.random_filters import filters, records, schemas
from tests.unit.engine.columns.test_columns_against_python import check, commands
from tests.unit.engine.columns.test_columns_against_python import put as put_record


@dataclass
class Opened:
    """A library on disk, and a way to open it again."""

    storage: SqliteStorage
    settings: Library
    live: LiveLibrary

    def reopen(self) -> LiveLibrary:
        self.live.close()
        self.live = LiveLibrary(self.storage.open(self.settings.id), lambda _seconds: None)
        return self.live

    @property
    def folder(self) -> Path:
        folder = self.live._store.index_folder
        assert folder is not None
        return folder


@contextmanager
def opened(schema: MetadataSchema) -> Iterator[Opened]:
    with tempfile.TemporaryDirectory() as folder:
        storage, settings = SqliteStorage(Path(folder)), replace(a_library(), metadata_schema=schema)
        storage.create(settings)
        made = Opened(storage, settings, LiveLibrary(storage.open(settings.id), lambda _seconds: None))
        yield made
        made.live.close()
        storage.close()


@pytest.fixture
def library() -> Iterator[Opened]:
    fields = {"n": MetadataField("n", FieldType(ScalarType.INTEGER))}
    with opened(MetadataSchema(SchemaMode.INFERRED, fields, fields)) as made:
        yield made


def columns_of_view(live: LiveLibrary) -> Columns:
    columns = live.view_with_columns().columns
    assert columns is not None
    return columns


def numbered(id: str, n: int, chunks: int = 2) -> PutDocuments:
    """Return the command that stores a document whose `n`, and that of its chunks, is `n`."""
    document = Document(id=id, metadata={"n": n}, created_at=NOW, updated_at=NOW)
    made = tuple(replace(a_chunk(f"{id}-{at}", id, vector(n, at)), metadata={"n": n}) for at in range(chunks))
    return PutDocuments((NewDocument(document, made),), WriteMode.UPSERT, NOW)


def assert_as_the_rows(live: LiveLibrary) -> None:
    """The columns of the view say of every live row what columns read afresh do."""
    columns = columns_of_view(live)
    with live.reading() as rows:
        fresh, dead = read_columns(rows), rows.dead_slots()
        schema = rows.state().library.metadata_schema
    assert columns.chunks.count == fresh.chunks.count == live.view.state.next_slot
    alive = np.setdiff1d(np.arange(fresh.chunks.count), dead)
    live_numbers = np.flatnonzero(fresh.live_documents())
    np.testing.assert_array_equal(np.flatnonzero(columns.live_documents()), live_numbers)
    assert owners(columns.chunks)[alive].tolist() == owners(fresh.chunks)[alive].tolist()
    for level, rows_of_level in ((Level.CHUNK, alive), (Level.DOCUMENT, live_numbers)):
        for column in columns_of(level, schema):
            if column.type.scalar is not ScalarType.GEO_POINT:
                one, other = (table_of(each, level).series(column).gather(rows_of_level) for each in (columns, fresh))
                assert one.to_list() == other.to_list(), column


def owners(table: Table) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    out = np.zeros(table.count, np.int64)
    for run in table.runs:
        run.place(out, run.documents())
    return out


def table_of(columns: Columns, level: Level) -> Table:
    return columns.chunks if level is Level.CHUNK else columns.documents


@settings(max_examples=8, deadline=None)
@given(st.data())
def test_columns_come_back_from_disk_with_what_was_written_since(data: st.DataObject) -> None:
    schema = data.draw(schemas(renamed=True))
    groups = st.lists(st.lists(commands(schema), min_size=1, max_size=3), max_size=2)
    with opened(schema) as library, pytest.MonkeyPatch.context() as patched:
        write(library.live, [[put_record(record, 0.0)] for record in data.draw(records(schema))])
        library.live.view_with_columns()
        write(library.live, data.draw(groups))
        library.live.save_snapshot()
        write(library.live, data.draw(groups))
        saved = library.live._saved.columns is not None
        library.reopen()
        if saved:
            patched.setattr(loading, "read_columns", None)

        assert_as_the_rows(library.live)
        write(library.live, data.draw(groups))
        assert_as_the_rows(library.live)
        for level in Level:
            check(library.live, library.live.view_with_columns(), data.draw(filters(schema, level)), level)


def write(live: LiveLibrary, groups: Sequence[Sequence[Command]]) -> None:
    for group in groups:
        live.write(group)


def test_what_is_written_while_columns_are_read_is_not_lost(library: Opened) -> None:
    live = library.live
    write(live, [[numbered(f"d{n}", n)] for n in range(4)])
    prepared = live._columns.prepared(lambda: live.view, None)
    assert prepared is not None
    write(live, [[numbered("d1", 11)], [DeleteDocument("d3", NOW)], [numbered("d5", 5), DeleteDocument("d0", NOW)]])

    live._publish_columns(prepared)

    assert live.view.columns is not None
    assert_as_the_rows(live)


def test_many_may_need_columns_at_once_while_others_write(library: Opened) -> None:
    live = library.live
    live.write([numbered(f"d{n}", n) for n in range(4)])

    with ThreadPoolExecutor(6) as pool:
        found = [pool.submit(selected, live, "chunk.n", 1) for _ in range(12)]
        written = [pool.submit(live.write, [numbered(f"d{n % 6}", n % 6), DeleteDocument("d3", NOW)]) for n in range(9)]
        answers = {tuple(each.result()) for each in found}
    assert all(outcome.result()[0].refusal is None for outcome in written)

    assert answers == {("d1-0", "d1-1")}
    assert_as_the_rows(live)


def test_a_document_that_takes_the_number_of_a_removed_one_is_seen(library: Opened) -> None:
    live = library.live
    live.write([numbered("d0", 0), numbered("d1", 1)])
    live.view_with_columns()

    live.write([DeleteDocument("d1", NOW), numbered("d2", 2), DeleteDocument("d2", NOW), numbered("d3", 3)])

    assert_as_the_rows(live)


def test_a_refused_command_leaves_no_trace_in_the_columns(library: Opened) -> None:
    live = library.live
    live.write([numbered("d0", 0)])
    live.view_with_columns()
    taken = replace(a_chunk("d0-0", "d9", vector(9, 9)), metadata={"n": 9})

    good, refused = live.write(
        [
            numbered("d1", 1),
            PutDocuments(
                (NewDocument(Document(id="d9", created_at=NOW, updated_at=NOW), (taken,)),), WriteMode.UPSERT, NOW
            ),
        ]
    )

    assert (good.refusal, refused.refusal is None) == (None, False)
    assert_as_the_rows(live)


def test_columns_follow_an_inferred_field(library: Opened) -> None:
    live = library.live
    live.write([numbered("d0", 0)])
    live.view_with_columns()

    live.write([PatchDocument("d0", {"metadata": {"new": 1.5}}, None, NOW)])

    assert "new" in live.view.state.library.metadata_schema.documents
    assert_as_the_rows(live)
    assert selected(live, "document.new", 1.5) == ["d0-0", "d0-1"]


def selected(live: LiveLibrary, field: str, value: float) -> list[str]:
    """Return the ids of the chunks whose field is the value."""
    view = live.view_with_columns()
    with live.reading() as rows:
        flags = live_columns.selected(
            view, rows, live.checked(Level.CHUNK, Condition(field, Op.EQ, value)), Level.CHUNK
        )
        return sorted(stored.chunk.id for stored in rows.chunks_at(np.flatnonzero(flags).tolist()).values())


def test_columns_are_made_again_when_stored_values_mean_something_else(library: Opened) -> None:
    live = library.live
    live.write([numbered("d0", 0), numbered("d1", 1)])
    live.view_with_columns()
    live.save_snapshot()
    before = live.view.state.library.metadata_schema.era
    widened = SchemaChanges(chunks=LevelChanges(change={"n": {"type": "float"}}))

    (outcome,) = live.write([UpdateSchema(widened, NOW)])

    assert outcome.refusal is None
    assert live.view.state.library.metadata_schema.era > before
    assert selected(live, "chunk.n", 1.0) == ["d1-0", "d1-1"]
    assert selected(library.reopen(), "chunk.n", 1.0) == ["d1-0", "d1-1"]


def test_columns_of_rows_that_no_view_shows_are_given_up(library: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    live, commit, reads = library.live, SqliteUnitOfWork.commit, iter(range(3))
    live.write([numbered("d0", 0)])

    def uncertain(work: SqliteUnitOfWork) -> None:
        commit(work)
        raise OutcomeUnknown("EIO")

    def at_most_three_times(rows: Rows) -> Columns:
        next(reads)
        return read_columns(rows)

    monkeypatch.setattr(SqliteUnitOfWork, "commit", uncertain)
    monkeypatch.setattr(loading, "read_columns", at_most_three_times)
    with pytest.raises(OutcomeUnknown):
        live.write([UpdateSchema(SchemaChanges(chunks=LevelChanges(change={"n": {"type": "float"}})), NOW)])

    with pytest.raises(LibraryReadOnly):
        live.view_with_columns()


def test_a_renamed_field_keeps_its_column(library: Opened) -> None:
    live = library.live
    live.write([numbered("d0", 0), numbered("d1", 1)])
    base = columns_of_view(live).chunks.runs[0]
    rename = SchemaChanges(chunks=LevelChanges(rename={"n": "count"}))

    live.write(
        [UpdateSchema(rename, NOW), put_chunks([replace(a_chunk("d0-5", "d0", vector(5, 5)), metadata={"count": 1})])]
    )

    assert columns_of_view(live).chunks.runs[0] is base
    assert selected(live, "count", 1) == ["d0-5", "d1-0", "d1-1"]
    assert_as_the_rows(live)


# --- files


def test_a_snapshot_takes_the_columns_of_the_last_one_along(library: Opened) -> None:
    live = library.live
    live.write([numbered("d0", 0)])
    live.view_with_columns()
    live.save_snapshot()
    live = library.reopen()
    live.write([numbered("d1", 1)])
    assert live.view.columns is None

    live.save_snapshot()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(loading, "read_columns", None)
        assert selected(library.reopen(), "chunk.n", 1) == ["d1-0", "d1-1"]
    assert sorted(path.name for path in library.folder.rglob("*.arrow")) == [CHUNKS, DOCUMENTS]


@pytest.mark.parametrize("name", [CHUNKS, DOCUMENTS])
@pytest.mark.parametrize("how", ["changed", "missing"])
def test_damaged_columns_are_made_again_and_the_index_stays(library: Opened, name: str, how: str) -> None:
    library.live.write([numbered("d0", 0), numbered("d1", 1)])
    library.live.view_with_columns()
    library.live.save_snapshot()
    (path,) = library.folder.rglob(name)
    if how == "missing":
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

    with library.live.reading() as rows:
        snapshot = rows.snapshot()
    assert snapshot is not None
    assert [Path(finding.what).name for finding in look_inside(snapshot, library.folder)] == [name]
    live = library.reopen()

    assert live.status().unsaved == 0
    assert selected(live, "chunk.n", 1) == ["d1-0", "d1-1"]


def test_columns_that_cannot_be_written_do_not_hold_up_the_index(
    library: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_columns: Columns, folder: Path) -> None:
        (folder / CHUNKS).write_bytes(b"the first bytes of many")
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(files, "save_columns", full)
    monkeypatch.setattr(live_library, "SNAPSHOT_SLOTS", 1)
    live = library.live
    live.write([numbered("d0", 0)])
    live.view_with_columns()
    assert live.wants_snapshot()

    live.save_snapshot()

    assert not live.wants_snapshot(), "or it would be tried without end"
    assert list(library.folder.rglob("*.arrow")) == []
    assert selected(library.reopen(), "chunk.n", 0) == ["d0-0", "d0-1"]


def test_loaded_columns_are_worth_a_snapshot(library: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_library, "SNAPSHOT_SLOTS", 2)
    library.live.write([numbered("d0", 0)])
    library.live.save_snapshot()
    assert not library.live.wants_snapshot()

    library.live.view_with_columns()

    assert library.live.wants_snapshot()
    library.live.save_snapshot()
    assert not library.live.wants_snapshot()


def test_a_damaged_row_has_no_values(library: Opened) -> None:
    library.live.write([numbered("d0", 7), numbered("d1", 7)])
    database = library.folder.parent / "library.db"
    with apsw.Connection(str(database)) as other:
        other.execute(
            "UPDATE chunks SET page_number = 1 WHERE id = 'd0-0'; UPDATE documents SET title = 'x' WHERE id = 'd1'"
        )

    columns = columns_of_view(library.live)

    assert columns.chunks.series(columns_of(Level.CHUNK, library.settings.metadata_schema)[-1]).to_list() == [
        None,
        7,
        7,
        7,
    ]
    assert np.count_nonzero(columns.live_documents()) == 1


def test_long_runs_are_merged_after_the_acknowledgement(library: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pergamum.engine.columns.table.AT_ONCE", 4)
    live = library.live
    live.write([put("d")])
    live.view_with_columns()
    for n in range(12):
        live.write([put_chunks([a_chunk(f"c{n}", "d", vector(n, 1))])])
    assert columns_of_view(live).untidy

    live.checkpoint()

    assert not columns_of_view(live).untidy
    assert_as_the_rows(live)
