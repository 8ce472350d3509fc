"""A brute-force index as one file; the format is docs/formats/brute-force-index.md.

A copy of what can be rebuilt from the vectors, so damage is always found and never repaired.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

import numpy as np

from pergamum.domain.vectors import MAX_DIMENSION, Metric
from pergamum.errors import Damaged, NewerFormat
from pergamum.index.brute_force.blocks import GROUP, Block, reserve, used_slots

NAME = "brute-force.index"
FORMAT = 1
MAGIC = b"PGMBRUTE"

# magic, format, dimension, metric, checksum of the body, count, checksum of these
_HEADER = struct.Struct("<8sIIIIQI")
_SIZE = 64
_METRICS = list(Metric)


def write(folder: Path, dimension: int, metric: Metric, count: int, blocks: tuple[Block, ...]) -> None:
    """Write the file and flush it; the folder is the caller's to flush. O(count * dimension)."""
    with (folder / NAME).open("xb") as file:
        file.write(bytes(_SIZE))
        checksum = 0
        for block, used in zip(blocks, used_slots(count), strict=True):
            for part in _parts(block, used):
                file.write(part)
                checksum = zlib.crc32(part, checksum)
        file.seek(0)
        file.write(_header(dimension, metric, checksum, count))
        file.flush()
        os.fsync(file.fileno())


def read(folder: Path) -> tuple[int, Metric, int, tuple[Block, ...]]:
    """Return dimension, metric, count and blocks. Raises `Damaged`, or `NewerFormat`. O(count * dimension)."""
    path = folder / NAME
    try:
        with path.open("rb") as file:
            dimension, metric, expected, count = _read_header(path, file.read(_SIZE))
            blocks = tuple(_read_blocks(path, file, dimension, count, expected))
    except OSError as error:
        raise Damaged(str(path), f"cannot be read: {error.strerror}") from error
    return dimension, metric, count, blocks


def _parts(block: Block, used: int) -> Iterator[memoryview]:
    """Yield what is kept of a block; codes beyond `used` in the last group are written as zeros."""
    whole = used // GROUP
    yield block.codes[:whole].data
    if used % GROUP:
        last = block.codes[whole].copy()
        last.view(np.uint32)[:, used % GROUP :] = 0
        yield last.data
    for terms in (block.scales, block.errors, block.squares):
        yield terms[:used].data


def _header(dimension: int, metric: Metric, checksum: int, count: int) -> bytes:
    """Return the 64 bytes at the start of the file."""
    fields = _HEADER.pack(MAGIC, FORMAT, dimension, _METRICS.index(metric), checksum, count, 0)[:-4]
    return (fields + struct.pack("<I", zlib.crc32(fields))).ljust(_SIZE, b"\0")


def _read_header(path: Path, header: bytes) -> tuple[int, Metric, int, int]:
    """Return dimension, metric, checksum of the body and count."""
    if len(header) < _SIZE or header[:8] != MAGIC:
        raise Damaged(str(path), "is not a brute-force index")
    _, version, dimension, metric, checksum, count, own = _HEADER.unpack_from(header)
    if version > FORMAT:
        raise NewerFormat(str(path), version, FORMAT)
    if zlib.crc32(header[: _HEADER.size - 4]) != own or any(header[_HEADER.size :]):
        raise Damaged(str(path), "the checksum of the header does not match")
    if not (1 <= dimension <= MAX_DIMENSION and metric < len(_METRICS) and version == FORMAT):
        raise Damaged(str(path), "the header makes no sense")
    return dimension, _METRICS[metric], checksum, count


def _read_blocks(path: Path, file: BufferedReader, dimension: int, count: int, expected: int) -> Iterator[Block]:
    """Yield blocks filled from the file. Raises `Damaged`, after the last one if a byte is wrong or too many."""
    checksum = 0
    for used in used_slots(count):
        block = reserve(dimension)
        groups = -(-used // GROUP)
        for part in (block.codes[:groups], block.scales[:used], block.errors[:used], block.squares[:used]):
            target = part.reshape(-1).view(np.uint8).data
            if file.readinto(target) != len(target):
                raise Damaged(str(path), "is shorter than its header says")
            checksum = zlib.crc32(target, checksum)
        yield block
    if checksum != expected or file.read(1):
        raise Damaged(str(path), "the checksum does not match")
