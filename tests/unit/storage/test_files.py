"""Durable files: whole or not at all, and a failure says whether the next write may try."""

import errno
import os
from pathlib import Path

import pytest

from pergamum.errors import OutcomeUnknown, StorageFull
from pergamum.storage.files import create_folder, flush_again, remove_file, rename, write_file


def refuse(number: int) -> object:
    """Return a function that raises the system's error."""

    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    return fail


def test_a_file_replaces_an_older_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "CURRENT"
    write_file(path, b"a longer first content")

    write_file(path, b"second", size=10)

    assert path.read_bytes() == b"second\0\0\0\0"
    assert os.listdir(tmp_path) == ["CURRENT"]  # noqa: PTH208  # names are what is tested


@pytest.mark.parametrize(
    ("call", "number", "expected"),
    [
        ("pwrite", errno.ENOSPC, StorageFull),
        ("pwrite", errno.EDQUOT, StorageFull),
        ("pwrite", errno.EFBIG, StorageFull),
        ("pwrite", errno.EIO, OutcomeUnknown),
        ("posix_fallocate", errno.ENOSPC, StorageFull),
        ("fdatasync", errno.EIO, OutcomeUnknown),
        ("fdatasync", errno.ENOSPC, OutcomeUnknown),
        ("fsync", errno.EIO, OutcomeUnknown),
    ],
)
def test_a_failure_leaves_the_older_file_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, expected: type[Exception]
) -> None:
    path = tmp_path / "CURRENT"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, call, refuse(number))

    with pytest.raises(expected):
        write_file(path, b"new", size=100)

    assert path.read_bytes().rstrip(b"\0") in {b"old", b"new"}
    assert [found.name for found in tmp_path.iterdir()] == ["CURRENT"]


def test_flushing_again_writes_every_byte_before_it_flushes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    content = os.urandom(3_000_001)
    path.write_bytes(content)
    written = bytearray(len(content))
    flushed: list[bytes] = []
    pwrite = os.pwrite

    def record(descriptor: int, block: memoryview, offset: int) -> int:
        written[offset : offset + len(block)] = block
        return pwrite(descriptor, block, offset)

    monkeypatch.setattr(os, "pwrite", record)
    monkeypatch.setattr(os, "fdatasync", lambda _: flushed.append(bytes(written)))

    flush_again(path)

    assert flushed == [content]
    assert path.read_bytes() == content


def test_what_is_there_or_not_there_already_does_no_harm(tmp_path: Path) -> None:
    create_folder(tmp_path / "made")
    create_folder(tmp_path / "made")

    flush_again(tmp_path / "nothing")
    remove_file(tmp_path / "nothing")

    assert [found.name for found in tmp_path.iterdir()] == ["made"]


def test_a_rename_flushes_both_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "from").mkdir()
    (tmp_path / "to").mkdir()
    (tmp_path / "from" / "x").touch()
    opened: dict[int, str] = {}
    flushed: set[str] = set()
    real_open = os.open

    def record(path: Path, flags: int) -> int:
        descriptor = real_open(path, flags)
        opened[descriptor] = Path(path).name
        return descriptor

    monkeypatch.setattr(os, "open", record)
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.add(opened[descriptor]))

    rename(tmp_path / "from" / "x", tmp_path / "to" / "y")

    assert (tmp_path / "to" / "y").exists()
    assert flushed == {"from", "to"}
