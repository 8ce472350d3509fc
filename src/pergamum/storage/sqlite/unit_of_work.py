"""Transactions of one library: a read transaction on a pooled connection, the write transaction on the writer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import apsw

from pergamum.domain.vectors import Matrix
from pergamum.errors import KeywordsDamaged, OutcomeUnknown, PergamumError, StorageFull
from pergamum.storage.sqlite.connection import failure
from pergamum.storage.sqlite.keywords import mark_unsound
from pergamum.storage.sqlite.pending import PendingVectors
from pergamum.storage.sqlite.pool import ConnectionPool
from pergamum.storage.sqlite.rows import STATE, SqliteRows
from pergamum.storage.sqlite.writable_rows import SqliteWritableRows


class Reading:
    """One read transaction: everything read inside the block belongs to the position at its start."""

    __slots__ = ("_connection", "_pool", "_what")

    def __init__(self, pool: ConnectionPool, what: str) -> None:
        self._pool, self._what = pool, what
        self._connection: apsw.Connection

    def __enter__(self) -> SqliteRows:
        self._connection = connection = self._pool.take()
        try:
            connection.execute("BEGIN")
            # The first read fixes the snapshot; it is the state because most readers ask for it.
            state = connection.execute(STATE).fetchall()
        except (apsw.Error, UnicodeDecodeError) as error:
            self._pool.discard(connection)
            raise failure(error, self._what, connection) or error from error
        return SqliteRows(connection, self._what, *state)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self._connection.execute("ROLLBACK")
        except apsw.Error:
            self._pool.discard(self._connection)
            raise
        self._pool.give_back(self._connection)


class SqliteUnitOfWork:
    """The write transaction. Implements `UnitOfWork`; leaving its block without `commit` rolls it back.

    `report` is called with the `StorageFull` or `OutcomeUnknown` that ended the transaction: the store remembers it.
    """

    def __init__(
        self, writer: apsw.Connection, what: str, vectors: PendingVectors, report: Callable[[PergamumError], None]
    ) -> None:
        self._writer, self._what, self._vectors, self._report = writer, what, vectors, report
        self._rows = SqliteWritableRows(writer, what)

    @property
    def rows(self) -> SqliteWritableRows:
        """The rows as this transaction sees them."""
        return self._rows

    def __enter__(self) -> Self:
        self._execute("BEGIN IMMEDIATE")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        broken = error if isinstance(error, OutcomeUnknown | StorageFull) else self._rows.broken
        keywords_only = isinstance(broken, KeywordsDamaged)
        if broken is not None and not keywords_only:
            self._report(broken)
        try:
            if self._writer.in_transaction:  # neither committed, nor has SQLite rolled back by itself
                self._writer.execute("ROLLBACK")
            if keywords_only:
                mark_unsound(self._writer)
        except apsw.Error as failed:
            self._report(OutcomeUnknown(str(failed)))

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Make what is written inside the block undone when the block raises; the error goes on."""
        self._execute("SAVEPOINT command")
        try:
            yield
        except BaseException:
            if self._rows.broken is None and self._writer.in_transaction:
                self._execute("ROLLBACK TO command")
                self._execute("RELEASE command")
            raise
        self._execute("RELEASE command")

    def store_vectors(self, first_slot: int, vectors: Matrix) -> None:
        """Write vectors into the slots from `first_slot` on, durable with the transaction."""
        self._vectors.store(self._rows, first_slot, vectors)

    def commit(self) -> None:
        """Make the transaction durable. Raises `StorageFull`, `OutcomeUnknown`, `KeywordsDamaged`."""
        if self._rows.broken is not None:
            raise self._rows.broken
        self._rows.write_keywords()
        self._execute("COMMIT")

    def _execute(self, sql: str) -> None:
        if self._rows.broken is not None:
            raise self._rows.broken
        try:
            self._writer.execute(sql)
        except apsw.Error as error:
            self._rows.broken = failure(error, self._what, self._writer)
            raise self._rows.broken or error from error
