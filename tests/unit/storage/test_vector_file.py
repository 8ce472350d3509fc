"""The vector file: its header, its growth, what a failure of the disk does to it."""

import errno
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from pergamum.errors import Damaged, LibraryReadOnly, NewerFormat, OutcomeUnknown, StorageFull
from pergamum.storage.vectors import (
    FIRST_SIZE,
    HEADER_BYTES,
    LARGEST_STEP,
    VectorFile,
    decode_header,
    encode_header,
    grown,
)


@pytest.fixture
def file(tmp_path: Path) -> VectorFile:
    made = VectorFile(tmp_path / "vectors.f32")
    made.create(8)
    return made


def ones(rows: int, dimension: int = 8) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.ones((rows, dimension), np.float32)


def test_the_header_gives_back_the_dimension() -> None:
    assert [decode_header(encode_header(dimension), "x") for dimension in (1, 384, 16_384)] == [1, 384, 16_384]


def test_every_flipped_byte_of_the_header_is_detected() -> None:
    header = encode_header(384)

    undetected = []
    for at in range(HEADER_BYTES):
        for bit in (1, 128):
            flipped = bytearray(header)
            flipped[at] ^= bit
            try:
                decode_header(bytes(flipped), "x")
            except Damaged:
                continue
            undetected.append((at, bit))

    assert undetected == []


def test_a_newer_format_is_refused_by_name() -> None:
    with pytest.raises(NewerFormat, match="format 2 is newer than 1"):
        decode_header(encode_header(384, version=2), "x")


def test_a_dimension_out_of_range_is_damage_even_with_a_right_checksum() -> None:
    with pytest.raises(Damaged, match="dimension"):
        decode_header(encode_header(0), "x")


def test_the_header_is_laid_out_as_documented() -> None:
    header = encode_header(384)

    assert header[:16] == b"PERGAMUM VECTORS"
    assert struct.unpack_from("<II", header, 16) == (1, 384)
    assert struct.unpack_from("<I", header, 24)[0] == zlib.crc32(header[:24] + bytes(HEADER_BYTES - 24))


@pytest.mark.parametrize(
    ("size", "needed", "expected"),
    [
        (0, 1, FIRST_SIZE),
        (FIRST_SIZE, FIRST_SIZE + 1, 2 * FIRST_SIZE),
        (FIRST_SIZE, 9 * FIRST_SIZE, 16 * FIRST_SIZE),
        (LARGEST_STEP, LARGEST_STEP + 1, 2 * LARGEST_STEP),
        (2 * LARGEST_STEP, 2 * LARGEST_STEP + 1, 3 * LARGEST_STEP),
    ],
)
def test_the_file_doubles_and_then_grows_by_equal_steps(size: int, needed: int, expected: int) -> None:
    assert grown(size, needed) == expected


def test_growth_keeps_what_was_written(file: VectorFile, tmp_path: Path) -> None:
    file.write(0, ones(1))

    file.write(20_000, ones(1) * 2)

    assert file.mapped_bytes == (tmp_path / "vectors.f32").stat().st_size == 4 * FIRST_SIZE
    matrix = file.matrix(20_001)
    assert (matrix[0] == 1).all()
    assert (matrix[20_000] == 2).all()


def test_a_matrix_outlives_the_file_it_came_from(file: VectorFile) -> None:
    file.write(0, ones(3))
    matrix = file.matrix(3)

    file.close()

    assert (matrix[:3] == 1).all()


def test_a_file_of_another_dimension_is_replaced(file: VectorFile, tmp_path: Path) -> None:
    file.write(0, ones(3))

    file.create(16)

    file.write(0, ones(1, 16))
    assert file.matrix(1).shape[1] == 16
    assert [path.name for path in tmp_path.iterdir()] == ["vectors.f32"]


@pytest.mark.parametrize("damage", [b"", b"PERGAMUM VECTORS", b"x" * HEADER_BYTES])
def test_a_damaged_file_is_refused(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "vectors.f32"
    path.write_bytes(damage)

    with pytest.raises(Damaged):
        VectorFile(path)


def test_a_short_write_is_continued(file: VectorFile, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, content, offset: pwrite(fd, bytes(content[:7]), offset))

    file.write(0, np.arange(16, dtype=np.float32).reshape(2, 8))

    assert file.matrix(2)[:2].ravel().tolist() == list(range(16))


def failing(number: int) -> object:
    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("call", ["pwrite", "posix_fallocate"])
def test_a_full_disk_refuses_one_write_and_the_next_may_try(
    file: VectorFile, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, call, failing(errno.ENOSPC))
        with pytest.raises(StorageFull):
            file.write(20_000, ones(1))

    file.write(20_000, ones(1))

    assert (file.matrix(20_001)[20_000] == 1).all()


def test_after_a_failed_flush_nothing_more_is_written(file: VectorFile, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write(0, ones(1))
    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", failing(errno.EIO))
        with pytest.raises(OutcomeUnknown):
            file.flush()

    with pytest.raises(LibraryReadOnly):
        file.write(1, ones(1))
    with pytest.raises(LibraryReadOnly):
        file.flush()
