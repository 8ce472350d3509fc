"""The document store of Haystack over a library of Pergamum."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from threading import Lock
from typing import Any, Literal, Self, TypeVar
from weakref import WeakKeyDictionary

from haystack import Document, default_from_dict, default_to_dict
from haystack.document_stores.types import DuplicatePolicy
from haystack.utils import Secret

from pergamum.adapters.haystack_operations import Filters, Operations, with_filter_errors
from pergamum.adapters.haystack_scripts import Script, play, play_async
from pergamum.adapters.haystack_statistics import fields_info, least_and_greatest, unique_values
from pergamum.client import AsyncPergamum, NewLibrary, Pergamum, Query
from pergamum.wire.libraries import LibraryOut

T = TypeVar("T")


class PergamumDocumentStore:
    """Keeps Haystack's documents in a library of a Pergamum server: `DocumentStore`, sync and async.

    The library is made at the first use. With `embedding_dim` it takes embeddings of so many numbers, which Haystack's
    embedders make. Without it the server's `embedding_model` (`local` unless told) embeds what comes without an
    embedding. Document ids are kept as given. Threads: may be shared; async calls use one client for each event loop.

    Raises, when it is used: DocumentStoreError for a library of other vectors, FilterError for what is no filter
    or one that cannot be said, ValueError for documents that cannot be kept exactly, and `pergamum.client.ClientError`
    for what goes wrong on the way.

    >>> store = PergamumDocumentStore(library="notes")
    >>> store.write_documents([Document(content="The moon pulls the sea.", meta={"year": 2001})])
    1
    >>> store.count_documents()
    1
    """

    def __init__(
        self,
        library: str = "haystack",
        *,
        url: str | None = None,
        api_key: Secret | None = None,
        embedding_dim: int | None = None,
        embedding_model: str | None = None,
        metric: Literal["cosine", "dot", "l2"] = "cosine",
    ) -> None:
        if embedding_dim is not None and embedding_model is not None:
            raise ValueError("give embedding_dim for embeddings from outside, or embedding_model for the server's")
        self.library, self.url, self.api_key, self.metric = library, url, api_key, metric
        self.embedding_dim, self.embedding_model = embedding_dim, embedding_model
        settings: NewLibrary = {"name": library, "metric": metric, "metadata_schema": {"mode": "inferred"}}
        if embedding_dim is not None:
            settings["dimension"] = embedding_dim
        if embedding_model is not None:
            settings["embedding_model"] = embedding_model
        self._operations = Operations(settings)
        self._opened: LibraryOut | None = None
        self._client: Pergamum | None = None
        self._lock = Lock()
        self._async_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncPergamum] = WeakKeyDictionary()

    def to_dict(self) -> dict[str, Any]:
        """Return the store as a dictionary; of the key, where it comes from."""
        return default_to_dict(
            self,
            library=self.library,
            url=self.url,
            api_key=self.api_key.to_dict() if self.api_key is not None else None,
            embedding_dim=self.embedding_dim,
            embedding_model=self.embedding_model,
            metric=self.metric,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return the store that `to_dict` described."""
        return default_from_dict(cls, data)

    def close(self) -> None:
        """Close the connections of the sync methods; a further call opens new ones."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    async def close_async(self) -> None:
        """Close the connections of the async methods made in this event loop, and those of the sync methods."""
        self.close()
        client = self._async_clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()

    # The protocol

    def count_documents(self) -> int:
        """Return how many documents there are."""
        return self._play(self._operations.count(None))

    async def count_documents_async(self) -> int:
        """Return how many documents there are."""
        return await self._play_async(self._operations.count(None))

    def filter_documents(self, filters: dict[str, Any] | None = None) -> list[Document]:
        """Return the documents that the filter holds for, in the order in which they were first stored."""
        return self._play(self._operations.documents(filters))

    async def filter_documents_async(self, filters: dict[str, Any] | None = None) -> list[Document]:
        """Return the documents that the filter holds for, in the order in which they were first stored."""
        return await self._play_async(self._operations.documents(filters))

    def write_documents(self, documents: list[Document], policy: DuplicatePolicy = DuplicatePolicy.NONE) -> int:
        """Store the documents and return how many were written. The policy NONE is FAIL.

        They go in batches, each all or none. Raises DuplicateDocumentError.
        """
        return self._play(self._write(_checked(documents), policy))

    async def write_documents_async(
        self, documents: list[Document], policy: DuplicatePolicy = DuplicatePolicy.NONE
    ) -> int:
        """Store the documents and return how many were written, as `write_documents` does."""
        return await self._play_async(self._write(_checked(documents), policy))

    def delete_documents(self, document_ids: list[str]) -> None:
        """Delete the documents of these ids; those that do not exist are ignored."""
        self._play(self._operations.delete(document_ids))

    async def delete_documents_async(self, document_ids: list[str]) -> None:
        """Delete the documents of these ids; those that do not exist are ignored."""
        await self._play_async(self._operations.delete(document_ids))

    # What stores do besides

    def delete_all_documents(self, recreate_index: bool = False) -> None:
        """Delete all documents; with `recreate_index` the library is made anew, so that types of `meta` are free."""
        self._play(self._delete_all(recreate_index))

    async def delete_all_documents_async(self, recreate_index: bool = False) -> None:
        """Delete all documents, as `delete_all_documents` does."""
        await self._play_async(self._delete_all(recreate_index))

    def delete_by_filter(self, filters: dict[str, Any]) -> int:
        """Delete, in one write, the documents that the filter holds for; return how many."""
        return self._play(self._operations.delete_by_filter(filters))

    async def delete_by_filter_async(self, filters: dict[str, Any]) -> int:
        """Delete, in one write, the documents that the filter holds for; return how many."""
        return await self._play_async(self._operations.delete_by_filter(filters))

    def update_by_filter(self, filters: dict[str, Any], meta: dict[str, Any]) -> int:
        """Set these names of `meta`, in one write, where the filter holds; return how many documents changed.

        None removes a name.
        """
        return self._play(self._operations.update_by_filter(filters, meta))

    async def update_by_filter_async(self, filters: dict[str, Any], meta: dict[str, Any]) -> int:
        """Set these names of `meta`, as `update_by_filter` does."""
        return await self._play_async(self._operations.update_by_filter(filters, meta))

    def count_documents_by_filter(self, filters: dict[str, Any]) -> int:
        """Return how many documents the filter holds for."""
        return self._play(self._operations.count(filters))

    async def count_documents_by_filter_async(self, filters: dict[str, Any]) -> int:
        """Return how many documents the filter holds for."""
        return await self._play_async(self._operations.count(filters))

    def count_unique_metadata_by_filter(self, filters: dict[str, Any], metadata_fields: list[str]) -> dict[str, int]:
        """Return how many different values each name has where the filter holds."""
        return self._play(self._count_unique(filters, metadata_fields))

    async def count_unique_metadata_by_filter_async(
        self, filters: dict[str, Any], metadata_fields: list[str]
    ) -> dict[str, int]:
        """Return how many different values each name has where the filter holds."""
        return await self._play_async(self._count_unique(filters, metadata_fields))

    def get_metadata_fields_info(self) -> dict[str, dict[str, str]]:
        """Return the type of each name of `meta`: int, float, boolean, or keyword for all else."""
        return self._play(fields_info(self._operations))

    async def get_metadata_fields_info_async(self) -> dict[str, dict[str, str]]:
        """Return the type of each name of `meta`, as `get_metadata_fields_info` does."""
        return await self._play_async(fields_info(self._operations))

    def get_metadata_field_min_max(self, metadata_field: str) -> dict[str, Any]:
        """Return the least and greatest value as `min` and `max`; None where there is none."""
        return self._play(least_and_greatest(self._operations, metadata_field))

    async def get_metadata_field_min_max_async(self, metadata_field: str) -> dict[str, Any]:
        """Return the least and greatest value as `min` and `max`; None where there is none."""
        return await self._play_async(least_and_greatest(self._operations, metadata_field))

    def get_metadata_field_unique_values(
        self,
        metadata_field: str,
        search_term: str | None = None,
        from_: int = 0,
        size: int = 10,
        filters: dict[str, Any] | None = None,
    ) -> tuple[list[Any], int]:
        """Return `size` different values from the `from_`-th on, sorted as text, and how many there are.

        With a `search_term`, those that contain it, whatever its capitals.
        """
        values = self._play(unique_values(self._operations, metadata_field, filters))
        return _page(values, search_term, from_, size)

    async def get_metadata_field_unique_values_async(
        self,
        metadata_field: str,
        search_term: str | None = None,
        from_: int = 0,
        size: int = 10,
        filters: dict[str, Any] | None = None,
    ) -> tuple[list[Any], int]:
        """Return different values, as `get_metadata_field_unique_values` does."""
        values = await self._play_async(unique_values(self._operations, metadata_field, filters))
        return _page(values, search_term, from_, size)

    # What the retrievers ask

    def search(self, query: Query, filters: Filters | None = None, *, embeddings: bool = False) -> list[Document]:
        """Return what a search of Pergamum finds, best first, with scores, and with embeddings if wanted."""
        return self._play(self._operations.search(query, filters, embeddings=embeddings))

    async def search_async(
        self, query: Query, filters: Filters | None = None, *, embeddings: bool = False
    ) -> list[Document]:
        """Return what a search of Pergamum finds, as `search` does."""
        return await self._play_async(self._operations.search(query, filters, embeddings=embeddings))

    # Scripts

    def _write(self, documents: Sequence[Document], policy: DuplicatePolicy) -> Script[int]:
        library = yield from self._open()
        embeds = library.embedding_model is not None
        return (yield from self._operations.write(documents, policy, embeds=embeds))

    def _delete_all(self, recreate: bool) -> Script[None]:
        if recreate:
            self._opened = yield from self._operations.recreate()
        else:
            yield from self._operations.delete_all()

    def _count_unique(self, filters: Mapping[str, Any], names: Sequence[str]) -> Script[dict[str, int]]:
        counts: dict[str, int] = {}
        for name in names:
            values = yield from unique_values(self._operations, name, filters)
            counts[name.removeprefix("meta.")] = len(values)
        return counts

    def _open(self) -> Script[LibraryOut]:
        if self._opened is None:
            self._opened = yield from self._operations.open()
        return self._opened

    def _ready(self, script: Script[T]) -> Script[T]:
        yield from self._open()
        return (yield from with_filter_errors(script))

    def _play(self, script: Script[T]) -> T:
        with self._lock:
            client = self._client = self._client or Pergamum(self.url, self._key())
        return play(self._ready(script), client)

    async def _play_async(self, script: Script[T]) -> T:
        loop = asyncio.get_running_loop()
        client = self._async_clients.get(loop)  # connections belong to the loop that they were made in
        if client is None:
            client = self._async_clients[loop] = AsyncPergamum(self.url, self._key())
        return await play_async(self._ready(script), client)

    def _key(self) -> str | None:
        return self.api_key.resolve_value() if self.api_key is not None else None


def _checked(documents: object) -> Sequence[Document]:
    if not isinstance(documents, Iterable) or isinstance(documents, str):
        raise ValueError("write_documents takes a list of Documents")  # noqa: TRY004  # the protocol's error
    listed = list(documents)
    if not all(isinstance(document, Document) for document in listed):
        raise ValueError("write_documents takes a list of Documents")
    return listed


def _page(values: Sequence[Any], search_term: str | None, start: int, size: int) -> tuple[list[Any], int]:
    wanted = (search_term or "").lower()
    found = [value for value in values if wanted in str(value).lower()]
    return found[start : start + size], len(found)
