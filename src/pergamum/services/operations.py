"""What can be done with operations."""

from datetime import UTC, datetime
from uuid import UUID

from pergamum.domain.commands import UpdateLibrary
from pergamum.domain.operation import Operation
from pergamum.engine.builds import Builds
from pergamum.engine.catalog import Catalog
from pergamum.engine.wishes import asked_before, asked_for
from pergamum.errors import OperationEnded, OperationNotFound
from pergamum.journal.base import Journal


class OperationService:
    """Threads: any."""

    def __init__(self, catalog: Catalog, journal: Journal, builds: Builds) -> None:
        self._catalog, self._journal, self._builds = catalog, journal, builds

    def get(self, operation_id: str) -> Operation:
        """Return the operation as it stands now. Raises `OperationNotFound`."""
        try:
            known = UUID(operation_id)
        except ValueError:
            raise OperationNotFound(operation_id) from None
        return self._builds.current(self._catalog.operation(known))

    def cancel(self, operation_id: str) -> tuple[Operation, int]:
        """End the operation; the library asks again for what it asked for before. Return the position of that too.

        Raises `OperationNotFound`, `OperationEnded`.
        """
        operation = self.get(operation_id)
        if operation.ended:
            raise OperationEnded(operation_id, operation.status.value)
        return self._builds.cancel(operation, lambda: self._revert(operation))

    def _revert(self, operation: Operation) -> int:
        """Let the library ask for what it asked for before, unless it asks for something else again by now."""
        with self._catalog.opened(operation.library_id) as live:
            state = live.view.state
        if state.library.index != asked_for(operation):
            return state.position
        changes = UpdateLibrary({"index": asked_before(operation)}, datetime.now(UTC))
        return self._journal.submit(operation.library_id, changes).position
