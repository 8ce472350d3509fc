"""Opening a library: rows are the truth, the index is a cache with a position.

Load the index snapshot that the rows name, if it is sound; add the vectors beyond it; take liveness from the rows,
never from the snapshot. A missing or damaged snapshot costs time, never data: everything is then read again.
"""

from collections.abc import Iterable
from zlib import crc32

import numpy as np
import numpy.typing as npt
import structlog

from pergamum.domain.vectors import Matrix
from pergamum.engine.snapshots import discard_snapshots, load_snapshot
from pergamum.engine.view import View
from pergamum.index import factory
from pergamum.index.base import VectorIndex
from pergamum.index.mask import BLOCK_SLOTS, SlotMask
from pergamum.storage.base import LibraryState, LibraryStore

log = structlog.get_logger(__name__)


def open_view(store: LibraryStore) -> tuple[View, int]:
    """Return the view at the position of the rows, and how many slots came from the snapshot.

    O(dead slots + slots beyond the snapshot).
    """
    with store.reading() as rows:
        state, dead, snapshot = rows.state(), rows.dead_slots(), rows.snapshot()
        discard_snapshots(store.index_folder, keep=snapshot)
        if not state.next_slot:
            return View(state), 0
        vectors = store.vectors.matrix(state.next_slot)
        index = load_snapshot(snapshot, store.index_folder, state.library) or _empty(state)
        saved = index.count
        unread = _without_vector(rows.vector_checksums(saved), vectors, range(saved, state.next_slot))
    damaged = np.setdiff1d(unread, dead).tolist()
    if damaged:
        log.error("damaged vectors left out", library=str(state.library.id), chunks=len(damaged))
    index = _caught_up(index, vectors, state.next_slot)
    return View(state, SlotMask().without(dead), index, vectors).without(damaged), saved


def _empty(state: LibraryState) -> VectorIndex:
    library = state.library
    assert library.dimension is not None, "a slot in use implies a dimension"
    return factory.empty(library.index.active, library.dimension, library.metric)


def _caught_up(index: VectorIndex, vectors: Matrix, slots: int) -> VectorIndex:
    for first in range(index.count, slots, BLOCK_SLOTS):
        index = index.extended(vectors[first : min(first + BLOCK_SLOTS, slots)])
    return index


def _without_vector(
    checksums: Iterable[tuple[int, int | None]], vectors: Matrix, slots: range
) -> npt.NDArray[np.int64]:
    """Return those of `slots` for whose vector no row vouches: dead, or row or vector is damaged."""
    sound = np.zeros(len(slots), np.bool_)
    for slot, checksum in checksums:
        if slot in slots:
            sound[slot - slots.start] = crc32(vectors[slot].data) == checksum
    return np.flatnonzero(~sound) + slots.start
