"""Long work that may be followed."""

from uuid import UUID

from pergamum.client import calls
from pergamum.client.transport import Door
from pergamum.wire.operations import OperationOut


class Operations:
    """The operations of a server."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def get(self, id: str | UUID) -> OperationOut:
        """Return how far the operation is. Raises `NotFound`."""
        return self._door.send(calls.get_operation(str(id)))

    def cancel(self, id: str | UUID) -> OperationOut:
        """Give the operation up; what it would have replaced stays. Raises `NotFound`, `Conflict` when it has ended."""
        return self._door.send(calls.cancel_operation(str(id)))
