"""What a reply, a refusal or a broken connection means."""

import json
from typing import Any, TypeAlias, TypeVar

import httpx

from pergamum.client.call import Call, Reply
from pergamum.client.errors import Facts, Interrupted, Refused, TimedOut, UnexpectedAnswer, Unreachable, refusal
from pergamum.client.retry import retry_after

T = TypeVar("T")
Outcome: TypeAlias = httpx.Response | httpx.TransportError


def settled(call: Call[T], outcome: Outcome) -> T:
    """Return what the answer says; raise what a refusal or a broken connection means."""
    if isinstance(outcome, httpx.TransportError):
        raise _broken(outcome) from outcome
    if not outcome.is_success:
        raise _refused(outcome)
    try:
        return call.read(Reply(outcome.content, outcome.headers))
    except ValueError as error:  # pydantic's ValidationError is one
        message = f"{call.method} {outcome.url} was answered with something else: {_first_line(error)}"
        raise UnexpectedAnswer(message) from error


def _broken(error: httpx.TransportError) -> Unreachable | TimedOut | Interrupted:
    where = str(error.request.url.join("/")).rstrip("/")
    reason = str(error) or type(error).__name__
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.UnsupportedProtocol):
        return Unreachable(f"cannot reach {where}: {reason}")
    if isinstance(error, httpx.TimeoutException):
        return TimedOut(f"no answer from {where} in time: {reason}")
    return Interrupted(f"the connection to {where} broke: {reason}")


def _refused(answer: httpx.Response) -> Refused:
    return refusal(
        answer.status_code,
        _problem(answer),
        request_id=answer.headers.get("x-request-id"),
        retry_after=retry_after(answer),
    )


def _problem(answer: httpx.Response) -> Facts:
    """Return the problem of the answer; a made-up one where something else than Pergamum answered, such as a proxy."""
    try:
        body: Any = json.loads(answer.content)
    except ValueError:
        body = None
    if isinstance(body, dict):
        return body
    return {"title": answer.reason_phrase, "detail": answer.text[:200].strip() or answer.reason_phrase}


def _first_line(error: ValueError) -> str:
    return str(error).partition("\n")[0]
