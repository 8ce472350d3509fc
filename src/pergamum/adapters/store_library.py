"""The library behind a framework's store, asked synchronously or asynchronously.

Every method has an asynchronous twin whose name begins with `a`: native where an asynchronous library is known, and
the synchronous method in a thread where none is.
"""

import asyncio
from collections.abc import Sequence
from typing import Self

from pergamum.adapters.async_source import AsyncSource, Given
from pergamum.client import AsyncLibrary, Library, NewChunk, NewDocument, Pergamum, Query
from pergamum.client.drafts import Mode
from pergamum.client.filters import FilterLike
from pergamum.wire.chunks import ChunkOut
from pergamum.wire.libraries import LibraryOut
from pergamum.wire.schema import SchemaOut
from pergamum.wire.search import HitOut


class StoreLibrary:
    """One library for callers of both kinds. Threads: may be shared."""

    def __init__(
        self, library: Library | None, source: AsyncSource | None = None, *, owned: Pergamum | None = None
    ) -> None:
        self._library, self._source, self._owned = library, source, owned

    @classmethod
    def given(cls, library: Library | None, async_library: AsyncLibrary | None) -> Self:
        """Return what asks libraries whose clients the caller closes. Raises TypeError for anything else."""
        for given, kind in ((library, Library), (async_library, AsyncLibrary)):
            if given is not None and not isinstance(given, kind):
                raise TypeError(f"a {kind.__name__} is wanted, not {type(given).__name__}: open(name) takes a name")
        if library is None and async_library is None:
            raise TypeError("give a library, an async_library, or both")
        return cls(library, None if async_library is None else Given(async_library))

    @property
    def sync(self) -> Library:
        """The synchronous library. Raises TypeError where there is none."""
        if self._library is None:
            raise TypeError("this store has an async_library only: call its async methods, or give it a library too")
        return self._library

    @property
    def native(self) -> AsyncLibrary | None:
        """The asynchronous library for the running event loop, None where there is none."""
        return None if self._source is None else self._source.library()

    @property
    def known(self) -> Library | AsyncLibrary | None:
        """The synchronous library, or else the asynchronous one."""
        return self._library if self._library is not None else self.native

    def info(self) -> LibraryOut:
        """Return the library's settings."""
        return self.sync.info()

    async def ainfo(self) -> LibraryOut:
        """Return the library's settings."""
        native = self.native
        return await (asyncio.to_thread(self.info) if native is None else native.info())

    def schema(self) -> SchemaOut:
        """Return the metadata fields by name."""
        return self.sync.schema.get()

    async def aschema(self) -> SchemaOut:
        """Return the metadata fields by name."""
        native = self.native
        return await (asyncio.to_thread(self.schema) if native is None else native.schema.get())

    def search(self, query: Query) -> list[HitOut]:
        """Return the hits of one search, best first; of groups theirs, in order."""
        return list(self.sync.search(**query))

    async def asearch(self, query: Query) -> list[HitOut]:
        """Return the hits of one search, best first; of groups theirs, in order."""
        native = self.native
        return await asyncio.to_thread(self.search, query) if native is None else list(await native.search(**query))

    def add_documents(self, documents: Sequence[NewDocument], mode: Mode = "upsert") -> None:
        """Store documents with their chunks, in place of those of the same ids, by one request unless it is too large.

        REQUIRES: no id twice.
        """
        if documents:
            self.sync.documents.add_many(documents, mode=mode, batch_size=len(documents), concurrency=1)

    async def aadd_documents(self, documents: Sequence[NewDocument], mode: Mode = "upsert") -> None:
        """Store documents as `add_documents` does."""
        native = self.native
        if native is None:
            await asyncio.to_thread(self.add_documents, documents, mode)
        elif documents:
            await native.documents.add_many(documents, mode=mode, batch_size=len(documents), concurrency=1)

    def add_chunks(self, chunks: Sequence[NewChunk]) -> None:
        """Store chunks in documents that exist, as `add_documents` does documents."""
        if chunks:
            self.sync.chunks.add_many(chunks, batch_size=len(chunks), concurrency=1)

    async def aadd_chunks(self, chunks: Sequence[NewChunk]) -> None:
        """Store chunks in documents that exist, as `add_documents` does documents."""
        native = self.native
        if native is None:
            await asyncio.to_thread(self.add_chunks, chunks)
        elif chunks:
            await native.chunks.add_many(chunks, batch_size=len(chunks), concurrency=1)

    def chunks(self, filter: FilterLike | None) -> list[ChunkOut]:
        """Return the chunks that the filter holds for, by ascending id."""
        return self.sync.chunks.list(filter=filter).to_list()

    async def achunks(self, filter: FilterLike | None) -> list[ChunkOut]:
        """Return the chunks that the filter holds for, by ascending id."""
        native = self.native
        if native is None:
            return await asyncio.to_thread(self.chunks, filter)
        return await native.chunks.list(filter=filter).to_list()

    def document_ids(self, filter: FilterLike) -> set[str]:
        """Return the ids of the documents that the filter holds for."""
        return {document.id for document in self.sync.documents.list(filter=filter)}

    async def adocument_ids(self, filter: FilterLike) -> set[str]:
        """Return the ids of the documents that the filter holds for."""
        native = self.native
        if native is None:
            return await asyncio.to_thread(self.document_ids, filter)
        return {document.id async for document in native.documents.list(filter=filter)}

    def delete_documents(self, filter: FilterLike) -> int:
        """Delete the documents that the filter holds for, with their chunks; return how many they were."""
        return self.sync.documents.delete_where(filter).deleted

    async def adelete_documents(self, filter: FilterLike) -> int:
        """Delete the documents that the filter holds for, with their chunks; return how many they were."""
        native = self.native
        if native is None:
            return await asyncio.to_thread(self.delete_documents, filter)
        return (await native.documents.delete_where(filter)).deleted

    def delete_chunks(self, filter: FilterLike) -> int:
        """Delete the chunks that the filter holds for; return how many they were."""
        return self.sync.chunks.delete_where(filter).deleted

    async def adelete_chunks(self, filter: FilterLike) -> int:
        """Delete the chunks that the filter holds for; return how many they were."""
        native = self.native
        if native is None:
            return await asyncio.to_thread(self.delete_chunks, filter)
        return (await native.chunks.delete_where(filter)).deleted

    def close(self) -> None:
        """Close the synchronous client that the store opened itself."""
        if self._owned is not None:
            self._owned.close()

    async def aclose(self) -> None:
        """Close what the store opened itself, for the running event loop and for synchronous calls."""
        if self._source is not None:
            await self._source.close()
        self.close()
