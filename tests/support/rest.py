"""The whole server inside the test's process: requests go through the real routes, services, engine and files."""

import asyncio
import base64
import struct
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

import httpx

from pergamum.app import build
from pergamum.client.call import path
from pergamum.settings import Settings
from tests.support.model import Json


class Rest:
    """A server on `data_dir` that can be stopped and started again. Close it, or use it in a `with`.

    Requests run on an event loop in the test's own thread: half the time of Starlette's TestClient, which has a second.
    """

    def __init__(self, data_dir: Path) -> None:
        self._settings = Settings(data_dir=data_dir, log_level="error")
        self._loop = asyncio.new_event_loop()
        self._running = AsyncExitStack()
        self._client = self._loop.run_until_complete(self._start())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the server as SIGTERM does."""
        self._loop.run_until_complete(self._running.aclose())
        self._loop.close()

    def restart(self) -> None:
        """Stop the server and start it on the same folder."""
        self._loop.run_until_complete(self._running.aclose())
        self._client = self._loop.run_until_complete(self._start())

    def send(
        self,
        method: str,
        *segments: str,
        verb: str = "",
        json: Json = None,
        content: bytes | None = None,
        **query: Json,
    ) -> httpx.Response:
        """Send a request to /v1/segment/.../segment:verb; `content` goes out as it is, as JSON unless NDJSON."""
        ndjson = verb == "import"
        headers = {"content-type": "application/x-ndjson" if ndjson else "application/json"} if content else None
        where = path(*segments) + (f":{verb}" if verb else "")
        sending = self._client.request(method, where, json=json, content=content, headers=headers, params=query)
        return self._loop.run_until_complete(sending)

    def get(self, *segments: str, **query: Json) -> Json:
        """Read something that must exist; return its JSON."""
        response = self.send("GET", *segments, **query)
        assert response.status_code == 200, response.text
        return response.json()

    async def _start(self) -> httpx.AsyncClient:
        app = build(self._settings)
        await self._running.enter_async_context(app.router.lifespan_context(app))
        transport = httpx.ASGITransport(app)
        return await self._running.enter_async_context(
            httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=None)
        )


def base64_of(vector: Sequence[float]) -> str:
    """Return the vector as base64 of little-endian float32."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode("ascii")
