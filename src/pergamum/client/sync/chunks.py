# Made by scripts/make_sync_client from aio/chunks.py: change it there.
"""The chunks of a library."""

from collections.abc import Iterable, Sequence
from typing import Final, Unpack

from pergamum.client import calls, selection_calls
from pergamum.client.batching import MOST_ITEMS, Stored
from pergamum.client.drafts import AddChunk, ChangeChunk, Facet, Mode, NewChunk, ReplaceChunk, UpdateWhere
from pergamum.client.filters import FilterLike
from pergamum.client.options import ChangeOptions, ReadOptions, WriteOptions, parted
from pergamum.client.sync.add_many import store_all
from pergamum.client.sync.paging import Pages
from pergamum.client.sync.transport import Door
from pergamum.wire.chunks import ChunkBatchOut, ChunkOut
from pergamum.wire.selection import DeleteWhereOut, FacetsOut, UpdateWhereOut

_WITH_EMBEDDING: Final = {"include": "embedding", "embedding_format": "base64"}


class Chunks:
    """The chunks of one library."""

    def __init__(self, door: Door, library: str) -> None:
        self._door, self._library = door, library

    def add(self, **chunk: Unpack[AddChunk]) -> ChunkOut:
        """Store a chunk in the document named by `document_id`. Raises `NotFound` without it, `Conflict` for its id."""
        fields, options = parted(chunk)
        return self._door.send(calls.create_chunk(self._library, fields), options)

    def add_many(self, chunks: Iterable[NewChunk], *, mode: Mode = "upsert", batch_size: int = MOST_ITEMS) -> Stored:
        """Store chunks in batches, as `Documents.add_many` does documents."""

        def store(batch: Sequence[bytes]) -> ChunkBatchOut:
            return self._door.send(calls.store_chunks(self._library, mode, batch))

        return store_all(map(calls.chunk_body, chunks), batch_size, store)

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
                self._door,
                lambda cursor: calls.list_chunks(self._library, document, cursor, page_size, embedding),
                options,
            )
        if document is not None:
            raise ValueError("a filter says of which document the chunks are: F.document_id == id")
        asked = {"filter": filter, "order_by": order_by, "limit": page_size, **(_WITH_EMBEDDING if embedding else {})}
        return Pages(self._door, lambda cursor: selection_calls.query_chunks(self._library, asked, cursor), options)

    def count(self, filter: FilterLike | None = None, **options: Unpack[ReadOptions]) -> int:
        """Return how many chunks the filter holds for; without one, how many there are."""
        return self._door.send(selection_calls.count(self._library, "chunks", filter), options).count

    def facets(self, *wanted: Facet, filter: FilterLike | None = None, **options: Unpack[ReadOptions]) -> FacetsOut:
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
        return self._door.send(calls.update_chunk(self._library, id, fields), options)

    def replace(self, id: str, **chunk: Unpack[ReplaceChunk]) -> ChunkOut:
        """Store a chunk under the id, in place of one that may be there."""
        fields, options = parted(chunk)
        return self._door.send(calls.put_chunk(self._library, id, fields), options)

    def delete(self, id: str, **options: Unpack[ChangeOptions]) -> int | None:
        """Delete a chunk; return the position of that write. Raises `NotFound`."""
        return self._door.send(calls.delete_chunk(self._library, id), options)
