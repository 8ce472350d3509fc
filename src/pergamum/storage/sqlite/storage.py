"""All that is kept on disk: the catalogue and a folder for each library."""

from pathlib import Path
from uuid import UUID

from pergamum.domain.library import Library
from pergamum.errors import Damaged, PergamumError
from pergamum.storage.base import LibraryState
from pergamum.storage.files import create_folder, fsync_file, fsync_folder, rename, write_file
from pergamum.storage.sqlite.catalog import SqliteCatalog
from pergamum.storage.sqlite.connection import check_sqlite, create_database
from pergamum.storage.sqlite.data_folder import FIRST_GENERATION, DataFolder
from pergamum.storage.sqlite.keywords import fill_if_unsound
from pergamum.storage.sqlite.library_store import DATABASE, INDEX, SqliteLibraryStore
from pergamum.storage.sqlite.schema import LIBRARY
from pergamum.storage.sqlite.writable_rows import SqliteWritableRows


class SqliteStorage:
    """Everything under one data folder. Implements `Storage`.

    Raises `DataFolderInUse` when another process has it, `UnsafeSqlite`, `Damaged`, `NewerFormat`. `readers` bounds
    the read transactions open on one library at a time; a library's log is moved into its database when it is longer
    than `checkpoint_bytes`.
    """

    def __init__(self, path: Path, *, readers: int = 8, checkpoint_bytes: int = 16 << 20) -> None:
        check_sqlite()
        self._readers, self._checkpoint_bytes = readers, checkpoint_bytes
        self._folder = DataFolder(path)
        try:
            self._catalog = SqliteCatalog(self._folder.catalog)
        except BaseException:
            self._folder.close()
            raise

    @property
    def catalog(self) -> SqliteCatalog:
        """Which libraries exist, under which names, and the operations."""
        return self._catalog

    def create(self, library: Library) -> None:
        """Make an empty store for the library, durable with its name on disk, not listed in the catalogue.

        It is built in trash/ and moved to its place whole, so that a crash leaves none rather than half of one.
        """
        target = self._folder.library(library.id)
        if target.exists():
            raise FileExistsError(target)
        fresh = self._folder.new_trash()
        try:
            _build(fresh, library)
            rename(fresh, target)
        except BaseException:
            self._folder.empty_trash()
            raise

    def open(self, library_id: UUID) -> SqliteLibraryStore:
        """Open the store. Raises `Damaged` when it is missing or unreadable, `NewerFormat`."""
        generation = self._folder.generation(library_id)
        return SqliteLibraryStore(generation, readers=self._readers, checkpoint_bytes=self._checkpoint_bytes)

    def destroy(self, library_id: UUID) -> None:
        """Take the store away durably and give its bytes back; harmless when there is none. REQUIRES: it is closed."""
        folder = self._folder.library(library_id)
        if folder.exists():
            self._folder.discard(folder)

    def tidy(self) -> list[UUID]:
        """Remove trash, stores with a tombstone, unlisted stores at position 0; return the other unlisted ones.

        An unlisted store that cannot be read is kept too.
        """
        self._folder.empty_trash()
        stores, listed, deleted = self._folder.library_ids(), self._catalog.libraries(), self._catalog.tombstones()
        kept = []
        for library_id in sorted(stores - listed):
            if library_id in deleted or self._is_unused(library_id):
                self.destroy(library_id)
            else:
                kept.append(library_id)
        return kept

    def release_reserve(self) -> None:
        """Free the bytes kept so that deletions work on a full disk. Call `restore_reserve` once there is room."""
        self._folder.release_reserve()

    def restore_reserve(self) -> None:
        """Make the reserve again, if there is room; harmless when it is there."""
        self._folder.restore_reserve()

    def close(self) -> None:
        """Let another process have the data folder. REQUIRES: every library store is closed."""
        self._catalog.close()
        self._folder.close()

    def _is_unused(self, library_id: UUID) -> bool:
        try:
            store = self.open(library_id)
        except PergamumError:
            return False
        try:
            with store.reading() as rows:
                return rows.state().position == 0
        except Damaged:
            return False
        finally:
            store.close()


def _build(folder: Path, library: Library) -> None:
    generation = folder / FIRST_GENERATION
    create_folder(folder)
    create_folder(generation)
    create_folder(generation / INDEX)
    connection = create_database(generation / DATABASE, LIBRARY)
    try:
        SqliteWritableRows(connection, str(generation / DATABASE)).save_state(LibraryState(library))
        fill_if_unsound(connection)
    finally:
        connection.close()
    fsync_file(generation / DATABASE)
    fsync_folder(generation)
    write_file(folder / "CURRENT", f"{FIRST_GENERATION}\n".encode())
