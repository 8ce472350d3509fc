"""The rows of hits: read once, then kept until a write changes them or others need the room."""

import threading
from collections.abc import Iterable
from itertools import islice
from typing import Final

from pergamum.engine.retrieval import UnreadableRows, rows_at
from pergamum.storage.base import LibraryState, ReadableStore, StoredChunk

KEPT_BYTES: Final = 8 << 20
"""Rows kept of one library, in bytes: some 6,000 of 200 characters."""
ROW_BYTES: Final = 1_000
"""What the objects of a row take beside text and metadata."""
WIDE_BYTES, METADATA_BYTES = 8, 10
"""What a character of a text that is not ASCII takes, and one of metadata as Python writes it; on the high side."""
AT_ONCE: Final = 8
"""One row in so many, the oldest, makes room."""


class HitRows:
    """The rows of one library by slot, those that were hits lately from memory.

    Invariant: what is kept is as it is at `_position`, that of the rows' last commit once `follow` has been called.
    A row that was not changed after the position P of a view is the one P has, so readers of older views may take it;
    they refuse rows changed since. Threads: any. Changed under `_lock` only: _position, _kept, _bytes.
    """

    def __init__(self, store: ReadableStore, position: int, limit: int = KEPT_BYTES) -> None:
        self._store, self._position, self._limit = store, position, limit
        self._lock = threading.Lock()
        self._kept: dict[int, StoredChunk] = {}
        self._bytes = 0

    def at(self, slots: Iterable[int]) -> dict[int, StoredChunk]:
        """Return the chunks that hold these slots, each as it was at the call or later. Raises `UnreadableRows`.

        Those that had to be read were read in one transaction.
        """
        found: dict[int, StoredChunk] = {}
        missing: list[int] = []
        for slot in slots:
            row = self._kept.get(slot)
            if row is None:
                missing.append(slot)
            else:
                found[slot] = row
        return found | self.read(missing) if missing else found

    def read(self, slots: list[int]) -> dict[int, StoredChunk]:
        """Return what the store has now in these slots. Raises `UnreadableRows`."""
        with self._store.reading() as rows:
            found, position = rows_at(rows, slots), rows.state().position
        self._keep(found, position)
        return found

    def readable(self, slot: int) -> bool:
        """Whether the row in this slot is sound."""
        try:
            self.read([slot])
        except UnreadableRows:
            return False
        return True

    def follow(self, state: LibraryState, before: LibraryState, changed: Iterable[int]) -> None:
        """Let go of what the commit that led from `before` to `state` has changed: rows, or all names in metadata.

        REQUIRES: that is done; no view of it has been published.
        """
        renamed = state.library.metadata_schema is not before.library.metadata_schema
        with self._lock:
            self._position = state.position
            for slot in list(self._kept) if renamed else changed:
                self._forget(slot)

    def _keep(self, rows: dict[int, StoredChunk], position: int) -> None:
        """Keep rows that were read at `position`, unless there was a commit since; the oldest make room."""
        with self._lock:
            if position != self._position:
                return
            for slot, row in rows.items():
                self._forget(slot)
                self._kept[slot] = row
                self._bytes += _bytes_of(row)
            while self._bytes > self._limit:
                oldest = list(islice(self._kept, len(self._kept) // AT_ONCE + 1))
                for slot in oldest:  # together: a dict finds its first key slowly when many before it are gone
                    self._forget(slot)

    def _forget(self, slot: int) -> None:
        row = self._kept.pop(slot, None)
        if row is not None:
            self._bytes -= _bytes_of(row)


def _bytes_of(row: StoredChunk) -> int:
    """Return about what a row takes in memory, the same whenever it is asked."""
    text, metadata = row.chunk.text, row.chunk.metadata
    of_metadata = METADATA_BYTES * len(repr(metadata)) if metadata else 0
    return ROW_BYTES + len(text) * (1 if text.isascii() else WIDE_BYTES) + of_metadata
