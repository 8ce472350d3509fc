"""When to send a request again: only where a repetition cannot do anything twice."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import httpx

from pergamum.client.call import Call
from pergamum.client.outcomes import NOT_SENT, Answer, Broken, Outcome, retry_after

_PASSING: Final = frozenset({429, 502, 503, 504})
_PUT_OFF: Final = frozenset({429, 503})
_OUTCOME_UNKNOWN: Final = b"outcome-unknown"


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and how soon. Pauses grow as `first * 2**attempt` up to `longest`, times a random share (full jitter).

    A server's Retry-After is kept to the second; one beyond `longest` ends the attempts.
    """

    limit: int = 2
    first: float = 0.2
    longest: float = 30.0
    share: Callable[[], float] = random.random

    def pause(self, call: Call[Any], outcome: Outcome, attempt: int) -> float | None:
        """Return how many seconds to wait before sending the call again, None to take the outcome as it is.

        `attempt` counts from 0. Sent again: what never reached the server; what the server put off with Retry-After;
        and calls that may be repeated, after a broken connection or a passing error. Never: a write whose outcome
        is unknown, unless it is keyed; and what no repetition mends.
        """
        if attempt >= self.limit:
            return None
        if not isinstance(outcome, Answer):
            return self._after_break(call, outcome, attempt)
        return self._after_answer(call, outcome, attempt)

    def _after_break(self, call: Call[Any], broken: Broken, attempt: int) -> float | None:
        if not isinstance(broken, httpx.TransportError) or isinstance(broken, httpx.UnsupportedProtocol):
            return None
        return self.backoff(attempt) if call.safe or isinstance(broken, NOT_SENT) else None

    def _after_answer(self, call: Call[Any], answer: Answer, attempt: int) -> float | None:
        if answer.status not in _PASSING:
            return None
        if not call.safe and (answer.status not in _PUT_OFF or _OUTCOME_UNKNOWN in answer.body):
            return None
        wanted = retry_after(answer)
        if wanted is not None:
            return wanted if wanted <= self.longest else None
        return self.backoff(attempt) if call.safe else None

    def backoff(self, attempt: int) -> float:
        """Return how many seconds to wait after so many attempts when nobody says how long."""
        return float(min(self.first * 2**attempt, self.longest) * self.share())
