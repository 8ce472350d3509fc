"""Partitions as one file, mapped when it is opened; the format is docs/formats/ivf-index.md.

A copy of what can be rebuilt from the vectors, so damage is always found and never repaired.
"""

import os
import struct
import zlib
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from pergamum.domain.vectors import MAX_DIMENSION, Metric
from pergamum.errors import Damaged, NewerFormat
from pergamum.index.cut import Cut
from pergamum.index.ivf.layout import Bytes, Shape, places_of, shape_for
from pergamum.index.ivf.params import MOST_PARTITIONS, IvfParams

NAME: Final = "ivf.index"
FORMAT: Final = 3
MAGIC: Final = b"PGMIVFIX"
HEADER_BYTES: Final = 128
MOST_BLOCKS: Final = 1 << 32
# magic, format, dimension, metric, partitions asked for (0: none), partitions, blocks, count, made for, checksum of the
# body, checksum of these
_HEADER = struct.Struct("<8sIIIIQQQQII")
_METRICS = list(Metric)


class _Header(NamedTuple):
    dimension: int
    metric: Metric
    asked: int
    partitions: int
    blocks: int
    covered: int
    made_for: int
    checksum: int


class Saved(NamedTuple):
    """What a file holds; see `IvfIndex`. `covered`: its count."""

    dimension: int
    metric: Metric
    params: IvfParams
    covered: int
    made_for: int
    shape: Shape
    arena: Bytes


def write(folder: Path, saved: Saved) -> None:
    """Write the file and flush it; the folder is the caller's to flush."""
    arena = saved.arena.data
    with (folder / NAME).open("xb") as file:
        file.write(_header(saved, zlib.crc32(arena)))
        file.write(arena)
        file.flush()
        os.fsync(file.fileno())


def read(folder: Path, *, checked: bool = False) -> Saved:
    """Return what was written, mapped read-only, after checking every byte unless that has been done.

    Raises `Damaged`, or `NewerFormat`.
    """
    path = folder / NAME
    try:
        space = np.asarray(np.memmap(path, dtype=np.uint8, mode="r"))
    except (OSError, ValueError) as error:
        raise Damaged(str(path), f"cannot be read: {error}") from error
    header = _read_header(path, space[:HEADER_BYTES].tobytes())
    shape = shape_for(header.dimension, header.partitions, header.blocks, header.covered)
    cut = Cut(path, space, HEADER_BYTES)
    arena = cut.array(np.uint8, int(places_of(shape)[-1]))
    cut.finish(None if checked else header.checksum)
    params = IvfParams(header.asked or None)
    return Saved(header.dimension, header.metric, params, header.covered, header.made_for, shape, arena)


def _header(saved: Saved, checksum: int) -> bytes:
    fields = _HEADER.pack(
        MAGIC,
        FORMAT,
        saved.dimension,
        _METRICS.index(saved.metric),
        saved.params.partitions or 0,
        saved.shape.partitions,
        saved.shape.blocks,
        saved.covered,
        saved.made_for,
        checksum,
        0,
    )[:-4]
    return (fields + struct.pack("<I", zlib.crc32(fields))).ljust(HEADER_BYTES, b"\0")


def _read_header(path: Path, header: bytes) -> _Header:
    if len(header) < HEADER_BYTES or header[:8] != MAGIC:
        raise Damaged(str(path), "is not an ivf index")
    (_, version, dimension, metric, asked, partitions, blocks, covered, made_for, checksum, own) = _HEADER.unpack_from(
        header
    )
    if version > FORMAT:
        raise NewerFormat(str(path), version, FORMAT)
    if zlib.crc32(header[: _HEADER.size - 4]) != own or any(header[_HEADER.size :]):
        raise Damaged(str(path), "the checksum of the header does not match")
    if version < FORMAT:
        raise Damaged(str(path), f"has format {version}, which is no longer read")
    sensible = 1 <= dimension <= MAX_DIMENSION and metric < len(_METRICS) and 1 <= partitions <= MOST_PARTITIONS
    if not (sensible and asked <= MOST_PARTITIONS and blocks <= MOST_BLOCKS):
        raise Damaged(str(path), "the header makes no sense")
    return _Header(dimension, _METRICS[metric], asked, partitions, blocks, covered, made_for, checksum)
