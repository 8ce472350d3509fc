"""Rows and vectors of one library on disk: one writer connection, a bounded pool of readers, the vector file."""

from contextlib import suppress
from pathlib import Path
from typing import Final

import apsw

from pergamum.errors import Damaged, LibraryReadOnly, OutcomeUnknown, PergamumError, StorageFull
from pergamum.storage.base import LibraryState
from pergamum.storage.files import remove_file
from pergamum.storage.sqlite.connection import PAGE_BYTES, abandon, failure, open_reader, open_writer
from pergamum.storage.sqlite.keywords import fill_if_unsound
from pergamum.storage.sqlite.pending import PendingVectors
from pergamum.storage.sqlite.pool import ConnectionPool
from pergamum.storage.sqlite.rows import SqliteRows
from pergamum.storage.sqlite.schema import LIBRARY
from pergamum.storage.sqlite.unit_of_work import Reading, SqliteUnitOfWork
from pergamum.storage.vectors import VectorFile

DATABASE: Final = "library.db"
VECTORS: Final = "vectors.f32"
INDEX: Final = "index"


class SqliteLibraryStore:
    """One generation of one library. Implements `LibraryStore`.

    After a failed flush or an uncertain COMMIT it refuses writes with `LibraryReadOnly`; opening again is the
    recovery (docs/decisions/0003-recovery-by-reopening.md).
    """

    def __init__(self, folder: Path, *, readers: int, checkpoint_bytes: int) -> None:
        self._folder, self._checkpoint_bytes = folder, checkpoint_bytes
        self._what = str(folder / DATABASE)
        self._failure: str | None = None
        self._log_pages = 0
        self._disk_was_full = False
        self._writer = open_writer(folder / DATABASE, LIBRARY)
        fill_if_unsound(self._writer)
        self._writer.set_wal_hook(self._note_log)
        self._pool = ConnectionPool(lambda: open_reader(folder / DATABASE), readers)
        try:
            self._vectors, self._pending = self._open_vectors()
        except BaseException:
            self._pool.close()
            abandon(self._writer)
            raise

    @property
    def vectors(self) -> VectorFile:
        """The vectors, by slot."""
        return self._vectors

    @property
    def failure(self) -> str | None:
        """Why the store takes no more writes until it is opened again, or None."""
        return self._failure or self._vectors.failure

    @property
    def index_folder(self) -> Path:
        """The folder that holds one folder for each index snapshot."""
        return self._folder / INDEX

    def reading(self) -> Reading:
        """Open a read transaction; waits while all reader connections are in use."""
        return Reading(self._pool, self._what)

    def writing(self) -> SqliteUnitOfWork:
        """Open the write transaction. Raises `StorageFull` or `LibraryReadOnly`."""
        if self.failure is not None:
            raise LibraryReadOnly(self.failure)
        return SqliteUnitOfWork(self._writer, self._what, self._pending, self._remember)

    def settle(self) -> None:
        """Make every committed vector durable in its slot. Raises `StorageFull`, `OutcomeUnknown`."""
        try:
            self._pending.settle()
        except PergamumError as error:
            self._remember(error)
            raise

    def checkpoint(self) -> None:
        """Settle the vectors of small groups, and move the log into the database, when there is enough of either.

        When a write has met a full disk, the log is moved whatever its length and its bytes are given back. When there
        is no room even for that, it stays for the next try. Any other failure makes the store refuse writes.
        """
        if self.failure is None and self._pending.many:
            with suppress(PergamumError):  # it is remembered
                self.settle()
        if self.failure is None and (self._disk_was_full or self._log_pages * PAGE_BYTES >= self._checkpoint_bytes):
            self._move_log()

    def close(self) -> None:
        """Release files and connections. REQUIRES: nothing is being read or written."""
        self._pool.close()
        if self.failure is None:
            with suppress(PergamumError):  # the next opening does it
                self.settle()
        self._vectors.close()
        if self._failure is not None:
            abandon(self._writer)
            return
        with suppress(apsw.Error):  # the log stays, and the next opening moves it
            self._writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        self._writer.close(force=True)

    def _move_log(self) -> None:
        mode = apsw.SQLITE_CHECKPOINT_TRUNCATE if self._disk_was_full else apsw.SQLITE_CHECKPOINT_PASSIVE
        try:
            pages, moved = self._writer.wal_checkpoint(mode=mode)
            self._log_pages, self._disk_was_full = pages - moved, False
        except (apsw.FullError, apsw.BusyError):
            return
        except apsw.Error as error:
            self._remember(failure(error, self._what, self._writer) or OutcomeUnknown(str(error)))

    def _open_vectors(self) -> tuple[VectorFile, PendingVectors]:
        """Open the vector file as it was committed, before anything reads it or relies on its length."""
        state, path = self._state(), self._folder / VECTORS
        if state.library.dimension is None:
            remove_file(path)  # its group was never committed
        file = VectorFile(path)
        pending = PendingVectors(self._writer, self._what, file)
        if state.library.dimension is not None:
            try:
                _check_dimension(file, state, str(path))
                pending.restore(state.next_slot)
                file.matrix(state.next_slot)
            except BaseException:
                file.close()
                raise
        return file, pending

    def _state(self) -> LibraryState:
        return SqliteRows(self._writer, self._what).state()

    def _note_log(self, _connection: apsw.Connection, _database: str, pages: int) -> int:
        self._log_pages = pages
        return apsw.SQLITE_OK

    def _remember(self, error: PergamumError) -> None:
        if isinstance(error, StorageFull):
            self._disk_was_full = True
        else:
            self._failure = str(error)


def _check_dimension(file: VectorFile, state: LibraryState, what: str) -> None:
    if file.dimension is None and state.next_slot:
        raise Damaged(what, "the file is missing")
    if file.dimension not in {state.library.dimension, None}:
        raise Damaged(what, f"dimension {file.dimension}, the library has {state.library.dimension}")
