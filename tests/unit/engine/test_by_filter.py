"""Commands by filter: all or nothing, block by block, and the same history everywhere."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pergamum.domain.commands import Command, DeleteWhere, NewDocument, PutDocuments, UpdateWhere, WriteMode
from pergamum.domain.document import Document
from pergamum.domain.field_changes import FieldChanges
from pergamum.domain.fields import Level
from pergamum.domain.filter_reading import read_filter
from pergamum.domain.filters import And
from pergamum.domain.json import JsonObject
from pergamum.domain.schema import MetadataSchema, SchemaMode
from pergamum.engine import by_filter
from pergamum.engine.history import extended_history
from pergamum.engine.live_library import LiveLibrary
from pergamum.errors import DocumentExists, InvalidField, InvalidMetadata, UnknownField
from tests.support.library import NOW, a_chunk, a_library, put, vector
from tests.support.selection import Stored
from tests.support.storage import open_storage

ALL = And(())
DOCUMENTS = 7


@pytest.fixture(params=["sqlite", "memory"])
def live(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveLibrary]:
    """Seven documents of two chunks; commands by filter take three rows at a time."""
    monkeypatch.setattr(by_filter, "BLOCK", 3)
    with open_storage(request.param, tmp_path) as storage:
        library = replace(a_library(), metadata_schema=MetadataSchema(SchemaMode.OPEN))
        storage.create(library)
        opened = LiveLibrary(storage.open(library.id), lambda _: None)
        for at in range(DOCUMENTS):
            opened.write([put(f"d{at}", [a_chunk(f"c{at}{n}", f"d{at}", vector(at, n)) for n in (0, 1)])])
        yield opened
        opened.close()


def _documents(live: LiveLibrary) -> list[Document]:
    with live.reading() as rows:
        return rows.documents(None, 100)


def test_an_update_that_fails_on_the_last_row_leaves_all_as_they_were(live: LiveLibrary) -> None:
    last = Document(id="last", metadata={"list": "none"}, created_at=NOW, updated_at=NOW)
    live.write([PutDocuments((NewDocument(last, ()),), WriteMode.CREATE, NOW)])
    before, view = _documents(live), live.view

    (outcome,) = live.write([UpdateWhere(Level.DOCUMENT, ALL, FieldChanges(append={"list": ["x"]}), NOW)])

    assert isinstance(outcome.refusal, InvalidField)
    assert outcome.refusal.facts["document_id"] == "last"
    assert _documents(live) == before
    state = live.view.state
    assert (state.position, state.documents, state.chunks) == (view.state.position + 1, 8, view.state.chunks)
    newer = read_filter({"field": "version", "op": "gt", "value": 1})
    assert live.on_selection(Level.DOCUMENT, newer, lambda found: found.count) == 0


def test_every_row_is_reached_whatever_the_size_of_a_block(live: LiveLibrary) -> None:
    (updated,) = live.write([UpdateWhere(Level.CHUNK, ALL, FieldChanges(set={"page_number": 4, "a": 1}), NOW)])
    assert updated.matched == 14
    with live.reading() as rows:
        assert {(row.chunk.page_number, row.chunk.version) for row in rows.chunks(None, 100)} == {(4, 2)}
    assert {document.version for document in _documents(live)} == {2}

    (deleted,) = live.write([DeleteWhere(Level.CHUNK, read_filter({"field": "id", "op": "ne", "value": "c31"}), NOW)])
    assert deleted.matched == 13
    assert [(one.chunks, one.version) for one in _documents(live)] == [(1 if at == 3 else 0, 3) for at in range(7)]
    assert [hit.chunk.id for hit in live.search(vector(1, 1)[None, :], 9)[0].hits] == ["c31"]

    (emptied,) = live.write([DeleteWhere(Level.DOCUMENT, ALL, NOW)])
    assert (emptied.matched, live.view.state.documents, live.view.state.chunks) == (7, 0, 0)
    assert live.search(vector(1, 1)[None, :], 9)[0].hits == ()


def test_a_filter_that_does_not_fit_refuses_the_command_alone(live: LiveLibrary) -> None:
    unknown = read_filter({"field": "yaer", "op": "eq", "value": 1})

    (deleted,) = live.write([DeleteWhere(Level.DOCUMENT, unknown, NOW)])
    (written,) = live.write([put("d0", mode=WriteMode.CREATE)])

    assert isinstance(deleted.refusal, UnknownField)
    assert isinstance(written.refusal, DocumentExists)
    assert (live.failure, live.view.state.documents) == (None, 7)


@pytest.mark.parametrize(("mode", "learns"), [(SchemaMode.STRICT, False), (SchemaMode.INFERRED, True)])
def test_the_schema_refuses_and_learns_as_in_any_write(mode: SchemaMode, learns: bool) -> None:
    stored = Stored(replace(a_library(), metadata_schema=MetadataSchema(mode)), [])
    stored.write(put("d"))

    outcome = stored.write(UpdateWhere(Level.DOCUMENT, ALL, FieldChanges(set={"year": 3}), NOW))

    assert isinstance(outcome.refusal, InvalidMetadata) != learns
    assert ("year" in stored.live.view.state.library.metadata_schema.documents) == learns


def test_a_command_by_filter_shares_its_group_with_none(live: LiveLibrary) -> None:
    with pytest.raises(AssertionError):
        live.write([put("d"), DeleteWhere(Level.DOCUMENT, ALL, NOW)])

    assert live.failure is None


def _commands() -> list[Command]:
    year: JsonObject = {"field": "year", "op": "eq", "value": 1}
    circle: JsonObject = {"center": {"lat": 1, "lon": 2}, "radius": 3}
    near: JsonObject = {"field": "at", "op": "within", "value": circle}
    changes = [FieldChanges(set={"a": 1}), FieldChanges(unset=("a",)), FieldChanges(append={"a": [1]})]
    filters = [ALL, read_filter(year), read_filter({"not": year}), read_filter(near)]
    made: list[Command] = [DeleteWhere(level, filter, NOW) for level in Level for filter in filters]
    made += [UpdateWhere(Level.CHUNK, ALL, change, NOW) for change in changes]
    return [*made, UpdateWhere(Level.CHUNK, ALL, FieldChanges(remove={"a": [1]}), NOW)]


def test_histories_tell_commands_by_filter_apart() -> None:
    hashes = [extended_history(bytes(32), command) for command in _commands()]

    assert len(set(hashes)) == len(hashes)
    assert hashes == [extended_history(bytes(32), command) for command in _commands()]
