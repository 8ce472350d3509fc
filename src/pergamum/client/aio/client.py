"""Where a program begins: `async with AsyncPergamum() as client: ...`."""

from pathlib import Path
from typing import Self

import httpx

from pergamum.client.aio.libraries import AsyncLibraries, AsyncLibrary
from pergamum.client.aio.operations import AsyncOperations
from pergamum.client.aio.transport import AsyncTransport
from pergamum.client.local import AsyncLocal
from pergamum.client.requests import patience
from pergamum.client.retry import Retries
from pergamum.client.server_url import greeting, server_url

CONNECTIONS = httpx.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=30.0)
"""As many requests may be under way at once; their connections are kept for the next ones."""


class AsyncPergamum:
    """A client of one server. Threads: may be shared. Close it, or use it `async with`.

    `url` is that of the server: PERGAMUM_URL, then http://127.0.0.1:8000, where it is not given; `api_key` says who
    asks: PERGAMUM_API_KEY where it is not given. `timeout` is how many seconds may pass without a byte of the answer;
    `max_retries` how often a request is repeated where that is safe. `http` replaces the connections, for tests and
    for what httpx can do besides; it is closed with the client. Raises ValueError when the URL is none.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float = 60.0,
        max_retries: int = 2,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self.url = server_url(url)
        connections = http or httpx.AsyncClient(
            base_url=self.url, timeout=patience(timeout), headers=greeting(api_key), limits=CONNECTIONS
        )
        self._transport = AsyncTransport(connections, retries=Retries(limit=max_retries))
        self.libraries, self.operations = AsyncLibraries(self._transport), AsyncOperations(self._transport)

    @classmethod
    def local(cls, path: str | Path | None = None) -> Self:
        """Return a client of a data folder that this process opens itself: no server, no sockets, the same answers.

        Without a path nothing is kept. Needs `pip install "pergamum[server]"`. Raises `Unreachable` when the folder
        cannot be opened, as when another process has it.
        """
        inside = AsyncLocal(path)
        return cls(inside.url, http=httpx.AsyncClient(transport=inside, base_url=inside.url, timeout=None))

    def library(self, key: str) -> AsyncLibrary:
        """Return the library of this id or name without asking the server whether it exists."""
        return AsyncLibrary(self._transport, key)

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()
