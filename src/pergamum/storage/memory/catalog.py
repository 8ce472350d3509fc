"""The catalogue, in memory."""

from datetime import datetime
from threading import Lock
from uuid import UUID

from pergamum.domain.operation import Operation
from pergamum.domain.replies import KeptReply
from pergamum.errors import LibraryExists, LibraryNotFound
from pergamum.storage.memory.rows import keep, page


class MemoryCatalog:
    """Implements `CatalogStore`."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._listed: dict[UUID, datetime] = {}
        self._deleted: set[UUID] = set()
        self._names: dict[str, UUID] = {}
        self._operations: dict[UUID, Operation] = {}
        self._replies: dict[str, KeptReply] = {}

    def add(self, library_id: UUID, name: str, at: datetime, kept: KeptReply | None = None) -> None:
        """List a library. Raises `LibraryExists` when the name is taken."""
        with self._lock:
            self._give(library_id, name)
            self._listed[library_id] = at
            keep(self._replies, kept)

    def remove(self, library_id: UUID, kept: KeptReply | None = None) -> None:
        """Leave a tombstone in place of the library and free its names. Raises `LibraryNotFound`."""
        with self._lock:
            self._check_listed(library_id)
            del self._listed[library_id]
            self._deleted.add(library_id)
            self._names = {name: holder for name, holder in self._names.items() if holder != library_id}
            keep(self._replies, kept)

    def reserve(self, library_id: UUID, name: str) -> None:
        """Give the library one more name. Raises `LibraryExists`, `LibraryNotFound`."""
        with self._lock:
            self._check_listed(library_id)
            self._give(library_id, name)

    def release_all_but(self, library_id: UUID, name: str) -> None:
        """Free the names of the library other than `name`."""
        with self._lock:
            self._names = {held: holder for held, holder in self._names.items() if holder != library_id or held == name}

    def names(self, library_id: UUID) -> list[str]:
        """Return the names of the library, none when it is not listed."""
        with self._lock:
            return sorted(name for name, holder in self._names.items() if holder == library_id)

    def find(self, name: str) -> UUID | None:
        """Return the library that holds the name."""
        return self._names.get(name)

    def page(self, after: str | None, limit: int) -> list[tuple[str, UUID]]:
        """Return at most `limit` (name, library id) in ascending order of name, those after `after`."""
        with self._lock:
            names = {name: (name, holder) for name, holder in self._names.items()}
        return page(names, after, limit)

    def libraries(self) -> set[UUID]:
        """Return every listed library."""
        return set(self._listed)

    def tombstones(self) -> set[UUID]:
        """Return every library that was deleted here."""
        return set(self._deleted)

    def save_operation(self, operation: Operation) -> None:
        """Insert the operation, or replace the one with its id."""
        self._operations[operation.id] = operation

    def operation(self, operation_id: UUID) -> Operation | None:
        """Return the operation, if it is known."""
        return self._operations.get(operation_id)

    def unfinished_operations(self) -> list[Operation]:
        """Return the operations that have not ended, the oldest first."""
        unfinished = [operation for operation in self._operations.values() if not operation.ended]
        return sorted(unfinished, key=lambda operation: operation.created_at)

    def reply(self, key: str) -> KeptReply | None:
        """Return what is kept under the key, if anything, however old."""
        return self._replies.get(key)

    def keep_reply(self, kept: KeptReply) -> None:
        """Keep the reply, in place of one with the same key; forget those that are no longer good at its time."""
        with self._lock:
            keep(self._replies, kept)

    def _give(self, library_id: UUID, name: str) -> None:
        if self._names.setdefault(name, library_id) != library_id:
            raise LibraryExists(name)

    def _check_listed(self, library_id: UUID) -> None:
        if library_id not in self._listed:
            raise LibraryNotFound(str(library_id))
