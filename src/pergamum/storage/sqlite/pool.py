"""A bounded pool of connections made on demand."""

from collections.abc import Callable
from threading import Condition, Lock

import apsw


class ConnectionPool:
    """At most `limit` connections, each used by one thread at a time; a thread waits while all are in use."""

    def __init__(self, make: Callable[[], apsw.Connection], limit: int) -> None:
        self._make, self._limit = make, limit
        self._idle: list[apsw.Connection] = []
        self._made = 0
        self._freed = Condition(Lock())

    def take(self) -> apsw.Connection:
        """Return a connection for the calling thread alone."""
        with self._freed:
            while not self._idle and self._made >= self._limit:
                self._freed.wait()
            if self._idle:
                return self._idle.pop()
            self._made += 1
        try:
            return self._make()
        except BaseException:
            self._forget()
            raise

    def give_back(self, connection: apsw.Connection) -> None:
        """Let another thread have the connection."""
        with self._freed:
            self._idle.append(connection)
            self._freed.notify()

    def discard(self, connection: apsw.Connection) -> None:
        """Close a connection that may be unwell instead of giving it back."""
        connection.close(force=True)
        self._forget()

    def close(self) -> None:
        """Close every connection. REQUIRES: none is in use."""
        with self._freed:
            while self._idle:
                self._idle.pop().close(force=True)
                self._made -= 1

    def _forget(self) -> None:
        with self._freed:
            self._made -= 1
            self._freed.notify()
