"""One open library: the current view, and the one way it changes.

A search takes the view in one attribute read and uses only it, without a lock. The writer builds the next view and
publishes it in one assignment, after the commit and before the acknowledgement.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import numpy as np
import structlog

from pergamum.domain.commands import Command, Outcome
from pergamum.domain.library import IndexSpec
from pergamum.domain.query import Answer, Recall, wanted_share
from pergamum.domain.vectors import Matrix, Vector
from pergamum.engine.answering import Search, Stages, assembled, explanation, extent_of, nothing, vouched, within
from pergamum.engine.index_status import IndexStatus, index_status
from pergamum.engine.live_recall import LiveRecall
from pergamum.engine.planner import Asked, Planner
from pergamum.engine.recovery import open_view
from pergamum.engine.snapshots import Saved, discard_snapshots, savable_slots, save_snapshot, snapshot_bytes
from pergamum.engine.state_machine import StateMachine
from pergamum.engine.view import Built, View
from pergamum.errors import Damaged, LibraryReadOnly, PergamumError, StorageFull
from pergamum.index.mask import SlotMask
from pergamum.storage.base import LibraryStore, Rows, StoredChunk

SNAPSHOT_SLOTS = 16_384
"""New slots that make a new index snapshot worth its flushes: fewer are quantised again at opening in some 20 ms."""

log = structlog.get_logger(__name__)


class LiveLibrary:
    """Threads: searches and reads overlap with everything; `write` and `save_snapshot` take turns.

    Constant after construction: store, observe_flush. Changed under `_writer` only: _view, _failure, _saved.
    """

    def __init__(self, store: LibraryStore, observe_flush: Callable[[float], None]) -> None:
        self._store, self._observe_flush = store, observe_flush
        self._writer = threading.RLock()
        try:
            self._view, self._saved = open_view(store)
        except BaseException:
            store.close()
            raise
        self._failure: str | None = None
        self._planner, self.live_recall = Planner(None), LiveRecall()

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

    def predicted_seconds(self, queries: int, k: int, recall: Recall | None = None) -> float:
        """Return what answering that many queries should cost now, on one core."""
        view = self._view
        asked = Asked(k, wanted_share(recall, view.state.library.recall), queries)
        return self._planner_of(view).plan(asked, extent_of(view, view.live)).seconds

    def search(
        self,
        queries: Matrix,
        k: int,
        recall: Recall | None = None,
        allowed: SlotMask | None = None,
        *,
        explain: bool = False,
    ) -> list[Answer]:
        """Return for each query its nearest chunks, all at one position, those in `allowed` slots if it is given.

        `recall` None means that of the library's settings. REQUIRES: queries float32 (m, dimension) that have passed
        the library's check. The rows of the hits are read after the view was taken: when one has changed since, the
        search is made again on the current view, and a third time between two commits of the writer, where that cannot
        happen.
        """
        asked = Asked(k, wanted_share(recall, self._view.state.library.recall), len(queries))
        search = Search(queries, asked, allowed, explain)
        for _ in range(2):
            answers = self._answers(self._view, search)
            if answers is not None:
                return answers
        with self._writer:
            answers = self._answers(self._view, search)
        if answers is None:
            raise LibraryReadOnly(self.failure or "its rows are newer than its index")
        return answers

    def _answers(self, view: View, search: Search) -> list[Answer] | None:
        """Answer from `view`, or return None when a row of a hit has changed since."""
        stages = Stages.begin()
        planner, searched = self._planner_of(view), within(view, search.allowed)
        extent = extent_of(view, searched)
        chosen = planner.plan(search.asked, extent)
        stages.done("plan")
        if view.index is None or view.vectors is None:
            first = nothing(search)
        else:
            first = view.index.search(search.queries, search.asked.k, view.vectors, searched, chosen.route)
        found = vouched(view, search, searched, chosen, first)
        stages.done("index")
        slots = set(found.neighbours.slots.ravel().tolist()) - {-1}
        try:
            rows = self._rows_at(slots)
        except Damaged:
            self._leave_out_damaged(slots)
            return None
        position = view.state.position
        if len(rows) < len(slots) or any(row.changed > position for row in rows.values()):
            return None
        stages.done("rows")
        if self.live_recall.picks(len(search.queries)):
            self.live_recall.take(view, search, searched, found)
        told = explanation(planner, search, extent, found, stages) if search.explain else None
        return assembled(view, found, rows, told)

    def _planner_of(self, view: View) -> Planner:
        planner = self._planner
        if planner.curve is view.curve:
            return planner
        planner = Planner(view.curve)
        if view is self._view:
            self._planner = planner
            self.live_recall.forget()  # what was compared so far speaks of the curve before
        return planner

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
        view, folder = self._view, self._store.index_folder
        return index_status(view, self._saved, self._store.vectors.mapped_bytes, snapshot_bytes(folder))

    def checkpoint(self) -> None:
        """Do what writes leave to be done, when there is enough of it. Called on nobody's time."""
        with self._writer:
            if self.failure is None:
                self._store.checkpoint()

    def publish_index(self, asked: IndexSpec, built: Built) -> bool:
        """Let searches use another index from now on, unless another one is `asked` for by now; say whether.

        It was made of an earlier view: what was written since is added here, in O(slots since).
        """
        with self._writer:
            if self.failure is not None or self._view.state.library.index != asked:
                return False
            self._view = self._view.with_index(built)
            return True

    def wants_snapshot(self) -> bool:
        """Whether opening the library would have much to read or to build again, relative to its size."""
        view, saved = self._view, self._saved
        if view.index is None or view.damaged or self._store.index_folder is None:
            return False
        new = savable_slots(view.index) - saved.slots
        return saved.lacks(view) or new >= max(SNAPSHOT_SLOTS, view.index.count // 4)

    def save_snapshot(self) -> None:
        """Save the index so that opening is quick. Searches and, but for the last step, writes go on meanwhile.

        REQUIRES: one caller at a time.
        """
        view, folder = self._view, self._store.index_folder
        if view.index is None or folder is None or view.damaged:  # opening would not check what a snapshot covers
            return
        snapshot = save_snapshot(view, folder)
        with self._writer:
            if self.failure is not None:
                return
            self._store.settle()  # opening checks vectors beyond the snapshot only: those it covers must be in place
            with self._store.writing() as work:
                work.rows.name_snapshot(snapshot)
                work.commit()
            self._saved = Saved.of(view)
            discard_snapshots(folder, keep=snapshot)

    def close(self) -> None:
        """Save what makes the next opening quick, then release everything. REQUIRES: nobody uses the library."""
        try:
            if self.failure is None and self._unsaved() >= SNAPSHOT_SLOTS:
                self.save_snapshot()
        except (PergamumError, OSError) as error:
            log.warning("no index snapshot", library=str(self._view.state.library.id), reason=str(error))
        finally:
            self._store.close()

    def _unsaved(self) -> int:
        """Return the slots that a new snapshot would save from being read again."""
        index = self._view.index
        return 0 if index is None else savable_slots(index) - self._saved.slots
