"""Rows keep metadata by keys, on a disk and in memory, and everybody above them sees names."""

from dataclasses import replace

import pytest

from pergamum.domain.fields import Level
from pergamum.domain.json import JsonObject
from pergamum.domain.schema import MetadataSchema, SchemaMode
from pergamum.domain.schema_changes import LevelChanges, SchemaChanges, changed
from pergamum.domain.schema_json import declared_schema
from pergamum.storage.base import LibraryStore, Storage
from tests.support.storage import document, library, save, stored

FIELDS: dict[str, JsonObject] = {"a": {"type": "integer"}, "b": {"type": "string"}, "c": {"type": "string"}}
BEFORE = declared_schema(SchemaMode.OPEN, FIELDS, FIELDS)
CHANGES = LevelChanges(rename={"a": "x", "b": "a"}, drop=("c",), change={"b": {"type": "list[string]"}})
AFTER = changed(BEFORE, SchemaChanges(documents=CHANGES, chunks=CHANGES))
WRITTEN: JsonObject = {"a": 1, "b": "one", "c": "gone", "other": [1]}
READ: JsonObject = {"x": 1, "a": ["one"], "other": [1]}


def rename(store: LibraryStore, schema: MetadataSchema = AFTER) -> None:
    with store.writing() as work:
        work.rows.use_schema(schema)
        state = work.rows.state()
        work.rows.save_state(replace(state, library=replace(state.library, metadata_schema=schema)))
        work.commit()


def test_every_read_sees_the_names_of_the_schema(store: LibraryStore) -> None:
    save(store, stored(0, metadata=WRITTEN), documents=(document(metadata=WRITTEN),))

    rename(store)

    chunk, kept = stored(0, metadata=READ), document(metadata=READ)
    with store.reading() as rows:
        number = rows.document_numbers(["d"])["d"]
        assert rows.document("d") == kept
        assert rows.documents_by_id(["d"]) == {"d": kept}
        assert rows.documents(None, 1) == [kept]
        assert rows.documents_at([number]) == {number: kept}
        assert list(rows.documents_changed(-1)) == list(rows.documents_changed(0)) == [(number, kept)]
        assert rows.chunk("c0") == chunk
        assert rows.chunks_by_id(["c0"]) == {"c0": chunk}
        assert rows.chunks(None, 1) == rows.chunks_of("d", None, None) == [chunk]
        assert rows.chunks_at([0]) == {0: chunk}
        assert list(rows.chunks_changed(-1, 0)) == [(0, number, chunk)]


def test_what_is_written_by_new_names_comes_back_by_them(store: LibraryStore) -> None:
    rename(store)
    named: JsonObject = {"x": 2, "a": ["two"], "b": "no field", "c": "no field", "other": None}

    save(store, stored(0, metadata=named), documents=(document(metadata=named),))

    with store.reading() as rows:
        assert rows.chunk("c0") == stored(0, metadata=named)
        assert rows.document("d") == document(metadata=named)
        for level, row_id in ((Level.DOCUMENT, "d"), (Level.CHUNK, "c0")):
            keyed = dict(rows.stored_metadata(level))
            assert keyed.keys() == {row_id}
            assert keyed[row_id]["a"] == 2
            assert keyed[row_id].keys() == {"a", "b", "\x1bb", "\x1bc", "other"}


def test_stored_metadata_is_by_keys_of_every_row(store: LibraryStore) -> None:
    save(store, stored(0, metadata=WRITTEN), stored(1), documents=(document(), document("e", metadata=WRITTEN)))

    rename(store)

    with store.reading() as rows:
        assert dict(rows.stored_metadata(Level.DOCUMENT)) == {"d": {}, "e": WRITTEN}
        assert dict(rows.stored_metadata(Level.CHUNK)) == {"c0": WRITTEN, "c1": {}}


def test_names_change_within_a_write_and_only_when_it_is_committed(store: LibraryStore) -> None:
    save(store, stored(0, metadata=WRITTEN))

    with store.writing() as work:
        work.rows.use_schema(AFTER)
        within = work.rows.chunk("c0")

    assert within == stored(0, metadata=READ)
    with store.reading() as rows:
        assert rows.chunk("c0") == stored(0, metadata=WRITTEN)


def test_a_read_under_way_keeps_its_names(store: LibraryStore) -> None:
    save(store, stored(0, metadata=WRITTEN))

    with store.reading() as rows:
        rename(store)
        assert rows.chunk("c0") == stored(0, metadata=WRITTEN)


@pytest.mark.parametrize(
    "schema", [AFTER, MetadataSchema(SchemaMode.STRICT), replace(BEFORE, loose=None)], ids=range(3)
)
def test_the_schema_of_a_library_is_kept(storage: Storage, schema: MetadataSchema) -> None:
    kept = library(metadata_schema=schema)
    storage.create(kept)

    opened = storage.open(kept.id)

    with opened.reading() as rows:
        assert rows.state().library == kept
    opened.close()
