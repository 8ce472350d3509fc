"""Searches of several clients are answered together, and what is wrong with one of them is wrong with no other."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from pergamum.domain.commands import UpdateSchema
from pergamum.domain.filter_reading import read_filter
from pergamum.domain.library import Library
from pergamum.domain.query import Answer, Recall
from pergamum.domain.schema import SchemaMode
from pergamum.domain.schema_changes import LevelChanges, SchemaChanges, changed
from pergamum.domain.schema_json import declared_schema
from pergamum.domain.vectors import Matrix
from pergamum.embedding.factory import Embedders
from pergamum.engine.catalog import Catalog
from pergamum.engine.live_library import LiveLibrary
from pergamum.engine.where import Where
from pergamum.errors import UnknownField
from pergamum.rerank.factory import Rerankers
from pergamum.services.composer import Composer
from pergamum.services.drafts import Query
from pergamum.services.pages import Pages
from pergamum.services.search import Means, SearchService
from pergamum.storage.memory.storage import MemoryStorage
from tests.support.library import NOW, a_chunk, a_library, put, vector

SCHEMA = declared_schema(SchemaMode.STRICT, {}, {"year": {"type": "integer"}})
RENAMING = SchemaChanges(chunks=LevelChanges(rename={"year": "anno"}))
BY_YEAR = read_filter({"field": "year", "op": "is_null"})
BY_ANNO = read_filter({"field": "anno", "op": "is_null"})


@pytest.fixture
def library() -> Library:
    return replace(a_library(), metadata_schema=SCHEMA)


@pytest.fixture
def catalog(library: Library) -> Iterator[Catalog]:
    made = Catalog(MemoryStorage(), 10, lambda _seconds: None)
    made.create(library)
    with made.opened(library.id) as live:
        live.write([put("d", [a_chunk("c", "d", vector(1, 1))])])
    yield made
    made.close()


def test_a_field_renamed_meanwhile_fails_only_who_asked_for_it(
    catalog: Catalog, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = LiveLibrary.search

    def renamed_before(
        live: LiveLibrary, vectors: Matrix, k: int, recall: Recall | None, *, where: Where | None, explain: bool
    ) -> list[Answer]:
        if "year" in live.view.state.library.metadata_schema.chunks:
            live.write([UpdateSchema(RENAMING, NOW)])
        return search(live, vectors, k, recall, where=where, explain=explain)

    monkeypatch.setattr(LiveLibrary, "search", renamed_before)
    means = Means(Rerankers(), Pages(1_000, 60.0), 1_000)
    service = SearchService(catalog, Composer(Embedders()), means, lambda _plan: None)

    filtered, plain = Query(vector=vector(1, 1), filter=BY_YEAR), Query(vector=vector(1, 1))
    refused, answered = service.search_each(library.name, [filtered, plain])

    assert isinstance(refused, UnknownField)
    assert isinstance(answered, Answer)
    assert [hit.chunk.id for hit in answered.hits] == ["c"]


def test_filters_under_different_schemas_are_not_answered_together() -> None:
    assert Where.of(BY_YEAR, SCHEMA) == Where.of(BY_YEAR, SCHEMA)
    assert Where.of(BY_YEAR, SCHEMA) != Where.of(BY_ANNO, changed(SCHEMA, RENAMING))
