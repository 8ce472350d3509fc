"""What becomes of a request whose way to the writer is broken, and of what a URL may not hold."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpcore
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pergamum.api.forwarding import Forwarding, Link
from pergamum.engine.elsewhere import Elsewhere

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def _scope(method: str, path: str, *headers: tuple[bytes, bytes], query: bytes = b"") -> Scope:
    raw = path.encode("latin-1")
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": raw,
        "query_string": query,
        "headers": [(b"host", b"x"), *headers],
    }


def _client(body: bytes, sent: list[Message], *, leaves: bool = False) -> tuple[Receive, Send]:
    """How a server speaks for a client that sends the body, and then leaves or waits for its answer."""
    messages: list[Message] = [{"type": "http.request", "body": body}]
    over = asyncio.Event()

    async def receive() -> Message:
        if messages:
            return messages.pop(0)
        if not leaves:
            await over.wait()  # servers say of a client that has its answer what they say of one that has left
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            over.set()
            for _ in range(9):
                await asyncio.sleep(0)

    return receive, send


async def _carried(
    path: Path, scope: Scope, body: bytes = b"", *, leaves: bool = False, sent: list[Message] | None = None
) -> tuple[int | None, Any]:
    """What `carry` returns and what was sent to the client."""
    sent = [] if sent is None else sent
    receive, send = _client(body, sent, leaves=leaves)
    link = Link(str(path))
    try:
        return await link.carry(scope, receive, send), sent
    finally:
        await link.close()


@dataclass
class Writer:
    """A way to a writer that answers with this status; it remembers bodies."""

    status: int | None = 200
    bodies: list[bytes] = field(default_factory=list)

    async def carry(self, _scope: Scope, receive: Receive, _send: Send) -> int | None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        self.bodies.append(body)
        return self.status

    async def close(self) -> None:
        """Nothing is held."""


def _parts(*parts: bytes) -> Receive:
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages[-1]["more_body"] = False

    async def receive() -> Message:
        return messages.pop(0)

    return receive


def _elsewhere(library: UUID | None, reads: int = 1) -> ASGIApp:
    """An app that has the writer answer after it has read so many parts of a body."""

    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        for _ in range(reads):
            await receive()
        raise Elsewhere(library)

    return app


async def _nowhere(_message: Message) -> None:
    """Nobody looks at answers here."""


@pytest.mark.parametrize(
    ("status", "known", "opens"), [(200, True, 1), (404, True, 0), (None, True, 0), (200, False, 0)]
)
async def test_a_library_is_opened_once_the_writer_has_answered_for_it(
    status: int | None, known: bool, opens: int
) -> None:
    library, opened = uuid4(), list[UUID]()
    forwarding = Forwarding(_elsewhere(library if known else None), Writer(status), opened.append)

    await forwarding(_scope("POST", "/v1/libraries/x/search"), _parts(b"{}"), _nowhere)

    assert opened == [library] * opens


@pytest.mark.parametrize("reads", [0, 1, 2, 3])
async def test_the_writer_gets_a_body_whole_however_much_was_read_of_it(reads: int) -> None:
    writer = Writer()
    forwarding = Forwarding(_elsewhere(None, reads), writer, lambda _: None)

    await forwarding(_scope("POST", "/v1/libraries/x/search:batch"), _parts(b"a", b"b", b"c"), _nowhere)

    assert writer.bodies == [b"abc"]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "x/search"), ("POST", "x/chunks"), ("POST", "x/search/"), ("POST", "x/y/search")]
)
async def test_what_is_no_search_goes_to_the_writer_unseen(method: str, path: str) -> None:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise AssertionError("it is not for this process")

    writer = Writer()
    await Forwarding(app, writer, lambda _: None)(_scope(method, f"/v1/libraries/{path}"), _parts(b"a"), _nowhere)

    assert writer.bodies == [b"a"]


async def _serving(path: Path, serve: Serve) -> asyncio.Server:
    return await asyncio.start_unix_server(serve, str(path))


async def _cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.close()


@pytest.mark.parametrize(
    ("method", "path", "slug"),
    [
        ("PUT", "/v1/libraries/x/documents/d", "outcome-unknown"),
        ("GET", "/v1/libraries/x", "unavailable"),
        ("POST", "/v1/libraries/x/search", "unavailable"),
    ],
)
async def test_a_link_that_breaks_is_told_as_what_it_may_mean(
    tmp_path: Path, method: str, path: str, slug: str
) -> None:
    async with await _serving(tmp_path / "writer", _cut):
        status, (start, body) = await _carried(tmp_path / "writer", _scope(method, path))

    assert (status, start["status"]) == (None, 503)
    assert json.loads(body["body"])["type"] == f"/problems/{slug}"


async def test_without_a_writer_nothing_was_written(tmp_path: Path) -> None:
    _, (start, body) = await _carried(tmp_path / "nobody", _scope("PUT", "/v1/libraries/x"))

    assert start["status"] == 503
    assert json.loads(body["body"])["type"] == "/problems/unavailable"


async def test_an_answer_that_is_cut_short_does_not_look_whole(tmp_path: Path) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
        await writer.drain()
        writer.close()

    async with await _serving(tmp_path / "writer", cut):
        sent: list[Message] = []
        with pytest.raises(httpcore.RemoteProtocolError):
            await _carried(tmp_path / "writer", _scope("GET", "/v1/libraries"), sent=sent)

    assert [message.get("more_body") for message in sent[1:]] == [True] * (len(sent) - 1)
    assert sent[0]["headers"] == [(b"content-length", b"9")]


async def test_where_no_connection_comes_about_nothing_was_written(tmp_path: Path) -> None:
    link = Link(str(tmp_path / "writer"))

    class Busy:
        async def handle_async_request(self, _request: object) -> None:
            raise httpcore.ConnectTimeout

    link._pool = Busy()  # type: ignore[assignment]
    sent: list[Message] = []
    receive, send = _client(b"", sent)

    assert await link.carry(_scope("PUT", "/v1/libraries/x"), receive, send) is None
    assert json.loads(sent[1]["body"])["type"] == "/problems/unavailable"


async def test_an_answer_goes_at_the_pace_of_its_client(tmp_path: Path) -> None:
    """What the writer has to say waits in the writer: a worker holds a part of it."""
    piece, pieces, written = bytes(1 << 20), 64, 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(piece) * pieces))
        for _ in range(pieces):
            writer.write(piece)
            await writer.drain()
            written += 1
        writer.close()

    slow, sent = asyncio.Event(), list[Message]()
    receive, quick = _client(b"", sent)

    async def send(message: Message) -> None:
        await quick(message)
        await slow.wait()

    link = Link(str(tmp_path / "writer"))
    async with await _serving(tmp_path / "writer", answer):
        carrying = asyncio.ensure_future(link.carry(_scope("GET", "/v1/libraries"), receive, send))
        await asyncio.sleep(0.5)
        held = written
        slow.set()
        assert await carrying == 200
        await link.close()

    assert held < pieces / 4
    assert sum(len(message.get("body", b"")) for message in sent) == len(piece) * pieces


async def test_the_writer_hears_that_a_client_has_left(tmp_path: Path) -> None:
    heard = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.read() == b""
        heard.set()
        writer.close()

    async with await _serving(tmp_path / "writer", wait):
        status, sent = await _carried(tmp_path / "writer", _scope("GET", "/v1/libraries"), leaves=True)
        await asyncio.wait_for(heard.wait(), 10)

    assert (status, sent) == (None, [])


async def test_head_and_body_go_there_and_back_as_they_are(tmp_path: Path) -> None:
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        seen.append(await reader.readexactly(4))
        writer.write(
            b"HTTP/1.1 418 odd\r\nX-Own: 1\r\nDate: now\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        )
        await writer.drain()
        writer.close()

    async with await _serving(tmp_path / "writer", answer):
        headers = [(b"content-length", b"4"), (b"connection", b"close"), (b"x-request-id", b"7")]
        scope = _scope("POST", "/v1/\xe9 x", *headers, query=b"a=%20")
        status, (start, *parts) = await _carried(tmp_path / "writer", scope, b"body")

    head, body = seen
    assert head.startswith(b"POST /v1/%E9%20x?a=%20 HTTP/1.1\r\n")
    assert {b"content-length: 4", b"x-request-id: 7"} <= set(head.lower().split(b"\r\n"))
    assert b"connection" not in head.lower()
    assert body == b"body"
    assert (status, start["headers"]) == (418, [(b"x-own", b"1")])
    assert b"".join(part["body"] for part in parts) == b"abc"
