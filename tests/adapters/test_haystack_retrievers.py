"""Retrievers of Haystack in pipelines, against a real server."""

from collections.abc import Iterator
from typing import Any, TypeAlias

import pytest
from haystack import Document, Pipeline
from haystack.document_stores.types import FilterPolicy

from pergamum.adapters.haystack import (
    PergamumDocumentStore,
    PergamumEmbeddingRetriever,
    PergamumHybridRetriever,
    PergamumKeywordRetriever,
)
from pergamum.client import Pergamum

DOCUMENTS = [
    Document(id="tides", content="The moon pulls the sea.", meta={"year": 2001}, embedding=[1.0, 0.0]),
    Document(id="orbit", content="The moon circles the earth.", meta={"year": 2010}, embedding=[0.8, 0.6]),
    Document(id="cats", content="Cats sleep a lot.", meta={"year": 2020}, embedding=[0.0, 1.0]),
    Document(id="plain", content="A moon without an embedding.", meta={"year": 2020}),
]
Retriever: TypeAlias = PergamumEmbeddingRetriever | PergamumKeywordRetriever | PergamumHybridRetriever
LATE = {"field": "meta.year", "operator": ">=", "value": 2005}
NO_CATS = {"field": "id", "operator": "!=", "value": "cats"}


@pytest.fixture(scope="module")
def store(server_url: str) -> Iterator[PergamumDocumentStore]:
    store = PergamumDocumentStore("haystack retrievers", url=server_url, embedding_dim=2)
    store.write_documents(DOCUMENTS)
    yield store
    store.close()


@pytest.fixture(scope="module")
def served(server_url: str) -> Iterator[PergamumDocumentStore]:
    """A store whose server embeds."""
    store = PergamumDocumentStore("haystack served", url=server_url)
    store.write_documents([Document(id=one.id, content=one.content, meta=one.meta) for one in DOCUMENTS])
    yield store
    store.close()


def ids(answer: dict[str, Any]) -> list[str]:
    return [document.id for document in answer["documents"]]


def test_an_embedding_finds_the_nearest(store: PergamumDocumentStore) -> None:
    found = PergamumEmbeddingRetriever(store, top_k=2).run([1.0, 0.0])["documents"]

    assert [(one.id, one.content, one.meta, one.embedding) for one in found] == [
        ("tides", "The moon pulls the sea.", {"year": 2001}, None),
        ("orbit", "The moon circles the earth.", {"year": 2010}, None),
    ]
    assert [one.score for one in found] == pytest.approx([1.0, 0.8], abs=1e-6)


def test_embeddings_are_returned_where_wanted(store: PergamumDocumentStore) -> None:
    (found,) = PergamumEmbeddingRetriever(store, return_embedding=True).run([0.0, 1.0], top_k=1)["documents"]

    assert found.embedding == [0.0, 1.0]


@pytest.mark.parametrize(
    ("policy", "expected"), [(FilterPolicy.REPLACE, ["tides", "orbit"]), ("merge", ["orbit"])], ids=str
)
def test_filters_of_a_run_replace_or_join_those_of_the_retriever(
    store: PergamumDocumentStore, policy: FilterPolicy | str, expected: list[str]
) -> None:
    retriever = PergamumEmbeddingRetriever(store, filters=LATE, filter_policy=policy)

    assert ids(retriever.run([1.0, 0.0])) == ["orbit", "cats"]
    assert ids(retriever.run([1.0, 0.0], filters=NO_CATS)) == expected


def test_words_find_what_has_an_embedding(store: PergamumDocumentStore) -> None:
    retriever = PergamumKeywordRetriever(store, top_k=5)

    assert ids(retriever.run("moon sea")) == ["tides", "orbit"]
    assert ids(retriever.run("moon sea", filters=LATE, top_k=1)) == ["orbit"]
    assert ids(retriever.run("nothing")) == []


