"""What a reply, a refusal or a broken connection means."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeAlias, TypeVar

import httpx

from pergamum.client.call import Call, Reply
from pergamum.client.errors import Facts, Interrupted, Refused, TimedOut, UnexpectedAnswer, Unreachable, refusal

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server, or something before it, answered: all of it is here."""

    status: int
    reason: str
    headers: httpx.Headers
    body: bytes


Broken: TypeAlias = httpx.HTTPError | httpx.StreamError | httpx.InvalidURL | httpx.CookieConflict
"""Whatever else httpx may say of a request."""
BROKEN: Final = (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, httpx.CookieConflict)
Outcome: TypeAlias = Answer | Broken
NOT_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
    httpx.ProxyError,
)
"""The server saw nothing of the request."""


def settled(call: Call[T], outcome: Outcome, url: httpx.URL) -> T:
    """Return what the answer from the URL says; raise what a refusal or a broken connection means."""
    if not isinstance(outcome, Answer):
        raise _broken(outcome, url) from outcome
    if not 200 <= outcome.status < 300:
        raise _refused(outcome)
    try:
        return call.read(Reply(outcome.body, outcome.headers))
    except ValueError as error:  # pydantic's ValidationError is one
        raise _unexpected(call, url, error) from error


def brief(outcome: Outcome) -> str:
    """Return the outcome in a word, for the log."""
    return str(outcome.status) if isinstance(outcome, Answer) else type(outcome).__name__


def retry_after(answer: Answer) -> float | None:
    """Return the seconds named by Retry-After, given in seconds or as a date; None where it is absent or unreadable."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    moment = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _broken(error: Broken, url: httpx.URL) -> Unreachable | TimedOut | Interrupted | UnexpectedAnswer:
    where = str(url.join("/")).rstrip("/")
    reason = str(error) or type(error).__name__
    if isinstance(error, NOT_SENT):
        return Unreachable(f"cannot reach {where}: {reason}")
    if isinstance(error, httpx.TimeoutException):
        return TimedOut(f"no answer from {where} in time: {reason}")
    if isinstance(error, httpx.TransportError | httpx.StreamError):
        return Interrupted(f"the connection to {where} broke: {reason}")
    return UnexpectedAnswer(f"{where} answered with something else: {reason}")


def _unexpected(call: Call[Any], url: httpx.URL, error: ValueError) -> UnexpectedAnswer:
    return UnexpectedAnswer(f"{call.method} {url} was answered with something else: {_first_line(error)}")


def _refused(answer: Answer) -> Refused:
    return refusal(
        answer.status,
        _problem(answer),
        request_id=answer.headers.get("x-request-id"),
        retry_after=retry_after(answer),
    )


def _problem(answer: Answer) -> Facts:
    """Return the problem of the answer; a made-up one where something else than Pergamum answered, such as a proxy."""
    try:
        body: Any = json.loads(answer.body)
    except ValueError:
        body = None
    if isinstance(body, dict):
        return body
    text = answer.body[:800].decode(errors="replace")[:200].strip()
    return {"title": answer.reason, "detail": text or answer.reason}


def _first_line(error: ValueError) -> str:
    return str(error).partition("\n")[0]
