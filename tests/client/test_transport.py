"""What the client makes of answers, broken connections and refusals, and when it sends again."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TypeAlias

import httpx
import pytest

from pergamum.client import (
    ClientError,
    Conflict,
    Interrupted,
    Invalid,
    NotAllowed,
    NotFound,
    Refused,
    ServerFailed,
    StorageFull,
    TimedOut,
    TooLarge,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
)
from pergamum.client.call import Call, Reply
from pergamum.client.retry import Retries
from pergamum.client.sync.transport import Transport

Outcome: TypeAlias = httpx.Response | Exception

READ = Call("GET", "/v1/things", lambda reply: reply.body, repeatable=True)
WRITE = Call("POST", "/v1/things", lambda reply: reply.body, body=b"{}")


class Script:
    """A server that answers with what was written down, and the pauses that the client made."""

    def __init__(self, *outcomes: Outcome, limit: int = 2) -> None:
        self._outcomes: Iterator[Outcome] = iter(outcomes)
        self.requests: list[httpx.Request] = []
        self.pauses: list[float] = []
        http = httpx.Client(transport=httpx.MockTransport(self._answer), base_url="http://pergamum.test")
        self.transport = Transport(http, retries=Retries(limit=limit, share=lambda: 1.0), sleep=self.pauses.append)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        outcome = next(self._outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def problem(status: int, type: str = "/problems/some", headers: dict[str, str] | None = None) -> httpx.Response:
    body = {"type": type, "title": "Some problem.", "detail": "the detail", "status": status, "chunk": 3}
    return httpx.Response(status, json=body, headers={"x-request-id": "r-1"} | (headers or {}))


def test_a_body_is_sent_as_json_and_the_answer_is_read() -> None:
    script = Script(httpx.Response(200, content=b"fine"))

    answer = script.transport.send(WRITE)

    assert answer == b"fine"
    assert script.requests[0].headers["content-type"] == "application/json"
    assert script.requests[0].content == b"{}"


@pytest.mark.parametrize(
    ("status", "kind", "builtin"),
    [
        (400, Invalid, ValueError),
        (401, NotAllowed, PermissionError),
        (403, NotAllowed, PermissionError),
        (404, NotFound, LookupError),
        (405, Refused, Exception),
        (409, Conflict, Exception),
        (412, Conflict, Exception),
        (413, TooLarge, Exception),
        (415, Refused, Exception),
        (422, Invalid, ValueError),
        (429, Unavailable, Exception),
        (500, ServerFailed, Exception),
        (502, Unavailable, Exception),
        (503, Unavailable, Exception),
        (507, StorageFull, Exception),
    ],
)
def test_a_problem_becomes_the_error_of_its_status(status: int, kind: type[Refused], builtin: type[Exception]) -> None:
    script = Script(problem(status), limit=0)

    with pytest.raises(kind) as caught:
        script.transport.send(WRITE)

    assert type(caught.value) is kind
    assert isinstance(caught.value, builtin)
    assert isinstance(caught.value, ClientError)


def test_a_refusal_carries_the_facts() -> None:
    script = Script(problem(422, "/problems/zero-vector"))

    with pytest.raises(Invalid) as caught:
        script.transport.send(WRITE)

    error = caught.value
    assert (error.status, error.type, error.request_id) == (422, "/problems/zero-vector", "r-1")
    assert error.body["chunk"] == 3
    assert str(error) == "the detail [422 /problems/zero-vector, request r-1]"


def test_an_answer_that_is_no_problem_is_still_an_error_with_its_text() -> None:
    script = Script(httpx.Response(502, text="<html>Bad Gateway</html>"))

    with pytest.raises(Unavailable, match="Bad Gateway"):
        script.transport.send(WRITE)


def test_an_answer_that_cannot_be_read_is_named() -> None:
    def refuse(reply: Reply) -> None:
        raise ValueError("not what I know\nsecond line")

    script = Script(httpx.Response(200, text="<html>"))

    with pytest.raises(UnexpectedAnswer, match=r"GET http://pergamum.test/v1/x was answered .* not what I know$"):
        script.transport.send(Call("GET", "/v1/x", refuse))


@pytest.mark.parametrize(
    ("failure", "kind", "builtin"),
    [
        (httpx.ConnectError("refused"), Unreachable, ConnectionError),
        (httpx.ConnectTimeout("slow"), Unreachable, ConnectionError),
        (httpx.ReadTimeout("slow"), TimedOut, TimeoutError),
        (httpx.ReadError("reset"), Interrupted, ConnectionError),
        (httpx.RemoteProtocolError("gone"), Interrupted, ConnectionError),
    ],
)
def test_a_broken_connection_becomes_an_error(
    failure: Exception, kind: type[ClientError], builtin: type[Exception]
) -> None:
    script = Script(failure, limit=0)

    with pytest.raises(kind) as caught:
        script.transport.send(WRITE)

    assert isinstance(caught.value, builtin)
    assert "http://pergamum.test" in str(caught.value)


@pytest.mark.parametrize(
    "failure",
    [httpx.ReadError("reset"), httpx.ReadTimeout("slow"), httpx.ConnectError("refused"), problem(503), problem(502)],
)
def test_a_read_is_sent_again_after_what_passes(failure: Outcome) -> None:
    script = Script(failure, failure, httpx.Response(200, content=b"fine"))

    answer = script.transport.send(READ)

    assert answer == b"fine"
    assert script.pauses == [0.2, 0.4]


def test_attempts_end_and_the_last_outcome_is_told() -> None:
    script = Script(problem(503), problem(503), problem(504))

    with pytest.raises(Unavailable) as caught:
        script.transport.send(READ)

    assert caught.value.status == 504


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ReadError("reset"),
        httpx.ReadTimeout("slow"),
        problem(500),
        problem(502),
        problem(503),
        problem(503, "/problems/outcome-unknown", {"retry-after": "1"}),
        problem(409, headers={"retry-after": "1"}),
    ],
)
def test_a_write_is_not_sent_again_when_it_may_have_been_done(failure: Outcome) -> None:
    script = Script(failure)

    with pytest.raises(ClientError):
        script.transport.send(WRITE)

    assert len(script.requests) == 1
    assert script.pauses == []


@pytest.mark.parametrize(
    ("failure", "pause"),
    [
        (httpx.ConnectError("refused"), 0.2),
        (problem(503, headers={"retry-after": "7"}), 7.0),
        (problem(429, headers={"retry-after": "0"}), 0.0),
    ],
)
def test_a_write_is_sent_again_when_nothing_was_done(failure: Outcome, pause: float) -> None:
    script = Script(failure, httpx.Response(201, content=b"done"))

    answer = script.transport.send(WRITE)

    assert answer == b"done"
    assert script.pauses == [pause]


def test_a_pause_longer_than_we_wait_ends_the_attempts() -> None:
    script = Script(problem(503, headers={"retry-after": "3600"}))

    with pytest.raises(Unavailable) as caught:
        script.transport.send(READ)

    assert caught.value.retry_after == 3600
    assert script.pauses == []


@pytest.mark.parametrize(
    ("header", "lowest", "highest"),
    [
        (lambda now: format_datetime(now + timedelta(seconds=20), usegmt=True), 15, 20),
        (lambda now: format_datetime(now - timedelta(seconds=20), usegmt=True), 0, 0),
    ],
)
def test_retry_after_may_be_a_date(header: Callable[[datetime], str], lowest: int, highest: int) -> None:
    script = Script(problem(503, headers={"retry-after": header(datetime.now(UTC))}), httpx.Response(200))

    script.transport.send(WRITE)

    assert lowest <= script.pauses[0] <= highest


def test_an_unreadable_retry_after_is_none_at_all() -> None:
    script = Script(problem(503, headers={"retry-after": "soon"}))

    with pytest.raises(Unavailable) as caught:
        script.transport.send(WRITE)

    assert caught.value.retry_after is None
