"""Over a network that fails on purpose nothing is stored twice, and nothing that was acknowledged is lost."""

import asyncio
import gzip
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pergamum.client import (
    ClientError,
    Interrupted,
    Library,
    Pergamum,
    TimedOut,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
)
from pergamum.client.aio.transport import AsyncTransport
from pergamum.client.call import Call
from pergamum.client.calls import get_library
from pergamum.client.retry import Retries
from pergamum.client.sync.transport import Transport
from tests.support.failing_transport import ANSWERED, DONE, Clock, FailingTransport, Fault, raw_server

T = TypeVar("T")
Json: TypeAlias = Any
LIMIT: Final = 2
FIRST: Final = 0.2
ASKED_TO_WAIT: Final = {Fault.TOO_MANY_AFTER: 3.0, Fault.BUSY_AFTER: 1.0}
OF_FAULT: Final[dict[Fault, type[ClientError]]] = {
    Fault.REFUSED: Unreachable,
    Fault.CONNECT_TIMEOUT: Unreachable,
    Fault.POOL_TIMEOUT: Unreachable,
    Fault.RESET_WHILE_SENDING: Interrupted,
    Fault.TIMEOUT_BEFORE: TimedOut,
    Fault.CLOSED_BETWEEN: Interrupted,
    **dict.fromkeys(ANSWERED, Unavailable),
    Fault.TIMEOUT_AFTER: TimedOut,
    Fault.RESET_BEFORE_ANSWER: Interrupted,
    Fault.RESET_IN_BODY: Interrupted,
    Fault.WRONG_LENGTH: Interrupted,
    Fault.TRUNCATED: UnexpectedAnswer,
    Fault.DRIP: TimedOut,
    Fault.BAD_GZIP: UnexpectedAnswer,
}
UNREADABLE: Final = {Fault.TRUNCATED, Fault.BAD_GZIP}
"""Whatever answers so would do so again."""


@dataclass
class World:
    """A library behind the failing network, and what the client was told of it."""

    key: str
    app: httpx.MockTransport
    schedule: Sequence[Fault]
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.network = FailingTransport(self.app, self.schedule, self.clock)
        http = httpx.Client(transport=self.network, base_url="http://testserver", timeout=30.0)
        retries = Retries(limit=LIMIT, first=FIRST)
        self.library = Library(Transport(http, retries=retries, sleep=self.clock.sleep, clock=self.clock), self.key)

    def attempts(self) -> list[list[Fault]]:
        """Return what happened to each write, attempt by attempt."""
        keys: dict[str, list[Fault]] = {}
        for request, fault in self.network.sent:
            key = request.headers.get("idempotency-key")
            if key is not None:
                keys.setdefault(key, []).append(fault)
        return list(keys.values())


@pytest.mark.parametrize("fault", OF_FAULT)
@pytest.mark.parametrize("asynchronous", [False, True])
def test_each_fault_becomes_an_error_of_the_tree(
    fault: Fault, asynchronous: bool, vectors: Library, bridged: httpx.MockTransport
) -> None:
    clock = Clock()
    network = FailingTransport(bridged, [fault], clock)
    call = get_library(vectors.key)

    def send() -> None:
        if asynchronous:
            http = httpx.AsyncClient(transport=network, base_url="http://testserver", timeout=30.0)
            asyncio.run(AsyncTransport(http, retries=Retries(limit=0), clock=clock).send(call))
        else:
            sync = httpx.Client(transport=network, base_url="http://testserver", timeout=30.0)
            Transport(sync, retries=Retries(limit=0), clock=clock).send(call)

    with pytest.raises(OF_FAULT[fault]) as caught:
        send()

    assert type(caught.value) is OF_FAULT[fault]


@pytest.mark.parametrize("fault", OF_FAULT)
def test_a_write_is_done_once_whatever_happens_to_its_first_sending(
    fault: Fault, vectors: Library, bridged: httpx.MockTransport
) -> None:
    world = World(vectors.key, bridged, [fault])
    repeated = fault not in UNREADABLE

    try:
        added = world.library.documents.add(title="once").id
    except UnexpectedAnswer:
        assert not repeated
        added = None

    titles = [(document.id, document.title) for document in vectors.documents.list()]
    assert [title for _, title in titles] == ["once"]
    assert added in {None, titles[0][0]}
    assert len(world.network.sent) == 1 + repeated
    assert len({request.headers["idempotency-key"] for request, _ in world.network.sent}) == 1


Step: TypeAlias = Callable[[Library, str], object]


def outcome_of(act: Callable[[], T]) -> T | ClientError:
    """Return what it returns, or the error of the tree that it raises."""
    try:
        return act()
    except ClientError as error:
        return error


