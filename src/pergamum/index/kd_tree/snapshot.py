"""A kd-tree as one file; the format is docs/formats/kd-tree-index.md.

A copy of what can be rebuilt from the vectors, so damage is always found and never repaired.
"""

import mmap
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pergamum.domain.vectors import MAX_DIMENSION, Metric
from pergamum.errors import Damaged, NewerFormat
from pergamum.index.kd_tree.params import MAX_LEAF_SIZE, MIN_LEAF_SIZE
from pergamum.index.kd_tree.tree import FAN, Shape, Tree

NAME = "kd-tree.index"
FORMAT = 1
MAGIC = b"PGMKDTRE"

# magic, format, dimension, metric, leaf size, count, points, checksum of the body, checksum of these
_HEADER = struct.Struct("<8sIIIIQQII")
_LINE = 64
_CHECKED_AT_ONCE = 1 << 24
_METRICS = list(Metric)


@dataclass(frozen=True, slots=True)
class Header:
    """What the file says of itself. `count`: slots covered; `points`: those of them that are in the tree."""

    dimension: int
    metric: Metric
    count: int
    leaf_size: int
    points: int

    @property
    def shape(self) -> Shape:
        """The sizes of the arrays."""
        return Shape(self.points, self.dimension, self.leaf_size)


def write(folder: Path, header: Header, tree: Tree) -> None:
    """Write the file and flush it; the folder is the caller's to flush. O(points * dimension)."""
    with (folder / NAME).open("xb") as file:
        file.write(bytes(_LINE))
        checksum = 0
        for part in _parts(tree):
            file.write(part)
            checksum = zlib.crc32(part, checksum)
        file.seek(0)
        file.write(_packed(header, checksum))
        file.flush()
        os.fsync(file.fileno())


def read(folder: Path, *, checked: bool = False) -> tuple[Header, Tree]:
    """Return the header and the tree, mapped, after checking every byte unless that has been done.

    Raises `Damaged`, or `NewerFormat`. O(points * dimension).
    """
    path = folder / NAME
    try:
        with path.open("rb") as file:
            header, expected = _read_header(path, file.read(_LINE))
            if os.fstat(file.fileno()).st_size != _LINE + _body(header):
                raise Damaged(str(path), "is not as long as its header says")
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise Damaged(str(path), f"cannot be read: {error.strerror}") from error
    if not checked and _checksum(content) != expected:
        raise Damaged(str(path), "the checksum does not match")
    tree = _mapped(header, content)
    if header.points and not 0 <= tree.slots.min() <= tree.slots.max() < header.count:
        raise Damaged(str(path), "names slots that do not exist")
    return header, tree


def _parts(tree: Tree) -> Iterator[memoryview | bytes]:
    """Yield the body: slots, filled up to whole lines of 64 bytes; boxes; leaves."""
    yield tree.slots.data
    yield bytes(-tree.slots.nbytes % _LINE)
    for part in (tree.boxes, tree.leaves):
        yield part.reshape(-1).data


def _body(header: Header) -> int:
    """Return how many bytes follow the first 64."""
    boxes, leaves = _box_numbers(header), _leaf_numbers(header)
    return _slot_bytes(header) + 4 * (boxes + leaves)


def _slot_bytes(header: Header) -> int:
    return -(-8 * header.points // _LINE) * _LINE


def _box_numbers(header: Header) -> int:
    return header.shape.groups * 2 * header.dimension * FAN


def _leaf_numbers(header: Header) -> int:
    return header.shape.leaves * header.dimension * header.leaf_size


def _packed(header: Header, checksum: int) -> bytes:
    """Return the 64 bytes at the start of the file."""
    metric = _METRICS.index(header.metric)
    sizes = (header.dimension, metric, header.leaf_size, header.count, header.points)
    fields = _HEADER.pack(MAGIC, FORMAT, *sizes, checksum, 0)[:-4]
    return (fields + struct.pack("<I", zlib.crc32(fields))).ljust(_LINE, b"\0")


def _read_header(path: Path, line: bytes) -> tuple[Header, int]:
    """Return the header and the checksum of the body."""
    if len(line) < _LINE or line[:8] != MAGIC:
        raise Damaged(str(path), "is not a kd-tree index")
    _, version, dimension, metric, leaf_size, count, points, checksum, own = _HEADER.unpack_from(line)
    if version > FORMAT:
        raise NewerFormat(str(path), version, FORMAT)
    if zlib.crc32(line[: _HEADER.size - 4]) != own or any(line[_HEADER.size :]):
        raise Damaged(str(path), "the checksum of the header does not match")
    sensible = 1 <= dimension <= MAX_DIMENSION and MIN_LEAF_SIZE <= leaf_size <= MAX_LEAF_SIZE and points <= count
    if not (sensible and version == FORMAT and metric < len(_METRICS) and _METRICS[metric] is not Metric.DOT):
        raise Damaged(str(path), "the header makes no sense")
    return Header(dimension, _METRICS[metric], count, leaf_size, points), checksum


def _checksum(content: mmap.mmap) -> int:
    """Return the checksum of what follows the first 64 bytes."""
    checksum = 0
    with memoryview(content) as view:
        for start in range(_LINE, len(view), _CHECKED_AT_ONCE):
            checksum = zlib.crc32(view[start : start + _CHECKED_AT_ONCE], checksum)
    return checksum


def _mapped(header: Header, content: mmap.mmap) -> Tree:
    """Return the arrays as views of the file, read-only; the map lives as long as they do."""
    shape, boxes = header.shape, _box_numbers(header)
    start = _LINE + _slot_bytes(header)
    first = shape.first()
    first.flags.writeable = False
    return Tree(
        np.frombuffer(content, "<i8", header.points, _LINE),
        np.frombuffer(content, "<f4", boxes, start).reshape(shape.groups, 2, header.dimension, FAN),
        np.frombuffer(content, "<f4", _leaf_numbers(header), start + 4 * boxes).reshape(
            shape.leaves, header.dimension, header.leaf_size
        ),
        first,
    )
