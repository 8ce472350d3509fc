"""The server's routes in this process, instead of behind a socket.

Every request goes through the very code that a server runs, on an event loop in a thread of its own, so local and
remote clients cannot answer differently.
"""

import asyncio
import shutil
import tempfile
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import httpx

from pergamum.client.errors import Unreachable
from pergamum.errors import CannotStart, Damaged

if TYPE_CHECKING:
    from fastapi import FastAPI

T = TypeVar("T")
URL: Final = "http://local"
MEMORY: Final = Path("/dev/shm")
"""A file system in memory, where the system has one: nothing that is not kept has to reach a disk."""


class Local(httpx.BaseTransport):
    """Hands requests to the routes. Threads: any."""

    url = URL

    def __init__(self, path: str | Path | None) -> None:
        self._engine = _Engine(path)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the answer of the route."""
        return self._engine.run(self._engine.answered(request))

    def close(self) -> None:
        """Close the data folder."""
        self._engine.close()


class AsyncLocal(httpx.AsyncBaseTransport):
    """Hands requests to the routes. Threads and event loops: any."""

    url = URL

    def __init__(self, path: str | Path | None) -> None:
        self._engine = _Engine(path)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the answer of the route, without holding up the caller's event loop."""
        return await asyncio.wrap_future(self._engine.begun(self._engine.answered(request)))

    async def aclose(self) -> None:
        """Close the data folder."""
        await asyncio.to_thread(self._engine.close)


class _Engine:
    """The server's app on an event loop of its own; without a path in a folder that goes with it. Threads: any."""

    def __init__(self, path: str | Path | None) -> None:
        folder = Path(path) if path is not None else _passing_folder()
        self._passing = folder if path is None else None
        try:
            app = _app(folder)
        except BaseException:
            self._forget()
            raise
        self._asgi = httpx.ASGITransport(app)
        self._running = AsyncExitStack()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="pergamum-local", daemon=True)
        self._thread.start()
        self.run(self._running.enter_async_context(app.router.lifespan_context(app)))

    def begun(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin the work on the loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what the work on the loop returns."""
        return self.begun(work).result()

    async def answered(self, request: httpx.Request) -> httpx.Response:
        """Return the app's whole answer."""
        body = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
        answer = await self._asgi.handle_async_request(body)
        return httpx.Response(answer.status_code, headers=answer.headers, content=await answer.aread())

    def close(self) -> None:
        """Close the data folder as a server does at its end; harmless when that was done."""
        if not self._thread.is_alive():
            return
        self.run(self._running.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._forget()

    def _forget(self) -> None:
        if self._passing is not None:
            shutil.rmtree(self._passing, ignore_errors=True)


def _passing_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="pergamum-", dir=MEMORY if MEMORY.is_dir() else None))


def _app(folder: Path) -> "FastAPI":
    """Return the app over the folder; this is the one place where the client knows of the server."""
    try:
        from pergamum.app import build_inside  # noqa: PLC0415  # a client without the server extra has none
    except ImportError as error:
        raise ImportError(f'the engine is not installed: pip install "pergamum[server]" ({error})') from error
    try:
        return build_inside(folder)
    except (CannotStart, Damaged, OSError) as error:
        raise Unreachable(f"cannot open {folder}: {error}") from error