WRITES: Final[dict[str, Step]] = {
    "add": lambda library, title: library.documents.add(title=title),
    "add with its chunks": lambda library, title: library.documents.add(
        title=title, chunks=[{"text": "x", "embedding": [1, 2]}]
    ),
    "add many": lambda library, title: library.documents.add_many([{"title": title}], concurrency=1),
    "create many": lambda library, title: library.documents.add_many([{"title": title}], mode="create"),
}
UPDATE: Final = "update"
OTHERS: Final[dict[str, Step]] = {
    UPDATE: lambda library, title: library.documents.update("changed", author=title),
    "count": lambda library, _: library.documents.count(),
    "list": lambda library, _: library.documents.list(page_size=2).to_list(),
    "search": lambda library, _: library.search(vector=[1, 2]),
}
PASSING: Final = [fault for fault in Fault if fault not in {Fault.TOO_MANY, Fault.BUSY}]
"""A bulk load waits for real where a server that is busy does not say how long."""


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.sampled_from([*WRITES, *OTHERS]), min_size=1, max_size=6),
    schedule=st.lists(st.one_of(st.just(Fault.NONE), st.sampled_from(PASSING)), max_size=14),
)
def test_nothing_is_stored_twice_and_nothing_acknowledged_is_lost(
    steps: list[str], schedule: list[Fault], client: Pergamum, bridged: httpx.MockTransport, number: Callable[[], int]
) -> None:
    library = client.libraries.create(name=f"faults {number()}", metric="l2", dimension=2)
    library.documents.add(id="changed")
    world = World(library.key, bridged, schedule)
    acknowledged: list[str] = []
    done: list[str] = []

    for place, step in enumerate(steps):
        title = f"{place} {step}"
        outcome = outcome_of(partial((WRITES | OTHERS)[step], world.library, title))
        if not isinstance(outcome, ClientError):
            acknowledged += [title] if step in WRITES else []
            done.append(step)

    there = Counter(document.title for document in library.documents.list() if document.title)
    assert set(there.values()) <= {1}
    assert set(acknowledged) <= set(there) <= {f"{place} {step}" for place, step in enumerate(steps)}
    assert done.count(UPDATE) <= library.documents.get("changed").version - 1 <= steps.count(UPDATE)
    _assert_repeated_as_is_safe(world)


def _assert_repeated_as_is_safe(world: World) -> None:
    """Each write has one key and one body; what cannot be read is not asked for again; pauses have their bounds."""
    bodies: dict[str, set[bytes]] = {}
    for request, _ in world.network.sent:
        bodies.setdefault(request.headers.get("idempotency-key", ""), set()).add(request.content)
    assert all(len(sent) == 1 for key, sent in bodies.items() if key)
    assert all(not UNREADABLE & set(faults[:-1]) for faults in world.attempts())
    assert all(0 <= pause <= FIRST * 2**LIMIT or pause in {1.0, 3.0} for pause in world.clock.pauses)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    schedule=st.lists(st.one_of(st.just(Fault.NONE), st.sampled_from(PASSING)), max_size=12),
    at_once=st.sampled_from([(1, 1), (4, 1), (2, 3)]),
)
def test_a_load_that_is_resumed_until_it_ends_stores_all_once(
    schedule: list[Fault],
    at_once: tuple[int, int],
    client: Pergamum,
    bridged: httpx.MockTransport,
    number: Callable[[], int],
) -> None:
    size, concurrency = at_once
    library = client.libraries.create(name=f"loads {number()}", metric="l2", dimension=2)
    world = World(library.key, bridged, schedule)
    items = [{"title": f"{place:02}"} for place in range(10)]
    add = partial(world.library.documents.add_many, items, batch_size=size, concurrency=concurrency)

    stored = outcome_of(add)
    while isinstance(stored, ClientError):
        assert stored.stored is not None
        there = {document.title for document in library.documents.list()}
        assert {item["title"] for item in items[: stored.stored.done]} <= there
        stored = outcome_of(partial(add, skip=stored.stored))

    assert stored.done == 10
    assert [document.title for document in library.documents.list()] == [item["title"] for item in items]


@given(
    faults=st.lists(st.sampled_from([fault for fault in OF_FAULT if fault is not Fault.DRIP]), min_size=1, max_size=4),
    share=st.floats(0, 1),
)
@settings(max_examples=50, deadline=None)
def test_pauses_are_random_within_bounds_that_double_or_those_asked_for(faults: list[Fault], share: float) -> None:
    clock = Clock()
    network = FailingTransport(httpx.MockTransport(lambda _: httpx.Response(200, content=b"{}")), faults, clock)
    http = httpx.Client(transport=network, base_url="http://testserver")
    transport = Transport(http, retries=Retries(limit=4, share=lambda: share), sleep=clock.sleep, clock=clock)

    try:
        transport.send(Call("GET", "/v1/x", lambda reply: json.loads(reply.body), repeatable=True))
    except UnexpectedAnswer:
        faults = faults[: next(place for place, fault in enumerate(faults) if fault in UNREADABLE)]

    expected = [ASKED_TO_WAIT.get(fault, FIRST * 2**place * share) for place, fault in enumerate(faults)]
    assert clock.pauses == pytest.approx(expected)


