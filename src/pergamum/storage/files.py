"""Durable files: every created or renamed file and folder is followed by a flush of its parent folder.

A full disk is `StorageFull`: nothing was kept and the next write may try. Any other failure to write or to flush is
`OutcomeUnknown`: the page cache may look clean and not be on disk, so whoever owns the file stops writing to it.
"""

import errno
import os
import secrets
from pathlib import Path

from pergamum.errors import OutcomeUnknown, PergamumError, StorageFull

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the system says when there is no room: the disk, the quota, the greatest size of a file."""


def write_failure(error: OSError) -> PergamumError:
    """Return what a failure of the system to write means."""
    return StorageFull() if error.errno in FULL else OutcomeUnknown(str(error))


def write_all(file: int, content: bytes | memoryview, offset: int) -> None:
    """Write all of `content` at `offset`, however many calls the system needs. Not durable before `flush`."""
    rest = memoryview(content).cast("B")
    try:
        while rest:
            written = os.pwrite(file, rest, offset)
            rest, offset = rest[written:], offset + written
    except OSError as error:
        raise write_failure(error) from error


def flush(file: int) -> None:
    """Make the file's bytes and size durable. Any failure is `OutcomeUnknown`; never try the same flush again."""
    try:
        os.fdatasync(file)
    except OSError as error:
        raise OutcomeUnknown(str(error)) from error


def reserve(file: int, size: int) -> None:
    """Make the file at least `size` bytes long, with room on the disk for all of them."""
    try:
        os.posix_fallocate(file, 0, size)
    except OSError as error:
        raise write_failure(error) from error


def fsync_folder(folder: Path) -> None:
    """Make the names in the folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise OutcomeUnknown(str(error)) from error
    finally:
        os.close(descriptor)


def fsync_file(path: Path) -> None:
    """Make the bytes of a closed file durable."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        flush(descriptor)
    finally:
        os.close(descriptor)


def create_folder(folder: Path) -> None:
    """Make the folder and its name durable; harmless when it exists."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise write_failure(error) from error
    fsync_folder(folder.parent)


def write_file(path: Path, content: bytes, size: int = 0) -> None:
    """Make a file of this content, at least `size` bytes long, and its name durable; it replaces an older one whole.

    A crash leaves the older file or the new one, never a part; at worst a file `.new-<random>` stays beside it.
    """
    fresh = path.with_name(f".new-{secrets.token_hex(8)}")
    try:
        _write_fresh(fresh, content, size)
        rename(fresh, path)
    except PergamumError:
        fresh.unlink(missing_ok=True)
        raise


def _write_fresh(path: Path, content: bytes, size: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except OSError as error:
        raise write_failure(error) from error
    try:
        if size > len(content):
            reserve(descriptor, size)
        write_all(descriptor, content, 0)
        flush(descriptor)
    finally:
        os.close(descriptor)


def rename(source: Path, target: Path) -> None:
    """Rename durably; an existing file at `target` is replaced in one step."""
    try:
        source.rename(target)
    except OSError as error:
        raise write_failure(error) from error
    fsync_folder(target.parent)
    if source.parent != target.parent:
        fsync_folder(source.parent)


def remove_file(path: Path) -> None:
    """Remove the file durably; harmless when there is none."""
    path.unlink(missing_ok=True)
    fsync_folder(path.parent)


def flush_again(path: Path) -> None:
    """Write the file's own bytes over themselves and flush them; harmless when there is none.

    After a failed flush the page cache may hold bytes that count as clean and are not on disk, so a second flush
    alone would succeed and change nothing. Writing them makes every page dirty again, and the flush then means it.
    """
    if not path.exists():
        return
    descriptor = os.open(path, os.O_RDWR)
    try:
        _write_over_itself(descriptor)
        flush(descriptor)
    finally:
        os.close(descriptor)


def _write_over_itself(descriptor: int) -> None:
    offset = 0
    while block := os.pread(descriptor, 1 << 20, offset):
        write_all(descriptor, block, offset)
        offset += len(block)
