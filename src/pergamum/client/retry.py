"""When to send a request again: only where a repetition cannot do anything twice."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from pergamum.client.call import Call

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_PASSING = frozenset({502, 503, 504})
_OUTCOME_UNKNOWN = "outcome-unknown"


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and how soon. Pauses grow as `first * 2**attempt` up to `longest`, times a random share (full jitter).

    A server's Retry-After is kept to the second; one beyond `longest` ends the attempts.
    """

    limit: int = 2
    first: float = 0.2
    longest: float = 30.0
    share: Callable[[], float] = random.random

    def pause(self, call: Call[Any], outcome: httpx.Response | httpx.TransportError, attempt: int) -> float | None:
        """Return how many seconds to wait before sending the call again, None to take the outcome as it is.

        `attempt` counts from 0. Sent again: what never reached the server; what the server put off with Retry-After;
        and calls that may be repeated, after a broken connection or a passing error. Never: a write whose outcome
        is unknown.
        """
        if attempt >= self.limit:
            return None
        if isinstance(outcome, httpx.TransportError):
            return self._backoff(attempt) if call.safe or isinstance(outcome, _NOT_SENT) else None
        return self._after_answer(call, outcome, attempt)

    def _after_answer(self, call: Call[Any], answer: httpx.Response, attempt: int) -> float | None:
        if answer.status_code not in _PASSING | {429}:
            return None
        if not call.safe and (answer.status_code not in {429, 503} or _OUTCOME_UNKNOWN in answer.text):
            return None
        wanted = retry_after(answer)
        if wanted is not None:
            return wanted if wanted <= self.longest else None
        return self._backoff(attempt) if call.safe else None

    def _backoff(self, attempt: int) -> float:
        return float(min(self.first * 2**attempt, self.longest) * self.share())


def retry_after(answer: httpx.Response) -> float | None:
    """Return the seconds named by Retry-After, given in seconds or as a date; None where it is absent or unreadable."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isdigit():
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
