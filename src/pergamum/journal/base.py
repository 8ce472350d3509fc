"""What gives commands their order."""

from typing import Protocol
from uuid import UUID

from pergamum.domain.commands import Command, Outcome
from pergamum.domain.replies import Keep


class Journal(Protocol):
    """The one way in for writes. Threads: any number may submit at once; their commands share flushes."""

    def submit(self, library_id: UUID, command: Command, keep: Keep | None = None) -> Outcome:
        """Give the command its position, make it durable, apply it; return when it is settled.

        With `keep`, the reply to it becomes durable with it; where there is one under the same key, made in the last
        hours, nothing is done and `AnsweredBefore` raised. A command still on its way counts as soon as it is settled.
        Raises what the command was refused with (`Invalid`, `NotFound`, `Conflict`): then it left nothing behind.
        Raises `StorageFull`, `LibraryReadOnly`, `Overloaded` or `ShuttingDown` when it was not kept, and
        `OutcomeUnknown` when that is not known.
        """

    def close(self) -> None:
        """Settle what waits, then refuse everything with `ShuttingDown`."""
