"""Opening a library: rows are the truth, the index is a cache with a position.

Load what is sound of the index snapshot that the rows name; add the vectors beyond it; take liveness from the rows,
never from the snapshot. A missing or damaged part costs time, never data: codes are made again here, from vectors that
match their rows, and what was built is built again in the background, while the scan answers.
"""

from collections.abc import Iterable
from dataclasses import replace
from zlib import crc32

import numpy as np
import numpy.typing as npt
import structlog

from pergamum.domain.vectors import Matrix
from pergamum.engine.snapshots import Loaded, Saved, discard_snapshots, load_snapshot
from pergamum.engine.view import View
from pergamum.index.base import Strategy
from pergamum.index.brute_force.index import BruteForceIndex
from pergamum.index.layered import LayeredIndex
from pergamum.index.mask import BLOCK_SLOTS, SlotMask
from pergamum.storage.base import LibraryState, ReadableStore

log = structlog.get_logger(__name__)


def open_view(store: ReadableStore, *, discard: bool = True) -> tuple[View, Saved]:
    """Return the view at the position of the rows, and what of it came from the snapshot.

    Other snapshots are discarded, unless somebody else does that. O(dead slots + slots beyond the snapshot), and
    reading the snapshot.
    """
    with store.reading() as rows:
        state, dead, snapshot = rows.state(), rows.dead_slots(), rows.snapshot()
        if discard:
            discard_snapshots(store.index_folder, keep=snapshot)
        if not state.next_slot:
            return View(state), Saved()
        vectors = store.vectors.matrix(state.next_slot)
        loaded = load_snapshot(snapshot, store.index_folder)
        unread = _without_vector(rows.vector_checksums(loaded.slots), vectors, range(loaded.slots, state.next_slot))
    damaged = np.setdiff1d(unread, dead).tolist()
    if damaged:
        log.error("damaged vectors left out", library=str(state.library.id), chunks=len(damaged))
    index = LayeredIndex(_caught_up(_codes(loaded, state), vectors, state.next_slot), loaded.built)
    live = SlotMask().without(dead)
    view = View(state, live, index, vectors, made=loaded.made, curve=loaded.curve, trial=loaded.trial)
    return view.without(damaged), replace(Saved.of(view, loaded.columns), slots=loaded.slots)


def _codes(loaded: Loaded, state: LibraryState) -> BruteForceIndex:
    """Return the codes that were saved, or those of no slot yet, beginning where the built index has none itself."""
    if loaded.codes is not None:
        return loaded.codes
    library = state.library
    assert library.dimension is not None, "a slot in use implies a dimension"
    scans = loaded.built is not None and Strategy.SCAN in loaded.built.strategies
    return BruteForceIndex.empty(library.dimension, library.metric, loaded.built.count if scans and loaded.built else 0)


def _caught_up(codes: BruteForceIndex, vectors: Matrix, slots: int) -> BruteForceIndex:
    for first in range(codes.count, slots, BLOCK_SLOTS):
        codes = codes.extended(vectors[first : min(first + BLOCK_SLOTS, slots)])
    return codes


def _without_vector(
    checksums: Iterable[tuple[int, int | None]], vectors: Matrix, slots: range
) -> npt.NDArray[np.int64]:
    """Return those of `slots` for whose vector no row vouches: dead, or row or vector is damaged."""
    sound = np.zeros(len(slots), np.bool_)
    for slot, checksum in checksums:
        if slot in slots:
            sound[slot - slots.start] = crc32(vectors[slot].data) == checksum
    return np.flatnonzero(~sound) + slots.start
