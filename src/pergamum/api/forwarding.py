"""What a process that only reads does with requests that the writer has to answer: it carries them there and back.

Over a Unix domain socket, byte for byte as far as HTTP allows: bodies stream both ways, each side at the other's pace,
and where a client leaves the writer notices.
"""

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Final, Protocol
from uuid import UUID

import httpcore
import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pergamum.api.problems import problem
from pergamum.engine.elsewhere import Elsewhere
from pergamum.errors import OutcomeUnknown, PergamumError, Unavailable

SEARCH: Final = re.compile(rb"/v1/libraries/[^/]+/search(?::batch)?")
PAGED: Final = re.compile(rb'"(?:page|cursor)"\s*:')
"""A body that says one of these may be about an answer that the writer keeps. What looks like it goes there, too."""
HOP_BY_HOP: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"expect"}
)
OWN: Final = frozenset({b"date", b"server"})
"""Headers that every process adds to its answers."""
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
CONNECT_SECONDS: Final = 5.0
IDLE_SECONDS: Final = 2.0
"""Less than the 5 after which the writer closes an idle connection: one that it is closing must not be used."""

log = structlog.get_logger(__name__)


class Carrier(Protocol):
    """A way to the writer."""

    async def carry(self, scope: Scope, receive: Receive, send: Send) -> int | None:
        """Let the writer answer; return its status, None where there was no answer."""

    async def close(self) -> None:
        """Let go of it."""


class Link:
    """Connections to the writer, made when they are needed. Used from the event loop only."""

    def __init__(self, path: str) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            uds=path, max_connections=None, max_keepalive_connections=None, keepalive_expiry=IDLE_SECONDS
        )

    async def carry(self, scope: Scope, receive: Receive, send: Send) -> int | None:
        """Let the writer answer, or answer that it cannot be reached; return its status, None where there was none."""
        exchange = _Exchange(self._pool, scope, receive, send)
        try:
            return await exchange.run()
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            log.warning("the writer cannot be reached", path=scope["path"], reason=repr(error))
            if exchange.answering:
                raise  # the server cuts the connection: the client sees that the answer is not whole
            await problem(_failure(scope, error), scope)(scope, receive, send)
            return None

    async def close(self) -> None:
        """Let go of the connections."""
        await self._pool.aclose()


class _Exchange:
    """One request and its answer. `answering`: a part of the answer has gone out."""

    def __init__(self, pool: httpcore.AsyncConnectionPool, scope: Scope, receive: Receive, send: Send) -> None:
        self._pool, self._scope, self._receive, self._send = pool, scope, receive, send
        self._sent = asyncio.Event()
        self.answering, self._answered = False, False

    async def run(self) -> int | None:
        """Carry it; return the status, None where the client left, of which the writer hears by a closed connection."""
        carrying = asyncio.ensure_future(self._carry())
        leaving = asyncio.ensure_future(self._left())
        try:
            await asyncio.wait((carrying, leaving), return_when=asyncio.FIRST_COMPLETED)
            if self._answered:  # of a client that has its answer the server says the same as of one that left
                await asyncio.wait((carrying,))
            return carrying.result() if carrying.done() and not carrying.cancelled() else None
        finally:
            for task in (carrying, leaving):
                task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await asyncio.gather(carrying, leaving, return_exceptions=True)

    async def _carry(self) -> int:
        request = httpcore.Request(
            self._scope["method"],
            httpcore.URL(scheme=b"http", host=b"writer", port=None, target=_target(self._scope)),
            headers=_forwarded(self._scope["headers"]),
            content=self._body(),
            extensions={"timeout": {"connect": CONNECT_SECONDS}},
        )
        response = await self._pool.handle_async_request(request)
        try:
            await self._answer(response)
        finally:
            await response.aclose()
        return response.status

    async def _body(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise asyncio.CancelledError  # a body that is cut short must not look whole
            more = message.get("more_body", False)
            if body := message.get("body"):
                yield body
        self._sent.set()

    async def _left(self) -> None:
        """Return once the client has left. Nobody else may ask for messages then: the body comes first."""
        await self._sent.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _answer(self, response: httpcore.Response) -> None:
        named = ((name.lower(), value) for name, value in response.headers)
        headers = [(name, value) for name, value in named if name not in HOP_BY_HOP and name not in OWN]
        self.answering = True
        await self._send({"type": "http.response.start", "status": response.status, "headers": headers})
        async for part in response.aiter_stream():
            await self._send({"type": "http.response.body", "body": part, "more_body": True})
        self._answered = True
        await self._send({"type": "http.response.body", "body": b""})


class Forwarding:
    """Passes on the searches that this process may answer, and carries everything else to the writer (ASGI).

    `opened` is told of a library that the writer has just answered for, so that it may be opened here.
    """

    def __init__(self, app: ASGIApp, link: Carrier, opened: Callable[[UUID], None]) -> None:
        self._app, self._link, self._opened = app, link, opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request or have it answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["method"] == "POST" and SEARCH.fullmatch(scope["raw_path"]):
            await self._search(scope, receive, send)
        else:
            await self._link.carry(scope, receive, send)

    async def _search(self, scope: Scope, receive: Receive, send: Send) -> None:
        replay = _Replay(receive)
        library = None
        if not PAGED.search(await replay.begin()):
            try:
                await self._app(dict(scope), replay.recorded, send)
                return
            except Elsewhere as elsewhere:
                library = elsewhere.library_id
        status = await self._link.carry(scope, replay.again(), send)
        if library is not None and status == 200:
            self._opened(library)


class _Replay:
    """The body of a request, remembered as it is read, so that it can be read again."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._begun: deque[Message] = deque()
        self._seen: list[Message] = []

    async def begin(self) -> bytes:
        """Return the first part of the body, of most searches all."""
        message = await self._receive()
        self._begun.append(message)
        return bytes(message.get("body", b""))

    async def recorded(self) -> Message:
        """Return the next message, and remember it."""
        message = self._begun.popleft() if self._begun else await self._receive()
        self._seen.append(message)
        return message

    def again(self) -> Receive:
        """Return what yields the messages from the beginning."""
        messages = deque((*self._seen, *self._begun))

        async def receive() -> Message:
            return messages.popleft() if messages else await self._receive()

        return receive


def _target(scope: Scope) -> bytes:
    """Return path and query, what no URL may hold percent-encoded."""
    query: bytes = scope["query_string"]
    target: bytes = scope["raw_path"] + (b"?" + query if query else b"")
    return re.sub(rb"[^!-~]", lambda found: b"%%%02X" % found[0][0], target)


def _forwarded(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers that are about the request, and how long its body is."""
    kept = [(name, value) for name, value in headers if name not in HOP_BY_HOP]
    if any(name == b"transfer-encoding" for name, _ in headers):
        kept.append((b"transfer-encoding", b"chunked"))
    if not any(name == b"host" for name, _ in kept):
        kept.append((b"host", b"pergamum"))
    return kept


def _failure(scope: Scope, error: Exception) -> PergamumError:
    """Return what a broken link means: where something may have been written, nobody knows."""
    reason = "the process that writes cannot be reached"
    unasked = isinstance(error, httpcore.ConnectError | httpcore.ConnectTimeout)
    if unasked or scope["method"] in SAFE or SEARCH.fullmatch(scope["raw_path"]):
        return Unavailable(reason)
    return OutcomeUnknown(reason)
