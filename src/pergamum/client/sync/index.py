# Made by scripts/make_sync_client from aio/index.py: change it there.
"""The index of a library: how it is searched."""

from typing import Unpack

from pergamum.client import calls
from pergamum.client.drafts import BuildIndex, WeighIndex
from pergamum.client.options import ReadOptions, parted
from pergamum.client.results import IndexStatus, Preflight
from pergamum.client.sync.operations import Operations
from pergamum.client.sync.transport import Door
from pergamum.wire.operations import OperationOut


class Index:
    """The index of one library."""

    def __init__(self, door: Door, library: str) -> None:
        self._door, self._library = door, library

    def status(self, **options: Unpack[ReadOptions]) -> IndexStatus:
        """Return how the library is searched, what that takes, and what it was measured to find."""
        return self._door.send(calls.get_index(self._library), options)

    def build(self, **index: Unpack[BuildIndex]) -> OperationOut:
        """Ask for an index; return the operation that builds it. Searches go on with the old one meanwhile.

        >>> library.index.build(kind="hnsw")  # doctest: +ELLIPSIS
        OperationOut(...)
        >>> library.index.wait().active
        'hnsw'
        """
        wanted, options = parted(index)
        return self._door.send(calls.build_index(self._library, wanted), options)

    def preflight(self, **index: Unpack[WeighIndex]) -> Preflight:
        """Return what an index is predicted to take, and to find, without building it."""
        wanted, options = parted(index)
        return self._door.send(calls.preflight_index(self._library, wanted), options)

    def wait(self, *, seconds: float | None = None, **options: Unpack[ReadOptions]) -> IndexStatus:
        """Return the index when no operation on it is under way any more.

        Raises `OperationFailed` when one failed or was cancelled, `StillRunning` when `seconds` have passed.
        """
        status = self.status(**options)
        if status.operation is not None:
            Operations(self._door).wait(status.operation, seconds=seconds, **options)
            status = self.status(**options)
        return status
