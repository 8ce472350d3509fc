"""Where a program begins: `async with AsyncPergamum() as client: ...`."""

from pathlib import Path
from typing import Self

import httpx

from pergamum.client.aio.libraries import AsyncLibraries, AsyncLibrary
from pergamum.client.aio.operations import AsyncOperations
from pergamum.client.aio.transport import AsyncTransport
from pergamum.client.embedders import EmbedderLike
from pergamum.client.local import AsyncLocal
from pergamum.client.pools import LIMITS, POOLS
from pergamum.client.requests import patience
from pergamum.client.retry import Retries
from pergamum.client.server_url import greeting, server_url


class AsyncPergamum:
    """A client of one server. Threads: may be shared. Close it, or use it `async with`.

    `url` is that of the server: PERGAMUM_URL, then http://127.0.0.1:8000, where it is not given; `api_key` says who
    asks: PERGAMUM_API_KEY where it is not given. `timeout` is how many seconds an attempt may take until its whole
    answer is there; `max_retries` how often a request is repeated where that is safe. `http` replaces the connections,
    for tests and for what httpx can do besides; it is closed with the client. Raises ValueError when the URL is none.
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
        pools = [http] if http is not None else self._pools(api_key, timeout)
        self._transport = AsyncTransport(*pools, retries=Retries(limit=max_retries))
        self.libraries, self.operations = AsyncLibraries(self._transport), AsyncOperations(self._transport)

    @classmethod
    def local(cls, path: str | Path | None = None) -> Self:
        """Return a client of a data folder that this process opens itself: no server, no sockets, the same answers.

        Without a path nothing is kept. Needs `pip install "pergamum[server]"`. Raises `Unreachable` when the folder
        cannot be opened, as when another process has it.
        """
        inside = AsyncLocal(path)
        return cls(inside.url, http=httpx.AsyncClient(transport=inside, base_url=inside.url, timeout=None))

    def library(self, key: str, *, embedder: EmbedderLike | None = None) -> AsyncLibrary:
        """Return the library of this id or name without asking the server whether it exists.

        With an embedder, texts are embedded by it and not by the server.
        """
        return AsyncLibrary(self._transport, key, embedder=embedder)

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    def _pools(self, api_key: str | None, timeout: float) -> list[httpx.AsyncClient]:
        # Reading the trusted certificates takes 17 ms, as long as a hundred searches: only where they are needed.
        trusted = httpx.create_ssl_context() if self.url.startswith("https:") else False
        headers, patient = greeting(api_key), patience(timeout)
        return [
            httpx.AsyncClient(base_url=self.url, timeout=patient, headers=headers, limits=LIMITS, verify=trusted)
            for _ in range(POOLS)
        ]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()
