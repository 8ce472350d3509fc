"""A mapped file cut into the arrays it holds, each of which fills whole cache lines."""

import zlib
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from pergamum.errors import Damaged
from pergamum.index.arrays import LINE

Scalar = TypeVar("Scalar", bound=np.generic)
_CHECKED_AT_ONCE: Final = 1 << 22


class Cut:
    """Cuts the bytes of a file, from `start` on, into arrays, one after the other."""

    def __init__(self, path: Path, space: npt.NDArray[np.uint8], start: int) -> None:
        self._path, self._space, self._body, self._start = path, space, start, start

    def array(self, scalar: type[Scalar], *shape: int) -> npt.NDArray[Scalar]:
        """Return the next array as a view of the file. Raises `Damaged`."""
        size = int(np.prod(shape)) * np.dtype(scalar).itemsize
        part = self._space[self._start : self._start + size]
        if len(part) < size:
            raise Damaged(str(self._path), "is shorter than its header says")
        self._start += size + -size % LINE
        return part.view(scalar).reshape(shape)

    def finish(self, checksum: int | None) -> None:
        """Refuse a file that goes on, or whose arrays have another crc32; None: they have been checked.

        Raises `Damaged`. O(bytes) for the checksum.
        """
        if self._start != len(self._space):
            raise Damaged(str(self._path), "has another length than its header says")
        if checksum is not None and self._checksum() != checksum:
            raise Damaged(str(self._path), "the checksum does not match")

    def _checksum(self) -> int:
        checksum = 0
        for start in range(self._body, len(self._space), _CHECKED_AT_ONCE):
            checksum = zlib.crc32(self._space[start : start + _CHECKED_AT_ONCE].data, checksum)
        return checksum
