"""Where a store has its asynchronous library from: connections belong to the event loop they were opened in."""

import asyncio
from collections.abc import Callable
from typing import TypeAlias
from weakref import WeakKeyDictionary

from pergamum.client import AsyncLibrary, AsyncPergamum


class Given:
    """A library of a client that the caller made, and closes."""

    def __init__(self, library: AsyncLibrary) -> None:
        self._library = library

    def library(self) -> AsyncLibrary:
        """Return it."""
        return self._library

    async def close(self) -> None:
        """Leave that to the caller."""


class PerLoop:
    """A client for each event loop, made when it is first used there.

    Frameworks run one loop after another (`asyncio.run` inside a call), and connections kept from the first would fail
    in the next. Those of a loop that ended without `close` end with it.
    """

    def __init__(self, make: Callable[[], AsyncPergamum], key: str) -> None:
        self._make, self._key = make, key
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncPergamum] = WeakKeyDictionary()

    def library(self) -> AsyncLibrary:
        """Return the library, asked through the client of the running event loop."""
        client = self._clients.get(asyncio.get_running_loop())
        return (client or self.begin(self._make())).library(self._key)

    def begin(self, client: AsyncPergamum) -> AsyncPergamum:
        """Take this client for the running event loop, and return it."""
        self._clients[asyncio.get_running_loop()] = client
        return client

    async def close(self) -> None:
        """Close the client of the running event loop, if there is one."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()


AsyncSource: TypeAlias = Given | PerLoop
