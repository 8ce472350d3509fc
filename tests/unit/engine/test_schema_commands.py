"""The schema among other commands: a refused one leaves names and fields as they were, a group sees what it changed."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pergamum.domain.chunk import NewChunk
from pergamum.domain.commands import (
    Command,
    NewDocument,
    Outcome,
    PatchChunk,
    PatchDocument,
    PutDocuments,
    UpdateSchema,
)
from pergamum.domain.json import JsonObject
from pergamum.domain.schema import SchemaMode
from pergamum.domain.schema_changes import LevelChanges, SchemaChanges
from pergamum.engine.live_library import LiveLibrary
from pergamum.errors import DimensionMismatch, InvalidMetadata, PergamumError, SchemaMismatch
from pergamum.storage.base import Storage
from pergamum.storage.memory.storage import MemoryStorage
from pergamum.storage.sqlite.storage import SqliteStorage
from tests.support.library import NOW, a_chunk, a_library, put, put_chunks, vector

LATER = NOW + timedelta(seconds=1)


@pytest.fixture(params=["sqlite", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    made: Storage = SqliteStorage(tmp_path) if request.param == "sqlite" else MemoryStorage()
    yield made
    made.close()


@pytest.fixture
def library(storage: Storage) -> Iterator[LiveLibrary]:
    settings = a_library()
    storage.create(settings)
    made = LiveLibrary(storage.open(settings.id), lambda _seconds: None)
    made.write([put("d")])
    yield made
    made.close()


def chunk(id: str, **metadata: object) -> NewChunk:
    fields: JsonObject = metadata  # type: ignore[assignment]  # test data
    return replace(a_chunk(id, "d", vector(1, 1)), metadata=fields)


def chunks(**parts: object) -> UpdateSchema:
    return UpdateSchema(SchemaChanges(chunks=LevelChanges(**parts)), LATER)  # type: ignore[arg-type]  # test data


def stored(library: LiveLibrary, id: str) -> JsonObject:
    with library.reading() as rows:
        found = rows.chunk(id)
    assert found is not None
    return found.chunk.metadata


def refusal(outcome: Outcome) -> PergamumError:
    assert outcome.refusal is not None
    return outcome.refusal


def test_a_group_sees_the_schema_as_its_commands_left_it(library: LiveLibrary) -> None:
    commands: list[Command] = [
        put_chunks([chunk("a", n=1)]),
        put_chunks([chunk("b", n="x")]),
        chunks(rename={"n": "m"}),
        put_chunks([chunk("c", m=2, n="free again")]),
        PatchChunk("a", {"metadata": {"n": "too"}}, NOW),
    ]

    outcomes = library.write(commands)

    assert [type(outcome.refusal) for outcome in outcomes] == [type(None), InvalidMetadata, *[type(None)] * 3]
    assert (stored(library, "a"), stored(library, "c")) == ({"m": 1, "n": "too"}, {"m": 2, "n": "free again"})
    assert outcomes[4].chunks[0].metadata == {"m": 1, "n": "too"}
    schema = library.view.state.library.metadata_schema
    assert {name: (str(known.type), known.key) for name, known in schema.chunks.items()} == {
        "m": ("integer", "n"),
        "n": ("string", "\x1bn"),
    }


def test_a_refused_change_of_the_schema_leaves_the_names(library: LiveLibrary) -> None:
    library.write([put_chunks([chunk("a", n=1)])])
    before = library.view.state.library

    tightened = UpdateSchema(SchemaChanges(chunks=LevelChanges(rename={"n": "m"}, change={"n": {"min": 2}})), LATER)
    outcomes = library.write([tightened, put_chunks([chunk("b", n=3)])])

    found = refusal(outcomes[0])
    assert isinstance(found, SchemaMismatch)
    assert found.facts == {
        "documents": 0, "chunks": 1, "chunk_id": "a", "field": "metadata.m", "reason": "must be at least 2"
    }  # fmt: skip
    assert library.view.state.library == before
    assert (stored(library, "a"), stored(library, "b")) == ({"n": 1}, {"n": 3})


def test_a_write_refused_late_infers_nothing(library: LiveLibrary) -> None:
    batch = put_chunks([chunk("a", n=1), replace(chunk("b"), embedding=vector(1, 2, 3))])

    outcomes = library.write([batch, put_chunks([chunk("a", n="x")])])

    assert isinstance(refusal(outcomes[0]), DimensionMismatch)
    assert stored(library, "a") == {"n": "x"}
    assert str(library.view.state.library.metadata_schema.chunks["n"].type) == "string"


def test_a_change_raises_the_version_of_the_settings_and_inference_does_not(library: LiveLibrary) -> None:
    library.write([put_chunks([chunk("a", n=1)])])
    inferred = library.view.state.library
    outcome = library.write([chunks(change={"n": {"max": 5}})])[0]

    assert (inferred.version, inferred.metadata_schema.version) == (1, 2)
    assert outcome.library == library.view.state.library
    assert (outcome.library.version, outcome.library.metadata_schema.version) == (2, 3)
    assert outcome.library.updated_at == LATER


def test_a_schema_is_what_it_was_after_opening_again(storage: Storage) -> None:
    settings = a_library()
    storage.create(settings)
    first = LiveLibrary(storage.open(settings.id), lambda _seconds: None)
    first.write([put("d"), put_chunks([chunk("a", n=1, x={"deep": 1})]), chunks(rename={"n": "m"})])
    before = first.view.state
    first.close()

    again = LiveLibrary(storage.open(settings.id), lambda _seconds: None)

    assert again.view.state == before
    assert stored(again, "a") == {"m": 1, "x": {"deep": 1}}
    again.close()


def test_documents_are_checked_with_their_chunks(library: LiveLibrary) -> None:
    fields: dict[str, JsonObject] = {
        "n": {"type": "integer", "default": 7},
        "must": {"type": "string", "required": True},
    }
    library.write([UpdateSchema(SchemaChanges(chunks=LevelChanges(add=fields)), LATER)])
    document = NewDocument(put("e").documents[0].document, (replace(chunk("a", must="x"), document_id="e"),))
    lacking = NewDocument(put("f").documents[0].document, (replace(chunk("b"), document_id="f"),))

    both = library.write([replace(put("e"), documents=(document, lacking))])[0]
    alone = library.write([PutDocuments((document,), put("e").mode, NOW)])[0]
    split = library.write([PatchDocument("e", {"text": "new"}, (replace(chunk("g"), document_id="e"),), NOW)])[0]

    assert refusal(both).facts["document"] == 1
    assert refusal(both).facts["chunk_id"] == "b"
    assert alone.chunks[0].metadata == {"must": "x", "n": 7}
    assert refusal(split).facts == {
        "document_id": "e",
        "chunk": 0,
        "chunk_id": "g",
        "field": "metadata.must",
        "reason": "is required",
        "expected": "string",
    }


def test_a_patch_that_leaves_metadata_alone_is_not_asked_about_it(library: LiveLibrary) -> None:
    library.write([put_chunks([chunk("a", n={"deep": 1})]), put_chunks([chunk("b", n=1)])])

    text = library.write([PatchChunk("a", {"page_number": 3}, NOW)])[0]
    metadata = library.write([PatchChunk("a", {"metadata": {"m": 1}}, NOW)])[0]

    assert text.refusal is None
    assert refusal(metadata).facts["field"] == "metadata.n"


def test_strict_is_refused_while_rows_hold_other_values(library: LiveLibrary) -> None:
    library.write([put_chunks([chunk("a", n={"deep": 1})])])

    refused = library.write([UpdateSchema(SchemaChanges(SchemaMode.STRICT), LATER)])[0]
    library.write([put_chunks([chunk("a")])])
    taken = library.write([UpdateSchema(SchemaChanges(SchemaMode.STRICT), LATER)])[0]

    assert isinstance(refusal(refused), SchemaMismatch)
    assert taken.refusal is None
