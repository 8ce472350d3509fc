"""Replies kept under the keys that clients give to writes, so that a repeated request is answered, not done again.

What a reply consists of is the business of whoever made it: here it is bytes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pergamum.domain.commands import Outcome

KEPT_FOR: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Key:
    """The key of a request; `request` is the sha256 of all that makes it this request, in hexadecimal."""

    name: str
    request: str


@dataclass(frozen=True, slots=True)
class KeptReply:
    """What was answered to the first request with the key, at the time of its command."""

    key: Key
    at: datetime
    reply: bytes

    def good_at(self, at: datetime) -> bool:
        """Whether it is answered again; what is older is forgotten."""
        return at - self.at < KEPT_FOR


@dataclass(frozen=True, slots=True)
class Keep:
    """What a write is to keep: the reply that `reply_of` makes of its outcome.

    `reply_of` may be called more than once, each time for another try of the same command; the last one counts.
    """

    key: Key
    reply_of: Callable[[Outcome], bytes]
