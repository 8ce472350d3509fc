"""What a filter holds for in an open library, of those documents or chunks that are there."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pergamum.domain.fields import Level
from pergamum.domain.filter_checking import checked
from pergamum.domain.filters import Filter
from pergamum.engine.by_filter import Select
from pergamum.engine.live_columns import selected
from pergamum.engine.view import View
from pergamum.index.mask import Flags
from pergamum.storage.base import Rows

if TYPE_CHECKING:  # polars takes a fifth of a second to import: servers that never filter do without
    from pergamum.engine.columns.selection import Selection


def selection(view: View, rows: Rows, level: Level, filter: Filter | None) -> "Selection":
    """Return what the filter holds for, everything without one. Raises `UnknownField`, `InvalidFilter`.

    REQUIRES: the view has columns, and `rows` are at its position.
    """
    from pergamum.engine.columns.selection import Selection  # noqa: PLC0415  # polars, see above

    assert view.columns is not None, "the caller has taken a view with columns"
    return Selection(view.columns, rows, level, _flags(view, rows, level, filter), view.state)


def selecting(view: View, rows: Rows) -> Select:
    """Return what says, inside a write, which rows a command by filter is about. REQUIRES as `selection`."""

    def select(level: Level, filter: Filter) -> Sequence[int]:
        numbers: list[int] = np.flatnonzero(_flags(view, rows, level, filter)).tolist()
        return numbers

    return select


def _flags(view: View, rows: Rows, level: Level, filter: Filter | None) -> Flags:
    assert view.columns is not None, "the caller has taken a view with columns"
    live = view.columns.live_documents() if level is Level.DOCUMENT else view.live.flags(view.state.next_slot)
    if filter is None:
        return live
    wanted = checked(filter, view.state.library.metadata_schema, level)
    flags: Flags = live & selected(view, rows, wanted, level)
    return flags