def test_both_make_one_ranking(store: PergamumDocumentStore) -> None:
    retriever = PergamumHybridRetriever(store, fusion={"kind": "rrf", "weights": [1, 3]}, candidates=10)

    assert ids(retriever.run("sleep", [1.0, 0.0])) == ["cats", "tides", "orbit"]
    assert ids(retriever.run("sleep", [1.0, 0.0], filters=LATE, top_k=1)) == ["cats"]


def test_a_server_that_embeds_needs_no_embedding_of_anything(served: PergamumDocumentStore) -> None:
    documents = served.filter_documents()

    assert [document.embedding for document in documents] == [None] * len(DOCUMENTS)
    assert served.count_documents_by_filter({"field": "embedding", "operator": "==", "value": None}) == len(DOCUMENTS)
    assert set(ids(PergamumKeywordRetriever(served).run("moon"))) == {"tides", "orbit", "plain"}
    assert ids(PergamumHybridRetriever(served, top_k=1).run("animals that sleep")) == ["cats"]


async def test_all_of_them_asynchronously(store: PergamumDocumentStore) -> None:
    by_embedding = await PergamumEmbeddingRetriever(store, top_k=1).run_async([1.0, 0.0])
    by_words = await PergamumKeywordRetriever(store).run_async("sea")
    by_both = await PergamumHybridRetriever(store, top_k=1).run_async("sea", [1.0, 0.0])
    await store.close_async()

    assert ids(by_embedding) == ids(by_words) == ids(by_both) == ["tides"]


@pytest.mark.parametrize("kind", [PergamumEmbeddingRetriever, PergamumKeywordRetriever, PergamumHybridRetriever])
def test_retrievers_survive_their_description(store: PergamumDocumentStore, kind: type[Retriever]) -> None:
    retriever = kind(store, filters=LATE, top_k=3, filter_policy="merge")

    again = kind.from_dict(retriever.to_dict())

    assert again.to_dict() == retriever.to_dict()
    assert (again.top_k, again.filters, again.filter_policy) == (3, LATE, FilterPolicy.MERGE)
    assert again.document_store.library == store.library


def test_a_pipeline_is_loaded_and_run(store: PergamumDocumentStore) -> None:
    pipeline = Pipeline()
    pipeline.add_component("retriever", PergamumKeywordRetriever(store))

    loaded = Pipeline.loads(pipeline.dumps(), allowed_modules=["pergamum.adapters.*"])

    assert ids(loaded.run({"retriever": {"query": "sea"}})["retriever"]) == ["tides"]
    loaded.close()


async def test_a_pipeline_runs_asynchronously(store: PergamumDocumentStore) -> None:
    pipeline = Pipeline()
    pipeline.add_component("retriever", PergamumKeywordRetriever(store))

    answer = await pipeline.run_async({"retriever": {"query": "sea"}})
    await pipeline.close_async()

    assert ids(answer["retriever"]) == ["tides"]


def test_chunks_of_others_are_found_with_the_metadata_of_their_document(
    store: PergamumDocumentStore, client: Pergamum
) -> None:
    library = client.libraries.create(name="haystack others", dimension=2)
    chunks: Any = [{"id": "c", "text": "Tides", "embedding": [1.0, 0.0], "metadata": {"page": 3}}]
    library.documents.add(id="d", metadata={"year": 1999}, chunks=chunks)
    other = PergamumDocumentStore("haystack others", url=store.url, embedding_dim=2)

    (found,) = PergamumEmbeddingRetriever(other).run([1.0, 0.0])["documents"]

    assert (found.id, found.content, found.meta) == ("c", "Tides", {"year": 1999, "page": 3})
    other.close()


@pytest.mark.parametrize("top_k", [0, -1])
def test_no_less_than_one_document_can_be_wanted(store: PergamumDocumentStore, top_k: int) -> None:
    with pytest.raises(ValueError, match="top_k"):
        PergamumEmbeddingRetriever(store, top_k=top_k)
    with pytest.raises(ValueError, match="top_k"):
        PergamumEmbeddingRetriever(store).run([1.0, 0.0], top_k=top_k)


def test_other_stores_are_refused() -> None:
    store: Any = object()
    with pytest.raises(TypeError, match="PergamumDocumentStore"):
        PergamumKeywordRetriever(store)
