"""On what terms a write is made: which version it may meet, and what is kept of it under its idempotency key."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, TypeVar
from uuid import UUID

from pergamum.domain.commands import Command, Outcome
from pergamum.domain.etags import IfMatch
from pergamum.domain.replies import Keep, KeptReply, Key
from pergamum.domain.tokens import Token
from pergamum.journal.base import Journal

Result = TypeVar("Result")
Result_contra = TypeVar("Result_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Keeping(Generic[Result_contra]):
    """The key of a request, and how its reply is made of the service's result; see `Keep` for how often."""

    key: Key
    reply_of: Callable[[Result_contra], bytes]


@dataclass(frozen=True, slots=True)
class Terms(Generic[Result_contra]):
    """`if_match` None: any version, or none; `keeping` None: the request has no key."""

    if_match: IfMatch | None = None
    keeping: Keeping[Result_contra] | None = None

    def kept(self, result: Result_contra, at: datetime) -> KeptReply | None:
        """Return what the catalogue is to keep of a request that is no command of a library."""
        keeping = self.keeping
        return None if keeping is None else KeptReply(keeping.key, at, keeping.reply_of(result))


def submitted(
    journal: Journal,
    library_id: UUID,
    command: Command,
    terms: Terms[Result],
    result_of: Callable[[Outcome, Token], Result],
) -> Result:
    """Return what the command came to; the reply to it, if it has a key, is kept with it."""

    def result(outcome: Outcome) -> Result:
        return result_of(outcome, Token(library_id, outcome.position))

    keeping = terms.keeping
    keep = None if keeping is None else Keep(keeping.key, lambda outcome: keeping.reply_of(result(outcome)))
    return result(journal.submit(library_id, command, keep))


def where_it_stands(_outcome: Outcome, token: Token) -> Token:
    """Return what is left of a deletion."""
    return token


@dataclass(frozen=True, slots=True)
class BatchWritten:
    """What a batch left behind."""

    outcome: Outcome
    token: Token


UNCONDITIONAL: Final[Terms[object]] = Terms()
