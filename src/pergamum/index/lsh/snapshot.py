"""A hash index as one file; the format is docs/formats/lsh-index.md.

A copy of what can be rebuilt from the vectors, so damage is always found and never repaired. Opening maps the file into
memory and reads it once, for the checksum.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite, prod
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from pergamum.domain.vectors import MAX_DIMENSION, Metric
from pergamum.errors import Damaged, NewerFormat
from pergamum.index.lsh import layout
from pergamum.index.lsh.layout import METRICS, P_STABLE, Hashes, Tables
from pergamum.index.lsh.params import MAX_BITS, MAX_TABLES, LshParams

NAME = "lsh.index"
FORMAT = 1
MAGIC = b"PGMLSHIX"

_HEADER = struct.Struct("<8sIIIIQQQdIIIIIdII")
_SIZE = 128
_ALIGNED = 64
_PIECE = 1 << 22

_Array: TypeAlias = npt.NDArray[np.generic]
_Shape: TypeAlias = tuple[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """What a file holds. `origin`: how many live slots there were when the parameters were chosen."""

    dimension: int
    metric: Metric
    count: int
    origin: int
    params: LshParams
    hashes: Hashes
    tables: Tables


class _Header(NamedTuple):
    """The numbers of the header, in their order in the file; parameters not given are 0."""

    magic: bytes
    format: int
    dimension: int
    metric: int
    checksum: int
    slots: int
    filed: int
    origin: int
    scale: float
    tables: int
    bits: int
    rotations: int
    wanted_tables: int
    wanted_bits: int
    recall: float
    seed: int
    own: int


def write(folder: Path, stored: Stored) -> None:
    """Write the file and flush it; the folder is the caller's to flush. O(bytes)."""
    with (folder / NAME).open("xb") as file:
        file.write(bytes(_SIZE))
        checksum = 0
        for part in _parts(stored):
            file.write(part)
            checksum = zlib.crc32(part, checksum)
        file.seek(0)
        file.write(_packed(stored, checksum))
        file.flush()
        os.fsync(file.fileno())


def read(folder: Path, *, checked: bool = False) -> Stored:
    """Map the file, after checking every byte unless that has been done. O(bytes).

    Raises `Damaged`, or `NewerFormat`.
    """
    path = folder / NAME
    try:
        data = np.memmap(path, dtype=np.uint8, mode="r")
    except (OSError, ValueError) as error:  # an empty file cannot be mapped
        raise Damaged(str(path), f"cannot be read: {error}") from error
    header = _header(path, data[:_SIZE].tobytes())
    shapes = _shapes(header)
    if len(data) != _SIZE + sum(_rounded(_bytes(shape)) for shape in shapes):
        raise Damaged(str(path), "is not as long as its header says")
    if not checked and _checksum(data) != header.checksum:
        raise Damaged(str(path), "the checksum does not match")
    return _stored(path, header, list(_arrays(data, shapes)))


def _parts(stored: Stored) -> Iterator[bytes | memoryview]:
    """Yield the arrays, each followed by zeros up to a multiple of 64 bytes."""
    hashes, tables = stored.hashes, stored.tables
    for array in (hashes.center, hashes.signs, hashes.cells, tables.starts, tables.slots, tables.factors):
        if array.size:
            yield np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
        yield bytes(_rounded(array.nbytes) - array.nbytes)


def _packed(stored: Stored, checksum: int) -> bytes:
    """Return the header."""
    hashes, tables, params = stored.hashes, stored.tables, stored.params
    header = _Header(
        magic=MAGIC,
        format=FORMAT,
        dimension=stored.dimension,
        metric=hashes.metric,
        checksum=checksum,
        slots=stored.count,
        filed=tables.slots.shape[1],
        origin=stored.origin,
        scale=hashes.scale,
        tables=len(tables.starts),
        bits=tables.starts.shape[1].bit_length() - 1,
        rotations=len(hashes.signs),
        wanted_tables=params.tables or 0,
        wanted_bits=params.bits or 0,
        recall=params.recall,
        seed=params.seed,
        own=0,
    )
    fields = _HEADER.pack(*header)[:-4]
    return (fields + struct.pack("<I", zlib.crc32(fields))).ljust(_SIZE, b"\0")


