"""The journal of one node: gives commands their order and lets those that wait share a flush.

A group is what arrived during the last flush; there is no waiting window. A command by filter is a group of its own: it
is about what the view shows, and that is published after each group. SQLite's own log is the durable one, so nothing is
written twice.
"""

import copy
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from pergamum.domain.commands import Command, DeleteChunk, DeleteDocument, DeleteWhere, Outcome
from pergamum.domain.replies import Keep
from pergamum.engine.by_filter import by_filter
from pergamum.engine.catalog import Catalog
from pergamum.engine.live_library import LiveLibrary
from pergamum.errors import Overloaded, ShuttingDown, StorageFull

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may go on at once: libraries written, commands waiting, commands in one group."""

    writers: int
    waiting: int
    group: int


@dataclass(frozen=True, slots=True, eq=False)
class _Ticket:
    command: Command
    keep: Keep | None
    settled: Future[Outcome] = field(default_factory=Future)

    @property
    def alone(self) -> bool:
        """Whether the command must be the only one of its group."""
        return by_filter(self.command)


class LocalJournal:
    """Threads: any. Changed under `_lock` only: _queues, _waiting, _closed.

    `look_after` is told of every library that was written, after its writers were. A library with a queue has exactly
    one drain scheduled or running, so its groups never overlap.
    """

    def __init__(self, catalog: Catalog, look_after: Callable[[LiveLibrary], None], limits: Limits) -> None:
        self._catalog, self._upkeep, self._limits = catalog, look_after, limits
        self._writers = ThreadPoolExecutor(limits.writers, thread_name_prefix="write")
        self._lock = threading.Lock()
        self._queues: dict[UUID, deque[_Ticket]] = {}
        self._waiting = 0
        self._closed = False

    def submit(self, library_id: UUID, command: Command, keep: Keep | None = None) -> Outcome:
        """See `Journal.submit`."""
        outcome = self._enqueue(library_id, _Ticket(command, keep)).settled.result()
        if outcome.refusal is not None:
            raise outcome.refusal
        return outcome

    def close(self) -> None:
        """See `Journal.close`."""
        with self._lock:
            self._closed = True
        self._writers.shutdown(wait=True)

    def _enqueue(self, library_id: UUID, ticket: _Ticket) -> _Ticket:
        with self._lock:
            if self._closed:
                raise ShuttingDown
            if self._waiting >= self._limits.waiting:
                raise Overloaded("writes", self._limits.waiting)
            self._waiting += 1
            queue = self._queues.get(library_id)
            if queue is not None:
                queue.append(ticket)
                return ticket
            self._queues[library_id] = deque([ticket])
            self._writers.submit(self._drain, library_id)
        return ticket

    def _drain(self, library_id: UUID) -> None:
        """Settle one group, then go on behind the other libraries that wait for a thread, until nothing waits here."""
        while group := self._next_group(library_id):
            self._settle(library_id, group)
            with self._lock:
                if not self._closed:
                    self._writers.submit(self._drain, library_id)
                    return

    def _next_group(self, library_id: UUID) -> list[_Ticket]:
        with self._lock:
            queue = self._queues[library_id]
            group = _first_group(queue, self._limits.group)
            self._waiting -= len(group)
            if not group:
                del self._queues[library_id]
        return group

    def _settle(self, library_id: UUID, group: Sequence[_Ticket]) -> None:
        try:
            with self._catalog.opened(library_id) as library:
                self._write(library, group)
                self._look_after(library)
        except BaseException as error:  # noqa: BLE001 - whatever it is, somebody waits for it
            _fail(group, error)

    def _write(self, library: LiveLibrary, group: Sequence[_Ticket]) -> None:
        try:
            outcomes = library.write([ticket.command for ticket in group], [ticket.keep for ticket in group])
        except StorageFull as error:
            if len(group) == 1:
                return self._write_on_full_disk(library, group[0], error)
            return self._write_each(library, group)
        for ticket, outcome in zip(group, outcomes, strict=True):
            ticket.settled.set_result(outcome)
        return None

    def _write_each(self, library: LiveLibrary, group: Sequence[_Ticket]) -> None:
        """Settle each command alone: one that is too large must not fail the small ones beside it."""
        for ticket in group:
            try:
                self._write(library, [ticket])
            except StorageFull as error:
                _fail([ticket], error)

    def _write_on_full_disk(self, library: LiveLibrary, ticket: _Ticket, error: StorageFull) -> None:
        """Give a deletion the reserve that is kept for it; everything else has to wait for space."""
        if not isinstance(ticket.command, DeleteDocument | DeleteChunk | DeleteWhere):
            raise error
        with self._catalog.reserve_released():
            ticket.settled.set_result(library.write([ticket.command], [ticket.keep])[0])

    def _look_after(self, library: LiveLibrary) -> None:
        """Do what a write leaves to be done, after its acknowledgement: nobody's request waits for it."""
        library.checkpoint()
        self._upkeep(library)


def _first_group(queue: deque[_Ticket], most: int) -> list[_Ticket]:
    """Take the commands off the queue that are settled together next, at most so many."""
    group: list[_Ticket] = []
    while queue and len(group) < most and not (group and queue[0].alone):
        group.append(queue.popleft())
        if group[-1].alone:
            break
    return group


def _fail(group: Sequence[_Ticket], error: BaseException) -> None:
    """Tell everybody who still waits. Each gets a copy: an exception that several threads raise mixes tracebacks."""
    waiting = [ticket for ticket in group if not ticket.settled.done()]
    if not waiting:
        log.error("upkeep after a write failed", reason=str(error))
    for ticket in waiting:
        ticket.settled.set_exception(copy.copy(error))
