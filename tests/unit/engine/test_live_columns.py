"""Filters of an open library: what is kept of them, and conditions that the rows answer."""

from collections.abc import Sequence

import numpy as np
import pytest

from pergamum.domain.commands import DeleteChunk
from pergamum.domain.fields import Level
from pergamum.domain.filters import Condition, Filter, Not, Op
from pergamum.engine import live_columns
from pergamum.engine.columns import columns
from pergamum.engine.columns.cache import ResultCache
from pergamum.engine.live_library import LiveLibrary
from pergamum.engine.view import View
from pergamum.index.mask import BLOCK_SLOTS, SlotMask
from pergamum.storage.memory.library_store import MemoryLibraryStore
from tests.support.library import NOW, a_chunk, a_library, put, put_chunks, vector


@pytest.fixture
def live() -> LiveLibrary:
    made = LiveLibrary(MemoryLibraryStore(a_library()), lambda _seconds: None)
    made.write(
        [put("d0", [a_chunk("a", "d0", vector(0, 1), "red moon"), a_chunk("b", "d0", vector(0, 2), "blue moon")])]
    )
    made.write([put("d1", [a_chunk("c", "d1", vector(0, 3), "red sea")])])
    return made


def allowed(live: LiveLibrary, view: View, filter: Filter) -> SlotMask:
    with live.reading() as rows:
        return live_columns.allowed(view, rows, live.checked(Level.CHUNK, filter, view))


def slots(live: LiveLibrary, filter: Filter) -> list[int]:
    view = live.view_with_columns()
    return np.flatnonzero(allowed(live, view, filter).flags(view.state.next_slot)).tolist()


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        (Condition("id", Op.EQ, "b"), [1]),
        (Condition("id", Op.NE, "b"), [0, 2]),
        (Condition("id", Op.IN, ("c", "nobody", "a")), [0, 2]),
        (Condition("id", Op.NIN, ()), [0, 1, 2]),
        (Condition("document_id", Op.EQ, "d0"), [0, 1]),
        (Condition("document_id", Op.NIN, ("d0",)), [2]),
        (Condition("document.id", Op.IN, ("d1", "d2")), [2]),
        (Condition("text", Op.MATCHES, "moon"), [0, 1]),
        (Not(Condition("text", Op.MATCHES, "RED")), [1]),
    ],
)
def test_the_rows_answer_for_ids_and_words(live: LiveLibrary, filter: Filter, expected: Sequence[int]) -> None:
    assert slots(live, filter) == expected


def test_a_mask_is_made_once_while_nothing_changes(live: LiveLibrary) -> None:
    view, filter = live.view_with_columns(), Condition("chunk_index", Op.EQ, 0)

    first = allowed(live, view, filter)

    assert allowed(live, live.view_with_columns(), Condition("chunk_index", Op.EQ, 0)) is first


def test_the_masks_of_a_small_library_are_counted_as_large_as_they_are(
    live: LiveLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "RESULTS", ResultCache(20 * BLOCK_SLOTS))
    view = live.view_with_columns()
    filters = [live.checked(Level.CHUNK, Condition("chunk_index", Op.LT, number)) for number in range(100)]

    with live.reading() as rows:
        masks = [live_columns.allowed(view, rows, filter) for filter in filters]

    assert view.columns is not None
    kept = [mask for mask, filter in zip(masks, filters, strict=True) if view.columns.known(filter, view.live) is mask]
    assert 10 <= len(kept) <= 20


def test_a_chunk_that_is_deleted_leaves_the_mask(live: LiveLibrary) -> None:
    filter = Condition("chunk_index", Op.EQ, 0)
    assert slots(live, filter) == [0, 2]

    live.write([DeleteChunk("a", NOW)])

    assert slots(live, filter) == [2]


def test_what_newer_rows_say_is_not_kept_for_an_older_view(live: LiveLibrary) -> None:
    older, filter = live.view_with_columns(), Condition("id", Op.EQ, "a")
    live.write([put_chunks([a_chunk("a", "d0", vector(7, 7))])])  # it moves to a new slot

    first = allowed(live, older, filter)
    again = allowed(live, older, filter)

    assert first is not again
    assert slots(live, filter) == [3]


def test_nothing_is_loaded_before_a_filter_needs_it(live: LiveLibrary) -> None:
    live.write([DeleteChunk("a", NOW)])

    assert live.view.columns is None
    assert live.view_with_columns().columns is not None
    assert live.view_with_columns().columns is live.view.columns
