"""Retrievers of Haystack: by an embedding, by words, and by both."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from haystack import Document, component, default_from_dict, default_to_dict
from haystack.document_stores.types import FilterPolicy, apply_filter_policy

from pergamum.adapters.haystack_store import PergamumDocumentStore
from pergamum.client import Query


@component
class PergamumEmbeddingRetriever:
    """Finds the documents whose embeddings are nearest to that of the query.

    `filters` apply as `filter_policy` says: REPLACE, where those of a run replace them, or MERGE, where Haystack joins
    the two. `recall` is the share of the true nearest wanted, or `exact`; the library's own unless given.
    """

    def __init__(
        self,
        document_store: PergamumDocumentStore,
        *,
        filters: dict[str, Any] | None = None,
        top_k: int = 10,
        recall: float | Literal["exact"] | None = None,
        return_embedding: bool = False,
        filter_policy: FilterPolicy | str = FilterPolicy.REPLACE,
    ) -> None:
        self.document_store, self.filters, self.top_k = _store(document_store), filters, _positive(top_k)
        self.recall: float | Literal["exact"] | None = recall
        self.return_embedding = return_embedding
        self.filter_policy = _policy(filter_policy)

    def to_dict(self) -> dict[str, Any]:
        """Return the retriever, with its store, as a dictionary."""
        return default_to_dict(
            self,
            document_store=self.document_store.to_dict(),
            filters=self.filters,
            top_k=self.top_k,
            recall=self.recall,
            return_embedding=self.return_embedding,
            filter_policy=self.filter_policy.value,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return the retriever that `to_dict` described."""
        return default_from_dict(cls, _with_store(data))

    def close(self) -> None:
        """Close the store's connections of sync calls; pipelines do that when they are closed."""
        self.document_store.close()

    async def close_async(self) -> None:
        """Close the store's connections, those of sync calls too."""
        await self.document_store.close_async()

    @component.output_types(documents=list[Document])
    def run(
        self, query_embedding: list[float], filters: dict[str, Any] | None = None, top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """Return the nearest documents, nearest first, with their scores."""
        where = apply_filter_policy(self.filter_policy, self.filters, filters)
        query = self._query(query_embedding, top_k)
        return {"documents": self.document_store.search(query, where, embeddings=self.return_embedding)}

    @component.output_types(documents=list[Document])
    async def run_async(
        self, query_embedding: list[float], filters: dict[str, Any] | None = None, top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """Return the nearest documents, as `run` does."""
        where = apply_filter_policy(self.filter_policy, self.filters, filters)
        query = self._query(query_embedding, top_k)
        return {"documents": await self.document_store.search_async(query, where, embeddings=self.return_embedding)}

    def _query(self, embedding: list[float], top_k: int | None) -> Query:
        return {"vector": embedding, "k": _positive(self.top_k if top_k is None else top_k), "recall": self.recall}


@component
class PergamumKeywordRetriever:
    """Finds the documents with words of the query, best first by BM25. `"Words in quotes"` stand together.

    `filters` and `filter_policy` are as for `PergamumEmbeddingRetriever`.
    """

    def __init__(
        self,
        document_store: PergamumDocumentStore,
        *,
        filters: dict[str, Any] | None = None,
        top_k: int = 10,
        filter_policy: FilterPolicy | str = FilterPolicy.REPLACE,
    ) -> None:
        self.document_store, self.filters, self.top_k = _store(document_store), filters, _positive(top_k)
        self.filter_policy = _policy(filter_policy)

    def to_dict(self) -> dict[str, Any]:
        """Return the retriever, with its store, as a dictionary."""
        return default_to_dict(
            self,
            document_store=self.document_store.to_dict(),
            filters=self.filters,
            top_k=self.top_k,
            filter_policy=self.filter_policy.value,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return the retriever that `to_dict` described."""
        return default_from_dict(cls, _with_store(data))

    def close(self) -> None:
        """Close the store's connections of sync calls; pipelines do that when they are closed."""
        self.document_store.close()

    async def close_async(self) -> None:
        """Close the store's connections, those of sync calls too."""
        await self.document_store.close_async()

    @component.output_types(documents=list[Document])
    def run(
        self, query: str, filters: dict[str, Any] | None = None, top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """Return the documents with words of the query, with their scores."""
        where = apply_filter_policy(self.filter_policy, self.filters, filters)
        return {"documents": self.document_store.search(self._query(query, top_k), where)}

    @component.output_types(documents=list[Document])
    async def run_async(
        self, query: str, filters: dict[str, Any] | None = None, top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """Return the documents with words of the query, as `run` does."""
        where = apply_filter_policy(self.filter_policy, self.filters, filters)
        return {"documents": await self.document_store.search_async(self._query(query, top_k), where)}

    def _query(self, text: str, top_k: int | None) -> Query:
        return {"text": text, "mode": "keyword", "k": _positive(self.top_k if top_k is None else top_k)}


@component
class PergamumHybridRetriever:
    """Finds documents by an embedding and by words at once, and makes one ranking of the two.

    Without a `query_embedding` the server embeds the query, if its library has a model. `fusion` and `candidates` are
    those of docs/search.md: {"kind": "rrf", "k": 60, "weights": [1, 1]}, or {"kind": "score", "alpha": 0.5}. The rest
    is as for `PergamumEmbeddingRetriever`.
    """

    def __init__(
        self,
        document_store: PergamumDocumentStore,
        *,
        filters: dict[str, Any] | None = None,
        top_k: int = 10,
        fusion: Mapping[str, Any] | None = None,
        candidates: int | None = None,
        return_embedding: bool = False,
        filter_policy: FilterPolicy | str = FilterPolicy.REPLACE,
    ) -> None:
        self.document_store, self.filters, self.top_k = _store(document_store), filters, _positive(top_k)
        self.fusion, self.candidates, self.return_embedding = fusion, candidates, return_embedding
        self.filter_policy = _policy(filter_policy)

    def to_dict(self) -> dict[str, Any]:
        """Return the retriever, with its store, as a dictionary."""
        return default_to_dict(
            self,
            document_store=self.document_store.to_dict(),
            filters=self.filters,
            top_k=self.top_k,
            fusion=self.fusion,
            candidates=self.candidates,
            return_embedding=self.return_embedding,
            filter_policy=self.filter_policy.value,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return the retriever that `to_dict` described."""
        return default_from_dict(cls, _with_store(data))

    def close(self) -> None:
        """Close the store's connections of sync calls; pipelines do that when they are closed."""
        self.document_store.close()

    async def close_async(self) -> None:
        """Close the store's connections, those of sync calls too."""
        await self.document_store.close_async()

    @component.output_types(documents=list[Document])
    def run(
        self,
        query: str,
        query_embedding: list[float] | None = None,
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
    ) -> dict[str, list[Document]]:
        """Return the best documents, with their scores."""
        where = apply_filter_policy(self.filter_policy, self.filters, filters)
        asked = self._query(query, query_embedding, top_k)
        return {"documents": self.document_store.search(asked, where, embeddings=self.return_embedding)}

    @component.output_types(documents=list[Document])
    async def run_async(
        self,
        query: str,
        query_embedding: list[float] | None = None,
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
    ) -> dict[str, list[Document]]:
        """Return the best documents, as `run` does."""
        where = apply_filter_policy(self.filter_policy, self.filters, filters)
        asked = self._query(query, query_embedding, top_k)
        return {"documents": await self.document_store.search_async(asked, where, embeddings=self.return_embedding)}

    def _query(self, text: str, embedding: list[float] | None, top_k: int | None) -> Query:
        k = _positive(self.top_k if top_k is None else top_k)
        fusion, candidates = self.fusion, self.candidates
        return {"text": text, "vector": embedding, "mode": "hybrid", "k": k, "fusion": fusion, "candidates": candidates}


def _store(store: object) -> PergamumDocumentStore:
    if not isinstance(store, PergamumDocumentStore):
        raise TypeError(f"document_store has to be a PergamumDocumentStore, not {type(store).__name__}")
    return store


def _with_store(data: dict[str, Any]) -> dict[str, Any]:
    """Return the description with its store made: the class is known, so no module has to be trusted for it."""
    parameters = data["init_parameters"]
    store = PergamumDocumentStore.from_dict(parameters["document_store"])
    return {**data, "init_parameters": {**parameters, "document_store": store}}


def _policy(policy: FilterPolicy | str) -> FilterPolicy:
    return FilterPolicy.from_str(policy) if isinstance(policy, str) else policy


def _positive(top_k: int) -> int:
    if top_k < 1:
        raise ValueError(f"top_k has to be at least 1, not {top_k}")
    return top_k
