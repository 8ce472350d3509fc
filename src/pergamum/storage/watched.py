"""What a store promises to a process that only reads, beside the one that writes."""

from typing import Protocol
from uuid import UUID

from pergamum.storage.base import ReadableStore


class WatchedStore(ReadableStore, Protocol):
    """The store of a library that another process writes."""

    def version(self) -> int:
        """Return a number that is another one after every commit. Some 3 µs: it may be asked for every search."""


class WatchedStorage(Protocol):
    """All that is kept, as a process sees it beside the one that writes. Threads: any."""

    def version(self) -> int:
        """Return a number that is another one after every change of which libraries there are, and of their names."""

    def find(self, reference: str) -> UUID | None:
        """Return the listed library with this name or id."""

    def is_listed(self, library_id: UUID) -> bool:
        """Whether the library exists."""

    def open(self, library_id: UUID) -> WatchedStore:
        """Open the store. REQUIRES: the process that writes has opened it since it began. Raises `Damaged`."""

    def close(self) -> None:
        """Release everything. REQUIRES: every store is closed."""
