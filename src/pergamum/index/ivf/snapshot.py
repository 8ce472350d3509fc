"""Partitions as one file, mapped when it is opened; the format is docs/formats/ivf-index.md.

A copy of what can be rebuilt from the vectors, so damage is always found and never repaired.
"""

import math
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from pergamum.domain.vectors import MAX_DIMENSION, Metric
from pergamum.errors import Damaged, NewerFormat
from pergamum.index.arrays import LINE
from pergamum.index.cut import Cut
from pergamum.index.ivf.fastscan import BLOCK, TABLE
from pergamum.index.ivf.layout import WIDTH, Partitions, codes_of
from pergamum.index.ivf.params import MOST_PARTITIONS, IvfParams

NAME: Final = "ivf.index"
FORMAT: Final = 1
MAGIC: Final = b"PGMIVFIX"
HEADER_BYTES: Final = 128
# magic, format, dimension, metric, partitions asked for (0: none), partitions, blocks, count, made for, scale, spread,
# checksum of the body, checksum of these
_HEADER = struct.Struct("<8sIIIIQQQQddII")
_METRICS = list(Metric)


class _Header(NamedTuple):
    dimension: int
    metric: Metric
    asked: int
    partitions: int
    blocks: int
    covered: int
    made_for: int
    scale: float
    spread: float
    checksum: int


class Saved(NamedTuple):
    """What a file holds; see `IvfIndex`. `covered`: its count."""

    dimension: int
    metric: Metric
    params: IvfParams
    covered: int
    made_for: int
    scale: float
    spread: float
    partitions: Partitions


def write(folder: Path, saved: Saved) -> None:
    """Write the file and flush it; the folder is the caller's to flush."""
    with (folder / NAME).open("xb") as file:
        file.write(bytes(HEADER_BYTES))
        checksum = 0
        for part in _padded(saved.partitions):
            file.write(part)
            checksum = zlib.crc32(part, checksum)
        file.seek(0)
        file.write(_header(saved, checksum))
        file.flush()
        os.fsync(file.fileno())


def read(folder: Path) -> Saved:
    """Return what was written, mapped read-only, after checking every byte. Raises `Damaged`, or `NewerFormat`."""
    path = folder / NAME
    try:
        space = np.asarray(np.memmap(path, dtype=np.uint8, mode="r"))
    except (OSError, ValueError) as error:
        raise Damaged(str(path), f"cannot be read: {error}") from error
    header = _read_header(path, space[:HEADER_BYTES].tobytes())
    each, partitions, blocks = codes_of(header.dimension), header.partitions, header.blocks
    cut = Cut(path, space, HEADER_BYTES)
    parts = Partitions(
        cut.array(np.float32, WIDTH * each, partitions),
        cut.array(np.float32, partitions),
        cut.array(np.float32, each, TABLE, WIDTH),
        cut.array(np.float32, partitions if header.metric is Metric.L2 else 0, TABLE * each),
        cut.array(np.uint8, blocks * BLOCK * each // 2),
        cut.array(np.int32, blocks * BLOCK),
        cut.array(np.int64, partitions + 1),
    )
    cut.finish(header.checksum)
    params = IvfParams(header.asked or None)
    return Saved(
        header.dimension, header.metric, params, header.covered, header.made_for, header.scale, header.spread, parts
    )


def _padded(partitions: Partitions) -> Iterator[bytes | memoryview]:
    for part in partitions:
        yield np.ascontiguousarray(part).reshape(-1).view(np.uint8).data
        yield bytes(-part.nbytes % LINE)


def _header(saved: Saved, checksum: int) -> bytes:
    partitions = saved.partitions
    fields = _HEADER.pack(
        MAGIC,
        FORMAT,
        saved.dimension,
        _METRICS.index(saved.metric),
        saved.params.partitions or 0,
        len(partitions.halves),
        len(partitions.slots) // BLOCK,
        saved.covered,
        saved.made_for,
        saved.scale,
        saved.spread,
        checksum,
        0,
    )[:-4]
    return (fields + struct.pack("<I", zlib.crc32(fields))).ljust(HEADER_BYTES, b"\0")


def _read_header(path: Path, header: bytes) -> _Header:
    if len(header) < HEADER_BYTES or header[:8] != MAGIC:
        raise Damaged(str(path), "is not an ivf index")
    _, version, dimension, metric, asked, partitions, blocks, covered, made_for, scale, spread, checksum, own = (
        _HEADER.unpack_from(header)
    )
    if version > FORMAT:
        raise NewerFormat(str(path), version, FORMAT)
    if zlib.crc32(header[: _HEADER.size - 4]) != own or any(header[_HEADER.size :]):
        raise Damaged(str(path), "the checksum of the header does not match")
    sensible = 1 <= dimension <= MAX_DIMENSION and metric < len(_METRICS) and 1 <= partitions <= MOST_PARTITIONS
    if not (
        sensible and version == FORMAT and asked <= MOST_PARTITIONS and math.isfinite(scale + spread) and scale > 0
    ):
        raise Damaged(str(path), "the header makes no sense")
    return _Header(dimension, _METRICS[metric], asked, partitions, blocks, covered, made_for, scale, spread, checksum)
