"""Whatever is written, and whenever the columns are loaded, filters hold exactly where plain Python says."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pergamum.domain.chunk import Chunk, NewChunk
from pergamum.domain.commands import (
    Command,
    DeleteChunk,
    DeleteDocument,
    NewDocument,
    PatchChunk,
    PatchDocument,
    PutChunks,
    PutDocuments,
    WriteMode,
)
from pergamum.domain.document import DocumentChanges
from pergamum.domain.fields import Level
from pergamum.domain.filters import CheckedFilter, Filter
from pergamum.domain.schema import MetadataSchema
from pergamum.engine import live_columns
from pergamum.engine.live_library import LiveLibrary
from pergamum.engine.view import View
from pergamum.storage.base import Rows
from pergamum.storage.memory.library_store import MemoryLibraryStore
from tests.support.filters import holds
from tests.support.library import a_library, vector
from tests.support.random_filters import Record, filters, metadata, records, schemas

LATER = datetime(2026, 1, 3, tzinfo=UTC)
DOCUMENTS = st.sampled_from(["d0", "d1", "d2", "d3"])
CHUNKS = st.sampled_from(["d0-0", "d0-1", "d1-0", "d1-2", "d2-0"])


def new_chunk(chunk: Chunk, place: float) -> NewChunk:
    """Return the chunk as it would be written; with another `place` than before it moves to a new slot."""
    return NewChunk(
        id=chunk.id,
        document_id=chunk.document_id,
        text=chunk.text,
        embedding=vector(1, place),
        page_number=chunk.page_number,
        metadata=chunk.metadata,
    )


def put(record: Record, place: float) -> PutDocuments:
    chunks = tuple(new_chunk(chunk, place) for chunk in record.chunks)
    return PutDocuments((NewDocument(record.document, chunks),), WriteMode.UPSERT, LATER)


@st.composite
def commands(draw: st.DrawFn, schema: MetadataSchema) -> Command:
    """Return a write to a few documents and chunks; it is refused where they do not exist."""
    kind, place = draw(st.integers(0, 6)), draw(st.sampled_from([0.0, 1.0]))
    if kind in {0, 1, 2}:
        found = draw(records(schema, most=4))
        if not found:
            return DeleteDocument(draw(DOCUMENTS), LATER)
        if kind == 0:
            return put(found[-1], place)
        chunks = tuple(new_chunk(chunk, place) for chunk in found[-1].chunks)
        return PutChunks(chunks, WriteMode.UPSERT, LATER)
    if kind == 3:
        return DeleteDocument(draw(DOCUMENTS), LATER)
    if kind == 4:
        return DeleteChunk(draw(CHUNKS), LATER)
    if kind == 5:
        changes: DocumentChanges = {
            "metadata": draw(metadata(schema, Level.DOCUMENT)),
            "title": draw(st.sampled_from([None, "moon"])),
        }
        return PatchDocument(draw(DOCUMENTS), changes, None, LATER)
    return PatchChunk(draw(CHUNKS), {"metadata": draw(metadata(schema, Level.CHUNK)), "page_number": 2}, LATER)


def check(live: LiveLibrary, view: View, filter: Filter, level: Level) -> None:
    checked = live.checked(level, filter, view)
    with live.reading() as rows:
        flags = live_columns.selected(view, rows, checked, level)
        again = live_columns.selected(view, rows, checked, level)
        expected = truth(rows, checked, level)
    assert {number: bool(flags[number]) for number in expected} == expected
    assert again is flags


def truth(rows: Rows, checked: CheckedFilter, level: Level) -> dict[int, bool]:
    """Return for each live document by number, or chunk by slot, whether the filter holds."""
    schema = rows.state().library.metadata_schema
    documents = rows.documents(None, 100)
    numbers = rows.document_numbers([document.id for document in documents])
    if level is Level.DOCUMENT:
        return {numbers[document.id]: holds(checked, document, None, schema) for document in documents}
    return {
        stored.slot: holds(checked, document, stored.chunk, schema)
        for document in documents
        for stored in rows.chunks_of(document.id, None, None)
    }


def write(live: LiveLibrary, groups: Sequence[Sequence[Command]]) -> None:
    for group in groups:
        live.write(group)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_filters_hold_where_plain_python_says(data: st.DataObject) -> None:
    schema = data.draw(schemas())
    live = LiveLibrary(MemoryLibraryStore(replace(a_library(), metadata_schema=schema)), lambda _seconds: None)
    groups = st.lists(st.lists(commands(schema), min_size=1, max_size=3), max_size=5)
    write(live, [[put(record, 0.0)] for record in data.draw(records(schema))])
    write(live, data.draw(groups))

    view = live.view_with_columns()
    for level in Level:
        check(live, view, data.draw(filters(schema, level)), level)
    write(live, data.draw(groups))

    view = live.view_with_columns()
    for level in (*Level, *Level):
        check(live, view, data.draw(filters(schema, level)), level)
    with live.reading() as rows:
        assert view.columns is not None
        np.testing.assert_array_equal(np.flatnonzero(view.columns.live_documents()), rows.all_document_numbers())
