"""Uvicorn as `pergamum serve` runs it: one event loop a process, our logs, exit code 0 after a signal."""

import asyncio
import gc
import math
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Final

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pergamum.cli.accepting import Acceptor, Shares

if TYPE_CHECKING:
    from pergamum.cli.workers import Workers

GARBAGE: Final = (10_000, 20, 20)
"""When Python looks for cycles: a batch of searches holds more objects at once than its 700, and makes no cycles."""


class Counted(HttpToolsProtocol):
    """One connection of a process that shares a queue with others; `lost` is called when it ends."""

    lost: Callable[[], None]

    def connection_lost(self, exc: Exception | None) -> None:
        """Do what is to be done at the end."""
        super().connection_lost(exc)
        self.lost()


class HttpServer(uvicorn.Server):
    """Serves the app until SIGTERM or SIGINT, then lets running requests finish for `drain_seconds` at most.

    `ready` is called once requests are taken. `workers` begin then, and end before the app is closed. With `shares`
    other processes accept from the same sockets.
    """

    def __init__(
        self,
        app: FastAPI,
        drain_seconds: float,
        ready: Callable[[], None],
        shares: Shares | None = None,
        workers: "Workers | None" = None,
    ) -> None:
        self._gate, self._ready, self._drain_seconds = app.state.gate, ready, drain_seconds
        self._shares, self._workers = shares, workers
        self._taking: set[asyncio.Task[object]] = set()
        config = uvicorn.Config(
            app,
            loop="uvloop",
            http="httptools",
            lifespan="on",
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=math.ceil(drain_seconds),
        )
        super().__init__(config)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        gc.set_threshold(*GARBAGE)
        if self._shares is None:
            await super().startup(sockets)
        else:
            await super().startup([])
            for listener in sockets or ():
                self.servers.append(Acceptor(listener, self._shares, self._take))  # type: ignore[arg-type]  # see there
        if self._workers is not None:
            loop = asyncio.get_running_loop()
            self.servers.append(await loop.create_unix_server(self._protocol, sock=self._workers.link))
            self._workers.start()
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let the workers finish, which may need this process for it, then finish."""
        if self._workers is not None:
            started = time.monotonic()
            await asyncio.to_thread(self._workers.join, self._drain_seconds)
            left = self._drain_seconds - (time.monotonic() - started)
            self.config.timeout_graceful_shutdown = max(1, math.ceil(left))
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Obey signals without raising them again at the end, as Uvicorn does: having drained is success."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop: what comes from now on is answered 503, so that a load balancer goes elsewhere."""
        self._gate.close()
        super().handle_exit(sig, frame)
        if self._workers is not None:
            # Not here: a signal comes in the middle of anything, also while this thread holds what they would wait for.
            end = self._workers.kill if self.force_exit else self._workers.stop  # by the second Ctrl-C it is
            asyncio.get_running_loop().call_soon_threadsafe(end)

    def _protocol(self) -> HttpToolsProtocol:
        """Return what speaks HTTP on one connection, as Uvicorn makes it."""
        return HttpToolsProtocol(self.config, self.server_state, self.lifespan.state)

    def _take(self, connection: socket.socket) -> None:
        """Serve a connection that was accepted, and count it as long as it lasts."""
        assert self._shares is not None, "only an acceptor calls this"
        protocol, shares = Counted(self.config, self.server_state, self.lifespan.state), self._shares
        protocol.lost = lambda: shares.add(-1)
        shares.add(1)
        loop = asyncio.get_running_loop()
        taking = loop.create_task(loop.connect_accepted_socket(lambda: protocol, connection))
        self._taking.add(taking)
        taking.add_done_callback(self._taking.discard)
