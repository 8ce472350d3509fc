"""Bringing the view of a process that only reads up to rows that another process has written since."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from pergamum.engine.view import View
from pergamum.storage.base import LibraryState, Rows, VectorStore

MOST_SLOTS: Final = 512
"""New vectors that are encoded on a search's time: some 2 ms of 384 dimensions."""
MOST_ROWS: Final = 256
"""The same of rows that were written again."""
MOST_DEAD: Final = 16_384
"""Dead slots that are read on a search's time: which of them are new, only all of them tell."""
MOST_DOCUMENTS: Final = 32_768
"""Documents of a library whose columns follow on a search's time: which of them have gone, only all of them tell."""


@dataclass(frozen=True, slots=True, eq=False)
class Behind:
    """What a view lacks of newer rows: slots that are dead now, slots below `state.next_slot` that were rewritten."""

    state: LibraryState
    dead: Sequence[int]
    rewritten: Sequence[int]


def far_behind(view: View, state: LibraryState) -> bool:
    """Whether catching up with `state` takes too long to be done on a search's time."""
    if state.next_slot - view.state.next_slot > MOST_SLOTS:
        return True
    return _dead(state) != _dead(view.state) and _dead(state) > MOST_DEAD


def behind(view: View, rows: Rows, most_rows: int | None = None) -> Behind | None:
    """Return what the view lacks, None where more than `most_rows` were rewritten. O(dead slots + rows rewritten)."""
    state, since = rows.state(), view.state.position
    changed = rows.chunks_changed(since, state.next_slot)  # none is new: those below `next_slot` that were rewritten
    rewritten = [slot for slot, _, _ in (changed if most_rows is None else islice(changed, most_rows + 1))]
    if most_rows is not None and len(rewritten) > most_rows:
        return None
    return Behind(state, _newly_dead(view, rows, state), rewritten)


def caught_up(view: View, lacking: Behind, vectors: VectorStore) -> View:
    """Return the view at the position of the rows, its columns as they were. O(what is new)."""
    state, first = lacking.state, view.state.next_slot
    added = vectors.matrix(state.next_slot)[first : state.next_slot] if state.next_slot > first else None
    return view.following(state, added, lacking.dead, vectors)


def _newly_dead(view: View, rows: Rows, state: LibraryState) -> list[int]:
    """Return the dead slots that are live in the view. Slots never come back to life, so equal counts say: none."""
    if _dead(state) == _dead(view.state):
        return []
    dead = rows.dead_slots()
    newly: list[int] = dead[view.live.flags(state.next_slot)[dead]].tolist()
    return newly


def _dead(state: LibraryState) -> int:
    return state.next_slot - state.chunks


def columns_follow(view: View, state: LibraryState) -> bool:
    """Whether the columns of the view can be brought up to `state`, and soon enough for a search."""
    if view.columns is None or view.columns.era != state.library.metadata_schema.era:
        return False
    return state.documents <= MOST_DOCUMENTS
