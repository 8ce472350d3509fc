"""Which libraries there are, and which of them are open, in a process that only reads beside the one that writes.

It says nothing on its own authority: what it does not know, and what does not exist, the writer is asked for.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import structlog

from pergamum.engine.elsewhere import Elsewhere
from pergamum.engine.reader_library import ReaderLibrary
from pergamum.errors import Damaged, StorageFull, Unavailable
from pergamum.storage.watched import WatchedStorage

PAUSE_SECONDS: Final = 10.0
"""How long a library that could not be opened is left to the writer."""
MOST_KNOWN: Final = 10_000
"""References that are remembered: clients may spell one id in many ways."""

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Entry:
    """An open library and how many use it; a `closing` one is closed when the last lets go of it."""

    library: ReaderLibrary
    pins: int = 0
    closing: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Names:
    """Libraries by what they were called by since the catalogue had this version."""

    version: int
    known: dict[str, UUID] = field(default_factory=dict)


class ReaderCatalog:
    """Threads: any. Changed under `_changed` only: _entries, _opening, _not_before. `background` opens libraries."""

    def __init__(self, storage: WatchedStorage, max_open: int, background: Executor) -> None:
        self._storage, self._max_open, self._background = storage, max_open, background
        self._changed = threading.Lock()
        self._entries: OrderedDict[UUID, _Entry] = OrderedDict()
        self._opening: set[UUID] = set()
        self._not_before: dict[UUID, float] = {}
        self._names = _Names(storage.version())

    def resolve(self, reference: str) -> UUID:
        """Return the id of the library with this name or id, as things stand now. Raises `Elsewhere` where none has."""
        try:
            version, names = self._storage.version(), self._names
            if version != names.version:
                names = self._names = _Names(version)
            found = names.known.get(reference) or self._storage.find(reference)
        except Damaged as error:
            raise Elsewhere from error
        if found is None:
            raise Elsewhere
        if len(names.known) < MOST_KNOWN:
            names.known[reference] = found
        return found

    @contextmanager
    def opened(self, library_id: UUID) -> Iterator[ReaderLibrary]:
        """Pin the library for the block, its view not older than the rows at the call.

        Raises `Elsewhere` where it is not open here, or behind, or cannot be read: the writer says what is wrong.
        """
        entry = self._pin(library_id)
        try:
            entry.library.refresh()
            yield entry.library
        except (Damaged, StorageFull, Unavailable) as error:
            raise Elsewhere from error
        finally:
            self._unpin(entry)

    def is_open(self, library_id: UUID) -> bool:
        """Whether using the library now needs no opening."""
        return library_id in self._entries

    def position(self, library_id: UUID) -> int:
        """Return the position that searches see now. Raises `Elsewhere`."""
        with self.opened(library_id) as library:
            return library.view.state.position

    def open_soon(self, library_id: UUID) -> None:
        """Open the library in the background. REQUIRES: the writer has opened it since it began."""
        with self._changed:
            waits = time.monotonic() < self._not_before.get(library_id, 0.0)
            if waits or library_id in self._entries or library_id in self._opening:
                return
            self._opening.add(library_id)
        try:
            self._background.submit(self._open, library_id)
        except RuntimeError:  # the process is stopping
            with self._changed:
                self._opening.discard(library_id)

    def tidy(self) -> None:
        """Close libraries that were deleted, and those idle longest where there are too many."""
        with self._changed:
            held = tuple(self._entries)
        gone = {library_id for library_id in held if not self._is_listed(library_id)}  # searches do not wait for that
        with self._changed:
            gone &= self._entries.keys()
            spare = max(0, len(self._entries) - len(gone) - self._max_open)
            idle = [other for other, entry in self._entries.items() if not entry.pins and other not in gone]
            leaving = [self._entries.pop(library_id) for library_id in (*gone, *idle[:spare])]
            for entry in leaving:
                entry.closing = True
            closed = [entry for entry in leaving if not entry.pins]
            now = time.monotonic()
            self._not_before = {other: until for other, until in self._not_before.items() if until > now}
        for entry in closed:
            entry.library.close()

    def close(self) -> None:
        """Close every library, then the storage. REQUIRES: no search, and the background has ended."""
        with self._changed:  # `tidy` may be at it
            entries = list(self._entries.values())
            self._entries.clear()
        for entry in entries:
            entry.library.close()
        self._storage.close()

    def _pin(self, library_id: UUID) -> _Entry:
        with self._changed:
            entry = self._entries.get(library_id)
            if entry is None:
                raise Elsewhere(library_id)
            entry.pins += 1
            self._entries.move_to_end(library_id)
            return entry

    def _unpin(self, entry: _Entry) -> None:
        with self._changed:
            entry.pins -= 1
            last = entry.closing and not entry.pins
        if last:
            entry.library.close()

    def _open(self, library_id: UUID) -> None:
        try:
            store = self._storage.open(library_id)
            try:
                library = ReaderLibrary(store, self._background)
            except BaseException:
                store.close()
                raise
            with self._changed:
                self._entries[library_id] = _Entry(library)
        except Exception as error:  # noqa: BLE001 - whatever it is, the writer goes on answering for it
            with self._changed:
                self._not_before[library_id] = time.monotonic() + PAUSE_SECONDS
            log.warning("library not opened for reading", library=str(library_id), reason=repr(error))
        finally:
            with self._changed:
                self._opening.discard(library_id)
        self.tidy()

    def _is_listed(self, library_id: UUID) -> bool:
        try:
            return self._storage.is_listed(library_id)
        except Damaged:
            return True
