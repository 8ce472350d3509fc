"""The checksum of a file is that of its bytes, however they were cut for several threads."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pergamum.engine import checksums
from pergamum.engine.checksums import file_checksum, joined


@given(first=st.binary(max_size=300), second=st.binary(max_size=300))
def test_checksums_of_pieces_make_that_of_the_whole(first: bytes, second: bytes) -> None:
    assert joined(crc32(first), crc32(second), len(second)) == crc32(first + second)


@pytest.mark.parametrize("size", [0, 1, 999, 1_000, 1_001, 5_000, 7_777])
@pytest.mark.parametrize("cores", [1, 3])
def test_a_file_has_the_checksum_of_its_bytes(
    size: int, cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checksums, "_PIECE", 1_000)
    monkeypatch.setattr(checksums, "_READ_AT_ONCE", 300)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    content = os.urandom(size)
    (tmp_path / "file").write_bytes(content)

    assert file_checksum(tmp_path / "file") == [size, crc32(content)]


def test_one_thread_does_it_when_no_other_can_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("cannot schedule new futures after interpreter shutdown")

    monkeypatch.setattr(checksums, "_PIECE", 1_000)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(ThreadPoolExecutor, "map", refuse)
    (tmp_path / "file").write_bytes(bytes(5_000))

    assert file_checksum(tmp_path / "file") == [5_000, crc32(bytes(5_000))]


def test_a_file_that_becomes_shorter_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"1234")
    monkeypatch.setattr(os, "preadv", lambda *_: 0)

    with pytest.raises(OSError, match="became shorter"):
        file_checksum(tmp_path / "file")
