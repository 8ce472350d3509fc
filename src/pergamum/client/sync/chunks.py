# Made by scripts/make_sync_client from aio/chunks.py: change it there.
"""The chunks of a library."""

from typing import Final, Unpack

from pergamum.client import calls, selection_calls
from pergamum.client.batching import Refusals, Stored, Wishes
from pergamum.client.drafts import AddChunk, ChangeChunk, Facet, Mode, ReplaceChunk, UpdateWhere
from pergamum.client.filters import FilterLike
from pergamum.client.layouts import CHUNKS
from pergamum.client.load import Store
from pergamum.client.options import ChangeOptions, ReadOptions, WriteOptions, parted
from pergamum.client.pace import Auto
from pergamum.client.results import Facets
from pergamum.client.sync.add_many import add_all
from pergamum.client.sync.crew import Source
from pergamum.client.sync.embedding import Embedding
from pergamum.client.sync.paging import Pages
from pergamum.client.sync.transport import Door
from pergamum.wire.chunks import ChunkOut
from pergamum.wire.selection import DeleteWhereOut, UpdateWhereOut

_WITH_EMBEDDING: Final = {"include": "embedding", "embedding_format": "base64"}


class Chunks:
    """The chunks of one library."""

    def __init__(self, door: Door, library: str, embedding: Embedding) -> None:
        self._door, self._library, self._embedding = door, library, embedding

    def add(self, **chunk: Unpack[AddChunk]) -> ChunkOut:
        """Store a chunk in the document named by `document_id`. Raises `NotFound` without it, `Conflict` for its id."""
        fields, options = parted(chunk)
        [ready] = self._embedding.chunks([fields])
        return self._door.send(calls.create_chunk(self._library, ready), options)

    def add_many(
        self,
        chunks: Source,
        *,
        mode: Mode = "upsert",
        batch_size: int | Auto = "auto",
        concurrency: int | Auto = "auto",
        progress: bool = False,
        on_error: Refusals = "raise",
        skip: int | Stored = 0,
        **options: Unpack[ReadOptions],
    ) -> Stored:
        """Store chunks, however many, in documents that exist; in every respect as `Documents.add_many` does."""
        wishes = Wishes(batch_size=batch_size, concurrency=concurrency, progress=progress, on_error=on_error, skip=skip)
        store = Store("chunk", calls.chunk_body, lambda some: calls.store_chunks(self._library, mode, some))
        embed = self._embedding.chunks
        return add_all(self._door, store, chunks, wishes=wishes, options=options, embed=embed)

    def get(self, id: str, *, embedding: bool = False, **options: Unpack[ReadOptions]) -> ChunkOut:
        """Return a chunk, with its `embedding` if wanted: `decoded` makes an array of it. Raises `NotFound`."""
        return self._door.send(calls.get_chunk(self._library, id, embedding), options)

    def list(
        self,
        *,
        document: str | None = None,
        filter: FilterLike | None = None,
        order_by: str | None = None,
        embedding: bool = False,
        page_size: int | None = None,
        **options: Unpack[ReadOptions],
    ) -> Pages[ChunkOut]:
        """Return the chunks that the filter holds for, or those of one document in their order, page by page.

        They come by ascending id, or in the order of a field: `year`, or `-year` for the greatest first. Raises
        ValueError for a document together with a filter or an order.
        """
        if filter is None and order_by is None:
            return Pages(
                lambda cursor: self._door.send(
                    calls.list_chunks(self._library, document, cursor, page_size, embedding), options
                ),
                CHUNKS,
                ("embedding",) if embedding else (),
            )
        if document is not None:
            raise ValueError("a filter says of which document the chunks are: F.document_id == id")
        asked = {"filter": filter, "order_by": order_by, "limit": page_size, **(_WITH_EMBEDDING if embedding else {})}
        return Pages(
            lambda cursor: self._door.send(selection_calls.query_chunks(self._library, asked, cursor), options),
            CHUNKS,
            ("embedding",) if embedding else (),
        )

    def count(self, filter: FilterLike | None = None, **options: Unpack[ReadOptions]) -> int:
        """Return how many chunks the filter holds for; without one, how many there are."""
        return self._door.send(selection_calls.count(self._library, "chunks", filter), options).count

    def facets(self, *wanted: Facet, filter: FilterLike | None = None, **options: Unpack[ReadOptions]) -> Facets:
        """Return how the values of fields are spread over the chunks that the filter holds for."""
        return self._door.send(selection_calls.facets(self._library, "chunks", wanted, filter), options)

    def delete_where(
        self, filter: FilterLike, *, dry_run: bool = False, **options: Unpack[WriteOptions]
    ) -> DeleteWhereOut:
        """Delete the chunks that the filter holds for, in one write; or count them."""
        call = selection_calls.delete_where(self._library, "chunks", filter, dry_run=dry_run)
        return self._door.send(call, options)

    def update_where(
        self, filter: FilterLike, *, dry_run: bool = False, **changes: Unpack[UpdateWhere]
    ) -> UpdateWhereOut:
        """Change the chunks that the filter holds for, in one write; or tell which of them that would break."""
        fields, options = parted(changes)
        call = selection_calls.update_where(self._library, "chunks", filter, fields, dry_run=dry_run)
        return self._door.send(call, options)

    def update(self, id: str, **changes: Unpack[ChangeChunk]) -> ChunkOut:
        """Change the fields given; None clears one, metadata is merged; a new text without a vector is embedded."""
        fields, options = parted(changes)
        [ready] = self._embedding.chunks([fields])
        return self._door.send(calls.update_chunk(self._library, id, ready), options)

    def replace(self, id: str, **chunk: Unpack[ReplaceChunk]) -> ChunkOut:
        """Store a chunk under the id, in place of one that may be there."""
        fields, options = parted(chunk)
        [ready] = self._embedding.chunks([fields])
        return self._door.send(calls.put_chunk(self._library, id, ready), options)

    def delete(self, id: str, **options: Unpack[ChangeOptions]) -> int | None:
        """Delete a chunk; return the position of that write. Raises `NotFound`."""
        return self._door.send(calls.delete_chunk(self._library, id), options)
