"""A graph and its codes as one file, mapped when it is opened; the format is docs/formats/hnsw-index.md.

A copy of what can be rebuilt from the vectors, so damage is always found and never repaired.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from pergamum.domain.vectors import MAX_DIMENSION, Metric
from pergamum.errors import Damaged, NewerFormat
from pergamum.index.arrays import LINE
from pergamum.index.code_rows import CodeRows, row_bytes
from pergamum.index.hnsw.graph import Graph
from pergamum.index.hnsw.params import HnswParams

NAME: Final = "hnsw.index"
FORMAT: Final = 1
MAGIC: Final = b"PGMHNSW\0"
HEADER_BYTES: Final = 4096

# magic, format, dimension, metric, m, ef_construction, entry, slots, rows of upper links, checksum of the body; then
# the checksum of these
_HEADER = struct.Struct("<8sIIIIIqQQII")
_CHECKED_AT_ONCE: Final = 1 << 22
_METRICS: Final = list(Metric)

Scalar = TypeVar("Scalar", bound=np.generic)


class Saved(NamedTuple):
    """What the file holds; see `HnswIndex`."""

    dimension: int
    metric: Metric
    params: HnswParams
    rows: CodeRows
    graph: Graph
    entry: int


def write(folder: Path, saved: Saved) -> None:
    """Write the file and flush it; the folder is the caller's to flush. O(n * (d + m))."""
    with (folder / NAME).open("xb") as file:
        file.write(bytes(HEADER_BYTES))
        checksum = 0
        for part in _padded(saved.rows, saved.graph):
            file.write(part)
            checksum = zlib.crc32(part, checksum)
        fields = _header(saved, checksum)
        file.seek(0)
        file.write((fields + struct.pack("<I", zlib.crc32(fields))).ljust(HEADER_BYTES, b"\0"))
        file.flush()
        os.fsync(file.fileno())


def read(folder: Path) -> Saved:
    """Return what was written, mapped read-only, after checking every byte. Raises `Damaged`, or `NewerFormat`."""
    path = folder / NAME
    try:
        space = np.memmap(path, dtype=np.uint8, mode="r")
    except (OSError, ValueError) as error:
        raise Damaged(str(path), f"cannot be read: {error}") from error
    dimension, metric, params, entry, slots, upper_rows, checksum = _read_header(path, space[:HEADER_BYTES].tobytes())
    cut = _Cut(path, np.asarray(space))
    rows = CodeRows(
        cut.array(np.uint8, slots, row_bytes(dimension)),
        cut.array(np.float32, slots, 2),
        cut.array(np.float32, slots),
        cut.array(np.int32, slots),
    )
    graph = Graph(
        cut.array(np.uint32, slots, 2 * params.m),
        cut.array(np.uint32, upper_rows, params.m),
        cut.array(np.int32, slots),
        cut.array(np.uint8, slots),
    )
    cut.finish()
    if _checksum(space) != checksum:
        raise Damaged(str(path), "the checksum does not match")
    return Saved(dimension, metric, params, rows, graph, entry)


class _Cut:
    """Cuts the file into its arrays, one after the other."""

    def __init__(self, path: Path, space: npt.NDArray[np.uint8]) -> None:
        self._path, self._space, self._start = path, space, HEADER_BYTES

    def array(self, scalar: type[Scalar], *shape: int) -> npt.NDArray[Scalar]:
        """Return the next array as a view of the file. Raises `Damaged`."""
        size = int(np.prod(shape)) * np.dtype(scalar).itemsize
        part = self._space[self._start : self._start + size]
        if len(part) < size:
            raise Damaged(str(self._path), "is shorter than its header says")
        self._start += size + -size % LINE
        return part.view(scalar).reshape(shape)

    def finish(self) -> None:
        """Refuse a file that goes on. Raises `Damaged`."""
        if self._start != len(self._space):
            raise Damaged(str(self._path), "has another length than its header says")


def _header(saved: Saved, checksum: int) -> bytes:
    """Return the fields of the header but for their own checksum."""
    params, graph = saved.params, saved.graph
    sizes = (saved.entry, len(graph.levels), len(graph.upper))
    metric = _METRICS.index(saved.metric)
    return _HEADER.pack(MAGIC, FORMAT, saved.dimension, metric, params.m, params.ef_construction, *sizes, checksum, 0)[
        :-4
    ]


def _padded(rows: CodeRows, graph: Graph) -> Iterator[bytes | memoryview]:
    """Yield the arrays in order, each filled up to a whole number of cache lines."""
    for part in (*rows, *graph):
        yield np.ascontiguousarray(part).reshape(-1).view(np.uint8).data
        yield bytes(-part.nbytes % LINE)


def _read_header(path: Path, header: bytes) -> tuple[int, Metric, HnswParams, int, int, int, int]:
    """Return dimension, metric, parameters, entry, slots, rows of upper links, checksum of the body."""
    if len(header) < HEADER_BYTES or header[:8] != MAGIC:
        raise Damaged(str(path), "is not an hnsw index")
    _, version, dimension, metric, m, effort, entry, slots, upper_rows, checksum, own = _HEADER.unpack_from(header)
    if version > FORMAT:
        raise NewerFormat(str(path), version, FORMAT)
    if zlib.crc32(header[: _HEADER.size - 4]) != own or any(header[_HEADER.size :]):
        raise Damaged(str(path), "the checksum of the header does not match")
    if not (1 <= dimension <= MAX_DIMENSION and metric < len(_METRICS) and version == FORMAT and entry < slots):
        raise Damaged(str(path), "the header makes no sense")
    return dimension, _METRICS[metric], HnswParams(m, effort), entry, slots, upper_rows, checksum


def _checksum(space: npt.NDArray[np.uint8]) -> int:
    checksum = 0
    for start in range(HEADER_BYTES, len(space), _CHECKED_AT_ONCE):
        checksum = zlib.crc32(space[start : start + _CHECKED_AT_ONCE].data, checksum)
    return checksum
