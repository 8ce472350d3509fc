"""LlamaIndex's adapter: nodes, queries of every mode, and an index from end to end without a model or a network."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import Document, MockEmbedding, StorageContext, VectorStoreIndex
from llama_index.core.schema import (
    BaseNode,
    ImageNode,
    IndexNode,
    MediaResource,
    Node,
    NodeRelationship,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)

from pergamum.adapters.llama_index import PergamumVectorStore
from pergamum.adapters.store_library import StoreLibrary
from pergamum.client import AsyncPergamum, Conflict, Invalid, Pergamum, Query
from pergamum.client.filters import FilterLike

Mode = VectorStoreQueryMode


def node(id: str, text: str = "", *, of: str | None = None, vector: tuple[float, float] = (1.0, 0.0)) -> TextNode:
    """Return a node of a document."""
    source = {} if of is None else {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=of)}
    return TextNode(id_=id, text=text, embedding=list(vector), relationships=source)


TEXTS = [
    node("a", "The moon pulls the sea.", of="tides", vector=(1.0, 0.0)),
    node("b", "Twice a day the water rises.", of="tides", vector=(0.9, 0.1)),
    node("c", "The moon circles the earth.", of="orbit", vector=(0.5, 0.5)),
    node("d", "Cats purr.", vector=(0.0, 1.0)),
]


@pytest.fixture(scope="module")
def filled(client: Pergamum) -> PergamumVectorStore:
    """A store that tests only read."""
    store = PergamumVectorStore(client.libraries.create(name="llama texts", dimension=2))
    store.add(TEXTS)
    return store


@pytest.fixture
def store(client: Pergamum, library_name: str) -> PergamumVectorStore:
    """An empty store."""
    return PergamumVectorStore(client.libraries.create(name=library_name, dimension=2))


@pytest.fixture
async def native(aclient: AsyncPergamum, library_name: str) -> PergamumVectorStore:
    """An empty store, which asks asynchronously and nothing else."""
    return PergamumVectorStore(async_library=await aclient.libraries.create(name=library_name, dimension=2))


def is_(key: str, value: int) -> MetadataFilters:
    return MetadataFilters(filters=[MetadataFilter(key=key, value=value)])


def ids(nodes: Any) -> list[str]:  # noqa: ANN401  # LlamaIndex is of two minds about what a list of nodes is
    return [each.node_id for each in nodes]


# Nodes

NODES = [
    TextNode(
        id_="text",
        text="hello",
        metadata={"int": 1, "float": 1.0, "none": None, "list": [1, 2], "nested": {"a": [1.0]}, "no": []},
        relationships={
            NodeRelationship.SOURCE: RelatedNodeInfo(node_id="doc", metadata={"page": 1}),
            NodeRelationship.NEXT: RelatedNodeInfo(node_id="node", hash="h"),
        },
        excluded_embed_metadata_keys=["int"],
        start_char_idx=3,
        end_char_idx=8,
        text_template="{content}",
    ),
    Node(id_="node", text_resource=MediaResource(text="t", mimetype="text/markdown")),
    Node(id_="picture", image_resource=MediaResource(path=Path("y.png"))),
    Node(id_="nothing", text_resource=MediaResource(text=None)),
    ImageNode(id_="image", text="caption", image="aGVsbG8="),
    IndexNode(id_="index", text="see there", index_id="there"),
    Document(id_="document", text="a whole\n document", metadata={"ü": True}),
    TextNode(id_="no text"),
]


@pytest.mark.parametrize("given", NODES, ids=[each.node_id for each in NODES])
def test_a_node_comes_back_as_it_was(store: PergamumVectorStore, given: BaseNode) -> None:
    stored = given.model_copy(update={"embedding": [1.0, 0.5]})
    before = stored.model_copy(deep=True)

    assert store.add([stored]) == [given.node_id]

    assert stored == before
    (back,) = store.get_nodes([given.node_id])
    found = store.query(VectorStoreQuery(query_embedding=[1.0, 0.0])).nodes
    assert type(back) is type(given)
    assert found == [back]
    assert back == given
    assert repr(back.metadata) == repr(given.metadata)  # 1 is not 1.0 here


def test_a_node_is_a_chunk_of_the_document_it_refers_to(filled: PergamumVectorStore, client: Pergamum) -> None:
    library = client.library("llama texts")

    assert {document.id: document.chunks for document in library.documents.list()} == {"tides": 2, "orbit": 1, "d": 1}
    assert "_node_content" not in library.schema.get().chunks


def test_chunks_that_were_stored_otherwise_are_nodes_too(client: Pergamum, library_name: str) -> None:
    library = client.libraries.create(name=library_name)
    library.documents.add(id="tides", chunks=[{"id": "t", "text": "The moon pulls the sea.", "metadata": {"page": 1}}])

    found = PergamumVectorStore(library, is_embedding_query=False).query(VectorStoreQuery(query_str="ocean"))

    assert found.nodes is not None
    (back,) = found.nodes
    assert (back.node_id, back.ref_doc_id, back.metadata) == ("t", "tides", {"page": 1})
    assert back.get_content() == "The moon pulls the sea."


def test_the_library_embeds_where_it_is_told_to(client: Pergamum, library_name: str) -> None:
    store = PergamumVectorStore(client.libraries.create(name=library_name), is_embedding_query=False)
    store.add([node("a", "The moon pulls the sea."), node("b", "Cats purr.")])

    assert store.query(VectorStoreQuery(query_str="kitten")).ids == ["b"]


# Adding and deleting


def test_nodes_of_new_documents_are_one_write_and_those_of_old_ones_another(store: PergamumVectorStore) -> None:
    library = store._library.sync
    before = library.info().position

    store.add([node("1", of="x"), node("2", of="x"), node("3")])
    assert library.refresh().position == before + 1
    store.add([node("1", of="x"), node("4", of="y")])
    assert library.refresh().position == before + 3


def test_adding_again_replaces_nodes_and_keeps_the_others_of_their_document(store: PergamumVectorStore) -> None:
    store.add([node("1", "old", of="x"), node("2", "stays", of="x")])
    store.add([node("1", "new", of="x"), node("3", of="x"), node("4", of="y"), node("4", "last", of="y")])

    assert {each.node_id: each.get_content() for each in store.get_nodes()} == {
        "1": "new",
        "2": "stays",
        "3": "",
        "4": "last",
    }


class Behind(StoreLibrary):
    """Sees no document the first time, as if others made them just then."""

    looks = 0

    def document_ids(self, filter: FilterLike) -> set[str]:
        self.looks += 1
        return super().document_ids(filter) if self.looks > 1 else set()


async def test_documents_that_others_make_meanwhile_keep_their_nodes(store: PergamumVectorStore) -> None:
    store.add([node("1", of="x")])

    store._library = Behind(store._library.sync)
    store.add([node("2", of="x"), node("3", of="y")])
    store._library = Behind(store._library.sync)
    await store.async_add([node("4", of="x"), node("5", of="z")])

    assert ids(store.get_nodes()) == ["1", "2", "3", "4", "5"]


def test_a_node_does_not_change_its_document(store: PergamumVectorStore) -> None:
    store.add([node("1", of="x")])
    store._library = behind = Behind(store._library.sync)

    with pytest.raises(Conflict, match="'1'"):
        store.add([node("1", of="y")])
    assert behind.looks == 1


def test_deletes_documents_nodes_and_all(store: PergamumVectorStore) -> None:
    store.add([*TEXTS, TextNode(id_="e", embedding=[1.0, 1.0], metadata={"n": 1})])

    store.delete("tides")
    store.delete("no such document")
    assert ids(store.get_nodes()) == ["c", "d", "e"]
    store.delete_nodes(["d", "no such node"])
    store.delete_nodes(filters=is_("n", 1))
    store.delete_nodes([])
    assert ids(store.get_nodes()) == ["c"]
    with pytest.raises(ValueError, match="clear"):
        store.delete_nodes()
    store.clear()
    assert store.get_nodes() == []
    assert store.query(VectorStoreQuery(query_embedding=[1.0, 0.0])).ids == []


async def test_the_asynchronous_methods_do_the_same(native: PergamumVectorStore, filled: PergamumVectorStore) -> None:
    assert await native.async_add(TEXTS) == ["a", "b", "c", "d"]
    await native.async_add([node("e", of="tides").model_copy(update={"metadata": {"n": 1}})])

    query = VectorStoreQuery(query_embedding=[1.0, 0.2], similarity_top_k=3, doc_ids=["tides", "orbit"])
    assert (await native.aquery(query)).ids == ["b", "a", "e"]
    assert ids(await native.aget_nodes(filters=is_("n", 1))) == ["e"]
    await native.adelete_nodes(["e"])
    assert await native.aquery(query) == filled.query(query)
    assert await native.aget_nodes(["d", "a"]) == filled.get_nodes(["d", "a"])
    await native.adelete("tides")
    assert ids(await native.aget_nodes()) == ["c", "d"]
    await native.aclear()
    assert await native.aget_nodes() == []
    with pytest.raises(TypeError, match="async_library only"):
        native.get_nodes()


async def test_a_synchronous_library_alone_is_asked_in_threads(store: PergamumVectorStore) -> None:
    await store.async_add(TEXTS)

    assert (await store.aquery(VectorStoreQuery(query_embedding=[1.0, 0.0], similarity_top_k=2))).ids == ["a", "b"]
    await store.adelete("tides")
    await store.adelete_nodes(["d"])
    assert ids(await store.aget_nodes()) == ["c"]


# Queries


def found(store: PergamumVectorStore, *, mode: Mode = Mode.DEFAULT, k: int = 4, **more: Any) -> list[str]:  # noqa: ANN401  # fields of a query
    options = more.pop("options", {})
    query = VectorStoreQuery(query_embedding=[1.0, 0.0], query_str="moon", similarity_top_k=k, mode=mode, **more)
    result = store.query(query, **options)
    assert result.nodes is not None
    assert result.similarities is not None
    assert ids(result.nodes) == result.ids
    assert result.similarities == sorted(result.similarities, reverse=True) or mode is Mode.MMR
    return result.ids or []


def test_queries_of_every_mode_find_what_they_mean(filled: PergamumVectorStore) -> None:
    assert found(filled) == ["a", "b", "c", "d"]
    assert found(filled, k=1) == ["a"]
    assert found(filled, mode=Mode.TEXT_SEARCH) == found(filled, mode=Mode.SPARSE) == ["a", "c"]
    assert found(filled, mode=Mode.SPARSE, sparse_top_k=1) == ["a"]
    assert found(filled, mode=Mode.HYBRID, k=2) == ["a", "c"]
    assert found(filled, mode=Mode.HYBRID, alpha=1.0, k=2) == ["a", "b"]
    assert found(filled, mode=Mode.HYBRID, alpha=0.0, k=4, hybrid_top_k=2) == ["a", "c"]
    assert found(filled, mode=Mode.HYBRID, alpha=0.0, sparse_top_k=9)[:2] == ["a", "c"]
    assert set(found(filled, mode=Mode.SEMANTIC_HYBRID, k=2)) == {"a", "c"}


def test_similarities_are_a_rerankers_where_one_judged(filled: PergamumVectorStore) -> None:
    query = VectorStoreQuery(
        query_embedding=[1.0, 0.0], query_str="moon", similarity_top_k=4, mode=Mode.SEMANTIC_HYBRID
    )

    similarities = filled.query(query).similarities

    hits = filled._library.search(
        Query(vector=[1.0, 0.0], text="moon", mode="hybrid", k=4, rerank={"provider": "local"})
    )
    assert similarities == [hit.relevance for hit in hits]
    assert similarities != [hit.score for hit in hits]


def test_marginal_relevance_trades_nearness_for_difference(filled: PergamumVectorStore) -> None:
    assert found(filled, mode=Mode.MMR, k=2, mmr_threshold=1.0) == ["a", "b"]
    assert found(filled, mode=Mode.MMR, k=2, mmr_threshold=0.0) == ["a", "d"]
    assert found(filled, mode=Mode.MMR, k=2, options={"mmr_threshold": 0.0}) == ["a", "d"]


def test_queries_keep_to_documents_nodes_and_filters(filled: PergamumVectorStore) -> None:
    assert found(filled, doc_ids=["tides", "d"]) == ["a", "b", "d"]
    assert found(filled, node_ids=["c", "b"]) == ["b", "c"]
    assert found(filled, doc_ids=["tides"], node_ids=["c", "b"]) == ["b"]
    assert found(filled, node_ids=[], doc_ids=[]) == ["a", "b", "c", "d"]  # as an index asks that knows no nodes
    assert found(filled, options={"min_score": 0.9}) == ["a", "b"]


@pytest.mark.parametrize("mode", [Mode.SVM, Mode.LOGISTIC_REGRESSION, Mode.LINEAR_REGRESSION])
def test_modes_that_learn_from_the_query_are_refused(filled: PergamumVectorStore, mode: Mode) -> None:
    with pytest.raises(ValueError, match=mode.value):
        found(filled, mode=mode)


def test_wrong_input_is_refused(store: PergamumVectorStore) -> None:
    with pytest.raises(ValueError, match="query_str"):
        store.query(VectorStoreQuery())
    with pytest.raises(ValueError, match="embedding not set"):
        store.add([TextNode(text="a")])
    with pytest.raises(ValueError, match="_node_content"):
        store.add([TextNode(text="a", metadata={"_node_content": "x"}, embedding=[1.0, 0.0])])
    with pytest.raises(TypeError, match="wait"):
        store.add([], wait=True)
    with pytest.raises(Invalid, match="2"):
        store.add([TextNode(text="a", embedding=[1.0])])
    store.add([TextNode(text="a", embedding=[1.0, 0.0], metadata={"year": 2020})])
    with pytest.raises(Invalid, match=r"metadata\.year: must be an integer"):
        store.add([TextNode(text="b", embedding=[1.0, 0.0], metadata={"year": "2020"})])


# An index


def test_an_index_from_end_to_end(server_url: str, library_name: str) -> None:
    store = PergamumVectorStore.open(library_name, dimension=8, url=server_url)
    documents = [Document(id_=f"d{at}", text=f"text {at}", metadata={"at": at}) for at in range(5)]
    context = StorageContext.from_defaults(vector_store=store)
    index = VectorStoreIndex.from_documents(documents, storage_context=context, embed_model=MockEmbedding(8))

    index.insert(Document(id_="new", text="new text", metadata={"at": 9}))
    index.delete_ref_doc("d1")
    index.update_ref_doc(Document(id_="d2", text="changed", metadata={"at": 2}))

    reopened = PergamumVectorStore.open(library_name, url=server_url)
    again = VectorStoreIndex.from_vector_store(reopened, embed_model=MockEmbedding(8))
    retrieved = again.as_retriever(similarity_top_k=10).retrieve("anything")
    assert {each.node.ref_doc_id: each.node.get_content() for each in retrieved} == {
        "d0": "text 0",
        "d2": "changed",
        "d3": "text 3",
        "d4": "text 4",
        "new": "new text",
    }
    assert [each.text for each in again.as_retriever(filters=is_("at", 9)).retrieve("anything")] == ["new text"]
    by_words = again.as_retriever(vector_store_query_mode="text_search", vector_store_kwargs={"k": 1})
    assert [each.text for each in by_words.retrieve("changed")] == ["changed"]
    store.close()
    reopened.close()


async def test_opens_by_clients_of_either_kind(client: Pergamum, aclient: AsyncPergamum, library_name: str) -> None:
    native = await PergamumVectorStore.aopen(library_name, dimension=2, async_client=aclient)
    both = PergamumVectorStore.open(library_name, client=client, async_client=aclient)

    await native.async_add(TEXTS)

    assert await native.aget_nodes() == await both.aget_nodes() == both.get_nodes()
    assert native.client is not None


async def test_an_index_works_asynchronously(server_url: str, library_name: str) -> None:
    store = await PergamumVectorStore.aopen(library_name, dimension=8, url=server_url)
    index = VectorStoreIndex.from_vector_store(store, embed_model=MockEmbedding(8))

    await index.ainsert_nodes([TextNode(id_="a", text="one"), TextNode(id_="b", text="two")])

    retrieved = await index.as_retriever(similarity_top_k=1, doc_ids=["b"]).aretrieve("anything")
    assert [each.text for each in retrieved] == ["two"]
    await store.aclose()


def test_is_a_vector_store_of_llama_index(store: PergamumVectorStore) -> None:
    assert isinstance(store, BasePydanticVectorStore)
    assert (store.stores_text, store.is_embedding_query, store.class_name()) == (True, True, "PergamumVectorStore")
    assert store.client is store._library.sync
    store.persist("nowhere")


@pytest.fixture
def without_llama_index(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "llama_index.core.schema", None)
    monkeypatch.delitem(sys.modules, "pergamum.adapters.llama_index")
    yield
    monkeypatch.undo()


def test_says_what_to_install(without_llama_index: None) -> None:
    with pytest.raises(ImportError, match=r'pip install "pergamum\[llama-index\]"'):
        __import__("pergamum.adapters.llama_index")
