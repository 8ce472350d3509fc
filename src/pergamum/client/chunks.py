"""The chunks of a library."""

from collections.abc import Iterable, Sequence
from typing import Unpack

from pergamum.client import calls
from pergamum.client.batching import MOST_ITEMS, Stored, store_all
from pergamum.client.drafts import ChunkChanges, Mode, NewChunk, PlacedChunk
from pergamum.client.paging import Pages
from pergamum.client.transport import Door
from pergamum.wire.chunks import ChunkBatchOut, ChunkOut


class Chunks:
    """The chunks of one library."""

    def __init__(self, door: Door, library: str) -> None:
        self._door, self._library = door, library

    def add(self, **fields: Unpack[NewChunk]) -> ChunkOut:
        """Store a chunk in the document named by `document_id`. Raises `NotFound` without it, `Conflict` for its id."""
        return self._door.send(calls.create_chunk(self._library, fields))

    def add_many(self, chunks: Iterable[NewChunk], *, mode: Mode = "upsert", batch_size: int = MOST_ITEMS) -> Stored:
        """Store chunks in batches, as `Documents.add_many` does documents."""

        def store(batch: Sequence[bytes]) -> ChunkBatchOut:
            return self._door.send(calls.store_chunks(self._library, mode, batch))

        return store_all(map(calls.chunk_body, chunks), batch_size, store)

    def get(self, id: str, *, embedding: bool = False) -> ChunkOut:
        """Return a chunk, with its `embedding` if wanted: `decoded` makes an array of it. Raises `NotFound`."""
        return self._door.send(calls.get_chunk(self._library, id, embedding))

    def list(
        self, *, document: str | None = None, embedding: bool = False, page_size: int | None = None
    ) -> Pages[ChunkOut]:
        """Return all chunks by ascending id, or those of one document in their order, fetched page by page."""
        return Pages(
            self._door, lambda cursor: calls.list_chunks(self._library, document, cursor, page_size, embedding)
        )

    def update(self, id: str, **changes: Unpack[ChunkChanges]) -> ChunkOut:
        """Change the fields given; None clears one, metadata is merged; a new text without a vector is embedded."""
        return self._door.send(calls.update_chunk(self._library, id, changes))

    def replace(self, id: str, **fields: Unpack[PlacedChunk]) -> ChunkOut:
        """Store a chunk under the id, in place of one that may be there."""
        return self._door.send(calls.put_chunk(self._library, id, fields))

    def delete(self, id: str) -> int | None:
        """Delete a chunk; return the position of that write. Raises `NotFound`."""
        return self._door.send(calls.delete_chunk(self._library, id))
