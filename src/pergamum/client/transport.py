"""The door to the network: sends a call, repeats it where that is safe, reads the answer or raises what it means."""

import json
import time
from collections.abc import Callable
from itertools import count
from typing import Any, Protocol, TypeVar

import httpx

from pergamum.client.call import Call, Reply
from pergamum.client.errors import Facts, Interrupted, Refused, TimedOut, UnexpectedAnswer, Unreachable, refusal
from pergamum.client.retry import Retries, retry_after

T = TypeVar("T")


class Door(Protocol):
    """What the nouns of the client need: something that sends."""

    def send(self, call: Call[T]) -> T:
        """Return the answer of the call, or raise a `ClientError`."""


class Transport:
    """Sends over HTTP, one connection pool for all. Threads: may be shared."""

    def __init__(
        self, http: httpx.Client, *, retries: Retries | None = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._http, self._retries, self._sleep = http, retries or Retries(), sleep

    def send(self, call: Call[T]) -> T:
        """Return the answer of the call, or raise a `ClientError`."""
        for attempt in count():
            outcome = self._attempt(call)
            pause = self._retries.pause(call, outcome, attempt)
            if pause is None:
                return settled(call, outcome)
            self._sleep(pause)
        raise AssertionError  # a count never ends

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _attempt(self, call: Call[T]) -> httpx.Response | httpx.TransportError:
        headers = {"content-type": call.content_type} if call.body is not None else {}
        try:
            return self._http.request(
                call.method, call.path, params=dict(call.params), content=call.body, headers=headers
            )
        except httpx.TransportError as error:
            return error


def settled(call: Call[T], outcome: httpx.Response | httpx.TransportError) -> T:
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
