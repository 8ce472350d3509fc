"""Long work that may be followed."""

import time
from itertools import count
from typing import Unpack
from uuid import UUID

from pergamum.client import calls
from pergamum.client.aio.pause import pause
from pergamum.client.aio.transport import AsyncDoor
from pergamum.client.errors import OperationFailed, StillRunning
from pergamum.client.options import ReadOptions, WriteOptions
from pergamum.wire.operations import OperationOut

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 2.0


class AsyncOperations:
    """The operations of a server."""

    def __init__(self, door: AsyncDoor) -> None:
        self._door = door

    async def get(self, id: str | UUID, **options: Unpack[ReadOptions]) -> OperationOut:
        """Return how far the operation is. Raises `NotFound`."""
        return await self._door.send(calls.get_operation(str(id)), options)

    async def wait(
        self, id: str | UUID, *, seconds: float | None = None, **options: Unpack[ReadOptions]
    ) -> OperationOut:
        """Return the operation when it has succeeded, asking every now and then.

        Raises `OperationFailed` when it failed or was cancelled, `StillRunning` when `seconds` have passed.
        """
        ends = None if seconds is None else time.monotonic() + seconds
        for turn in count():
            operation = await self.get(id, **options)
            if operation.status == "succeeded":
                return operation
            if operation.status in {"failed", "cancelled"}:
                raise OperationFailed(operation)
            if ends is not None and time.monotonic() >= ends:
                raise StillRunning(operation)
            await pause(min(FIRST_PAUSE * 2**turn, LONGEST_PAUSE))
        raise AssertionError  # a count never ends

    async def cancel(self, id: str | UUID, **options: Unpack[WriteOptions]) -> OperationOut:
        """Give the operation up; what it would have replaced stays. Raises `NotFound`, `Conflict` when it has ended."""
        return await self._door.send(calls.cancel_operation(str(id)), options)
