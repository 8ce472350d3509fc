# Made by scripts/make_sync_client from aio/transport.py: change it there.
"""The door to the network: sends a call, repeats it where that is safe, reads the answer or raises what it means."""

import logging
import time
from collections.abc import Callable
from itertools import count
from typing import Final, Protocol, TypeVar

import httpx

from pergamum.client.call import Call
from pergamum.client.errors import Unreachable
from pergamum.client.options import NO_OPTIONS, ReadOptions
from pergamum.client.outcomes import BROKEN, Answer, Outcome, brief, settled
from pergamum.client.pools import Pools
from pergamum.client.requests import Requests, seconds_for
from pergamum.client.retry import Retries
from pergamum.client.sync.pause import pause
from pergamum.client.tokens import TOKEN, Tokens

T = TypeVar("T")
NOTHING: Final = httpx.ByteStream(b"")
log = logging.getLogger("pergamum")


class Door(Protocol):
    """What the nouns of the client need: something that sends."""

    def send(self, call: Call[T], options: ReadOptions = NO_OPTIONS, *, put_off: Callable[[], None] | None = None) -> T:
        """Return the answer of the call, or raise a `ClientError`. `put_off` hears when it has to be sent again."""
        ...


class Transport:
    """Sends over HTTP, by the pool of connections with the fewest requests under way. Threads: may be shared.

    The pools differ in nothing else. A pool of httpx looks at all of its connections, and for each idle one at all of
    them again, whenever a request begins or ends; with 64 under way in one pool that takes most of the time.
    """

    def __init__(
        self,
        *pools: httpx.Client,
        retries: Retries | None = None,
        sleep: Callable[[float], None] = pause,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._pools, self._retries, self._sleep, self._clock = Pools(pools), retries or Retries(), sleep, clock
        self._tokens = Tokens()
        self._requests = Requests(pools[0], self._tokens)

    def send(self, call: Call[T], options: ReadOptions = NO_OPTIONS, *, put_off: Callable[[], None] | None = None) -> T:
        """Return the answer of the call, or raise a `ClientError`. `put_off` hears when it has to be sent again."""
        if self._pools.all[0].is_closed:
            raise Unreachable("this client is closed")
        request = self._requests.request_of(call, options)
        for attempt in count():
            outcome = self._attempt(request)
            wait = self._retries.pause(call, outcome, attempt)
            if wait is None:
                return self._settled(call, outcome, request)
            log.info("%s %s is sent again in %.2f s: %s", call.method, call.path, wait, brief(outcome))
            if put_off is not None:
                put_off()
            self._sleep(wait)
        raise AssertionError  # a count never ends

    def close(self) -> None:
        """Close the connections."""
        for pool in self._pools.all:
            pool.close()

    def _attempt(self, request: httpx.Request) -> Outcome:
        began, pool = self._clock(), self._pools.taken()
        try:
            outcome: Outcome = self._answer(pool.http, request, began)
        except BROKEN as error:
            outcome = error
        finally:
            self._pools.give_back(pool)
        if log.isEnabledFor(logging.DEBUG):
            spent = self._clock() - began
            log.debug("%s %s: %s in %.1f ms", request.method, request.url.path, brief(outcome), 1_000 * spent)
        return outcome

    def _answer(self, http: httpx.Client, request: httpx.Request, began: float) -> Answer:
        """Return the whole answer. Raises `httpx.ReadTimeout` when it comes, but not to an end in time.

        httpx only bounds the silence between two pieces of an answer: the clock is looked at after each piece.
        """
        response = http.send(request, stream=True)
        seconds, parts = seconds_for(request), list[bytes]()
        try:
            for part in response.iter_bytes():
                parts.append(part)
                if seconds is not None and self._clock() - began > seconds:
                    raise httpx.ReadTimeout(f"the answer was not whole after {seconds:g} s", request=request)
        finally:
            response.close()
            response.stream = NOTHING  # it holds the response that holds it, and that the request with its body
        return Answer(response.status_code, response.reason_phrase, response.headers, b"".join(parts))

    def _settled(self, call: Call[T], outcome: Outcome, request: httpx.Request) -> T:
        if isinstance(outcome, Answer):
            self._tokens.note(outcome.headers.get(TOKEN))
        return settled(call, outcome, request.url)