def _header(path: Path, raw: bytes) -> _Header:
    """Return the header, believed only as far as it was checked."""
    if len(raw) < _SIZE or raw[:8] != MAGIC:
        raise Damaged(str(path), "is not a hash index")
    header = _Header(*_HEADER.unpack_from(raw))
    if header.format > FORMAT:
        raise NewerFormat(str(path), header.format, FORMAT)
    if zlib.crc32(raw[: _HEADER.size - 4]) != header.own or any(raw[_HEADER.size :]):
        raise Damaged(str(path), "the checksum of the header does not match")
    if not _sensible(header):
        raise Damaged(str(path), "the header makes no sense")
    return header


def _sensible(header: _Header) -> bool:
    """Whether the numbers of the header can be those of an index."""
    return (
        header.format == FORMAT
        and 1 <= header.dimension <= MAX_DIMENSION
        and header.metric < len(METRICS)
        and header.filed <= header.slots < 2**31
        and 1 <= header.tables <= MAX_TABLES
        and 1 <= header.bits <= MAX_BITS
        and isfinite(header.scale)
        and header.scale > 0
        and header.rotations == _rotations(header)
    )


def _family(header: _Header) -> int:
    return P_STABLE if METRICS[header.metric] is Metric.L2 else layout.CROSS_POLYTOPE


def _rotations(header: _Header) -> int:
    """Return how many rotations the tables read, and one for the sketches."""
    family, size = _family(header), layout.width(METRICS[header.metric], header.dimension)
    return layout.rotations(family, layout.split(family, header.bits, size), header.tables, size)


def _shapes(header: _Header) -> list[_Shape]:
    """Return types and shapes of the arrays, in their order in the file."""
    size = layout.width(METRICS[header.metric], header.dimension)
    functions = len(layout.split(_family(header), header.bits, size))
    return [
        ("<f8", (size,)),
        ("<f4", (header.rotations, 3, size)),
        ("<f8", (header.tables, functions, 2)),
        ("<i4", (header.tables, (1 << header.bits) + 1)),
        ("<i4", (header.tables, header.filed)),
        ("<f4", (header.slots, layout.FACTORS + size // 32)),
    ]


def _bytes(shape: _Shape) -> int:
    return np.dtype(shape[0]).itemsize * prod(shape[1])


def _rounded(size: int) -> int:
    return -(-size // _ALIGNED) * _ALIGNED


def _checksum(data: npt.NDArray[np.uint8]) -> int:
    """Return the crc32 of everything behind the header."""
    checksum = 0
    for start in range(_SIZE, len(data), _PIECE):
        checksum = zlib.crc32(data[start : start + _PIECE].data, checksum)
    return checksum


def _arrays(data: npt.NDArray[np.uint8], shapes: list[_Shape]) -> Iterator[_Array]:
    """Yield views of the mapped file, read-only."""
    at = _SIZE
    for kind, shape in shapes:
        size = _bytes((kind, shape))
        yield np.frombuffer(data, np.dtype(kind), prod(shape), at).reshape(shape) if size else _empty(kind, shape)
        at += _rounded(size)


def _empty(kind: str, shape: tuple[int, ...]) -> _Array:
    """Return an array of nothing, read-only as the mapped ones."""
    array = np.empty(shape, dtype=kind)
    layout.frozen(array)
    return array


def _stored(path: Path, header: _Header, arrays: list[_Array]) -> Stored:
    """Put the arrays together, and refuse what kernels could run away with."""
    center, signs, cells, starts, slots, words = arrays
    metric, size = METRICS[header.metric], len(center)
    parts = layout.split(_family(header), header.bits, size)
    layout.frozen(parts)
    hashes = Hashes(_family(header), header.metric, header.scale, center, signs, parts, cells)  # type: ignore[arg-type]
    tables = Tables(starts, slots, *layout.sketch_views(words))  # type: ignore[arg-type]
    wrong = next(iter(layout.broken(tables)), None)
    if wrong:
        raise Damaged(str(path), wrong)
    params = LshParams(header.wanted_tables or None, header.wanted_bits or None, header.recall, header.seed)
    return Stored(header.dimension, metric, header.slots, header.origin, params, hashes, tables)
