"""When a call to a provider is worth another try, and how long to wait for it."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

Answer = TypeVar("Answer")

FIRST_WAIT_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Failed:
    """A call that failed. `passing`: another try may work. `after_s`: how long the provider asks to wait for it."""

    reason: str
    passing: bool
    after_s: float | None = None


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """At most `attempts` calls. Waits double from half a second, with jitter, unless the provider names one.

    A provider that asks for more than `longest_wait_s` is not waited for: the request that needs it would time out.
    """

    attempts: int = 5
    longest_wait_s: float = 30.0
    sleep: Callable[[float], None] = time.sleep

    def run(self, call: Callable[[], Answer | Failed]) -> Answer | Failed:
        """Return the first answer, or the failure that ended the tries."""
        outcome = call()
        for tried in range(1, self.attempts):
            if not isinstance(outcome, Failed) or not outcome.passing:
                return outcome
            wait = self._wait(tried, outcome.after_s)
            if wait > self.longest_wait_s:
                return outcome
            self.sleep(wait)
            outcome = call()
        return outcome

    def _wait(self, tried: int, asked: float | None) -> float:
        if asked is not None:
            return asked
        backoff = FIRST_WAIT_S * 2.0 ** (tried - 1)
        return min(backoff * random.uniform(0.5, 1.0), self.longest_wait_s)
