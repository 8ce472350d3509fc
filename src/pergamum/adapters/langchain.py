"""Pergamum as a vector store and a retriever of LangChain. Needs `pip install "pergamum[langchain]"`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Self, Unpack, cast

try:
    from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_core.retrievers import BaseRetriever
    from langchain_core.vectorstores import VectorStore
except ImportError as missing:
    raise ImportError('the LangChain adapter needs langchain-core: pip install "pergamum[langchain]"') from missing

from pydantic import ConfigDict, Field

from pergamum.adapters.langchain_documents import RELEVANCE, Entry, batches, diverse, drafts, entries, found, in_order
from pergamum.adapters.langchain_searches import EVERYTHING, asked, candidates, of_ids, parts, require_metric
from pergamum.adapters.opening import Opening, aopened, opened
from pergamum.adapters.store_library import StoreLibrary
from pergamum.adapters.unread_options import refuse
from pergamum.client import AsyncLibrary, Library
from pergamum.client.filters import FilterLike
from pergamum.client.vectors import VectorLike
from pergamum.wire.search import HitOut

BATCH: Final = 1_000
"""Texts that are embedded together, and stored by one request."""


class PergamumVectorStore(VectorStore):
    """A library as a vector store: every LangChain document is a document with one chunk, both of its id.

    `embedding` makes the vectors; without it the library's own model does. Asynchronous methods use `async_library`
    where it is given, and threads where it is not; `open` makes clients of both kinds. Whoever makes a client closes
    it: `close` and `aclose` close those of `open`, `from_texts` and `from_documents`.

    Searches take `k`, `filter` and what `Library.search` takes besides: `recall`, `mode`, `fusion`, `min_score`, ...
    A filter is made with `F`, is Pergamum's JSON, or of LangChain's style: `{"year": {"$gte": 2020}}`.
    Scores grow with similarity: docs/rest.md says what they are for each metric.

    >>> store = PergamumVectorStore(client.libraries.create(name="notes"))
    >>> store.add_texts(["The moon pulls the sea.", "Cats purr."], [{"year": 2001}, {"year": 2020}], ids=["a", "b"])
    ['a', 'b']
    >>> store.similarity_search("what moves the ocean?", k=1, filter={"year": {"$lt": 2020}})[0].page_content
    'The moon pulls the sea.'
    """

    def __init__(
        self,
        library: Library | None = None,
        embedding: Embeddings | None = None,
        *,
        async_library: AsyncLibrary | None = None,
    ) -> None:
        self._library = StoreLibrary.given(library, async_library)
        self._embedding = embedding

    @classmethod
    def open(cls, library: str, embedding: Embeddings | None = None, **opening: Unpack[Opening]) -> Self:
        """Return a store on the library of this name, which is made if there is none, as long as the embeddings are."""

        def dimension() -> int | None:
            return None if embedding is None else len(embedding.embed_query("dimension"))

        return cls._on(opened(library, opening, dimension), embedding)

    @classmethod
    async def aopen(cls, library: str, embedding: Embeddings | None = None, **opening: Unpack[Opening]) -> Self:
        """Return a store as `open` does; asks the server asynchronously where it can."""

        async def dimension() -> int | None:
            return None if embedding is None else len(await embedding.aembed_query("dimension"))

        return cls._on(await aopened(library, opening, dimension), embedding)

    @classmethod
    def _on(cls, library: StoreLibrary, embedding: Embeddings | None) -> Self:
        store = cls.__new__(cls)
        store._library, store._embedding = library, embedding
        return store

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        library: str = "langchain",
        **kwargs: object,
    ) -> Self:
        """Open the library of this name as `open` does, and add the texts."""
        store = cls.open(library, embedding, **cast(Opening, kwargs))
        try:
            store.add_texts(texts, metadatas, ids=ids)
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    async def afrom_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        library: str = "langchain",
        **kwargs: object,
    ) -> Self:
        """Open the library of this name as `aopen` does, and add the texts."""
        store = await cls.aopen(library, embedding, **cast(Opening, kwargs))
        try:
            await store.aadd_texts(texts, metadatas, ids=ids)
        except BaseException:
            await store.aclose()
            raise
        return store

    @property
    def embeddings(self) -> Embeddings | None:
        """What makes the vectors; None where the library does."""
        return self._embedding

    def close(self) -> None:
        """Close the synchronous client that the store made itself."""
        self._library.close()

    async def aclose(self) -> None:
        """Close what the store made itself: its synchronous client, and the one of this event loop."""
        await self._library.aclose()

    # What is stored

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        batch_size: int = BATCH,
        **kwargs: object,
    ) -> list[str]:
        """Store texts in place of those of the same ids; return their ids, new ones for those without.

        Each `batch_size` of them are embedded together, and stored by one request unless it is over 8 MB.
        """
        refuse(kwargs)
        added = entries(texts, metadatas, ids)
        for batch in batches(added, batch_size):
            self._library.add_documents(drafts(batch, self._vectors(batch)))
        return [entry.id for entry in added]

    async def aadd_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        batch_size: int = BATCH,
        **kwargs: object,
    ) -> list[str]:
        """Store texts as `add_texts` does."""
        refuse(kwargs)
        added = entries(texts, metadatas, ids)
        for batch in batches(added, batch_size):
            await self._library.aadd_documents(drafts(batch, await self._avectors(batch)))
        return [entry.id for entry in added]

    def delete(self, ids: list[str] | None = None, **kwargs: object) -> bool:
        """Delete what has these ids, all there is without ids. Ids of nothing are no error."""
        refuse(kwargs)
        for some in parts(ids):
            where = of_ids(some)
            if self._library.delete_documents(where) < len(some):
                self._library.delete_chunks(where)  # of a document with several chunks, which the store did not make
        if ids is None:
            self._library.delete_documents(EVERYTHING)
        return True

    async def adelete(self, ids: list[str] | None = None, **kwargs: object) -> bool:
        """Delete as `delete` does."""
        refuse(kwargs)
        for some in parts(ids):
            where = of_ids(some)
            if await self._library.adelete_documents(where) < len(some):
                await self._library.adelete_chunks(where)
        if ids is None:
            await self._library.adelete_documents(EVERYTHING)
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Return what has these ids, in their order."""
        return in_order(ids, [chunk for some in parts(ids) for chunk in self._library.chunks(of_ids(some))])

    async def aget_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Return what has these ids, in their order."""
        return in_order(ids, [chunk for some in parts(ids) for chunk in await self._library.achunks(of_ids(some))])

    # What is found

    def similarity_search(
        self, query: str, k: int = 4, *, filter: FilterLike | None = None, **kwargs: object
    ) -> list[Document]:
        """Return the `k` documents nearest to the query, nearest first."""
        return [found(hit) for hit in self._hits(query, k, {"filter": filter, **kwargs})]

    async def asimilarity_search(
        self, query: str, k: int = 4, *, filter: FilterLike | None = None, **kwargs: object
    ) -> list[Document]:
        """Return the `k` documents nearest to the query, nearest first."""
        return [found(hit) for hit in await self._ahits(query, k, {"filter": filter, **kwargs})]

    def similarity_search_with_score(
        self, query: str, k: int = 4, *, filter: FilterLike | None = None, **kwargs: object
    ) -> list[tuple[Document, float]]:
        """Return the `k` documents nearest to the query with their scores, greatest first."""
        return [(found(hit), hit.score) for hit in self._hits(query, k, {"filter": filter, **kwargs})]

    async def asimilarity_search_with_score(
        self, query: str, k: int = 4, *, filter: FilterLike | None = None, **kwargs: object
    ) -> list[tuple[Document, float]]:
        """Return the `k` documents nearest to the query with their scores, greatest first."""
        return [(found(hit), hit.score) for hit in await self._ahits(query, k, {"filter": filter, **kwargs})]

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, *, filter: FilterLike | None = None, **kwargs: object
    ) -> list[Document]:
        """Return the `k` documents nearest to the vector, nearest first."""
        return [found(hit) for hit in self._library.search(asked(None, embedding, k, {"filter": filter, **kwargs}))]

    async def asimilarity_search_by_vector(
        self, embedding: list[float], k: int = 4, *, filter: FilterLike | None = None, **kwargs: object
    ) -> list[Document]:
        """Return the `k` documents nearest to the vector, nearest first."""
        hits = await self._library.asearch(asked(None, embedding, k, {"filter": filter, **kwargs}))
        return [found(hit) for hit in hits]

    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: object
    ) -> list[Document]:
        """Return `k` of the `fetch_k` documents nearest to the query that differ; `lambda_mult` 1 is the nearest."""
        if self._embedding is None:
            return [found(hit) for hit in self._hits(query, k, {"diversity": 1.0 - lambda_mult, **kwargs})]
        vector = self._embedding.embed_query(query)
        return self.max_marginal_relevance_search_by_vector(vector, k, fetch_k, lambda_mult, **kwargs)

    async def amax_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: object
    ) -> list[Document]:
        """Return `k` of the `fetch_k` documents nearest to the query that differ; `lambda_mult` 1 is the nearest."""
        if self._embedding is None:
            return [found(hit) for hit in await self._ahits(query, k, {"diversity": 1.0 - lambda_mult, **kwargs})]
        vector = await self._embedding.aembed_query(query)
        return await self.amax_marginal_relevance_search_by_vector(vector, k, fetch_k, lambda_mult, **kwargs)

    def max_marginal_relevance_search_by_vector(
        self, embedding: list[float], k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: object
    ) -> list[Document]:
        """Return `k` of the `fetch_k` documents nearest to the vector that differ; `lambda_mult` 1 is the nearest."""
        hits = self._library.search(candidates(embedding, max(k, fetch_k), kwargs))
        return diverse(embedding, hits, k, lambda_mult)

    async def amax_marginal_relevance_search_by_vector(
        self, embedding: list[float], k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: object
    ) -> list[Document]:
        """Return `k` of the `fetch_k` documents nearest to the vector that differ; `lambda_mult` 1 is the nearest."""
        hits = await self._library.asearch(candidates(embedding, max(k, fetch_k), kwargs))
        return diverse(embedding, hits, k, lambda_mult)

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return RELEVANCE[self._library.info().metric]

    def _similarity_search_with_relevance_scores(
        self, query: str, k: int = 4, **kwargs: object
    ) -> list[tuple[Document, float]]:
        require_metric(kwargs)
        relevance = self._select_relevance_score_fn()
        return [(found(hit), relevance(hit.score)) for hit in self._hits(query, k, kwargs)]

    async def _asimilarity_search_with_relevance_scores(
        self, query: str, k: int = 4, **kwargs: object
    ) -> list[tuple[Document, float]]:
        require_metric(kwargs)
        relevance = RELEVANCE[(await self._library.ainfo()).metric]
        return [(found(hit), relevance(hit.score)) for hit in await self._ahits(query, k, kwargs)]

    # How it is asked

    def _vectors(self, batch: Sequence[Entry]) -> Sequence[VectorLike | None]:
        if self._embedding is None:
            return [None] * len(batch)
        return self._embedding.embed_documents([entry.text for entry in batch])

    async def _avectors(self, batch: Sequence[Entry]) -> Sequence[VectorLike | None]:
        if self._embedding is None:
            return [None] * len(batch)
        return await self._embedding.aembed_documents([entry.text for entry in batch])

    def _hits(self, text: str, k: int, options: Mapping[str, object]) -> Sequence[HitOut]:
        embedding = None if options.get("mode") == "keyword" else self._embedding
        vector = None if embedding is None else embedding.embed_query(text)
        return self._library.search(asked(text, vector, k, options))

    async def _ahits(self, text: str, k: int, options: Mapping[str, object]) -> Sequence[HitOut]:
        embedding = None if options.get("mode") == "keyword" else self._embedding
        vector = None if embedding is None else await embedding.aembed_query(text)
        return await self._library.asearch(asked(text, vector, k, options))


class PergamumRetriever(BaseRetriever):
    """The `k` documents of a store that are nearest to a query. `search` are options of the store's searches.

    >>> PergamumRetriever(store=store, k=1, search={"mode": "hybrid"}).invoke("a cat")[0].page_content
    'Cats purr.'
    """

    store: PergamumVectorStore
    k: int = 4
    filter: Any = None
    search: dict[str, Any] = Field(default_factory=dict)
    model_config = ConfigDict(arbitrary_types_allowed=True)

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002  # LangChain passes it
        **kwargs: object,
    ) -> list[Document]:
        return self.store.similarity_search(query, **self._options(kwargs))

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,  # noqa: ARG002  # LangChain passes it
        **kwargs: object,
    ) -> list[Document]:
        return await self.store.asimilarity_search(query, **self._options(kwargs))

    def _options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return {"k": self.k, "filter": self.filter, **self.search, **given}
