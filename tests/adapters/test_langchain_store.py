"""What the public suite of LangChain leaves open."""

import sys
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.indexing import InMemoryRecordManager, index
from langchain_core.vectorstores import InMemoryVectorStore

from pergamum.adapters.langchain import PergamumRetriever, PergamumVectorStore
from pergamum.client import AsyncPergamum, Conflict, F, Invalid, Pergamum
from pergamum.client.filters import FilterLike

Metric: TypeAlias = Literal["cosine", "dot", "l2"]
WORDS = ["sea", "moon", "tide", "cat", "dog", "star", "sun", "rain", "snow", "wind", "fire", "rock"]
METADATAS = [
    {"year": 2000 + at, "kind": "odd" if at % 2 else "even", "tags": [word[0]]} for at, word in enumerate(WORDS)
]


def embedding() -> Embeddings:
    return DeterministicFakeEmbedding(size=6)


@pytest.fixture(scope="module")
def filled(client: Pergamum) -> PergamumVectorStore:
    """A store that tests only read."""
    return PergamumVectorStore.from_texts(WORDS, embedding(), METADATAS, ids=WORDS, library="words", client=client)


@pytest.fixture
def store(client: Pergamum, library_name: str) -> PergamumVectorStore:
    """An empty store."""
    return PergamumVectorStore(client.libraries.create(name=library_name, dimension=6), embedding())


@pytest.fixture
async def native(aclient: AsyncPergamum, filled: PergamumVectorStore) -> PergamumVectorStore:
    """The filled store, which asks asynchronously and nothing else."""
    return PergamumVectorStore(None, embedding(), async_library=aclient.library("words"))


@pytest.fixture(scope="module")
def reference() -> InMemoryVectorStore:
    """LangChain's own store of the same words."""
    return InMemoryVectorStore.from_texts(WORDS, embedding(), METADATAS, ids=WORDS)


def ids(documents: list[Document]) -> list[str | None]:
    return [document.id for document in documents]


# Searches


@pytest.mark.parametrize("query", ["sea", "storm", ""])
def test_finds_what_langchains_own_store_finds(
    filled: PergamumVectorStore, reference: InMemoryVectorStore, query: str
) -> None:
    found = filled.similarity_search_with_score(query, k=5)

    expected = reference.similarity_search_with_score(query, k=5)
    assert [document for document, _ in found] == [document for document, _ in expected]
    assert [score for _, score in found] == pytest.approx([score for _, score in expected], abs=1e-6)


