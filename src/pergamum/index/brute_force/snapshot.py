"""A brute-force index as one file, mapped when it is opened; the format is docs/formats/brute-force-index.md.

A copy of what can be rebuilt from the vectors, so damage is always found and never repaired.
"""

import mmap
import os
import struct
import zlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

import numpy as np

from pergamum.domain.vectors import MAX_DIMENSION, Metric
from pergamum.errors import Damaged, NewerFormat
from pergamum.index.brute_force.blocks import GROUP, Block, block_bytes, block_in, reserve, used_slots
from pergamum.index.mask import BLOCK_SLOTS

NAME = "brute-force.index"
FORMAT = 1
MAGIC = b"PGMBRUTE"

# magic, format, dimension, metric, checksum of the body, count, checksum of these
_HEADER = struct.Struct("<8sIIIIQI")
_SIZE = 64
_READ_AT_ONCE = 1 << 20
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


def read(folder: Path, *, checked: bool = False) -> tuple[int, Metric, int, tuple[Block, ...]]:
    """Return dimension, metric, count and blocks: full ones mapped read-only, the last one read, for it may grow.

    Every byte is checked unless that has been done. Raises `Damaged`, or `NewerFormat`. O(count * dimension).
    """
    path = folder / NAME
    try:
        with path.open("rb") as file:
            dimension, metric, expected, count = _read_header(path, file.read(_SIZE))
            if not checked and _checksum(file) != expected:
                raise Damaged(str(path), "the checksum does not match")
            blocks = tuple(_blocks(path, file, dimension, count))
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


def _checksum(file: BufferedReader) -> int:
    """Return the crc32 of everything behind the header."""
    checksum = 0
    while part := file.read(_READ_AT_ONCE):
        checksum = zlib.crc32(part, checksum)
    return checksum


def _blocks(path: Path, file: BufferedReader, dimension: int, count: int) -> Iterator[Block]:
    """Yield the blocks. Raises `Damaged` where the file has another length than its header says."""
    full, rest = divmod(count, BLOCK_SLOTS)
    end = _SIZE + full * block_bytes(dimension)
    if full and os.fstat(file.fileno()).st_size >= end:
        space = mmap.mmap(file.fileno(), end, prot=mmap.PROT_READ)
        yield from (block_in(space, start, dimension) for start in range(_SIZE, end, block_bytes(dimension)))
    file.seek(end)
    if rest:
        yield _read_block(path, file, dimension, rest)
    if file.tell() != os.fstat(file.fileno()).st_size:
        raise Damaged(str(path), "has another length than its header says")


def _read_block(path: Path, file: BufferedReader, dimension: int, used: int) -> Block:
    """Return a block with room for more, filled from the file. O(used * dimension)."""
    block = reserve(dimension)
    for part in (block.codes[: -(-used // GROUP)], block.scales[:used], block.errors[:used], block.squares[:used]):
        target = part.reshape(-1).view(np.uint8).data
        if file.readinto(target) != len(target):
            raise Damaged(str(path), "is shorter than its header says")
    return block