@pytest.mark.parametrize("fault", OF_FAULT)
def test_a_write_without_a_key_is_repeated_only_when_the_server_did_nothing(fault: Fault) -> None:
    clock = Clock()
    network = FailingTransport(httpx.MockTransport(lambda _: httpx.Response(200, content=b"{}")), [fault], clock)
    http = httpx.Client(transport=network, base_url="http://testserver", timeout=1.0)
    transport = Transport(http, sleep=clock.sleep, clock=clock)

    outcome = outcome_of(
        lambda: transport.send(Call("POST", "/v1/x", lambda reply: json.loads(reply.body), body=b"{}"))
    )

    assert outcome == {} or type(outcome) is OF_FAULT[fault]
    done = sum(fault in DONE for _, fault in network.sent)
    assert done <= 1
    assert len(network.sent) == 1 or fault not in DONE


@pytest.mark.parametrize(("timeout", "comes"), [(1_000.0, True), (5.0, False)])
def test_a_timeout_bounds_the_whole_answer_however_often_a_byte_comes(
    timeout: float, comes: bool, vectors: Library, bridged: httpx.MockTransport
) -> None:
    vectors.documents.add(id="there", title="x")
    world = World(vectors.key, bridged, [Fault.DRIP] * (LIMIT + 1))
    began = world.clock.now

    if comes:
        assert world.library.documents.get("there", timeout=timeout).title == "x"
        return
    with pytest.raises(TimedOut, match="not whole after 5 s"):
        world.library.documents.get("there", timeout=timeout)

    assert world.clock.now - began <= (LIMIT + 1) * (timeout + 2)


OK: Final = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (OK + b'content-length: 100\r\n\r\n{"a":', Interrupted),
        (OK + b'content-length: 5\r\n\r\n{"a":', UnexpectedAnswer),
        (OK + b"content-encoding: gzip\r\ncontent-length: 3\r\n\r\n{}\n", UnexpectedAnswer),
        (b"SSH-2.0-OpenSSH_9.9\r\n", Interrupted),
        (b"", Interrupted),
        (b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 6\r\n\r\n<html>", Unavailable),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{", Interrupted),
    ],
)
def test_a_real_connection_that_breaks_so_is_an_error_so(answer: bytes, kind: type[ClientError]) -> None:
    with raw_server(answer) as url, Pergamum(url, max_retries=0) as client, pytest.raises(kind) as caught:
        client.operations.get("x")

    assert type(caught.value) is kind


def test_a_connection_that_was_closed_between_two_requests_is_made_again() -> None:
    body = b'{"items":[],"next_cursor":null}'
    answer = OK + b"content-length: %d\r\n\r\n%s" % (len(body), body)

    with raw_server(answer, b"", answer) as url, Pergamum(url) as client:
        first, second = client.libraries.list().to_list(), client.libraries.list().to_list()

    assert first == second == []


def test_an_answer_may_be_compressed_on_its_way() -> None:
    body = gzip.compress(b'{"items":[],"next_cursor":null}')
    answer = OK + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)

    with raw_server(answer) as url, Pergamum(url) as client:
        assert client.libraries.list().to_list() == []


def test_a_port_that_nobody_listens_on_is_unreachable() -> None:
    with raw_server() as url, Pergamum(url, max_retries=0) as client:
        pass

    with Pergamum(url, max_retries=0) as client, pytest.raises(Unreachable, match=url):
        client.operations.get("x")


@pytest.mark.parametrize(
    "error",
    [
        httpx.DecodingError("x"),
        httpx.TooManyRedirects("x"),
        httpx.InvalidURL("x"),
        httpx.CookieConflict("x"),
        httpx.StreamClosed(),
        httpx.UnsupportedProtocol("x"),
        httpx.LocalProtocolError("x"),
        httpx.ProxyError("x"),
        httpx.CloseError("x"),
        httpx.WriteTimeout("x"),
    ],
)
def test_whatever_httpx_raises_is_an_error_of_the_tree(error: Exception) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise error

    http = httpx.Client(transport=httpx.MockTransport(fail), base_url="http://testserver")

    with pytest.raises(ClientError, match="http://testserver"):
        Transport(http, retries=Retries(limit=0)).send(get_library("x"))


def test_what_a_person_interrupts_stays_an_interruption() -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise KeyboardInterrupt

    http = httpx.Client(transport=httpx.MockTransport(fail), base_url="http://testserver")

    with pytest.raises(KeyboardInterrupt):
        Transport(http).send(get_library("x"))
