"""One open library: the current view, and the one way it changes.

A search takes the view in one attribute read and uses only it, without a lock. The writer builds the next view and
publishes it in one assignment, after the commit and before the acknowledgement.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import structlog

from pergamum.domain.commands import Command, Outcome
from pergamum.domain.fields import Level
from pergamum.domain.filter_checking import checked
from pergamum.domain.filters import CheckedFilter, Filter
from pergamum.domain.library import IndexSpec
from pergamum.domain.replies import Keep
from pergamum.domain.vectors import Vector
from pergamum.engine.by_filter import by_filter
from pergamum.engine.hit_rows import HitRows
from pergamum.engine.index_status import IndexStatus, index_status
from pergamum.engine.live_columns import ColumnsLoader, Prepared
from pergamum.engine.live_selection import selecting, selection
from pergamum.engine.recovery import open_view
from pergamum.engine.searching import SearchableLibrary
from pergamum.engine.snapshots import discard_snapshots, in_files, save_snapshot, snapshot_bytes
from pergamum.engine.state_machine import StateMachine
from pergamum.engine.view import Built, View
from pergamum.engine.written import Written
from pergamum.errors import KeywordsDamaged, LibraryNotFound, LibraryReadOnly, PergamumError, StorageFull
from pergamum.storage.base import LibraryStore, Rows, StoredChunk

if TYPE_CHECKING:  # polars takes a fifth of a second to import: servers that never filter do without
    from pergamum.engine.columns.selection import Selection

SNAPSHOT_SLOTS = 16_384
"""New slots that make a new index snapshot worth its flushes: fewer are quantised again at opening in some 20 ms."""

log = structlog.get_logger(__name__)
T = TypeVar("T")


class LiveLibrary(SearchableLibrary):
    """Threads: searches and reads overlap with everything; `write` and `save_snapshot` take turns.

    Constant after construction: store, observe_flush, columns. Under `_writer` only: _view, _failure, _retired, _saved.
    """

    def __init__(self, store: LibraryStore, observe_flush: Callable[[float], None]) -> None:
        self._store, self._observe_flush = store, observe_flush
        self._writer = threading.RLock()
        self._columns = ColumnsLoader(store)
        try:
            view, self._saved = open_view(store)
        except BaseException:
            store.close()
            raise
        super().__init__(view, HitRows(store, view.state.position))
        self._failure: str | None = None
        self._retired = False

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

    # Filters -------------------------------------------------------------------------------------------------------

    def checked(self, level: Level, filter: Filter, view: View | None = None) -> CheckedFilter:
        """Return the filter with its fields known, by the schema of `view`, the current one unless it is given.

        Raises `UnknownField`, `InvalidFilter`.
        """
        return checked(filter, (view or self._view).state.library.metadata_schema, level)

    def view_with_columns(self) -> View:
        """Return the current view with what filters need. O(rows) when it is asked for first. Raises `LibraryReadOnly`.

        REQUIRES: the caller is in no transaction.
        """
        while (view := self._view).columns is None:
            prepared = self._columns.prepared(lambda: self._view, self._saved.columns)
            if prepared is not None:
                self._publish_columns(prepared)
        return view

    def on_selection(self, level: Level, filter: Filter | None, work: "Callable[[Selection], T]") -> T:
        """Return what `work` makes of what the filter holds for, of everything without one, all at one position.

        Raises `UnknownField`, `InvalidFilter`. REQUIRES: `work` returns something, and may be done again.
        """

        def attempt() -> T | None:
            self.view_with_columns()
            with self._store.reading() as rows:
                view = self._view
                if view.columns is None or rows.state().position != view.state.position:
                    return None
                return work(selection(view, rows, level, filter))

        return self._settled(attempt)

    def _publish_columns(self, prepared: Prepared) -> None:
        with self._writer:
            view = self._view
            if view.columns is not None:
                return
            if prepared.columns.era == view.state.library.metadata_schema.era:
                self._view = view.with_columns(self._columns.caught_up(prepared))
                self._columns.forget()
            elif self.failure is not None:  # a commit that is not known of: the rows are of another era for good
                raise LibraryReadOnly(self.failure)

    # What a search needs besides -----------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Do nothing: the current view is never older than the rows."""

    def _alone(self, attempt: Callable[[], T | None]) -> T:
        """Return what an attempt comes to between two commits, where it cannot meet rows newer than its view."""
        with self._writer:
            made = attempt()
        if made is None:
            raise LibraryReadOnly(self.failure or "its rows are newer than its index")
        return made

    def _leave_out(self, slots: Sequence[int]) -> None:
        """Publish a view without those of `slots` whose rows cannot be read."""
        with self._writer:
            damaged = [slot for slot in slots if not self._rows.readable(slot)]
            log.error("damaged rows left out", library=str(self._view.state.library.id), slots=damaged)
            self._view = self._view.without(damaged)

    # Write ---------------------------------------------------------------------------------------------------------

    def write(self, commands: Sequence[Command], keeps: Sequence[Keep | None] = ()) -> list[Outcome]:
        """Apply a group of commands with one flush; return when it is durable and visible.

        `keeps`, unless it is empty, says of each command what is to be kept of it.
        Raises `StorageFull` (nothing of the group is kept), `LibraryReadOnly`, or `OutcomeUnknown`, after which the
        library takes no writes until it is opened again; `LibraryNotFound` once it was deleted.
        """
        if any(map(by_filter, commands)):
            assert len(commands) == 1, "a command by filter is about what the view shows"
            self.view_with_columns()  # nobody's write waits while they are made
        with self._writer:
            if self._retired:
                raise LibraryNotFound(str(self._view.state.library.id))
            if self.failure is not None:
                raise LibraryReadOnly(self.failure)
            try:
                return self._write_once_more(commands, keeps or [None] * len(commands))
            except StorageFull:
                raise
            except BaseException as error:  # an error nobody foresaw, too, leaves only the rows to be trusted
                self._failure = str(error)
                raise

    def held_still(self) -> AbstractContextManager[object]:
        """Let nobody write while the block runs."""
        return self._writer

    def retire(self) -> None:
        """Take no more writes: the library has been deleted. REQUIRES: it is held still."""
        self._retired = True

    def _write_once_more(self, commands: Sequence[Command], keeps: Sequence[Keep | None]) -> list[Outcome]:
        """Write; when the keyword index is what cannot be written, write again: the store leaves it alone now."""
        try:
            return self._write(commands, keeps)
        except KeywordsDamaged as error:
            log.error("the keyword index is damaged", library=str(self._view.state.library.id), reason=str(error))
            return self._write(commands, keeps)

    def _write(self, commands: Sequence[Command], keeps: Sequence[Keep | None]) -> list[Outcome]:
        before = self.view_with_columns() if any(map(by_filter, commands)) else self._view
        with self._store.writing() as work:
            written = None if before.columns is None else Written()
            machine = StateMachine(work, before.state, before.vector, written, selecting(before, work.rows))
            outcomes = list(map(machine.apply, commands, keeps))
            if machine.state is before.state:  # all were answered before
                return outcomes
            started = time.perf_counter()
            added = machine.added()
            if added is not None:
                work.store_vectors(machine.first_slot, added)
            after = before.following(machine.state, added, machine.dead, self._store.vectors)
            if before.columns is not None and written is not None:
                after = after.with_columns(before.columns.following(written, machine.state, work.rows))
            work.rows.save_state(machine.state)
            work.commit()
            self._rows.follow(machine.state, before.state, (*machine.dead, *machine.rewritten))
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
            columns = self._view.columns
            if columns is not None and columns.untidy:
                self._view = self._view.with_columns(columns.tidied())

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
        return saved.lacks(view) or saved.unsaved(view) >= max(SNAPSHOT_SLOTS, view.index.count // 4)

    def save_snapshot(self) -> None:
        """Save the index so that opening is quick. Searches and, but for the last step, writes go on meanwhile.

        REQUIRES: one caller at a time.
        """
        view, folder = self._view, self._store.index_folder
        if view.index is None or folder is None or view.damaged:  # opening would not check what a snapshot covers
            return
        snapshot, saved = save_snapshot(view, folder, self._saved)
        mapped = in_files(view, folder / snapshot.folder)
        with self._writer:
            if self.failure is not None:
                return
            self._store.settle()  # opening checks vectors beyond the snapshot only: those it covers must be in place
            with self._store.writing() as work:
                work.rows.name_snapshot(snapshot)
                work.commit()
            self._view = self._view.in_files(view, mapped)
            self._saved = replace(saved, built=None if mapped.index is None else mapped.index.built)
            discard_snapshots(folder, keep=snapshot)

    def close(self) -> None:
        """Save what makes the next opening quick, then release everything. REQUIRES: nobody uses the library."""
        try:
            if self.failure is None and self._saved.unsaved(self._view) >= SNAPSHOT_SLOTS:
                self.save_snapshot()
        except (PergamumError, OSError) as error:
            log.warning("no index snapshot", library=str(self._view.state.library.id), reason=str(error))
        finally:
            self._store.close()
