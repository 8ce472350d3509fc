"""The data folder as a process sees it that only reads, beside the one that has it open and writes.

Nothing here locks the folder, recovers, or writes into it: connections are read-only and never move a log.
"""

from pathlib import Path
from threading import Lock
from typing import Final
from uuid import UUID

import apsw

from pergamum.domain.library import spelled_id
from pergamum.errors import Damaged
from pergamum.storage.sqlite.codec import Row, check
from pergamum.storage.sqlite.connection import open_beside
from pergamum.storage.sqlite.data_folder import current_generation
from pergamum.storage.sqlite.library_store import DATABASE, INDEX, VECTORS
from pergamum.storage.sqlite.pool import ConnectionPool
from pergamum.storage.sqlite.schema import CATALOG, LIBRARY, Schema
from pergamum.storage.sqlite.unit_of_work import Reading
from pergamum.storage.vector_map import VectorMap

_NAME: Final = "SELECT name, library, checksum FROM names WHERE name = ?"
_LIBRARY: Final = "SELECT id, created_at, tombstone, checksum FROM libraries WHERE id = ?"


class ReadOnlyLibraryStore:
    """One generation of one library that another process writes. Implements `WatchedStore`. Raises `Damaged`."""

    def __init__(self, folder: Path, readers: int) -> None:
        self._folder, self._what = folder, str(folder / DATABASE)
        self._watched = _Watched(folder / DATABASE, LIBRARY)
        self._pool = ConnectionPool(lambda: open_beside(folder / DATABASE, LIBRARY), readers)
        self._vectors = VectorMap(folder / VECTORS)

    @property
    def vectors(self) -> VectorMap:
        """The vectors, by slot."""
        return self._vectors

    @property
    def index_folder(self) -> Path:
        """The folder that holds one folder for each index snapshot."""
        return self._folder / INDEX

    def reading(self) -> Reading:
        """Open a read transaction; waits while all connections are in use."""
        return Reading(self._pool, self._what)

    def version(self) -> int:
        """Return a number that is another one after every commit. Raises `Damaged`."""
        return self._watched.version()

    def close(self) -> None:
        """Release the connections. REQUIRES: nothing is being read. Views keep their maps."""
        self._pool.close()
        self._watched.close()


class ReadOnlyStorage:
    """Everything under the data folder of another process. Implements `WatchedStorage`. Raises `Damaged`."""

    def __init__(self, path: Path, readers: int) -> None:
        self._libraries, self._readers = path / "libraries", readers
        self._catalog = _Watched(path / "catalog.db", CATALOG)

    def version(self) -> int:
        """Return a number that is another one after every change of the catalogue."""
        return self._catalog.version()

    def find(self, reference: str) -> UUID | None:
        """Return the listed library with this name or id; a name comes before an id."""
        named = self._catalog.row(_NAME, reference)
        library_id = spelled_id(reference if named is None else named[1])
        return library_id if library_id is not None and self.is_listed(library_id) else None

    def is_listed(self, library_id: UUID) -> bool:
        """Whether the library exists."""
        row = self._catalog.row(_LIBRARY, str(library_id))
        return row is not None and not row[2]

    def open(self, library_id: UUID) -> ReadOnlyLibraryStore:
        """Open the store. REQUIRES: the process that writes has opened it since it began."""
        return ReadOnlyLibraryStore(current_generation(self._libraries / str(library_id)), self._readers)

    def close(self) -> None:
        """Release the connection to the catalogue."""
        self._catalog.close()


class _Watched:
    """A connection that is asked, before anything else, whether the database has changed. Threads: any, in turns."""

    def __init__(self, path: Path, schema: Schema) -> None:
        self._what, self._lock = str(path), Lock()
        self._connection = open_beside(path, schema)

    def version(self) -> int:
        return int(self._run("PRAGMA data_version", ())[0])

    def row(self, sql: str, key: str) -> Row | None:
        row = self._run(sql, (key,))
        if not row:
            return None
        check(row, f"{self._what}, {key!r}")
        return row

    def close(self) -> None:
        with self._lock:
            self._connection.close(force=True)

    def _run(self, sql: str, bindings: Row) -> Row:
        """Return the first row, or an empty one."""
        try:
            with self._lock:
                row: Row | None = self._connection.execute(sql, bindings).fetchone()
        except (apsw.Error, UnicodeDecodeError) as error:
            raise Damaged(self._what, str(error)) from error
        return row or ()
