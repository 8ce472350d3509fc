"""SQLite connections as every database of Pergamum opens them, and what SQLite's errors mean."""

from pathlib import Path
from typing import Final

import apsw

from pergamum.errors import Damaged, OutcomeUnknown, PergamumError, StorageFull, UnsafeSqlite
from pergamum.storage.files import FULL, flush_again, fsync_folder
from pergamum.storage.sqlite.schema import Schema

OLDEST_SQLITE: Final = (3, 51, 3)
PAGE_BYTES: Final = 8_192
BUSY_MILLISECONDS: Final = 2_000
CACHE_KIBIBYTES: Final = 8_000
LOG_SIZE_LIMIT: Final = 64 << 20
_READ_FAILURES: Final = frozenset(
    {apsw.SQLITE_IOERR_READ, apsw.SQLITE_IOERR_SHORT_READ, apsw.SQLITE_IOERR_DATA, apsw.SQLITE_IOERR_CORRUPTFS}
)
_NEEDS_SPACE: Final = frozenset({apsw.SQLITE_IOERR_WRITE, apsw.SQLITE_IOERR_SHMSIZE, apsw.SQLITE_IOERR_TRUNCATE})


def check_sqlite() -> None:
    """Refuse a SQLite with the WAL-reset corruption bug. Raises `UnsafeSqlite`."""
    found = apsw.sqlite_lib_version()
    if tuple(map(int, found.split("."))) < OLDEST_SQLITE:
        raise UnsafeSqlite(found, ".".join(map(str, OLDEST_SQLITE)))


def failure(error: apsw.Error | UnicodeDecodeError, what: str, connection: apsw.Connection) -> PergamumError | None:
    """Return what an error of SQLite means, None when it is a mistake in our code."""
    match error:
        case apsw.FullError():
            return StorageFull()
        case apsw.IOError():
            return _io_failure(error, what, connection)
        case apsw.CorruptError() | apsw.NotADBError() | apsw.CantOpenError() | UnicodeDecodeError():
            return Damaged(what, str(error))
        case _:
            return None


def _io_failure(error: apsw.IOError, what: str, connection: apsw.Connection) -> PergamumError:
    code = getattr(error, "extendedresult", apsw.SQLITE_IOERR)
    if code in _READ_FAILURES:
        return Damaged(what, str(error))
    if code in _NEEDS_SPACE and connection.system_errno in FULL:
        return StorageFull()
    return OutcomeUnknown(str(error))


def create_database(path: Path, schema: Schema) -> apsw.Connection:
    """Make a new database; the caller makes its name durable. Raises `StorageFull`, `OutcomeUnknown`."""
    try:
        connection = apsw.Connection(str(path), apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
    except apsw.CantOpenError as error:
        raise OutcomeUnknown(f"{path} cannot be made: {error}") from error
    try:
        connection.pragma("page_size", PAGE_BYTES)
        _configure(connection)
        schema.create(connection)
    except apsw.Error as error:
        meaning = failure(error, str(path), connection) or error  # asked while open: it looks at the system's errno
        connection.close(force=True)
        raise meaning from error
    return connection


def open_writer(path: Path, schema: Schema) -> apsw.Connection:
    """Open for writing and settle the log, so that nothing depends on what a failed flush may have left in it.

    See docs/decisions/0003-recovery-by-reopening.md. Raises `Damaged`, `NewerFormat`, `StorageFull`,
    `OutcomeUnknown`.
    """
    if not path.exists():
        raise Damaged(str(path), "the file is missing")
    flush_again(path.with_name(f"{path.name}-wal"))
    connection = _connect(path)
    try:
        _configure(connection)
        schema.upgrade(connection, str(path))
        _move_log(connection)
        fsync_folder(path.parent)  # the log is there now; SQLite would flush its name later and ignore a failure
    except apsw.Error as error:
        meaning = failure(error, str(path), connection) or error
        abandon(connection)
        raise meaning from error
    except PergamumError:
        abandon(connection)
        raise
    return connection


def open_reader(path: Path) -> apsw.Connection:
    """Open for reading a database that a writer of this process has open. Raises `Damaged`."""
    connection = _connect(path)
    try:
        _configure(connection)
        connection.pragma("query_only", True)
    except apsw.Error as error:
        meaning = failure(error, str(path), connection) or error
        connection.close(force=True)
        raise meaning from error
    return connection


def open_beside(path: Path, schema: Schema) -> apsw.Connection:
    """Open for reading a database that another process has open and writes. Never writes, nor moves the log.

    Raises `Damaged`, also where the other process has not brought an older format up to date.
    """
    try:
        connection = apsw.Connection(str(path), apsw.SQLITE_OPEN_READONLY)
    except apsw.CantOpenError as error:
        raise Damaged(str(path), str(error)) from error
    try:
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        _configure_reading(connection)
        if connection.pragma("user_version") != schema.version:
            raise Damaged(str(path), "it is of another format")
    except apsw.Error as error:
        connection.close(force=True)
        raise Damaged(str(path), str(error)) from error
    except Damaged:
        connection.close(force=True)
        raise
    return connection


def abandon(connection: apsw.Connection) -> None:
    """Close without moving the log into the database: after a failure the next opening decides what it holds."""
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    connection.close(force=True)


def _move_log(connection: apsw.Connection) -> None:
    """Move the log into the database. On a full disk, or while another process reads from it, it stays where it is.

    It was flushed, and reads can go on.
    """
    try:
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except apsw.BusyError:
        return
    except apsw.Error as error:
        if not isinstance(failure(error, "", connection), StorageFull):
            raise


def _connect(path: Path) -> apsw.Connection:
    try:
        return apsw.Connection(str(path), apsw.SQLITE_OPEN_READWRITE)
    except apsw.CantOpenError as error:
        raise Damaged(str(path), str(error)) from error


def _configure(connection: apsw.Connection) -> None:
    _configure_reading(connection)
    if connection.pragma("journal_mode", "wal") != "wal":  # when it cannot, it says so and raises nothing
        raise apsw.IOError("the database cannot be switched to its write-ahead log")
    connection.pragma("synchronous", "full")
    connection.pragma("wal_autocheckpoint", 0)
    connection.pragma("journal_size_limit", LOG_SIZE_LIMIT)


def _configure_reading(connection: apsw.Connection) -> None:
    # Without it this SQLite (STAT4) prepares a statement again whenever a key it looks up changes: 4 µs a row.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    connection.set_busy_timeout(BUSY_MILLISECONDS)
    connection.pragma("cache_size", -CACHE_KIBIBYTES)
    connection.pragma("trusted_schema", False)
    connection.pragma("mmap_size", 0)
