"""An open library of a process that only reads, beside the one that writes it.

Its view follows the rows: before each search the store is asked whether anything was committed since. A little is
caught up with at once; much is caught up with in the background, and the writer answers meanwhile. What the writer
keeps in memory alone, an index that was built and not saved yet, is not seen here: the search is slower, not worse.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import structlog

from pergamum.engine.catching_up import MOST_ROWS, behind, caught_up, columns_follow, far_behind
from pergamum.engine.elsewhere import Elsewhere
from pergamum.engine.hit_rows import HitRows
from pergamum.engine.live_columns import ColumnsLoader, Prepared, following
from pergamum.engine.recovery import open_view
from pergamum.engine.saved_columns import SavedColumns
from pergamum.engine.searching import SearchableLibrary
from pergamum.engine.view import View
from pergamum.storage.base import IndexSnapshot, Rows
from pergamum.storage.watched import WatchedStore

if TYPE_CHECKING:  # polars takes a fifth of a second to import: servers that never filter do without
    from pergamum.engine.columns.columns import Columns

WAIT_SECONDS: Final = 0.01
"""Longest wait of a search for another one that catches up."""
PAUSE_SECONDS: Final = 1.0
"""How long background work that has failed is left alone."""
TRIES: Final = 5
"""How often a snapshot is looked for that the writer replaces meanwhile."""

T = TypeVar("T")
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Opened:
    """A view, the snapshot its index is of, and the columns that lie there."""

    view: View
    snapshot: IndexSnapshot | None
    columns: SavedColumns | None


class ReaderLibrary(SearchableLibrary):
    """Threads: any. Changed under `_lock` only: _view, _seen, _snapshot, _saved_columns, _left.

    Invariant: when the store had the version `_seen`, the view held all that had been committed, and searched by the
    snapshot that counted.
    """

    def __init__(self, store: WatchedStore, background: Executor) -> None:
        self._store, self._background = store, background
        self._lock, self._starting = threading.Lock(), threading.Lock()
        self._at_work: set[str] = set()
        self._not_before, self._closed = 0.0, False
        self._columns = ColumnsLoader(store)
        self._left: Prepared | None = None  # columns that the view has left behind
        self._seen = store.version()
        opened = _opened(store)
        self._snapshot, self._saved_columns = opened.snapshot, opened.columns
        super().__init__(opened.view, HitRows(store, opened.view.state.position))

    def reading(self) -> AbstractContextManager[Rows]:
        """Open a read transaction; it is never older than the view was at the call."""
        return self._store.reading()

    def refresh(self) -> None:
        """Make the current view one that is not older than the rows were at the call. Raises `Elsewhere`."""
        if self._store.version() == self._seen:
            return
        # Another search holds it for a moment, the background maybe for long: the event loop is not to wait for that.
        if not self._lock.acquire(timeout=0 if self._at_work else WAIT_SECONDS):
            raise Elsewhere
        try:
            self._follow_a_little()
        finally:
            self._lock.release()

    def view_with_columns(self) -> View:
        """Return the current view with what filters need. Raises `Elsewhere` while they are read, or far behind."""
        view = self._view
        if view.columns is None:
            self._begin("columns", self._load_columns)
            raise Elsewhere
        return view

    def close(self) -> None:
        """Release the files. REQUIRES: nobody uses the library."""
        with self._lock:
            self._closed = True
            self._store.close()

    def _alone(self, attempt: Callable[[], T | None]) -> T:
        made = attempt()
        if made is None:
            raise Elsewhere
        return made

    def _leave_out(self, _slots: Sequence[int], /) -> None:
        """Let the writer do that, each time: it counts what is damaged, so that somebody hears of it."""
        raise Elsewhere

    # Following the writer ------------------------------------------------------------------------------------------

    def _follow_a_little(self) -> None:
        """Catch up, if that takes little, else begin to. Raises `Elsewhere`. REQUIRES: `_lock` is held."""
        seen = self._store.version()
        if seen == self._seen:
            return
        with self._store.reading() as rows:
            if far_behind(self._view, rows.state()) or not self._caught_up(rows, MOST_ROWS):
                self._begin("rows", self._follow)
                raise Elsewhere
            named = rows.snapshot()
        if named == self._snapshot:
            self._seen = seen  # not before: a snapshot that could not be read now is asked for again
        else:
            self._begin("snapshot", self._load_snapshot)

    def _follow(self) -> None:
        """Catch up, however long it takes."""
        with self._lock, self._store.reading() as rows:
            self._caught_up(rows, None)

    def _caught_up(self, rows: Rows, most_rows: int | None) -> bool:
        """Publish the view at the position of the rows; say whether that was done. REQUIRES: `_lock` is held."""
        before = self._view
        if rows.state().position == before.state.position:
            return True
        lacking = behind(before, rows, most_rows)
        if lacking is None:
            return False
        after = caught_up(before, lacking, self._store.vectors)
        if before.columns is not None:
            after = after.with_columns(self._columns_after(before, rows))
        self._rows.follow(after.state, before.state, (*lacking.dead, *lacking.rewritten))
        self._view = after
        return True

    def _load_snapshot(self) -> None:
        """Map the snapshot that the rows name by now, while searches go on, then search by it."""
        opened = _opened(self._store)
        with self._lock, self._store.reading() as rows:
            self._caught_up(rows, None)
            lacking = behind(opened.view, rows)
            assert lacking is not None, "nothing bounds it"
            view = caught_up(opened.view, lacking, self._store.vectors)
            self._view = view.with_columns(self._view.columns)
            self._snapshot, self._saved_columns = opened.snapshot, opened.columns

    def _columns_after(self, before: View, rows: Rows) -> "Columns | None":
        """Return the columns at the position of the rows; None where that takes long, and they are kept for later."""
        assert before.columns is not None, "the caller has looked"
        prepared = Prepared(before.columns, before.state.position)
        if not columns_follow(before, rows.state()):
            self._left = prepared
            return None
        try:
            columns = following(prepared, rows)
            return columns.tidied() if columns.untidy else columns
        except Exception as error:  # noqa: BLE001 - whatever it is, they are read again, and the writer answers meanwhile
            log.warning("columns not followed", library=str(before.state.library.id), reason=repr(error))
            return None

    def _load_columns(self) -> None:
        """Read what filters need, or bring what there was of it up to the rows."""
        prepared, era = self._left, self._view.state.library.metadata_schema.era
        if prepared is None or prepared.columns.era != era:
            prepared = self._columns.prepared(lambda: self._view, self._saved_columns)
        if prepared is None:
            return
        with self._lock, self._store.reading() as rows:
            self._caught_up(rows, None)
            if prepared.columns.era == self._view.state.library.metadata_schema.era:
                self._view = self._view.with_columns(following(prepared, rows))
                self._columns.forget()
            self._left = None

    def _begin(self, name: str, work: Callable[[], None]) -> None:
        """Let the background do some work, unless it does already, or has failed a moment ago."""
        with self._starting:
            if name in self._at_work or time.monotonic() < self._not_before:
                return
            self._at_work.add(name)
        try:
            self._background.submit(self._run, name, work)
        except RuntimeError:  # the process is stopping
            self._at_work.discard(name)

    def _run(self, name: str, work: Callable[[], None]) -> None:
        try:
            if not self._closed:
                work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the writer answers meanwhile
            self._not_before = time.monotonic() + PAUSE_SECONDS
            library = str(self._view.state.library.id)
            log.warning("not caught up with the writer", library=library, work=name, reason=repr(error))
        finally:
            self._at_work.discard(name)


def _opened(store: WatchedStore) -> _Opened:
    """Return the view of the rows. Raises `Elsewhere` when the writer replaces one snapshot after the other."""
    for _ in range(TRIES):
        named = _named(store)
        view, saved = open_view(store, discard=False)
        if _named(store) == named:  # otherwise its files may have gone while they were read
            return _Opened(view, named, saved.columns)
    raise Elsewhere


def _named(store: WatchedStore) -> IndexSnapshot | None:
    with store.reading() as rows:
        return rows.snapshot()
