"""Pergamum as a vector store of LlamaIndex. Needs `pip install "pergamum[llama-index]"`."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, Self, Unpack

try:
    from llama_index.core.schema import BaseNode
    from llama_index.core.vector_stores.types import (
        BasePydanticVectorStore,
        MetadataFilters,
        VectorStoreQuery,
        VectorStoreQueryResult,
    )
except ImportError as missing:
    raise ImportError('the LlamaIndex adapter needs llama-index-core: pip install "pergamum[llama-index]"') from missing

from pydantic import PrivateAttr

from pergamum.adapters.llama_index_filters import Types, asks_for_empty, both, filter_json
from pergamum.adapters.llama_index_nodes import drafts, new_chunks, new_documents, stored
from pergamum.adapters.llama_index_queries import asked, result
from pergamum.adapters.opening import Opening, aopened, opened
from pergamum.adapters.store_library import StoreLibrary
from pergamum.adapters.unread_options import refuse
from pergamum.client import AsyncLibrary, ChunkOfDocument, Conflict, F, Library
from pergamum.client.filters import Where
from pergamum.domain.json import JsonObject
from pergamum.wire.schema import SchemaOut

BATCH: Final = 1_000
"""Nodes that are stored by one request."""
_ATTEMPTS: Final = 5
"""How often documents that others make meanwhile are looked for again."""
_EVERYTHING: Final[JsonObject] = {"and": []}
_EXISTS: Final = "document-exists"


class PergamumVectorStore(BasePydanticVectorStore):
    """A library as a vector store: a node is a chunk of the document it refers to (`ref_doc_id`), under its own id.

    A node that refers to none gets a document of its own. The library is best of mode `inferred`, which a library is
    unless told otherwise: the first value of a metadata field says of which type all others are.

    Asynchronous methods use `async_library` where it is given, and threads where it is not; `open` makes clients of
    both kinds. With `is_embedding_query=False` the library's own model embeds nodes and queries.
    Further arguments of a query (`vector_store_kwargs` of an index) are options of `Library.search`: `recall`, ...

    >>> from llama_index.core.schema import TextNode
    >>> from llama_index.core.schema import TextNode
    >>> store = PergamumVectorStore(client.libraries.create(name="nodes", dimension=2))
    >>> store.add([TextNode(id_="a", text="The moon pulls the sea.", embedding=[1.0, 0.0])])
    ['a']
    >>> store.query(VectorStoreQuery(query_embedding=[1.0, 0.0])).nodes[0].text
    'The moon pulls the sea.'
    """

    stores_text: bool = True
    is_embedding_query: bool = True
    _library: StoreLibrary = PrivateAttr()

    def __init__(
        self,
        library: Library | None = None,
        *,
        async_library: AsyncLibrary | None = None,
        is_embedding_query: bool = True,
    ) -> None:
        super().__init__(stores_text=True, is_embedding_query=is_embedding_query)
        self._library = StoreLibrary.given(library, async_library)

    @classmethod
    def open(cls, library: str, *, is_embedding_query: bool = True, **opening: Unpack[Opening]) -> Self:
        """Return a store on the library of this name, which is made if there is none: say its `dimension` then."""
        return cls._on(opened(library, opening, lambda: None), is_embedding_query=is_embedding_query)

    @classmethod
    async def aopen(cls, library: str, *, is_embedding_query: bool = True, **opening: Unpack[Opening]) -> Self:
        """Return a store as `open` does; asks the server asynchronously where it can."""

        async def unknown() -> None:
            return None

        return cls._on(await aopened(library, opening, unknown), is_embedding_query=is_embedding_query)

    @classmethod
    def _on(cls, library: StoreLibrary, *, is_embedding_query: bool) -> Self:
        known = library.known
        sync, native = (known, None) if isinstance(known, Library) else (None, known)
        store = cls(sync, async_library=native, is_embedding_query=is_embedding_query)
        store._library = library
        return store

    @classmethod
    def class_name(cls) -> str:
        """Return the name of this kind of store."""
        return "PergamumVectorStore"

    @property
    def client(self) -> Library | AsyncLibrary | None:
        """The library."""
        return self._library.known

    def close(self) -> None:
        """Close the synchronous client that the store made itself."""
        self._library.close()

    async def aclose(self) -> None:
        """Close what the store made itself: its synchronous client, and the one of this event loop."""
        await self._library.aclose()

    # What is stored

    def add(self, nodes: Sequence[BaseNode], **kwargs: object) -> list[str]:
        """Store nodes in place of those of the same ids, a thousand at a time; return their ids.

        Raises ValueError for nodes without an embedding; `Conflict` for a node that is stored in another document.
        """
        refuse(kwargs)
        for batch in _batches(nodes):
            chunks = drafts(batch, embedded=self.is_embedding_query)
            existing = self._in_new_documents(chunks)
            self._library.add_chunks(new_chunks(chunks, existing))
        return [node.node_id for node in nodes]

    async def async_add(self, nodes: Sequence[BaseNode], **kwargs: object) -> list[str]:
        """Store nodes as `add` does."""
        refuse(kwargs)
        for batch in _batches(nodes):
            chunks = drafts(batch, embedded=self.is_embedding_query)
            existing = await self._ain_new_documents(chunks)
            await self._library.aadd_chunks(new_chunks(chunks, existing))
        return [node.node_id for node in nodes]

    def delete(self, ref_doc_id: str, **delete_kwargs: object) -> None:
        """Delete the document with all of its nodes, if there is one."""
        refuse(delete_kwargs)
        self._library.delete_documents(F.id == ref_doc_id)

    async def adelete(self, ref_doc_id: str, **delete_kwargs: object) -> None:
        """Delete the document with all of its nodes, if there is one."""
        refuse(delete_kwargs)
        await self._library.adelete_documents(F.id == ref_doc_id)

    def delete_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **delete_kwargs: object
    ) -> None:
        """Delete the nodes with these ids that the filters hold for; documents stay, though they may be empty then.

        Raises ValueError where neither is given: `clear` deletes all.
        """
        refuse(delete_kwargs)
        self._library.delete_chunks(_some(node_ids, filters, self._types(filters)))

    async def adelete_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **delete_kwargs: object
    ) -> None:
        """Delete nodes as `delete_nodes` does."""
        refuse(delete_kwargs)
        await self._library.adelete_chunks(_some(node_ids, filters, await self._atypes(filters)))

    def clear(self) -> None:
        """Delete all documents of the library."""
        self._library.delete_documents(_EVERYTHING)

    async def aclear(self) -> None:
        """Delete all documents of the library."""
        await self._library.adelete_documents(_EVERYTHING)

    # What is found

    def get_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None) -> list[BaseNode]:
        """Return the nodes with these ids that the filters hold for, by ascending id; all there are without either."""
        chunks = self._library.chunks(both(_of_ids(node_ids), filter_json(filters, self._types(filters))))
        return [stored(chunk) for chunk in chunks]

    async def aget_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None
    ) -> list[BaseNode]:
        """Return nodes as `get_nodes` does."""
        where = both(_of_ids(node_ids), filter_json(filters, await self._atypes(filters)))
        return [stored(chunk) for chunk in await self._library.achunks(where)]

    def query(self, query: VectorStoreQuery, **kwargs: object) -> VectorStoreQueryResult:
        """Return the nodes that fit best, best first. Scores grow with similarity: docs/search.md has them by mode.

        `alpha` weighs the vectors of a hybrid query against its words; without it, ranks are fused. `semantic_hybrid`
        lets a reranker judge the hits, the server's local one unless `rerank` says otherwise.
        Raises ValueError for modes that learn from the query (svm, ...) and filters that cannot be meant.
        """
        return result(self._library.search(asked(query, _where(query, self._types(query.filters)), kwargs)))

    async def aquery(self, query: VectorStoreQuery, **kwargs: object) -> VectorStoreQueryResult:
        """Return nodes as `query` does."""
        where = _where(query, await self._atypes(query.filters))
        return result(await self._library.asearch(asked(query, where, kwargs)))

    # How that is done

    def _in_new_documents(self, chunks: Mapping[str, list[ChunkOfDocument]], attempts: int = _ATTEMPTS) -> set[str]:
        """Store the documents that do not exist yet, with their chunks; return the ids of those that do."""
        existing = self._library.document_ids(F.id.in_(list(chunks)))
        try:
            self._library.add_documents(new_documents(chunks, existing), mode="create")
        except Conflict as error:
            if attempts == 1 or not error.type.endswith(_EXISTS):  # others made some of them meanwhile
                raise
            return self._in_new_documents(chunks, attempts - 1)
        return existing

    async def _ain_new_documents(
        self, chunks: Mapping[str, list[ChunkOfDocument]], attempts: int = _ATTEMPTS
    ) -> set[str]:
        """Store the documents that do not exist yet, with their chunks; return the ids of those that do."""
        existing = await self._library.adocument_ids(F.id.in_(list(chunks)))
        try:
            await self._library.aadd_documents(new_documents(chunks, existing), mode="create")
        except Conflict as error:
            if attempts == 1 or not error.type.endswith(_EXISTS):  # others made some of them meanwhile
                raise
            return await self._ain_new_documents(chunks, attempts - 1)
        return existing

    def _types(self, filters: MetadataFilters | None) -> Types:
        """Return the types of metadata fields, if the filters need to know them."""
        return _types_of(self._library.schema()) if asks_for_empty(filters) else {}

    async def _atypes(self, filters: MetadataFilters | None) -> Types:
        """Return the types of metadata fields, if the filters need to know them."""
        return _types_of(await self._library.aschema()) if asks_for_empty(filters) else {}


def _batches(nodes: Sequence[BaseNode]) -> Iterator[list[BaseNode]]:
    rest = iter(nodes)
    while batch := list(islice(rest, BATCH)):
        yield batch


def _types_of(schema: SchemaOut) -> Types:
    return {name: field.type for name, field in schema.chunks.items()}


def _of_ids(node_ids: Sequence[str] | None) -> Where | None:
    return None if node_ids is None else F.id.in_(node_ids)


def _some(node_ids: Sequence[str] | None, filters: MetadataFilters | None, types: Types) -> JsonObject:
    where = both(_of_ids(node_ids), filter_json(filters, types))
    if where is None:
        raise ValueError("delete_nodes takes node_ids, filters, or both; clear deletes all nodes")
    return where


def _where(query: VectorStoreQuery, types: Types) -> JsonObject | None:
    """Return what a query keeps to. An empty list of ids is none: an index sends one with each query."""
    documents = F.document_id.in_(query.doc_ids) if query.doc_ids else None
    return both(documents, _of_ids(query.node_ids or None), filter_json(query.filters, types))
