"""A file system for SQLite that fails when told: the real SQLite meets a failed flush or a full disk."""

from collections.abc import Iterator
from contextlib import contextmanager

import apsw


class FaultyVfs(apsw.VFS):
    """Serves every connection opened while it is installed. `fail_sync` and `fail_write` hold a result code, or 0."""

    def __init__(self) -> None:
        super().__init__("faulty", "unix", makedefault=True)
        self.fail_sync = 0
        self.fail_write = 0

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> "FaultyFile":  # noqa: N802  # apsw's name
        return FaultyFile(self, name, flags)


class FaultyFile(apsw.VFSFile):
    """One file of it."""

    def __init__(self, faults: FaultyVfs, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._faults = faults

    def xSync(self, flags: int) -> None:  # noqa: N802  # apsw's name
        if self._faults.fail_sync:
            raise apsw.exception_for(self._faults.fail_sync)
        super().xSync(flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802  # apsw's name
        if self._faults.fail_write:
            raise apsw.exception_for(self._faults.fail_write)
        super().xWrite(data, offset)


@contextmanager
def faulty_vfs() -> Iterator[FaultyVfs]:
    """Install the file system for the connections opened in the block."""
    vfs = FaultyVfs()
    try:
        yield vfs
    finally:
        vfs.unregister()
