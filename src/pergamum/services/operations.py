"""What can be asked about operations."""

from uuid import UUID

from pergamum.domain.operation import Operation
from pergamum.engine.catalog import Catalog
from pergamum.errors import OperationNotFound


class OperationService:
    """Threads: any."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def get(self, operation_id: str) -> Operation:
        """Return the operation. Raises `OperationNotFound`."""
        try:
            known = UUID(operation_id)
        except ValueError:
            raise OperationNotFound(operation_id) from None
        return self._catalog.operation(known)
