"""What can be done with operations."""

from dataclasses import dataclass
from datetime import UTC, datetime

from pergamum.domain.commands import UpdateLibrary
from pergamum.domain.library import spelled_id
from pergamum.domain.operation import Operation
from pergamum.domain.tokens import Token
from pergamum.engine.builds import Builds
from pergamum.engine.catalog import Catalog
from pergamum.engine.wishes import asked_before, asked_for
from pergamum.errors import OperationEnded, OperationNotFound
from pergamum.journal.base import Journal
from pergamum.services.terms import UNCONDITIONAL, Terms


@dataclass(frozen=True, slots=True)
class OperationAt:
    """An operation, and where its library stands after what was just asked of it."""

    operation: Operation
    token: Token


class OperationService:
    """Threads: any."""

    def __init__(self, catalog: Catalog, journal: Journal, builds: Builds) -> None:
        self._catalog, self._journal, self._builds = catalog, journal, builds

    def get(self, operation_id: str) -> Operation:
        """Return the operation as it stands now. Raises `OperationNotFound`."""
        known = spelled_id(operation_id)
        if known is None:
            raise OperationNotFound(operation_id)
        return self._builds.current(self._catalog.operation(known))

    def cancel(self, operation_id: str, terms: Terms[OperationAt] = UNCONDITIONAL) -> OperationAt:
        """End the operation; the library asks again for what it asked for before.

        Raises `OperationNotFound`, `OperationEnded`. The reply is kept right after: a crash between the two lets a
        repetition be told that the operation has ended.
        """
        operation = self.get(operation_id)
        if operation.ended:
            raise OperationEnded(operation_id, operation.status.value)
        cancelled, position = self._builds.cancel(operation, lambda: self._revert(operation))
        done = OperationAt(cancelled, Token(operation.library_id, position))
        kept = terms.kept(done, datetime.now(UTC))
        if kept is not None:
            self._catalog.keep_reply(kept)
        return done

    def _revert(self, operation: Operation) -> int:
        """Let the library ask for what it asked for before, unless it asks for something else again by now."""
        with self._catalog.opened(operation.library_id) as live:
            state = live.view.state
        if state.library.index != asked_for(operation):
            return state.position
        changes = UpdateLibrary({"index": asked_before(operation)}, datetime.now(UTC))
        return self._journal.submit(operation.library_id, changes).position
