"""The door to the network: sends a call, repeats it where that is safe, reads the answer or raises what it means."""

import logging
import time
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Protocol, TypeVar

import httpx

from pergamum.client.aio.pause import pause
from pergamum.client.call import Call
from pergamum.client.options import NO_OPTIONS, ReadOptions
from pergamum.client.outcomes import Outcome, settled
from pergamum.client.requests import request_of
from pergamum.client.retry import Retries
from pergamum.client.tokens import TOKEN, Tokens

T = TypeVar("T")
log = logging.getLogger("pergamum")


class AsyncDoor(Protocol):
    """What the nouns of the client need: something that sends."""

    async def send(self, call: Call[T], options: ReadOptions = NO_OPTIONS) -> T:
        """Return the answer of the call, or raise a `ClientError`."""


class AsyncTransport:
    """Sends over HTTP, one connection pool for all. Threads: may be shared."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        retries: Retries | None = None,
        sleep: Callable[[float], Awaitable[None]] = pause,
    ) -> None:
        self._http, self._retries, self._sleep = http, retries or Retries(), sleep
        self._tokens = Tokens()

    async def send(self, call: Call[T], options: ReadOptions = NO_OPTIONS) -> T:
        """Return the answer of the call, or raise a `ClientError`."""
        request = request_of(self._http, call, options, self._tokens)
        for attempt in count():
            outcome = await self._attempt(request)
            wait = self._retries.pause(call, outcome, attempt)
            if wait is None:
                return self._settled(call, outcome)
            log.info("%s %s is sent again in %.2f s: %s", call.method, call.path, wait, _brief(outcome))
            await self._sleep(wait)
        raise AssertionError  # a count never ends

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _attempt(self, request: httpx.Request) -> Outcome:
        began = time.perf_counter()
        try:
            outcome: Outcome = await self._http.send(request)
        except httpx.TransportError as error:
            outcome = error
        if log.isEnabledFor(logging.DEBUG):
            spent = time.perf_counter() - began
            log.debug("%s %s: %s in %.1f ms", request.method, request.url.path, _brief(outcome), 1_000 * spent)
        return outcome

    def _settled(self, call: Call[T], outcome: Outcome) -> T:
        if isinstance(outcome, httpx.Response):
            self._tokens.note(outcome.headers.get(TOKEN))
        return settled(call, outcome)


def _brief(outcome: Outcome) -> str:
    return str(outcome.status_code) if isinstance(outcome, httpx.Response) else type(outcome).__name__
