"""The documents of a library."""

from collections.abc import Iterable, Sequence
from typing import Unpack

from pergamum.client import calls, selection_calls
from pergamum.client.aio.add_many import store_all
from pergamum.client.aio.paging import AsyncPages
from pergamum.client.aio.transport import AsyncDoor
from pergamum.client.batching import MOST_ITEMS, Stored
from pergamum.client.drafts import (
    AddDocument,
    ChangeDocument,
    Facet,
    Mode,
    NewDocument,
    OnError,
    ReplaceDocument,
    UpdateWhere,
)
from pergamum.client.filters import FilterLike
from pergamum.client.options import ChangeOptions, ReadOptions, WriteOptions, parted
from pergamum.wire.documents import DocumentBatchOut, DocumentOut
from pergamum.wire.problems import ImportOut
from pergamum.wire.selection import DeleteWhereOut, FacetsOut, UpdateWhereOut


class AsyncDocuments:
    """The documents of one library."""

    def __init__(self, door: AsyncDoor, library: str) -> None:
        self._door, self._library = door, library

    async def add(self, **document: Unpack[AddDocument]) -> DocumentOut:
        """Store a document: its `text`, which is split and embedded, or its `chunks`. Without an id it gets one.

        Raises `Conflict` when the id exists; `Invalid` for a vector the library cannot hold.
        >>> (await library.documents.add(id="1", title="Tides", text="The moon pulls the sea.")).chunks
        1
        """
        fields, options = parted(document)
        return await self._door.send(calls.create_document(self._library, fields), options)

    async def add_many(
        self, documents: Iterable[NewDocument], *, mode: Mode = "upsert", batch_size: int = MOST_ITEMS
    ) -> Stored:
        """Store documents in batches, each all or none, holding one batch at a time in memory.

        Ends at the first batch that is refused or fails; the batches before it stay stored, a note on the error says
        how many documents they were.
        """

        async def store(batch: Sequence[bytes]) -> DocumentBatchOut:
            return await self._door.send(calls.store_documents(self._library, mode, batch))

        return await store_all(map(calls.document_body, documents), batch_size, store)

    @staticmethod
    def encoded(document: NewDocument) -> bytes:
        """Return the document as the bytes that `import_batch` takes. Raises ValueError for what JSON cannot carry."""
        return calls.document_body(document)

    async def import_batch(
        self, documents: Sequence[bytes], *, on_error: OnError = "abort", **options: Unpack[ReadOptions]
    ) -> ImportOut:
        """Store encoded documents, replacing those whose ids exist; the report counts lines from 1.

        REQUIRES: every document brings its id, so that the request may be repeated after a broken connection.
        Raises `Invalid` when one is wrong and on_error is `abort`; then nothing of the batch is kept.
        """
        return await self._door.send(calls.import_documents(self._library, on_error, documents), options)

    async def get(self, id: str, **options: Unpack[ReadOptions]) -> DocumentOut:
        """Return a document with its text. Raises `NotFound`."""
        return await self._door.send(calls.get_document(self._library, id), options)

    def list(
        self,
        *,
        filter: FilterLike | None = None,
        order_by: str | None = None,
        texts: bool = False,
        page_size: int | None = None,
        **options: Unpack[ReadOptions],
    ) -> AsyncPages[DocumentOut]:
        """Return the documents that the filter holds for, fetched page by page as they are read.

        They come by ascending id, or in the order of a field: `year`, or `-year` for the greatest first.
        """
        if filter is None and order_by is None:
            return AsyncPages(
                self._door, lambda cursor: calls.list_documents(self._library, cursor, page_size, texts), options
            )
        asked = {"filter": filter, "order_by": order_by, "limit": page_size, "include": "text" if texts else None}
        return AsyncPages(
            self._door, lambda cursor: selection_calls.query_documents(self._library, asked, cursor), options
        )

    async def count(self, filter: FilterLike | None = None, **options: Unpack[ReadOptions]) -> int:
        """Return how many documents the filter holds for; without one, how many there are."""
        return (await self._door.send(selection_calls.count(self._library, "documents", filter), options)).count

    async def facets(
        self, *wanted: Facet, filter: FilterLike | None = None, **options: Unpack[ReadOptions]
    ) -> FacetsOut:
        """Return how the values of fields are spread over the documents that the filter holds for."""
        return await self._door.send(selection_calls.facets(self._library, "documents", wanted, filter), options)

    async def delete_where(
        self, filter: FilterLike, *, dry_run: bool = False, **options: Unpack[WriteOptions]
    ) -> DeleteWhereOut:
        """Delete the documents that the filter holds for, with their chunks, in one write; or count them."""
        call = selection_calls.delete_where(self._library, "documents", filter, dry_run=dry_run)
        return await self._door.send(call, options)

    async def update_where(
        self, filter: FilterLike, *, dry_run: bool = False, **changes: Unpack[UpdateWhere]
    ) -> UpdateWhereOut:
        """Change the documents that the filter holds for, in one write; or tell which of them that would break.

        >>> old = F.year < 2000
        >>> (await library.documents.update_where(old, set={"era": "old"}, append={"tags": ["archive"]})).updated
        0
        """
        fields, options = parted(changes)
        call = selection_calls.update_where(self._library, "documents", filter, fields, dry_run=dry_run)
        return await self._door.send(call, options)

    async def update(self, id: str, **changes: Unpack[ChangeDocument]) -> DocumentOut:
        """Change the fields given; None clears one, metadata is merged, a new text makes new chunks.

        >>> tides = await library.documents.get("1")
        >>> (await library.documents.update("1", author="Newton", if_match=tides.etag)).version
        2
        """
        fields, options = parted(changes)
        return await self._door.send(calls.update_document(self._library, id, fields), options)

    async def replace(self, id: str, **document: Unpack[ReplaceDocument]) -> DocumentOut:
        """Store a document under the id, in place of one that may be there and all of its chunks."""
        fields, options = parted(document)
        return await self._door.send(calls.put_document(self._library, id, fields), options)

    async def delete(self, id: str, **options: Unpack[ChangeOptions]) -> int | None:
        """Delete a document with its chunks; return the position of that write. Raises `NotFound`."""
        return await self._door.send(calls.delete_document(self._library, id), options)
