"""Size and crc32 of a file, by several threads where it is large."""

import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Final

_READ_AT_ONCE: Final = 1 << 20
_PIECE: Final = 1 << 26
"""Bytes of a file that one thread reads: some ten milliseconds of work."""
_MOST_THREADS: Final = 4
_POLYNOMIAL: Final = 0xEDB88320
"""That of crc32, bit 31 - i being the coefficient of x^i."""
_ONE: Final = 1 << 31


def file_checksum(path: Path) -> list[int]:
    """Return size and crc32 of a file. O(size), without the interpreter lock. Raises `OSError`.

    It is read, not mapped: what nobody searches stays out of the process's memory.
    """
    file = os.open(path, os.O_RDONLY)
    try:
        size = os.fstat(file).st_size
        starts = range(0, size, _PIECE)
        threads = min(len(starts), os.cpu_count() or 1, _MOST_THREADS)
        return [size, _crc(file, 0, size) if threads < 2 else _by_threads(file, starts, threads)]
    finally:
        os.close(file)


def _by_threads(file: int, starts: range, threads: int) -> int:
    """Return the crc32 of the whole file, of which a piece begins at each of `starts`."""
    pieces = [(start, min(_PIECE, starts.stop - start)) for start in starts]
    try:
        with ThreadPoolExecutor(threads) as pool:
            checksums = list(pool.map(lambda piece: _crc(file, *piece), pieces))
    except RuntimeError:  # Python is about to end and starts no more threads
        return _crc(file, 0, starts.stop)
    whole = 0
    for (_, size), checksum in zip(pieces, checksums, strict=True):
        whole = joined(whole, checksum, size)
    return whole


def joined(first: int, second: int, size: int) -> int:
    """Return the crc32 of two pieces of bytes one behind the other from that of each; the second has `size` bytes.

    Source   Mark Adler, `crc32_combine` of zlib: checksums are polynomials over the field of two elements, and `size`
             bytes behind the first multiply it by x^(8 size).
    Cost     O(log size).
    """
    return _product(_power(8 * size), first) ^ second


def _crc(file: int, start: int, size: int) -> int:
    """Return the crc32 of a piece of a file, which must not have become shorter."""
    buffer = memoryview(bytearray(min(_READ_AT_ONCE, size)))
    checksum, end = 0, start + size
    while start < end:
        read = os.preadv(file, [buffer[: end - start]], start)
        if not read:
            raise OSError("the file became shorter while it was read")
        checksum, start = zlib.crc32(buffer[:read], checksum), start + read
    return checksum


def _product(left: int, right: int) -> int:
    """Return the product of two polynomials modulo that of crc32. O(32)."""
    product = 0
    for bit in range(31, -1, -1):
        if left >> bit & 1:
            product ^= right
        right = right >> 1 ^ (_POLYNOMIAL if right & 1 else 0)
    return product


@lru_cache(16)  # all pieces of a file but the last are as long as one another
def _power(exponent: int) -> int:
    """Return x^exponent modulo the polynomial of crc32, by squaring."""
    result, square = _ONE, _ONE >> 1
    while exponent:
        if exponent & 1:
            result = _product(result, square)
        square, exponent = _product(square, square), exponent >> 1
    return result
