"""The vector file as another process than its writer sees it: mapped, never written."""

import mmap
import os
from pathlib import Path
from threading import Lock

import numpy as np

from pergamum.domain.vectors import Matrix
from pergamum.errors import Damaged
from pergamum.storage.vectors import HEADER_BYTES, decode_header, mapped


class VectorMap:
    """The vectors of one library, read only. Implements `VectorStore`.

    The writer puts vectors into the file before it commits their rows, so whatever rows speak of is in the map, or in
    one made anew: the file only grows. Threads: any. Changed under `_lock` only: _map, _matrix.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, Lock()
        self._map: mmap.mmap | None = None
        self._matrix: Matrix = np.empty((0, 0), np.float32)

    @property
    def mapped_bytes(self) -> int:
        """How many bytes the current map covers; its pages are shared with every process that maps the file."""
        return 0 if self._map is None else len(self._map)

    def matrix(self, slots: int) -> Matrix:
        """Return a read-only map of at least `slots` rows. Raises `Damaged` when the file has fewer, or is missing."""
        if len(self._matrix) < slots:
            with self._lock:
                self._remap()
        matrix = self._matrix
        if len(matrix) < slots:
            raise Damaged(str(self._path), f"the file has room for {len(matrix)} vectors, the rows speak of {slots}")
        return matrix

    def _remap(self) -> None:
        try:
            with self._path.open("rb", buffering=0) as file:
                dimension = decode_header(os.pread(file.fileno(), HEADER_BYTES, 0), str(self._path))
                self._map, self._matrix = mapped(file.fileno(), dimension)
        except OSError as error:
            raise Damaged(str(self._path), str(error)) from error
