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
