"""How processes that accept from one queue come to have about as many connections each.

Left to themselves they do not: whoever wakes first takes all that wait, and a client that keeps its connections, as
most do, stays where it was taken. So each process takes one connection at a time, and leaves the next to the others
for a moment while one of them has fewer.
"""

import asyncio
import mmap
import os
import socket
import tempfile
from collections.abc import Callable
from typing import Final, Self

ABSENT: Final = (1 << 32) - 1
"""In place of the count of a process that accepts nothing."""
YIELD_SECONDS: Final = 0.001
MOST_YIELDS: Final = 5
"""How often a connection is left to others that do not come for it: they are busy."""


class Shares:
    """How many connections each process has, in memory that all of them share; each writes only its `own` count."""

    def __init__(self, descriptor: int, own: int) -> None:
        self.descriptor, self._own = descriptor, own
        self._counts = memoryview(mmap.mmap(descriptor, 0)).cast("I")

    @classmethod
    def among(cls, processes: int) -> Self:
        """Return the shares of the first of so many processes; none accepts yet."""
        with tempfile.TemporaryFile() as file:
            file.write(ABSENT.to_bytes(4, "little") * processes)
            file.flush()
            return cls(os.dup(file.fileno()), 0)

    def begin(self) -> None:
        """Let others count on this process."""
        self._counts[self._own] = 0

    def end(self, process: int | None = None) -> None:
        """Let nobody count on a process any more, this one unless another is named that has ended."""
        self._counts[self._own if process is None else process] = ABSENT

    def add(self, connections: int) -> None:
        """Count connections that came or, less than 0, went."""
        count = self._counts[self._own]
        if count != ABSENT:
            self._counts[self._own] = max(0, count + connections)

    def greedy(self) -> bool:
        """Whether another process has fewer connections."""
        return self._counts[self._own] > min(self._counts)


class Acceptor:
    """Takes connections from `listener` one at a time and hands each to `take`. Used from its event loop only.

    Stands in for the server that an event loop makes: `close`, then `wait_closed`.
    """

    def __init__(self, listener: socket.socket, shares: Shares, take: Callable[[socket.socket], None]) -> None:
        self._listener, self._shares, self._take = listener, shares, take
        self._loop = asyncio.get_running_loop()
        self._yields, self._closed = 0, False
        listener.setblocking(False)
        shares.begin()
        self._listen()

    def close(self) -> None:
        """Accept nothing from now on."""
        if not self._closed:
            self._closed = True
            self._shares.end()
            self._loop.remove_reader(self._listener)

    async def wait_closed(self) -> None:
        """Return at once: nothing is left to wait for."""

    def _listen(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        if self._yields < MOST_YIELDS and self._shares.greedy():
            self._yields += 1
            self._loop.remove_reader(self._listener)
            self._loop.call_later(YIELD_SECONDS, self._listen)
            return
        self._yields = 0
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):  # another process was faster, or the client has left
            return
        except OSError:  # no descriptor is free: it is not to be asked for again at once
            self._loop.remove_reader(self._listener)
            self._loop.call_later(1.0, self._listen)
            return
        connection.setblocking(False)
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._take(connection)
