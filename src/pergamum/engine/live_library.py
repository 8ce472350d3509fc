"""One open library: the current view, and the one way it changes.

A search takes the view in one attribute read and uses only it, without a lock. The writer builds the next view and
publishes it in one assignment, after the commit and before the acknowledgement.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import structlog

from pergamum.domain.commands import Command, Outcome
from pergamum.domain.library import IndexSpec
from pergamum.domain.query import Answer, Hit
from pergamum.domain.vectors import Matrix, Vector
from pergamum.engine.planner import Plan, plan
from pergamum.engine.recovery import open_view
from pergamum.engine.snapshots import discard_snapshots, save_snapshot, snapshot_bytes
from pergamum.engine.state_machine import StateMachine
from pergamum.engine.view import View
from pergamum.errors import Damaged, LibraryReadOnly, PergamumError, StorageFull
from pergamum.index.base import Neighbours
from pergamum.storage.base import LibraryStore, Rows, StoredChunk

SNAPSHOT_SLOTS = 16_384
"""New slots that make a new index snapshot worth its flushes: fewer are quantised again at opening in some 20 ms."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """What there is to know of a library's index.

    `tail`: slots beyond the snapshot, read again at opening. `memory_bytes` is anonymous memory, `mapped_bytes` the
    float32 vectors mapped from their file, `disk_bytes` the index snapshot.
    """

    spec: IndexSpec
    slots: int
    dead_slots: int
    damaged: int
    tail: int
    memory_bytes: int
    mapped_bytes: int
    disk_bytes: int


class LiveLibrary:
    """Threads: searches and reads overlap with everything; `write` and `save_snapshot` take turns.

    Constant after construction: store, observe_flush. Changed under `_writer` only: _view, _failure, _saved_slots.
    """

    def __init__(self, store: LibraryStore, observe_flush: Callable[[float], None]) -> None:
        self._store, self._observe_flush = store, observe_flush
        self._writer = threading.RLock()
        try:
            self._view, self._saved_slots = open_view(store)
        except BaseException:
            store.close()
            raise
        self._failure: str | None = None

    @property
    def view(self) -> View:
        """The current view; it never changes, but a newer one may take its place at any time."""
        return self._view

    @property
    def failure(self) -> str | None:
        """Why no more writes are taken, or None. Its upkeep may fail too."""
        return self._failure or self._store.failure

    def reading(self) -> AbstractContextManager[Rows]:
        """Open a read transaction; it is never older than the view was at the call."""
        return self._store.reading()

    def embedding(self, stored: StoredChunk) -> Vector:
        """Return a copy of the chunk's vector."""
        return np.array(self._store.vectors.matrix(stored.slot + 1)[stored.slot])

    # Search --------------------------------------------------------------------------------------------------------

    def predicted_seconds(self, queries: int) -> float:
        """Return what answering that many queries should cost now, on one core."""
        return plan(self._view, queries).seconds

    def search(self, queries: Matrix, k: int) -> list[Answer]:
        """Return for each query its nearest chunks, all at one position.

        REQUIRES: queries float32 (m, dimension) that have passed the library's check. The rows of the hits are read
        after the view was taken: when one has changed since, the search is made again on the current view, and a
        third time between two commits of the writer, where that cannot happen.
        """
        for _ in range(2):
            answers = self._answers(self._view, queries, k)
            if answers is not None:
                return answers
        with self._writer:
            answers = self._answers(self._view, queries, k)
        if answers is None:
            raise LibraryReadOnly(self.failure or "its rows are newer than its index")
        return answers

    def _answers(self, view: View, queries: Matrix, k: int) -> list[Answer] | None:
        """Answer from `view`, or return None when a row of a hit has changed since."""
        found = view.search(queries, k)
        slots = set(found.slots.ravel().tolist()) - {-1}
        try:
            rows = self._rows_at(slots)
        except Damaged:
            self._leave_out_damaged(slots)
            return None
        position = view.state.position
        if len(rows) < len(slots) or any(row.changed > position for row in rows.values()):
            return None
        return _assembled(view, found, rows, plan(view, len(queries)))

    def _rows_at(self, slots: set[int]) -> dict[int, StoredChunk]:
        if not slots:
            return {}
        with self._store.reading() as rows:
            return rows.chunks_at(list(slots))

    def _leave_out_damaged(self, slots: set[int]) -> None:
        """Publish a view without those of `slots` whose rows cannot be read."""
        with self._writer:
            damaged = [slot for slot in sorted(slots) if not self._readable(slot)]
            log.error("damaged rows left out", library=str(self._view.state.library.id), slots=damaged)
            self._view = self._view.without(damaged)

    def _readable(self, slot: int) -> bool:
        try:
            self._rows_at({slot})
        except Damaged:
            return False
        return True

    # Write ---------------------------------------------------------------------------------------------------------

    def write(self, commands: Sequence[Command]) -> list[Outcome]:
        """Apply a group of commands with one flush; return when it is durable and visible.

        Raises `StorageFull` (nothing of the group is kept), `LibraryReadOnly`, or `OutcomeUnknown`, after which the
        library takes no writes until it is opened again.
        """
        with self._writer:
            if self.failure is not None:
                raise LibraryReadOnly(self.failure)
            try:
                return self._write(commands)
            except StorageFull:
                raise
            except BaseException as error:  # an error nobody foresaw, too, leaves only the rows to be trusted
                self._failure = str(error)
                raise

    def _write(self, commands: Sequence[Command]) -> list[Outcome]:
        before = self._view
        with self._store.writing() as work:
            machine = StateMachine(work, before.state, before.vector)
            outcomes = [machine.apply(command) for command in commands]
            started = time.perf_counter()
            added = machine.added()
            if added is not None:
                work.store_vectors(machine.first_slot, added)
            after = before.following(machine.state, added, machine.dead, self._store.vectors)
            work.rows.save_state(machine.state)
            work.commit()
            self._view = after
        self._observe_flush(time.perf_counter() - started)
        return outcomes

    # Upkeep --------------------------------------------------------------------------------------------------------

    def status(self) -> IndexStatus:
        """Return what there is to know of the index now."""
        view = self._view
        return IndexStatus(
            spec=view.state.library.index,
            slots=view.state.next_slot,
            dead_slots=view.live.dead - view.damaged,
            damaged=view.damaged,
            tail=view.state.next_slot - self._saved_slots,
            memory_bytes=0 if view.index is None else view.index.memory_bytes,
            mapped_bytes=self._store.vectors.mapped_bytes,
            disk_bytes=snapshot_bytes(self._store.index_folder),
        )

    def checkpoint(self) -> None:
        """Do what writes leave to be done, when there is enough of it. Called on nobody's time."""
        with self._writer:
            if self.failure is None:
                self._store.checkpoint()

    def wants_snapshot(self) -> bool:
        """Whether opening the library would have much to read again, relative to its size."""
        slots = self._view.state.next_slot
        return slots - self._saved_slots >= max(SNAPSHOT_SLOTS, slots // 4)

    def save_snapshot(self) -> None:
        """Save the index so that opening is quick. Searches and, but for the last step, writes go on meanwhile."""
        view, folder = self._view, self._store.index_folder
        if view.index is None or folder is None or view.damaged:  # opening would not check what a snapshot covers
            return
        snapshot = save_snapshot(view, folder)
        with self._writer:
            if self.failure is not None or snapshot.slots <= self._saved_slots:
                return
            self._store.settle()  # opening checks vectors beyond the snapshot only: those it covers must be in place
            self._saved_slots = snapshot.slots
            with self._store.writing() as work:
                work.rows.name_snapshot(snapshot)
                work.commit()
            discard_snapshots(folder, keep=snapshot)

    def close(self) -> None:
        """Save what makes the next opening quick, then release everything. REQUIRES: nobody uses the library."""
        try:
            if self.failure is None and self._view.state.next_slot - self._saved_slots >= SNAPSHOT_SLOTS:
                self.save_snapshot()
        except (PergamumError, OSError) as error:
            log.warning("no index snapshot", library=str(self._view.state.library.id), reason=str(error))
        finally:
            self._store.close()


def _assembled(view: View, found: Neighbours, rows: dict[int, StoredChunk], chosen: Plan) -> list[Answer]:
    position, scores = view.state.position, view.state.library.metric.scores(found.distances)
    answers = []
    for query in zip(found.slots.tolist(), scores.tolist(), found.distances.tolist(), strict=True):
        hits = tuple(
            Hit(rows[slot].chunk, score, distance) for slot, score, distance in zip(*query, strict=True) if slot >= 0
        )
        answers.append(
            Answer(
                hits,
                exact=chosen.exact,
                expected_recall=chosen.expected_recall,
                complete=not view.damaged,
                position=position,
                plan=chosen.kind,
            )
        )
    return answers
