"""Uvicorn as `pergamum serve` runs it: one process, one event loop, our logs, exit code 0 after a signal."""

import gc
import math
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import uvicorn
from fastapi import FastAPI

GARBAGE: Final = (10_000, 20, 20)
"""When Python looks for cycles: a batch of searches holds more objects at once than its 700, and makes no cycles."""


class HttpServer(uvicorn.Server):
    """Serves the app until SIGTERM or SIGINT, then lets running requests finish for `drain_seconds` at most.

    `ready` is called once requests are taken.
    """

    def __init__(self, app: FastAPI, drain_seconds: float, ready: Callable[[], None]) -> None:
        self._gate, self._ready = app.state.gate, ready
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
        await super().startup(sockets)
        self._ready()

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
