"""A graph and its codes as one file, mapped when it is opened; the format is docs/formats/hnsw-index.md.

A copy of what can be rebuilt from the vectors, so damage is always found and never repaired.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from pergamum.domain.vectors import MAX_DIMENSION, Metric
from pergamum.errors import Damaged, NewerFormat
from pergamum.index.arrays import LINE, readonly
from pergamum.index.code_rows import CodeRows, row_bytes
from pergamum.index.cut import Cut
from pergamum.index.hnsw.graph import Graph
from pergamum.index.hnsw.params import HnswParams, Layout
from pergamum.index.hnsw.wide import MOST_SEEDS, Wide, none, signs_of

NAME: Final = "hnsw.index"
FORMAT: Final = 3
MAGIC: Final = b"PGMHNSW\0"
HEADER_BYTES: Final = 4096

# magic, format, dimension, metric, m, ef_construction, layout, entry, slots, rows of upper links, slots with blocks,
# seeds, checksum of the body; then the checksum of these
_HEADER = struct.Struct("<8sIIIIIIqQQQQII")
_METRICS: Final = list(Metric)
_LAYOUTS: Final = list(Layout)


class Saved(NamedTuple):
    """What the file holds; see `HnswIndex`."""

    dimension: int
    metric: Metric
    params: HnswParams
    rows: CodeRows
    graph: Graph
    entry: int
    wide: Wide


def write(folder: Path, saved: Saved) -> None:
    """Write the file and flush it; the folder is the caller's to flush. O(n * (d + m))."""
    with (folder / NAME).open("xb") as file:
        file.write(bytes(HEADER_BYTES))
        checksum = 0
        for part in _padded(saved):
            file.write(part)
            checksum = zlib.crc32(part, checksum)
        fields = _header(saved, checksum)
        file.seek(0)
        file.write((fields + struct.pack("<I", zlib.crc32(fields))).ljust(HEADER_BYTES, b"\0"))
        file.flush()
        os.fsync(file.fileno())


def read(folder: Path, *, checked: bool = False) -> Saved:
    """Return what was written, mapped read-only, after checking every byte unless that has been done.

    Raises `Damaged`, or `NewerFormat`.
    """
    path = folder / NAME
    try:
        space = np.memmap(path, dtype=np.uint8, mode="r")
    except (OSError, ValueError) as error:
        raise Damaged(str(path), f"cannot be read: {error}") from error
    saved = _read_header(path, space[:HEADER_BYTES].tobytes())
    dimension, params, slots = saved.dimension, saved.params, saved.slots
    cut = Cut(path, np.asarray(space), HEADER_BYTES)
    rows = CodeRows(
        cut.array(np.uint8, slots, row_bytes(dimension)),
        cut.array(np.float32, slots, 2),
        cut.array(np.float32, slots),
        cut.array(np.int32, slots),
    )
    graph = Graph(
        cut.array(np.uint32, slots, 2 * params.m),
        cut.array(np.uint32, saved.upper_rows, params.m),
        cut.array(np.int32, slots),
        cut.array(np.uint8, slots),
    )
    nothing = none(dimension, 2 * params.m)
    blocks = cut.array(np.uint8, saved.blocks, nothing.blocks.shape[1])
    seeds = cut.array(np.uint32, saved.seeds)
    cut.finish(None if checked else saved.checksum)
    wide = Wide(blocks, readonly(signs_of(dimension)), seeds) if len(blocks) else nothing
    return Saved(dimension, saved.metric, params, rows, graph, saved.entry, wide)


def _header(saved: Saved, checksum: int) -> bytes:
    """Return the fields of the header but for their own checksum."""
    params, graph = saved.params, saved.graph
    sizes = (saved.entry, len(graph.levels), len(graph.upper), len(saved.wide.blocks), len(saved.wide.seeds))
    metric = _METRICS.index(saved.metric)
    chosen = (saved.dimension, metric, params.m, params.ef_construction, _LAYOUTS.index(params.layout))
    return _HEADER.pack(MAGIC, FORMAT, *chosen, *sizes, checksum, 0)[:-4]


def _padded(saved: Saved) -> Iterator[bytes | memoryview]:
    """Yield the arrays in order, each filled up to a whole number of cache lines."""
    for part in (*saved.rows, *saved.graph, saved.wide.blocks, saved.wide.seeds):
        yield np.ascontiguousarray(part).reshape(-1).view(np.uint8).data
        yield bytes(-part.nbytes % LINE)


class _Header(NamedTuple):
    """What the header says, checked by itself."""

    dimension: int
    metric: Metric
    params: HnswParams
    entry: int
    slots: int
    upper_rows: int
    blocks: int
    seeds: int
    checksum: int


def _read_header(path: Path, header: bytes) -> _Header:
    if len(header) < HEADER_BYTES or header[:8] != MAGIC:
        raise Damaged(str(path), "is not an hnsw index")
    _, version, dimension, metric, m, effort, layout, *sizes, checksum, own = _HEADER.unpack_from(header)
    if version > FORMAT:
        raise NewerFormat(str(path), version, FORMAT)
    if zlib.crc32(header[: _HEADER.size - 4]) != own or any(header[_HEADER.size :]):
        raise Damaged(str(path), "the checksum of the header does not match")
    entry, slots, upper_rows, blocks, seeds = sizes
    sensible = 1 <= dimension <= MAX_DIMENSION and metric < len(_METRICS) and entry < slots and layout < len(_LAYOUTS)
    if not (sensible and version == FORMAT and blocks in (0, slots) and seeds <= MOST_SEEDS):
        raise Damaged(str(path), "the header makes no sense")
    params = HnswParams(m, effort, _LAYOUTS[layout])
    return _Header(dimension, _METRICS[metric], params, entry, slots, upper_rows, blocks, seeds, checksum)
