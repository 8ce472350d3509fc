"""The documents of a library."""

from collections.abc import Sequence
from typing import Unpack

from pergamum.client import calls, selection_calls
from pergamum.client.aio.add_many import add_all
from pergamum.client.aio.crew import Source
from pergamum.client.aio.embedding import AsyncEmbedding
from pergamum.client.aio.paging import AsyncPages
from pergamum.client.aio.transport import AsyncDoor
from pergamum.client.batching import Refusals, Stored, Wishes
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
from pergamum.client.layouts import DOCUMENTS
from pergamum.client.load import Store
from pergamum.client.options import ChangeOptions, ReadOptions, WriteOptions, parted
from pergamum.client.pace import Auto
from pergamum.client.results import Facets
from pergamum.wire.documents import DocumentOut
from pergamum.wire.problems import ImportOut
from pergamum.wire.selection import DeleteWhereOut, UpdateWhereOut


class AsyncDocuments:
    """The documents of one library."""

    def __init__(self, door: AsyncDoor, library: str, embedding: AsyncEmbedding) -> None:
        self._door, self._library, self._embedding = door, library, embedding

    async def add(self, **document: Unpack[AddDocument]) -> DocumentOut:
        """Store a document: its `text`, which is split and embedded, or its `chunks`. Without an id it gets one.

        Raises `Conflict` when the id exists; `Invalid` for a vector the library cannot hold.
        >>> (await library.documents.add(id="1", title="Tides", text="The moon pulls the sea.")).chunks
        1
        """
        fields, options = parted(document)
        [ready] = await self._embedding.documents([fields])
        return await self._door.send(calls.create_document(self._library, ready), options)

    async def add_many(
        self,
        documents: Source,
        *,
        mode: Mode = "upsert",
        batch_size: int | Auto = "auto",
        concurrency: int | Auto = "auto",
        progress: bool = False,
        on_error: Refusals = "raise",
        skip: int | Stored = 0,
        **options: Unpack[ReadOptions],
    ) -> Stored:
        """Store documents, however many, in batches; return what was stored and what was not.

        They come from an iterable of dictionaries, endless if you like, or from a table: pandas, polars, Arrow, columns
        of arrays. Memory holds at most one batch more than are under way, 8 MB each unless one document is larger.

        A document without an id gets one, so that every repetition is safe: after a broken connection a batch is sent
        again under its idempotency key. A document whose id came before ends up stored as the later one. Apart from
        that, batches under way at the same time are stored in any order; with `concurrency=1` all go in order.

        `batch_size`, `concurrency`: found out by trying, or the most; a batch that is too large is sent in halves.
        `progress`: shows a bar; needs `pip install "pergamum[progress]"`.
        `on_error="raise"`: the first refusal ends it; nothing of its batch is stored, or in the case of one that had to
        be sent in parts, a beginning of it. The error's `stored` says how much is done. `"collect"`: refused documents
        are left out and told of in `Stored.failed`; broken connections and full disks still end it.
        `skip`: leave out so many documents at the beginning. After an error pass `error.stored`, which goes on where
        it ended, and with the ids that documents without one were given.
        `timeout` bounds each request.

        >>> stored = await library.documents.add_many([{"id": "2", "text": "Tea."}, {"id": "3", "text": "Rye."}])
        >>> (stored.created, stored.done, stored.failed)
        (2, 2, ())
        """
        wishes = Wishes(batch_size=batch_size, concurrency=concurrency, progress=progress, on_error=on_error, skip=skip)
        store = Store("document", calls.document_body, lambda some: calls.store_documents(self._library, mode, some))
        embed = self._embedding.documents
        return await add_all(self._door, store, documents, wishes=wishes, options=options, embed=embed)

    @staticmethod
    def encoded(document: NewDocument) -> bytes:
        """Return the document as the bytes that `import_batch` takes. Raises ValueError for what JSON cannot carry."""
        return calls.document_body(document)

    async def import_batch(
        self, documents: Sequence[bytes], *, on_error: OnError = "abort", **options: Unpack[ReadOptions]
    ) -> ImportOut:
        """Store encoded documents, replacing those whose ids exist; the report counts lines from 1.

        REQUIRES: every document brings its id, so that the request may be repeated after a broken connection. An
        embedder of the client has no part in it.
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
                lambda cursor: self._door.send(calls.list_documents(self._library, cursor, page_size, texts), options),
                DOCUMENTS,
                ("text",) if texts else (),
            )
        asked = {"filter": filter, "order_by": order_by, "limit": page_size, "include": "text" if texts else None}
        return AsyncPages(
            lambda cursor: self._door.send(selection_calls.query_documents(self._library, asked, cursor), options),
            DOCUMENTS,
            ("text",) if texts else (),
        )

    async def count(self, filter: FilterLike | None = None, **options: Unpack[ReadOptions]) -> int:
        """Return how many documents the filter holds for; without one, how many there are."""
        return (await self._door.send(selection_calls.count(self._library, "documents", filter), options)).count

    async def facets(self, *wanted: Facet, filter: FilterLike | None = None, **options: Unpack[ReadOptions]) -> Facets:
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
        [ready] = await self._embedding.documents([fields])
        return await self._door.send(calls.update_document(self._library, id, ready), options)

    async def replace(self, id: str, **document: Unpack[ReplaceDocument]) -> DocumentOut:
        """Store a document under the id, in place of one that may be there and all of its chunks."""
        fields, options = parted(document)
        [ready] = await self._embedding.documents([fields])
        return await self._door.send(calls.put_document(self._library, id, ready), options)

    async def delete(self, id: str, **options: Unpack[ChangeOptions]) -> int | None:
        """Delete a document with its chunks; return the position of that write. Raises `NotFound`."""
        return await self._door.send(calls.delete_document(self._library, id), options)
