"""What gives commands their order."""

from typing import Protocol
from uuid import UUID

from pergamum.domain.commands import Command, Outcome


class Journal(Protocol):
    """The one way in for writes. Threads: any number may submit at once; their commands share flushes."""

    def submit(self, library_id: UUID, command: Command) -> Outcome:
        """Give the command its position, make it durable, apply it; return when it is settled.

        Raises what the command was refused with (`Invalid`, `NotFound`, `Conflict`): then it left nothing behind.
        Raises `StorageFull`, `LibraryReadOnly`, `Overloaded` or `ShuttingDown` when it was not kept, and
        `OutcomeUnknown` when that is not known.
        """

    def close(self) -> None:
        """Settle what waits, then refuse everything with `ShuttingDown`."""
