"""Building and driving the recorder (recorder.c), and reading what it wrote.

A recording is one file: the effects of every process that ran under the recorder, in the order in which they happened,
and between them the marks with which the workload says what it has started and what was acknowledged.
"""

import ctypes
import hashlib
import os
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).with_name("recorder.c")
HEADER = struct.Struct("<IHHIIQQQ")
MAGIC = 0x52434552

SHORT = -1
SHORT_THEN_FULL = -2


class Kind(IntEnum):
    """What a record says; the numbers are those of recorder.c."""

    OPEN = 1
    WRITE = 2
    TRUNCATE = 3
    ALLOCATE = 4
    SYNC_BEGIN = 5
    SYNC_END = 6
    RENAME = 7
    UNLINK = 8
    MKDIR = 9
    RMDIR = 10
    LINK = 11
    MARK = 12
    FAULT = 13


class Call(IntEnum):
    """The classes of calls that can be made to fail."""

    WRITE = 0
    SYNC = 1
    NAME = 2


CREATED, TRUNCATED, FOLDER = 1, 2, 4


class Event(NamedTuple):
    """One record. `offset` is also a length (TRUNCATE, ALLOCATE) and a ticket (SYNC_BEGIN, SYNC_END).

    A tuple, which is quickly made: the crash tests read some millions.
    """

    kind: Kind
    error: int
    flags: int
    process: int
    handle: int
    offset: int
    payload: bytes

    @property
    def text(self) -> str:
        return os.fsdecode(self.payload)


def build(folder: Path | None = None) -> Path:
    """Compile the recorder unless this very source was compiled before; return the library's path."""
    source = SOURCE.read_bytes()
    home = folder or Path(tempfile.gettempdir())
    library = home / f"pergamum-recorder-{os.getuid()}-{hashlib.sha256(source).hexdigest()[:16]}.so"
    if not library.exists():
        fresh = library.with_suffix(f".{os.getpid()}")
        subprocess.run(
            ["gcc", "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(fresh), str(SOURCE)], check=True
        )
        fresh.rename(library)
    return library


@dataclass(frozen=True, slots=True)
class Recorder:
    """Where to record: effects below `root`, into `log`; `swallow` names syncs that are to do nothing.

    The words of `swallow`: files, folders, wal (`*-wal`), vectors (`*.f32`).
    """

    root: Path
    log: Path
    swallow: tuple[str, ...] = ()

    def environment(self) -> dict[str, str]:
        """Return what to add to the environment of a process to be recorded."""
        return {
            "LD_PRELOAD": str(build()),
            "RECORDER_ROOT": str(self.root.resolve()),
            "RECORDER_LOG": str(self.log),
            "RECORDER_SWALLOW": ",".join(self.swallow),
        }


class Preloaded:
    """The recorder inside this process, which must have been started with it in LD_PRELOAD."""

    def __init__(self) -> None:
        if str(build()) not in os.environ.get("LD_PRELOAD", ""):
            raise RuntimeError("this process was started without the recorder")
        self._library = ctypes.CDLL(str(build()))
        self._library.recorder_calls.restype = ctypes.c_long
        self._library.recorder_arm.argtypes = [ctypes.c_int, ctypes.c_long, ctypes.c_int, ctypes.c_int]

    def start(self, root: Path, log: Path | None = None) -> None:
        """Watch `root` from now on, forgetting what was watched and counted before."""
        if self._library.recorder_start(os.fsencode(root), os.fsencode(log) if log else b""):
            raise FileNotFoundError(root)

    def stop(self) -> None:
        self._library.recorder_stop()

    def arm(self, call: Call, nth: int, action: int, *, sticky: bool = False) -> None:
        """Make the `nth` call (1 is the next) of a class fail with `action`: an errno, SHORT or SHORT_THEN_FULL."""
        self._library.recorder_arm(call, nth, action, sticky)

    def calls(self, call: Call) -> int:
        return int(self._library.recorder_calls(call))


class Marker:
    """Adds marks to a log, from any process. A mark is ordered with the effects recorded before and after it."""

    def __init__(self, log: Path) -> None:
        self._descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def mark(self, text: str) -> None:
        payload = text.encode()
        header = HEADER.pack(MAGIC, Kind.MARK, 0, 0, os.getpid(), 0, 0, len(payload))
        os.write(self._descriptor, header + payload)

    def close(self) -> None:
        os.close(self._descriptor)


def read_log(log: Path) -> list[Event]:
    """Return the recorded events in order. Raises ValueError when the log is not whole."""
    return list(_events(log.read_bytes()))


def _events(data: bytes) -> Iterator[Event]:
    at = 0
    while at < len(data):
        magic, kind, error, flags, process, handle, offset, length = HEADER.unpack_from(data, at)
        at += HEADER.size
        if magic != MAGIC or at + length > len(data):
            raise ValueError(f"the log is not whole at byte {at - HEADER.size}")
        yield Event(Kind(kind), error, flags, process, handle, offset, data[at : at + length])
        at += length
