"""A graph and its codes as one file, mapped when it is opened; the format is docs/formats/hnsw-index.md.

A copy of what can be rebuilt from the vectors, so damage is always found and never repaired.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

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

Saved = tuple[int, Metric, HnswParams, CodeRows, Graph, int]


def write(
    folder: Path, dimension: int, metric: Metric, params: HnswParams, rows: CodeRows, graph: Graph, entry: int
) -> None:
    """Write the file and flush it; the folder is the caller's to flush. O(n * (d + m))."""
    with (folder / NAME).open("xb") as file:
        file.write(bytes(HEADER_BYTES))
        checksum = 0
        for part in _padded(rows, graph):
            file.write(part)
            checksum = zlib.crc32(part, checksum)
        fields = _HEADER.pack(
            MAGIC, FORMAT, dimension, _METRICS.index(metric), params.m, params.ef_construction, entry,
            len(graph.levels), len(graph.upper), checksum, 0,
        )[:-4]
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
    parts = list(_cut(path, np.asarray(space), dimension, params.m, (slots, upper_rows)))
    if _checksum(space) != checksum:
        raise Damaged(str(path), "the checksum does not match")
    return dimension, metric, params, CodeRows(*parts[:4]), Graph(*parts[4:]), entry


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


def _cut(
    path: Path, space: npt.NDArray[np.uint8], dimension: int, m: int, sizes: tuple[int, int]
) -> Iterator[npt.NDArray[np.generic]]:
    """Yield the arrays of `CodeRows`, then those of `Graph`, as views of the file."""
    slots, upper_rows = sizes
    start = HEADER_BYTES
    for scalar, shape in (
        (np.uint8, (slots, row_bytes(dimension))),
        (np.float32, (slots, 2)),
        (np.float32, (slots,)),
        (np.int32, (slots,)),
        (np.uint32, (slots, 2 * m)),
        (np.uint32, (upper_rows, m)),
        (np.int32, (slots,)),
        (np.uint8, (slots,)),
    ):
        size = int(np.prod(shape)) * np.dtype(scalar).itemsize
        if start + size > len(space):
            raise Damaged(str(path), "is shorter than its header says")
        yield space[start : start + size].view(scalar).reshape(shape)
        start += size + -size % LINE
    if start != len(space):
        raise Damaged(str(path), "is longer than its header says")


def _checksum(space: npt.NDArray[np.uint8]) -> int:
    checksum = 0
    for start in range(HEADER_BYTES, len(space), _CHECKED_AT_ONCE):
        checksum = zlib.crc32(space[start : start + _CHECKED_AT_ONCE].data, checksum)
    return checksum
