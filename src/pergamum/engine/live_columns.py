"""The columns of an open library: loaded when a filter first needs them, because loading takes polars and time."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pergamum.domain.fields import Level
from pergamum.domain.filters import CheckedFilter
from pergamum.engine.row_tests import RowTests, needs_rows
from pergamum.engine.saved_columns import SavedColumns
from pergamum.engine.view import View
from pergamum.index.mask import Flags, SlotMask
from pergamum.storage.base import ReadableStore, Rows

if TYPE_CHECKING:  # polars takes a fifth of a second to import: servers that never filter do without
    from pergamum.engine.columns.columns import Columns


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Columns as they were at a position."""

    columns: "Columns"
    position: int


class ColumnsLoader:
    """Threads: any. One reads the rows while the others wait. Changed under `_lock`, but for `forget`: _prepared."""

    def __init__(self, store: ReadableStore) -> None:
        self._store, self._lock = store, threading.Lock()
        self._prepared: Prepared | None = None

    def prepared(self, current: Callable[[], View], saved: SavedColumns | None) -> Prepared | None:
        """Return columns at some position, None when the `current` view has got its own meanwhile. O(rows) at first.

        Where there are `saved` ones of use, it is O(rows since, bytes).
        REQUIRES: the caller is in no read transaction, for the connections are bounded.
        """
        with self._lock:
            view = current()
            if view.columns is not None:
                return None
            era = view.state.library.metadata_schema.era
            if self._prepared is None or self._prepared.columns.era != era:
                self._prepared = self._read(saved)
            return self._prepared

    def _read(self, saved: SavedColumns | None) -> Prepared:
        """Return the saved columns with what was written since, or, where they are of no use, those of all rows."""
        from pergamum.engine.columns import loading  # noqa: PLC0415  # polars, see above

        with self._store.reading() as rows:
            state, columns = rows.state(), None
            if saved is not None and saved.era == state.library.metadata_schema.era:
                columns = loading.restored(saved, rows)
            return Prepared(loading.read_columns(rows) if columns is None else columns, state.position)

    def caught_up(self, prepared: Prepared) -> "Columns":
        """Return the columns as the rows are now. O(documents + rows written since).

        REQUIRES: nobody writes, the era is theirs.
        """
        with self._store.reading() as rows:
            return following(prepared, rows)

    def forget(self) -> None:
        """Let go of what was prepared: a view has it."""
        self._prepared = None


def following(prepared: Prepared, rows: Rows) -> "Columns":
    """Return the columns as the rows are. O(documents + rows written since). REQUIRES: the rows are of their era."""
    from pergamum.engine.columns.loading import caught_up  # noqa: PLC0415  # polars, see above

    return caught_up(prepared.columns, prepared.position, rows)


def selected(view: View, rows: Rows, checked: CheckedFilter, level: Level) -> Flags:
    """Return where the filter holds, by slot (live or not) or by number of document (existing or not), read-only.

    REQUIRES: the view has columns, and the filter was checked by its schema. `rows` answer for ids and words: where
    they are newer than the view, so may be what they say.
    """
    columns = _columns_of(view)
    return columns.evaluate(checked, level, _row_tests(columns, rows), keep=_lasting(view, rows, checked))


def allowed(view: View, rows: Rows, checked: CheckedFilter) -> SlotMask:
    """Return the live slots of the view whose chunk passes the filter, none beyond it. REQUIRES as `selected`."""
    columns = _columns_of(view)
    return columns.allowed(checked, view.live, _row_tests(columns, rows), keep=_lasting(view, rows, checked))


def known(view: View, checked: CheckedFilter) -> SlotMask | None:
    """Return what `allowed` would, if that is kept; None where it is not, or there are no columns yet."""
    return None if view.columns is None else view.columns.known(checked, view.live)


def _columns_of(view: View) -> "Columns":
    assert view.columns is not None, "the caller has taken a view with columns"
    return view.columns


def _row_tests(columns: "Columns", rows: Rows) -> RowTests:
    return RowTests(rows, columns.chunks.count, columns.documents.count)


def _lasting(view: View, rows: Rows, checked: CheckedFilter) -> bool:
    """Whether what the filter comes to is so at the position of the view, and not only at that of newer rows."""
    return not needs_rows(checked) or rows.state().position == view.state.position
