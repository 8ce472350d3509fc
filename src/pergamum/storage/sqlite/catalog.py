"""catalog.db: which libraries exist, under which names, the operations, and replies to what no library keeps."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Final, TypeVar
from uuid import UUID

import apsw

from pergamum.domain.operation import Operation
from pergamum.domain.replies import KeptReply
from pergamum.errors import LibraryExists, LibraryNotFound, OutcomeUnknown
from pergamum.storage.files import fsync_folder, rename
from pergamum.storage.sqlite.codec import (
    Row,
    check,
    checksum,
    micros,
    operation_of,
    operation_text,
    reply_of,
    sealed,
)
from pergamum.storage.sqlite.connection import abandon, create_database, failure, open_writer
from pergamum.storage.sqlite.replies import REPLY_BY_KEY, keep_reply
from pergamum.storage.sqlite.schema import CATALOG

Answer = TypeVar("Answer")
LOG_PAGES: Final = 256


class SqliteCatalog:
    """The catalogue on disk. Implements `CatalogStore`; each method is one transaction on one connection.

    After a failed flush it opens itself again before the next call, which settles what the outcome was.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._what = path, str(path)
        self._lock = Lock()
        if not path.exists():
            _create(path)
        self._connection: apsw.Connection | None = None
        self._open()

    def add(self, library_id: UUID, name: str, at: datetime, kept: KeptReply | None = None) -> None:
        """List a library. Raises `LibraryExists` when the name is taken."""

        def add(connection: apsw.Connection) -> None:
            self._check_free(connection, library_id, name)
            row = sealed(str(library_id), micros(at), 0)
            connection.execute("INSERT INTO libraries (id, created_at, tombstone, checksum) VALUES (?, ?, ?, ?)", row)
            _add_name(connection, library_id, name)
            if kept is not None:
                keep_reply(connection, kept)

        self._write(add)

    def remove(self, library_id: UUID, kept: KeptReply | None = None) -> None:
        """Leave a tombstone in place of the library and free its names. Raises `LibraryNotFound`."""

        def remove(connection: apsw.Connection) -> None:
            row = self._listed(connection, library_id)
            connection.execute(
                "REPLACE INTO libraries (id, created_at, tombstone, checksum) VALUES (?, ?, ?, ?)",
                sealed(row[0], row[1], 1),
            )
            connection.execute("DELETE FROM names WHERE library = ?", (str(library_id),))
            if kept is not None:
                keep_reply(connection, kept)

        self._write(remove)

    def reserve(self, library_id: UUID, name: str) -> None:
        """Give the library one more name. Raises `LibraryExists`, `LibraryNotFound`."""

        def reserve(connection: apsw.Connection) -> None:
            self._listed(connection, library_id)
            if self._check_free(connection, library_id, name):
                _add_name(connection, library_id, name)

        self._write(reserve)

    def release_all_but(self, library_id: UUID, name: str) -> None:
        """Free the names of the library other than `name`."""
        sql = "DELETE FROM names WHERE library = ? AND name <> ?"
        self._write(lambda connection: connection.execute(sql, (str(library_id), name)))

    def names(self, library_id: UUID) -> list[str]:
        """Return the names of the library, none when it is not listed."""
        sql = "SELECT name, library, checksum FROM names WHERE library = ? ORDER BY name"
        return [row[0] for row in self._rows(sql, (str(library_id),))]

    def find(self, name: str) -> UUID | None:
        """Return the library that holds the name."""
        rows = self._rows("SELECT name, library, checksum FROM names WHERE name = ?", (name,))
        return UUID(rows[0][1]) if rows else None

    def page(self, after: str | None, limit: int) -> list[tuple[str, UUID]]:
        """Return at most `limit` (name, library id) in ascending order of name, those after `after`."""
        sql = "SELECT name, library, checksum FROM names WHERE name > ? ORDER BY name LIMIT ?"
        return [(row[0], UUID(row[1])) for row in self._rows(sql, (after or "", limit))]

    def libraries(self) -> set[UUID]:
        """Return every listed library."""
        return self._ids(tombstone=0)

    def tombstones(self) -> set[UUID]:
        """Return every library that was deleted here."""
        return self._ids(tombstone=1)

    def save_operation(self, operation: Operation) -> None:
        """Insert the operation, or replace the one with its id."""
        row = sealed(str(operation.id), operation_text(operation))
        sql = "REPLACE INTO operations (id, operation, checksum) VALUES (?, ?, ?)"
        self._write(lambda connection: connection.execute(sql, row))

    def operation(self, operation_id: UUID) -> Operation | None:
        """Return the operation, if it is known."""
        rows = self._rows("SELECT id, operation, checksum FROM operations WHERE id = ?", (str(operation_id),))
        return operation_of(rows[0][1]) if rows else None

    def unfinished_operations(self) -> list[Operation]:
        """Return the operations that have not ended, the oldest first. A damaged row is left out."""
        sql = "SELECT id, operation, checksum FROM operations"
        rows: list[Row] = self._run(lambda connection: connection.execute(sql).fetchall())
        known = [operation_of(row[1]) for row in rows if checksum(row[:-1]) == row[-1]]
        return sorted((each for each in known if not each.ended), key=lambda operation: operation.created_at)

    def reply(self, key: str) -> KeptReply | None:
        """Return what is kept under the key, if anything, however old. Raises `Damaged`."""
        rows: list[Row] = self._run(lambda connection: connection.execute(REPLY_BY_KEY, (key,)).fetchall())
        return reply_of(rows[0]) if rows else None

    def keep_reply(self, kept: KeptReply) -> None:
        """Keep the reply, in place of one with the same key; forget a few that are no longer good at its time."""
        self._write(lambda connection: keep_reply(connection, kept))

    def close(self) -> None:
        """Release the connection."""
        with self._lock:
            if self._connection is not None:
                self._connection.close(force=True)
            self._connection = None

    def _ids(self, tombstone: int) -> set[UUID]:
        rows = self._rows("SELECT id, created_at, tombstone, checksum FROM libraries", ())
        return {UUID(row[0]) for row in rows if row[2] == tombstone}

    def _rows(self, sql: str, bindings: Row) -> list[Row]:
        rows: list[Row] = self._run(lambda connection: connection.execute(sql, bindings).fetchall())
        for row in rows:
            check(row, f"{self._what}, {row[0]!r}")
        return rows

    def _listed(self, connection: apsw.Connection, library_id: UUID) -> Row:
        sql = "SELECT id, created_at, tombstone, checksum FROM libraries WHERE id = ?"
        row: Row | None = connection.execute(sql, (str(library_id),)).fetchone()
        if row is None:
            raise LibraryNotFound(str(library_id))
        check(row, f"{self._what}, {library_id}")
        if row[2]:
            raise LibraryNotFound(str(library_id))
        return row

    def _check_free(self, connection: apsw.Connection, library_id: UUID, name: str) -> bool:
        """Return whether nobody has the name. Raises `LibraryExists` when another library has it."""
        row: Row | None = connection.execute("SELECT library FROM names WHERE name = ?", (name,)).fetchone()
        if row is not None and row[0] != str(library_id):
            raise LibraryExists(name)
        return row is None

    def _write(self, change: Callable[[apsw.Connection], object]) -> None:
        def transaction(connection: apsw.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")
            try:
                change(connection)
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

        self._run(transaction)

    def _run(self, use: Callable[[apsw.Connection], Answer]) -> Answer:
        with self._lock:
            connection = self._connection or self._open()
            try:
                return use(connection)
            except (apsw.Error, UnicodeDecodeError) as error:
                failed = failure(error, self._what, connection)
                if isinstance(failed, OutcomeUnknown):
                    self._connection = None
                    abandon(connection)
                raise failed or error from error

    def _open(self) -> apsw.Connection:
        self._connection = open_writer(self._path, CATALOG)
        self._connection.set_wal_hook(_shorten_log)
        return self._connection


def _create(path: Path) -> None:
    """Make the database beside its place and move it there whole, so that a crash leaves none rather than half."""
    fresh = path.with_name("catalog.new")
    for leftover in path.parent.glob("catalog.new*"):
        leftover.unlink()
    _move_log(create_database(fresh, CATALOG), str(fresh))
    rename(fresh, path)
    fsync_folder(path.parent)


def _move_log(connection: apsw.Connection, what: str) -> None:
    """Move all of the log into the database and close it: closing alone would not say that it failed to."""
    try:
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except apsw.Error as error:
        raise failure(error, what, connection) or error from error
    finally:
        abandon(connection)


def _add_name(connection: apsw.Connection, library_id: UUID, name: str) -> None:
    row = sealed(name, str(library_id))
    connection.execute("INSERT INTO names (name, library, checksum) VALUES (?, ?, ?)", row)


def _shorten_log(connection: apsw.Connection, _database: str, pages: int) -> int:
    if pages >= LOG_PAGES:
        with suppress(apsw.Error):  # the log stays, and is moved another time
            connection.wal_checkpoint()
    return apsw.SQLITE_OK
