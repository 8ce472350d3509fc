"""A network between client and app that fails on purpose, and a server of raw bytes on a real socket."""

import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum, auto
from typing import Final

import httpx

HTML: Final = b"<html><body>Bad Gateway</body></html>"


class Fault(Enum):
    """What happens to one request. Those of DONE happen after the server did the work, the others instead of it."""

    NONE = auto()
    REFUSED = auto()
    CONNECT_TIMEOUT = auto()
    POOL_TIMEOUT = auto()
    RESET_WHILE_SENDING = auto()
    TIMEOUT_BEFORE = auto()
    CLOSED_BETWEEN = auto()
    TOO_MANY = auto()
    TOO_MANY_AFTER = auto()
    BUSY = auto()
    BUSY_AFTER = auto()
    PROXY_BEFORE = auto()
    TIMEOUT_AFTER = auto()
    RESET_BEFORE_ANSWER = auto()
    RESET_IN_BODY = auto()
    WRONG_LENGTH = auto()
    TRUNCATED = auto()
    DRIP = auto()
    PROXY_AFTER = auto()
    BAD_GZIP = auto()


DONE: Final = frozenset(list(Fault)[list(Fault).index(Fault.TIMEOUT_AFTER) :]) | {Fault.NONE}
RAISED: Final = {
    Fault.REFUSED: httpx.ConnectError("connection refused"),
    Fault.CONNECT_TIMEOUT: httpx.ConnectTimeout("no connection"),
    Fault.POOL_TIMEOUT: httpx.PoolTimeout("no connection is free"),
    Fault.RESET_WHILE_SENDING: httpx.WriteError("broken pipe"),
    Fault.TIMEOUT_BEFORE: httpx.ReadTimeout("silence"),
    Fault.CLOSED_BETWEEN: httpx.RemoteProtocolError("Server disconnected without sending a response."),
    Fault.TIMEOUT_AFTER: httpx.ReadTimeout("silence"),
    Fault.RESET_BEFORE_ANSWER: httpx.ReadError("connection reset"),
}
ANSWERED: Final = {
    Fault.TOO_MANY: (429, b"slow down", {}),
    Fault.TOO_MANY_AFTER: (429, b"slow down", {"retry-after": "3"}),
    Fault.BUSY: (503, b"", {}),
    Fault.BUSY_AFTER: (503, b'{"type": "/problems/too-many-writes", "detail": "later"}', {"retry-after": "1"}),
    Fault.PROXY_BEFORE: (502, HTML, {"content-type": "text/html"}),
    Fault.PROXY_AFTER: (502, HTML, {"content-type": "text/html"}),
}
BROKEN_OFF: Final = {
    Fault.RESET_IN_BODY: httpx.ReadError("connection reset"),
    Fault.WRONG_LENGTH: httpx.RemoteProtocolError("peer closed connection without sending complete message body"),
}


class Clock:
    """A time that passes when a test says so. Its pauses are noted, and take no time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Note the pause."""
        self.pauses.append(seconds)
        self.now += seconds


class Pieces(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that comes in pieces; `between` happens after each, and may raise."""

    def __init__(self, pieces: Iterable[bytes], between: Callable[[], None]) -> None:
        self._pieces, self._between = pieces, between

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            yield piece
            self._between()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


class FailingTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Hands requests to `app`, each with the next fault of the schedule; with none when that has ended."""

    def __init__(self, app: httpx.MockTransport, schedule: Sequence[Fault], clock: Clock) -> None:
        self._app, self._schedule, self._clock = app, iter(schedule), clock
        self.sent: list[tuple[httpx.Request, Fault]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return what is left of the app's answer."""
        request.read()
        fault = next(self._schedule, Fault.NONE)
        self.sent.append((request, fault))
        answer = self._app.handle_request(request) if fault in DONE else None
        if fault in RAISED:
            raise RAISED[fault]
        if fault in ANSWERED:
            status, body, headers = ANSWERED[fault]
            return httpx.Response(status, content=body, headers=headers)
        assert answer is not None
        return self._spoilt(answer, fault)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return what is left of the app's answer."""
        return self.handle_request(request)

    def _spoilt(self, answer: httpx.Response, fault: Fault) -> httpx.Response:
        body, status = answer.content, answer.status_code
        if fault in BROKEN_OFF and body:
            return httpx.Response(status, stream=Pieces([body[: len(body) // 2]], lambda: _fail(BROKEN_OFF[fault])))
        if fault is Fault.DRIP and body:
            drops = (body[place : place + 1] for place in range(len(body)))
            return httpx.Response(status, stream=Pieces(drops, lambda: self._clock.sleep(1.0)), headers=answer.headers)
        if fault is Fault.TRUNCATED and body:
            return httpx.Response(status, content=body[: len(body) // 2])
        if fault is Fault.BAD_GZIP:
            pieces = Pieces([b"no gzip"], lambda: None)
            return httpx.Response(status, stream=pieces, headers={"content-encoding": "gzip"})
        return answer


def _fail(error: httpx.HTTPError) -> None:
    raise error


@contextmanager
def raw_server(*answers: bytes) -> Iterator[str]:
    """A server that reads a request and writes the next bytes, each on a connection of its own, then closes it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for answer in answers:
                connection, _ = listening.accept()
                with connection:
                    connection.recv(1 << 16)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread.join()
