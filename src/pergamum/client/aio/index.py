"""The index of a library: how it is searched."""

from typing import Unpack

from pergamum.client import calls
from pergamum.client.aio.operations import AsyncOperations
from pergamum.client.aio.transport import AsyncDoor
from pergamum.client.drafts import BuildIndex, WeighIndex
from pergamum.client.options import ReadOptions, parted
from pergamum.client.results import IndexStatus, Preflight
from pergamum.wire.operations import OperationOut


class AsyncIndex:
    """The index of one library."""

    def __init__(self, door: AsyncDoor, library: str) -> None:
        self._door, self._library = door, library

    async def status(self, **options: Unpack[ReadOptions]) -> IndexStatus:
        """Return how the library is searched, what that takes, and what it was measured to find."""
        return await self._door.send(calls.get_index(self._library), options)

    async def build(self, **index: Unpack[BuildIndex]) -> OperationOut:
        """Ask for an index; return the operation that builds it. Searches go on with the old one meanwhile.

        >>> await library.index.build(kind="hnsw")  # doctest: +ELLIPSIS
        OperationOut(...)
        >>> (await library.index.wait()).active
        'hnsw'
        """
        wanted, options = parted(index)
        return await self._door.send(calls.build_index(self._library, wanted), options)

    async def preflight(self, **index: Unpack[WeighIndex]) -> Preflight:
        """Return what an index is predicted to take, and to find, without building it."""
        wanted, options = parted(index)
        return await self._door.send(calls.preflight_index(self._library, wanted), options)

    async def wait(self, *, seconds: float | None = None, **options: Unpack[ReadOptions]) -> IndexStatus:
        """Return the index when no operation on it is under way any more.

        Raises `OperationFailed` when one failed or was cancelled, `StillRunning` when `seconds` have passed.
        """
        status = await self.status(**options)
        if status.operation is not None:
            await AsyncOperations(self._door).wait(status.operation, seconds=seconds, **options)
            status = await self.status(**options)
        return status
