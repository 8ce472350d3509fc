"""Which libraries there are, and which of them are open.

Thousands of libraries may exist; at most `max_open` are open, and those idle longest make room. Whoever uses a library
pins it with `opened`. Pinning takes a mutex for a few instructions; a search itself takes none.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias
from uuid import UUID

import structlog

from pergamum.domain.etags import IfMatch
from pergamum.domain.library import Library, spelled_id
from pergamum.domain.operation import Operation
from pergamum.domain.replies import KeptReply
from pergamum.engine.live_library import LiveLibrary
from pergamum.engine.preconditions import refuse_other_version
from pergamum.errors import LibraryNotFound, OperationNotFound, OutcomeUnknown, Overloaded, PergamumError, StorageFull
from pergamum.storage.base import Storage

ROOM_SECONDS = 30.0
"""Longest wait for room when every open library is in use."""

log = structlog.get_logger(__name__)


KeptAt: TypeAlias = Callable[[int], KeptReply | None]
"""Makes what is kept of a request of the position it comes to."""


class _State(Enum):
    OPENING = auto()
    OPEN = auto()
    CLOSING = auto()


@dataclass(slots=True, eq=False)
class _Entry:
    """An open library and how many use it. `library` is set as long as the state is OPEN."""

    state: _State = _State.OPENING
    library: LiveLibrary | None = None
    pins: int = 1

    def usable(self) -> bool:
        return self.state is _State.OPEN and self.library is not None and self.library.failure is None

    def idle(self) -> bool:
        return self.state is _State.OPEN and not self.pins


@dataclass(frozen=True, slots=True)
class Health:
    """What an operator wants to know at a glance. `unlisted` folders hold data that no catalogue row names."""

    libraries: int
    open: int
    read_only: int
    damaged_chunks: int
    unlisted: tuple[str, ...]


def _keep_nothing(_position: int) -> None:
    """Serve requests without a key."""


class Catalog:
    """Threads: any. Changed under `_changed` only: _ids, _listed, _entries."""

    def __init__(self, storage: Storage, max_open: int, observe_flush: Callable[[float], None]) -> None:
        self._storage, self._max_open, self._observe_flush = storage, max_open, observe_flush
        self._unlisted = tuple(str(library_id) for library_id in storage.tidy())
        self._when_opened: Callable[[LiveLibrary], None] = _ignore
        self._when_deleted: Callable[[UUID], None] = _ignore
        self._changed = threading.Condition()
        self._renaming = threading.Lock()
        self._entries: OrderedDict[UUID, _Entry] = OrderedDict()
        self._listed = storage.catalog.libraries()
        self._ids = self._names()
        self._finish_renames()

    def watch(self, opened: Callable[[LiveLibrary], None], deleted: Callable[[UUID], None]) -> None:
        """Let `opened` hear of each library that is opened, while it is pinned, and `deleted` of each that is deleted,
        before its deletion waits for whoever uses it. Neither may raise or take long.
        """
        self._when_opened, self._when_deleted = opened, deleted

    # Which libraries there are -------------------------------------------------------------------------------------

    def create(self, library: Library, kept: KeptReply | None = None) -> None:
        """Make the library durable and findable. Raises `LibraryExists`, `StorageFull`, `OutcomeUnknown`.

        The reply is kept in the transaction that lists the library.
        When the outcome is unknown the store stays: the catalogue may have kept the row. An unused store that it does
        not list is removed at the next start.
        """
        self._storage.create(library)
        try:
            self._storage.catalog.add(library.id, library.name, library.created_at, kept)
        except OutcomeUnknown:
            with suppress(PergamumError):  # asking opens the catalogue again, and that settles what it kept
                if library.id in self._storage.catalog.libraries():
                    self._enter(library)
            raise
        except PergamumError:
            self._storage.destroy(library.id)
            raise
        self._enter(library)

    def delete(self, library_id: UUID, if_match: IfMatch | None = None, kept: KeptAt = _keep_nothing) -> int:
        """Delete the library and give its bytes back; return the position of the deletion.

        The tombstone is what counts: after it a crash cannot bring the library back. Whoever uses the library at
        that moment may finish reading. `kept` makes of the position the reply that is kept with the tombstone. Raises
        `PreconditionFailed`.
        """
        with self.opened(library_id) as library, library.held_still():
            refuse_other_version(if_match, library.view.state.library)
            position = library.view.state.position + 1
            self._bury(library_id, kept(position))
            library.retire()
        with self._changed:
            self._listed.discard(library_id)
            self._ids = {name: owner for name, owner in self._ids.items() if owner != library_id}
        self._when_deleted(library_id)
        self._close_when_idle(library_id)
        try:
            self._storage.destroy(library_id)
        except (PergamumError, OSError) as error:  # deleted it is; its bytes are given back at the next start
            log.warning("files of a deleted library left behind", library=str(library_id), reason=str(error))
        return position

    def _bury(self, library_id: UUID, kept: KeptReply | None) -> None:
        try:
            self._storage.catalog.remove(library_id, kept)
        except StorageFull:
            with self.reserve_released():
                self._storage.catalog.remove(library_id, kept)

    def resolve(self, reference: str) -> UUID:
        """Return the id of the library with this name or id. Raises `LibraryNotFound`."""
        library_id = self._ids.get(reference) or spelled_id(reference)
        if library_id is None or library_id not in self._listed:
            raise LibraryNotFound(reference)
        return library_id

    def page(self, after: str | None, limit: int) -> list[tuple[str, UUID]]:
        """Return at most `limit` libraries with their names, in ascending order, those after the name `after`."""
        return self._storage.catalog.page(after, limit)

    @contextmanager
    def renaming(self, library_id: UUID, name: str) -> Iterator[None]:
        """Hold `name` for the library while the block renames it, then free the names it does not have.

        Raises `LibraryExists`. When the outcome of the block is unknown the library is asked for its name; while it
        cannot be opened, both names stay. REQUIRES: the caller has not pinned the library.
        """
        with self._renaming:
            self._storage.catalog.reserve(library_id, name)
            with self._changed:
                self._ids[name] = library_id
            try:
                yield
            except OutcomeUnknown:
                with suppress(PergamumError):  # opening it again settles which name it has
                    self._keep_current_name(library_id)
                raise
            except BaseException:
                self._keep_current_name(library_id)
                raise
            self._keep_current_name(library_id)

    @contextmanager
    def reserve_released(self) -> Iterator[None]:
        """Let the block use the space that is kept for deletions on a full disk."""
        self._storage.release_reserve()
        try:
            yield
        finally:
            self._storage.restore_reserve()

    def reply(self, key: str) -> KeptReply | None:
        """Return what is kept of requests that are no commands of a library, however old."""
        return self._storage.catalog.reply(key)

    def keep_reply(self, kept: KeptReply) -> None:
        """Keep the reply to something that is done: what cannot be kept now is no reason to say that it is not."""
        try:
            self._storage.catalog.keep_reply(kept)
        except PergamumError as error:
            log.warning("a reply was not kept", reason=str(error))

    def save_operation(self, operation: Operation) -> None:
        """Store the operation, or what has become of it, durably."""
        self._storage.catalog.save_operation(operation)

    def operation(self, operation_id: UUID) -> Operation:
        """Return the operation. Raises `OperationNotFound`."""
        operation = self._storage.catalog.operation(operation_id)
        if operation is None:
            raise OperationNotFound(str(operation_id))
        return operation

    def unfinished_operations(self) -> list[Operation]:
        """Return the operations that have not ended, the oldest first."""
        return self._storage.catalog.unfinished_operations()

    # Which libraries are open --------------------------------------------------------------------------------------

    @contextmanager
    def opened(self, library_id: UUID) -> Iterator[LiveLibrary]:
        """Pin the library open for the block. Raises `LibraryNotFound`, `Damaged`, `Overloaded`."""
        entry = self._pin(library_id)
        assert entry.library is not None, "a pinned entry is open"
        try:
            yield entry.library
        finally:
            self._unpin(library_id, entry)

    def is_open(self, library_id: UUID) -> bool:
        """Whether using the library now needs no opening."""
        entry = self._entries.get(library_id)
        return entry is not None and entry.usable()

    def position_if_open(self, library_id: UUID) -> int | None:
        """Return the position that searches see now; None where using the library needs opening. Never waits."""
        entry = self._entries.get(library_id)
        library = entry.library if entry is not None and entry.usable() else None
        return None if library is None else library.view.state.position

    def open_libraries(self) -> list[LiveLibrary]:
        """Return the libraries open now, for figures; they may be closed at any time."""
        with self._changed:
            return [entry.library for entry in self._entries.values() if entry.library and entry.usable()]

    def health(self) -> Health:
        """Return the state of affairs. Damage is counted in open libraries only."""
        with self._changed:
            libraries = [entry.library for entry in self._entries.values() if entry.library]
            listed = len(self._listed)
        return Health(
            libraries=listed,
            open=len(libraries),
            read_only=sum(library.failure is not None for library in libraries),
            damaged_chunks=sum(library.view.damaged for library in libraries),
            unlisted=self._unlisted,
        )

    def close(self) -> None:
        """Close every library, then the storage. REQUIRES: no new use."""
        for library_id in list(self._entries):
            self._close_when_idle(library_id)
        self._storage.close()

    def _pin(self, library_id: UUID) -> _Entry:
        while (entry := self._pinned_or_new(library_id)) is None:
            pass  # another library was closed to make room, or this one is on its way in or out: look again
        if entry.state is _State.OPEN:
            return entry
        try:
            library = self._open(library_id)
        except BaseException:
            self._forget(library_id)
            raise
        with self._changed:
            entry.state, entry.library = _State.OPEN, library
            self._changed.notify_all()
        self._when_opened(library)
        return entry

    def _open(self, library_id: UUID) -> LiveLibrary:
        """Open the library; on a full disk by the reserve, because SQLite needs a few pages even for reading."""
        try:
            return LiveLibrary(self._storage.open(library_id), self._observe_flush)
        except StorageFull:
            with self.reserve_released():
                return LiveLibrary(self._storage.open(library_id), self._observe_flush)

    def _pinned_or_new(self, library_id: UUID) -> _Entry | None:
        """Return the open entry, pinned, or a new one that the caller has to open; None: look again."""
        with self._changed:
            if library_id not in self._listed:  # whoever uses a library that is being deleted may finish, nobody begins
                raise LibraryNotFound(str(library_id))
            entry = self._entries.get(library_id)
            if entry is not None and entry.usable():
                entry.pins += 1
                self._entries.move_to_end(library_id)
                return entry
            if entry is not None:
                self._wait()
                return None
            if len(self._entries) < self._max_open:
                return self._entries.setdefault(library_id, _Entry())
            victim = next(((other, idle) for other, idle in self._entries.items() if idle.idle()), None)
            if victim is None:
                self._wait()
                return None
            victim[1].state = _State.CLOSING
        self._close(*victim)
        return None

    def _wait(self) -> None:
        """Wait until an entry has changed. REQUIRES: `_changed` is held."""
        if not self._changed.wait(ROOM_SECONDS):
            raise Overloaded("open libraries", self._max_open)

    def _unpin(self, library_id: UUID, entry: _Entry) -> None:
        with self._changed:
            entry.pins -= 1
            if entry.pins:
                return
            self._changed.notify_all()
            if entry.usable() or entry.state is not _State.OPEN:
                return
            entry.state = _State.CLOSING
        self._close(library_id, entry)  # its flush failed: the next use opens it again, which recovers it

    def _close_when_idle(self, library_id: UUID) -> None:
        with self._changed:
            while (entry := self._entries.get(library_id)) is not None and not entry.idle():
                self._changed.wait()
            if entry is None:
                return
            entry.state = _State.CLOSING
        self._close(library_id, entry)

    def _close(self, library_id: UUID, entry: _Entry) -> None:
        try:
            if entry.library is not None:
                entry.library.close()
        except (PergamumError, OSError) as error:
            log.error("library not closed cleanly", library=str(library_id), reason=str(error))
        finally:
            self._forget(library_id)

    def _forget(self, library_id: UUID) -> None:
        with self._changed:
            self._entries.pop(library_id, None)
            self._changed.notify_all()

    # Names ---------------------------------------------------------------------------------------------------------

    def _enter(self, library: Library) -> None:
        with self._changed:
            self._listed.add(library.id)
            self._ids[library.name] = library.id

    def _names(self) -> dict[str, UUID]:
        names: dict[str, UUID] = {}
        while page := self._storage.catalog.page(max(names, default=None), 1_000):
            names.update(page)
        return names

    def _finish_renames(self) -> None:
        """Free the name that a crash left a library with besides the one in its settings."""
        owners = list(self._ids.values())
        for library_id in {owner for owner in owners if owners.count(owner) > 1}:
            self._keep_current_name(library_id)

    def _keep_current_name(self, library_id: UUID) -> None:
        with self.opened(library_id) as library:
            name = library.view.state.library.name
        try:
            self._storage.catalog.release_all_but(library_id, name)
        except PergamumError as error:  # the library has its name; the other one is freed at the next start
            log.warning("a name was not freed", library=str(library_id), reason=str(error))
            return
        with self._changed:
            others = {other: owner for other, owner in self._ids.items() if owner != library_id}
            self._ids = others | {name: library_id}


def _ignore(_happened: object) -> None:
    """Nobody watches."""