@pytest.mark.parametrize("lambda_mult", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("fetch_k", [2, 6, 20])
def test_chooses_by_marginal_relevance_as_langchains_own_store_does(
    filled: PergamumVectorStore, reference: InMemoryVectorStore, lambda_mult: float, fetch_k: int
) -> None:
    asked: dict[str, Any] = {"k": 3, "fetch_k": fetch_k, "lambda_mult": lambda_mult}

    found = filled.max_marginal_relevance_search("storm", **asked)

    vector = embedding().embed_query("storm")
    assert found == filled.max_marginal_relevance_search_by_vector(vector, **asked)
    if fetch_k >= 3:
        assert found == reference.max_marginal_relevance_search("storm", **asked)
    else:  # no fewer are fetched than are wanted
        assert len(found) == 3


async def test_the_asynchronous_methods_find_the_same(filled: PergamumVectorStore, native: PergamumVectorStore) -> None:
    vector, where = embedding().embed_query("storm"), {"year": {"$gte": 2003}}

    assert await native.asimilarity_search("storm", k=3, filter=where) == filled.similarity_search(
        "storm", k=3, filter=where
    )
    assert await native.asimilarity_search_by_vector(vector, k=3) == filled.similarity_search_by_vector(vector, k=3)
    assert await native.asimilarity_search_with_score("storm") == filled.similarity_search_with_score("storm")
    assert await native.asimilarity_search_with_relevance_scores("storm") == (
        filled.similarity_search_with_relevance_scores("storm")
    )
    assert await native.amax_marginal_relevance_search("storm", 3) == filled.max_marginal_relevance_search("storm", 3)
    assert await native.asearch("storm", "mmr", k=3) == filled.search("storm", "mmr", k=3)
    assert await native.aget_by_ids(["tide", "none", "sea"]) == filled.get_by_ids(["tide", "none", "sea"])


@pytest.mark.parametrize(
    "filter",
    [
        F.year.between(2003, 2005),
        {"field": "year", "op": "between", "value": [2003, 2005]},
        {"year": {"$gte": 2003, "$lt": 2006}},
        {
            "$or": [
                {"year": 2003},
                {"$and": [{"year": {"$gt": 2003}}, {"tags": {"$any_of": ["d", "s"]}}, {"year": {"$lt": 2006}}]},
            ]
        },
    ],
)
def test_a_filter_may_be_ours_json_or_langchains(filled: PergamumVectorStore, filter: FilterLike) -> None:
    expected = {"cat", "dog", "star"}

    assert set(ids(filled.similarity_search("x", k=10, filter=filter))) == expected
    assert set(ids(filled.max_marginal_relevance_search("x", k=10, filter=filter))) == expected
    assert set(ids(filled.similarity_search_by_vector([1.0] * 6, k=10, filter=filter))) == expected


def test_metadata_may_have_the_names_of_fixed_fields(store: PergamumVectorStore) -> None:
    store.add_texts(["a", "b"], [{"id": 1, "title": "x"}, {"id": 2, "title": "y"}], ids=["2", "1"])

    assert ids(store.similarity_search("a", filter={"id": 1})) == ["2"]
    assert ids(store.similarity_search("a", filter={"title": "y"})) == ["1"]


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_relevance_is_between_0_and_1_in_the_order_of_scores(
    client: Pergamum, metric: Metric, library_name: str
) -> None:
    store = PergamumVectorStore.open(library_name, embedding(), client=client, metric=metric)
    store.add_texts(WORDS)

    scored = store.similarity_search_with_score("sea", k=12)
    relevant = store.similarity_search_with_relevance_scores("sea", k=12)

    assert client.libraries.get(library_name).info().metric == metric
    relevances = [relevance for _, relevance in relevant]
    assert [document for document, _ in relevant] == [document for document, _ in scored]
    assert relevances == sorted(relevances, reverse=True)
    assert all(0 <= relevance <= 1 for relevance in relevances)
    assert len(set(relevances)) == 12
    nearest = {"cosine": 1.0, "l2": 1.0}.get(metric, relevances[0])
    assert relevances[0] == pytest.approx(nearest, abs=1e-3)
    some = store.similarity_search_with_relevance_scores("sea", k=12, score_threshold=relevances[4])
    assert some == relevant[:5]


def test_relevance_is_known_for_vectors_alone(filled: PergamumVectorStore) -> None:
    with pytest.raises(ValueError, match="not for hybrid"):
        filled.similarity_search_with_relevance_scores("sea", mode="hybrid")


def test_options_of_searches_pass_through(filled: PergamumVectorStore) -> None:
    assert ids(filled.similarity_search("moon", mode="keyword")) == ["moon"]
    assert ids(filled.similarity_search("moon", k=1, mode="hybrid", fusion={"kind": "score", "alpha": 0.0})) == ["moon"]
    assert len(filled.similarity_search("moon", k=12, min_score=0.5)) < 12
    assert filled.similarity_search("moon", k=12, group_by="document") == filled.similarity_search("moon", k=12)
    with pytest.raises(Invalid, match="lamda"):
        filled.similarity_search("moon", lamda=1)


def test_retrievers_filter_and_cut_off(filled: PergamumVectorStore) -> None:
    plain = filled.as_retriever(search_kwargs={"k": 2, "filter": {"kind": "odd"}})
    strict = filled.as_retriever(search_type="similarity_score_threshold", search_kwargs={"score_threshold": 0.99})
    diverse = filled.as_retriever(search_type="mmr", search_kwargs={"k": 3, "filter": F.year < 2004})
    own = PergamumRetriever(store=filled, k=2, filter={"kind": "odd"}, search={"recall": "exact"})

    assert plain.invoke("sea") == own.invoke("sea") == filled.similarity_search("sea", 2, filter={"kind": "odd"})
    assert ids(strict.invoke("sea")) == ["sea"]
    assert set(ids(diverse.invoke("sea"))) < {"sea", "moon", "tide", "cat"}
    assert len(own.invoke("sea", filter=None, k=12, recall=0.5)) == 12
    assert ids(PergamumRetriever(store=filled, k=9, search={"k": 2, "mode": "keyword"}).invoke("sea moon", k=1)) == [
        "sea"
    ]


# What is stored


ODD = [" ", "a/b", "..", "?x=1&y", "ü€🙂", "%2F", 'quote"d', "line\nbreak", "x" * 256, "null", "1"]


def test_ids_are_kept_as_given(store: PergamumVectorStore) -> None:
    assert store.add_texts([f"text {id}" for id in ODD], ids=ODD) == ODD

    assert [document.page_content for document in store.get_by_ids(ODD[::-1])] == [f"text {id}" for id in ODD[::-1]]
    store.delete(ODD[1:])
    assert ids(store.similarity_search("x", k=20)) == [" "]


def test_what_comes_back_is_what_was_given(store: PergamumVectorStore) -> None:
    metadata: dict[str, Any] = {
        "none": None,
        "nested": {"a": [1, {"b": 2.0}]},
        "int": 1,
        "float": 1.0,
        "flag": True,
        "ß": "ü",
        "no": [],
    }
    given = Document(id="1", page_content="line\n\ttab \u0000 zero", metadata=metadata)
    before = given.model_copy(deep=True)

    store.add_documents([given])

    assert given == before
    (back,) = store.get_by_ids(["1"])
    assert back == store.similarity_search("x")[0] == before
    assert [type(value) for value in back.metadata.values()] == [type(value) for value in metadata.values()]


def test_of_one_id_given_twice_the_last_stays(store: PergamumVectorStore) -> None:
    assert store.add_texts(["first", "other", "last"], ids=["1", "2", "1"]) == ["1", "2", "1"]

    assert {document.id: document.page_content for document in store.get_by_ids(["1", "2"])} == {
        "1": "last",
        "2": "other",
    }


class Counting(Embeddings):
    """Counts how many texts are embedded at once."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.sizes.append(len(texts))
        return [[1.0] * 6 for _ in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def test_many_texts_are_embedded_and_stored_by_batches(client: Pergamum, store: PergamumVectorStore) -> None:
    counting = Counting()
    library = store._library.sync
    texts, before = (str(number) for number in range(25)), library.info().position

    added = PergamumVectorStore(library, counting).add_texts(texts, batch_size=10)

    assert counting.sizes == [10, 10, 5]
    assert library.refresh().position == before + 3  # one write for each batch
    assert len(set(added)) == library.documents.count() == 25


def test_the_index_api_of_langchain_works(store: PergamumVectorStore) -> None:
    records = InMemoryRecordManager("words")
    records.create_schema()
    first = [Document(page_content=word, metadata={"source": word}) for word in WORDS[:4]]

    def indexed(documents: list[Document]) -> dict[str, int]:
        return dict(index(documents, records, store, cleanup="full", source_id_key="source", key_encoder="sha256"))  # type: ignore[arg-type]  # a result is a dictionary

    assert indexed(first)["num_added"] == 4
    assert indexed(first)["num_skipped"] == 4
    changed = indexed([*first[:2], Document(page_content="new", metadata={"source": "new"})])
    assert (changed["num_added"], changed["num_deleted"]) == (1, 2)
    assert {document.page_content for document in store.similarity_search("x", k=10)} == {"sea", "moon", "new"}


def test_deletes_all_where_no_ids_are_said(store: PergamumVectorStore) -> None:
    store.add_texts(WORDS)
    store.delete([])
    assert len(store.similarity_search("x", k=20)) == 12

    assert store.delete() is True

    assert store.similarity_search("x") == []


async def test_works_on_a_library_that_was_filled_otherwise(client: Pergamum, library_name: str) -> None:
    library = client.libraries.create(name=library_name)
    library.documents.add(
        id="tides", chunks=[{"id": "t1", "text": "The moon pulls the sea."}, {"id": "t2", "text": "Cats."}]
    )
    store = PergamumVectorStore(library)

    assert ids(store.similarity_search("what moves the ocean?", k=1)) == ["t1"]
    assert ids(store.max_marginal_relevance_search("the ocean", k=2, lambda_mult=0.1)) == ["t1", "t2"]
    assert ids(await store.amax_marginal_relevance_search("the ocean", k=2, lambda_mult=0.1)) == ["t1", "t2"]
    with pytest.raises(Conflict, match="t2"):
        store.add_texts(["Dogs."], ids=["t2"])
    store.delete(["t1"])
    assert ids(store.similarity_search("the ocean")) == ["t2"]


# Wrong input


def test_lists_unlike_long_are_refused(store: PergamumVectorStore) -> None:
    with pytest.raises(ValueError, match="2 texts, but 1 metadatas"):
        store.add_texts(["a", "b"], [{}])
    with pytest.raises(ValueError, match="1 texts, but 2 ids"):
        store.add_texts(["a"], ids=["1", "2"])


def test_metadata_of_another_type_is_refused_with_its_field(store: PergamumVectorStore) -> None:
    store.add_texts(["a"], [{"year": 2020}])

    with pytest.raises(Invalid, match=r"metadata\.year: must be an integer"):
        store.add_texts(["b", "c"], [{"year": 2021}, {"year": "2021"}])

    assert len(store.similarity_search("a", k=10)) == 1


def test_a_filter_by_an_unknown_field_says_the_nearest_one(filled: PergamumVectorStore) -> None:
    with pytest.raises(Invalid, match=r"did you mean .*year"):
        filled.similarity_search("a", filter={"yaer": 2020})


def test_what_nobody_reads_is_refused(store: PergamumVectorStore, client: Pergamum) -> None:
    with pytest.raises(TypeError, match="bulk_size"):
        store.add_texts(["a"], bulk_size=3)
    with pytest.raises(TypeError, match="collection_name"):
        PergamumVectorStore.from_texts([], embedding(), client=client, collection_name="x")
    with pytest.raises(TypeError, match="give a library"):
        PergamumVectorStore(None, embedding())


def test_errors_of_the_client_pass_through(store: PergamumVectorStore) -> None:
    with pytest.raises(Invalid, match="6"):
        store.similarity_search_by_vector([1.0])


@pytest.fixture
def without_langchain(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in sys.modules if name.startswith("langchain_core.")]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "pergamum.adapters.langchain")
    yield
    monkeypatch.undo()


def test_says_what_to_install(without_langchain: None) -> None:
    with pytest.raises(ImportError, match=r'pip install "pergamum\[langchain\]"'):
        __import__("pergamum.adapters.langchain")
