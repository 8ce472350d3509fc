"""The vector file as a process sees it that only reads: it grows with the writer's, and is believed no more than it."""

import mmap
import os
from pathlib import Path

import numpy as np
import pytest

from pergamum.domain.vectors import Matrix
from pergamum.errors import Damaged
from pergamum.storage.vector_map import VectorMap
from pergamum.storage.vectors import VectorFile

DIMENSION = 64
FIRST = 1_000
"""They fit into the file as it is made."""


@pytest.fixture
def vectors() -> Matrix:
    return np.random.default_rng(3).standard_normal((5 * FIRST, DIMENSION)).astype(np.float32)


def test_it_shows_what_the_writer_adds_and_older_maps_stay(tmp_path: Path, vectors: Matrix) -> None:
    writer, reader = VectorFile(tmp_path / "vectors"), VectorMap(tmp_path / "vectors")
    writer.create(DIMENSION)
    writer.write(0, vectors[:FIRST])
    before = reader.matrix(FIRST)
    size = reader.mapped_bytes

    writer.write(FIRST, vectors[FIRST:])

    np.testing.assert_array_equal(reader.matrix(len(vectors))[: len(vectors)], vectors)
    np.testing.assert_array_equal(before[:FIRST], vectors[:FIRST])
    assert (reader.mapped_bytes > size, reader.mapped_bytes) == (True, writer.mapped_bytes)
    with pytest.raises(ValueError, match="read-only"):
        before[0] = 0
    with pytest.raises(Damaged, match="room for"):
        reader.matrix(1_000_000)
    writer.close()


@pytest.mark.parametrize("content", [None, b"", bytes(100), bytes(300_000)])
def test_a_file_that_is_none_is_damaged(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "vectors").write_bytes(content)

    with pytest.raises(Damaged):
        VectorMap(tmp_path / "vectors").matrix(1)


def test_where_it_cannot_be_mapped_it_is_damaged_and_no_descriptor_stays_open(
    tmp_path: Path, vectors: Matrix, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A map needs memory and a descriptor of its own. The writer answers where this process has none left."""
    writer = VectorFile(tmp_path / "vectors")
    writer.create(DIMENSION)
    writer.write(0, vectors[:FIRST])
    reader, free = VectorMap(tmp_path / "vectors"), _next_descriptor()

    def refuse(*_: object, **__: object) -> None:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(mmap, "mmap", refuse)
        with pytest.raises(Damaged, match="Too many open files"):
            reader.matrix(FIRST)

    assert _next_descriptor() == free
    np.testing.assert_array_equal(reader.matrix(FIRST)[:FIRST], vectors[:FIRST])
    writer.close()


def _next_descriptor() -> int:
    file = os.open(os.devnull, os.O_RDONLY)
    os.close(file)
    return file
