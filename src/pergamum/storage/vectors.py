"""The vector file: float32 rows addressed by slot, mapped for reading, written by pwrite. docs/formats/vectors-f32.md.

The file is never truncated and never written through a map, so a map can neither fault nor change under a reader
below the slots it asked for. What lies beyond the library's next_slot is rubbish and gets overwritten.
"""

import mmap
import os
import struct
import zlib
from pathlib import Path
from typing import Final

import numpy as np

from pergamum.domain.vectors import MAX_DIMENSION, Matrix
from pergamum.errors import Damaged, LibraryReadOnly, NewerFormat, OutcomeUnknown
from pergamum.storage.files import flush, reserve, write_all, write_file

HEADER_BYTES: Final = 4_096
FORMAT: Final = 1
MAGIC: Final = b"PERGAMUM VECTORS"
FIRST_SIZE: Final = 256 << 10
LARGEST_STEP: Final = 64 << 20
_FIELDS: Final = struct.Struct("<16sIII")  # magic, format, dimension, crc32 of all other bytes of the header


def encode_header(dimension: int, version: int = FORMAT) -> bytes:
    """Return the 4,096 bytes that open the file."""
    bare = _FIELDS.pack(MAGIC, version, dimension, 0).ljust(HEADER_BYTES, b"\0")
    return _FIELDS.pack(MAGIC, version, dimension, zlib.crc32(bare)).ljust(HEADER_BYTES, b"\0")


def decode_header(header: bytes, what: str) -> int:
    """Return the dimension. Raises `Damaged` for any changed byte, `NewerFormat`."""
    if len(header) != HEADER_BYTES:
        raise Damaged(what, "the file is shorter than its header")
    magic, version, dimension, _ = _FIELDS.unpack_from(header)
    if magic != MAGIC:
        raise Damaged(what, "this is not a vector file")
    if header != encode_header(dimension, version):
        raise Damaged(what, "the header does not match its checksum")
    if version > FORMAT:
        raise NewerFormat(what, version, FORMAT)
    if not 1 <= dimension <= MAX_DIMENSION:
        raise Damaged(what, f"the dimension {dimension} is out of range")
    return int(dimension)


def grown(size: int, needed: int) -> int:
    """Return the size to grow to: doubling from 256 KiB, by steps of 64 MiB in the end."""
    size = max(size, FIRST_SIZE)
    while size < needed:
        size += min(size, LARGEST_STEP)
    return size


def mapped(file: int, dimension: int) -> tuple[mmap.mmap, Matrix]:
    """Return a read-only map of the whole file, and the rows in it. Raises `OSError`."""
    whole = mmap.mmap(file, os.fstat(file).st_size, prot=mmap.PROT_READ)
    rows = (len(whole) - HEADER_BYTES) // (dimension * 4)
    return whole, np.frombuffer(whole, np.float32, rows * dimension, HEADER_BYTES).reshape(rows, dimension)


class VectorFile:
    """The vectors of one library in one file. Implements `VectorStore`.

    After a failed write or flush every later one is refused with `LibraryReadOnly`: opening again is the recovery.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1
        self._size = 0
        self._map: mmap.mmap | None = None
        self._matrix: Matrix = np.empty((0, 0), np.float32)
        self._failure: str | None = None
        if path.exists():
            self._open()

    @property
    def dimension(self) -> int | None:
        """The dimension, None before the file is made."""
        return None if self._file < 0 else self._matrix.shape[1]

    @property
    def failure(self) -> str | None:
        """Why the file takes no more writes, if it does not."""
        return self._failure

    @property
    def mapped_bytes(self) -> int:
        """How many bytes the current map covers; older maps that views still hold share its pages."""
        return 0 if self._map is None else len(self._map)

    def create(self, dimension: int) -> None:
        """Make the file and its name durable. A file of another dimension is replaced: no committed row refers to it.

        REQUIRES: the library has no other dimension committed.
        """
        if self.dimension == dimension:
            return
        self.close()
        write_file(self._path, encode_header(dimension), FIRST_SIZE)
        self._open()

    def write(self, first_slot: int, vectors: Matrix) -> None:
        """Write vectors into the slots from `first_slot` on. Raises `StorageFull`, `LibraryReadOnly`."""
        self._check_writable()
        content = np.ascontiguousarray(vectors, np.float32)
        if content.ndim != 2 or content.shape[1] != self.dimension:
            raise ValueError(f"vectors of shape {content.shape} do not fit dimension {self.dimension}")
        self.make_room(first_slot + len(content))
        try:
            write_all(self._file, content.data, self._offset(first_slot))
        except OutcomeUnknown as error:
            self._failure = str(error)
            raise

    def make_room(self, slots: int) -> None:
        """Make the file long enough for `slots` vectors. Raises `StorageFull`, `LibraryReadOnly`."""
        self._check_writable()
        needed = self._offset(slots)
        if needed <= self._size:
            return
        try:
            reserve(self._file, grown(self._size, needed))
        except OutcomeUnknown as error:
            self._failure = str(error)
            raise
        self._remap(self._matrix.shape[1])

    def flush(self) -> None:
        """Make every write durable."""
        self._check_writable()
        try:
            flush(self._file)
        except OutcomeUnknown as error:
            self._failure = str(error)
            raise

    def matrix(self, slots: int) -> Matrix:
        """Return the current map: read-only, at least `slots` rows. Raises `Damaged` when the file has fewer."""
        matrix = self._matrix
        if len(matrix) < slots:
            raise Damaged(str(self._path), f"the file has room for {len(matrix)} vectors, the rows speak of {slots}")
        return matrix

    def close(self) -> None:
        """Release the descriptor. Maps stay valid as long as they are referenced."""
        if self._file >= 0:
            os.close(self._file)
        self._file, self._map, self._matrix = -1, None, np.empty((0, 0), np.float32)

    def _open(self) -> None:
        self._file = os.open(self._path, os.O_RDWR)
        try:
            dimension = decode_header(os.pread(self._file, HEADER_BYTES, 0), str(self._path))
        except Damaged:
            os.close(self._file)
            self._file = -1
            raise
        self._remap(dimension)

    def _remap(self, dimension: int) -> None:
        self._map, self._matrix = mapped(self._file, dimension)
        self._size = len(self._map)

    def _offset(self, slot: int) -> int:
        row_bytes: int = self._matrix.shape[1] * 4
        return HEADER_BYTES + slot * row_bytes

    def _check_writable(self) -> None:
        if self._failure is not None:
            raise LibraryReadOnly(self._failure)
        if self._file < 0:
            raise ValueError("the vector file has not been created")
