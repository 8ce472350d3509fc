"""All that is kept, in memory."""

from uuid import UUID

from pergamum.domain.library import Library
from pergamum.errors import Damaged
from pergamum.storage.memory.catalog import MemoryCatalog
from pergamum.storage.memory.library_store import MemoryLibraryStore


class MemoryStorage:
    """Implements `Storage`; `close` keeps everything, so a test can go on as if it had started again."""

    def __init__(self) -> None:
        self._catalog = MemoryCatalog()
        self._stores: dict[UUID, MemoryLibraryStore] = {}

    @property
    def catalog(self) -> MemoryCatalog:
        """Which libraries exist, under which names, and the operations."""
        return self._catalog

    def create(self, library: Library) -> None:
        """Make an empty store for the library, not listed in the catalogue."""
        if library.id in self._stores:
            raise FileExistsError(library.id)
        self._stores[library.id] = MemoryLibraryStore(library)

    def open(self, library_id: UUID) -> MemoryLibraryStore:
        """Open the store. Raises `Damaged` when it is missing."""
        if library_id not in self._stores:
            raise Damaged(str(library_id), "the library is missing")
        return self._stores[library_id]

    def destroy(self, library_id: UUID) -> None:
        """Take the store away; harmless when there is none."""
        self._stores.pop(library_id, None)

    def tidy(self) -> list[UUID]:
        """Remove stores with a tombstone and unlisted ones at position 0; return the other unlisted ones."""
        kept = []
        for library_id in sorted(self._stores.keys() - self._catalog.libraries()):
            if library_id in self._catalog.tombstones() or self._position(library_id) == 0:
                self.destroy(library_id)
            else:
                kept.append(library_id)
        return kept

    def release_reserve(self) -> None:
        """Nothing to free: memory keeps no reserve."""

    def restore_reserve(self) -> None:
        """Nothing to keep."""

    def close(self) -> None:
        """Nothing to release."""

    def _position(self, library_id: UUID) -> int:
        with self._stores[library_id].reading() as rows:
            return rows.state().position
