"""The data folder: one process at a time, a format, a place for each library, trash, a reserve for a full disk.

    data/lock  format  reserve  catalog.db  libraries/<uuid>/{CURRENT, g000001/}  trash/<random>/

docs/formats/data-folder.md.
"""

import fcntl
import os
import re
import secrets
import shutil
import socket
from contextlib import suppress
from pathlib import Path
from typing import Final
from uuid import UUID

from pergamum.errors import Damaged, DataFolderInUse, NewerFormat, StorageFull
from pergamum.storage.files import create_folder, fsync_folder, remove_file, rename, write_file

FORMAT: Final = 1
RESERVE_BYTES: Final = 1 << 20
LEAST_RESERVE_BYTES: Final = 64 << 10
FIRST_GENERATION: Final = "g000001"
_FORMAT_LINE: Final = re.compile(rb"pergamum data folder, format (\d+)\n")
_GENERATION: Final = re.compile(r"g\d{6}")


class DataFolder:
    """An open data folder, locked for this process until `close`. Raises `DataFolderInUse`, `Damaged`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.catalog = path / "catalog.db"
        self.libraries = path / "libraries"
        self.trash = path / "trash"
        self._reserve = path / "reserve"
        path.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(path)
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let another process have the folder."""
        os.close(self._lock)

    def library(self, library_id: UUID) -> Path:
        """Return the folder of a library, which may not exist."""
        return self.libraries / str(library_id)

    def library_ids(self) -> set[UUID]:
        """Return the libraries that have a folder; a folder of another name is not ours and left alone."""
        found: set[UUID] = set()
        for entry in self.libraries.iterdir():
            with suppress(ValueError):
                found.add(UUID(entry.name))
        return found

    def generation(self, library_id: UUID) -> Path:
        """Return the folder of the generation in force. Raises `Damaged` when it is missing."""
        return current_generation(self.library(library_id))

    def new_trash(self) -> Path:
        """Return a path inside trash/ that nobody uses. What is there at the next start is removed."""
        return self.trash / secrets.token_hex(16)

    def discard(self, folder: Path) -> None:
        """Take a folder away durably, then give its bytes back; what cannot be removed now is removed at the start."""
        trash = self.new_trash()
        rename(folder, trash)
        shutil.rmtree(trash, ignore_errors=True)

    def empty_trash(self) -> None:
        """Remove what a crash left in trash/."""
        for entry in self.trash.iterdir():
            shutil.rmtree(entry, ignore_errors=True)

    def release_reserve(self) -> None:
        """Give the reserve back to the disk, so that deletes can work on a full one."""
        remove_file(self._reserve)

    def restore_reserve(self) -> None:
        """Make the reserve again, as large as there is room for; harmless when it is there."""
        size = RESERVE_BYTES
        while size >= LEAST_RESERVE_BYTES and not self._reserve.exists():
            with suppress(StorageFull):
                write_file(self._reserve, b"", size)
            size //= 2

    def _prepare(self) -> None:
        form = self.path / "format"
        if form.exists():
            _check_format(form)
        elif self.catalog.exists() or self.libraries.exists():
            raise Damaged(str(form), "the file is missing from a folder that holds data")
        else:
            fsync_folder(self.path.parent)
            write_file(form, b"pergamum data folder, format %d\n" % FORMAT)
        create_folder(self.libraries)
        create_folder(self.trash)
        self.restore_reserve()


def current_generation(library: Path) -> Path:
    """Return the folder CURRENT names. Raises `Damaged` when either is missing."""
    current = library / "CURRENT"
    try:
        name = current.read_text("ascii").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Damaged(str(current), str(error)) from error
    if not _GENERATION.fullmatch(name):
        raise Damaged(str(current), f"{name!r} is not the name of a generation")
    if not (library / name).is_dir():
        raise Damaged(str(library / name), "the folder is missing")
    return library / name


def _lock(folder: Path) -> int:
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(descriptor, 1_024, 0).decode(errors="replace").strip()
        os.close(descriptor)
        raise DataFolderInUse(str(folder), holder or "another process") from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
    return descriptor


def _check_format(path: Path) -> None:
    found = _FORMAT_LINE.fullmatch(path.read_bytes())
    if found is None:
        raise Damaged(str(path), "this is not the format line of a data folder")
    if int(found[1]) > FORMAT:
        raise NewerFormat(str(path), int(found[1]), FORMAT)
