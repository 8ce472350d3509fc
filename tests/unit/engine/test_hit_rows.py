"""Rows of hits are read once, and never answered when a write has changed them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pergamum.domain.commands import Command, DeleteChunk, PatchChunk, UpdateSchema
from pergamum.domain.schema import SchemaMode
from pergamum.domain.schema_changes import LevelChanges, SchemaChanges
from pergamum.domain.schema_json import declared_schema
from pergamum.engine.hit_rows import ROW_BYTES, HitRows
from pergamum.engine.live_library import LiveLibrary
from pergamum.engine.retrieval import UnreadableRows
from pergamum.errors import Damaged
from pergamum.storage.base import LibraryStore, Rows, StoredChunk
from pergamum.storage.memory.storage import MemoryStorage
from tests.support.library import NOW, a_chunk, a_library, put, put_chunks, vector

SCHEMA = declared_schema(SchemaMode.STRICT, {}, {"year": {"type": "integer"}})
RENAMING = SchemaChanges(chunks=LevelChanges(rename={"year": "anno"}))


class Watched:
    """A store that counts its read transactions, and lets something happen before each of them ends."""

    def __init__(self, store: LibraryStore) -> None:
        self._store, self.count = store, 0
        self.meanwhile: Callable[[], object] = lambda: None

    @contextmanager
    def reading(self) -> Iterator[Rows]:
        self.count += 1
        with self._store.reading() as rows:
            yield rows
            self.meanwhile()


class Unreadable(Watched):
    """A store in which the row of slot 1 is damaged."""

    @contextmanager
    def reading(self) -> Iterator[Rows]:
        with self._store.reading() as rows:
            yield Sound(rows)  # type: ignore[misc]  # as `HitRows` uses it


class Sound:
    def __init__(self, rows: Rows) -> None:
        self._rows, self.state = rows, rows.state

    def chunks_at(self, slots: list[int]) -> dict[int, StoredChunk]:
        if 1 in slots:
            raise Damaged("the row", "it is")
        return self._rows.chunks_at(slots)


@pytest.fixture
def library() -> Iterator[LiveLibrary]:
    with opened() as made:
        made.write([put("d", [a_chunk("a", "d", vector(0, 0), "old"), a_chunk("b", "d", vector(1, 0))])])
        yield made


@contextmanager
def opened() -> Iterator[LiveLibrary]:
    settings = replace(a_library(), metadata_schema=SCHEMA)
    storage = MemoryStorage()
    storage.create(settings)
    library = LiveLibrary(storage.open(settings.id), lambda _seconds: None)
    yield library
    library.close()


def watched(library: LiveLibrary, kind: type[Watched] = Watched) -> tuple[Watched, HitRows]:
    """Return the library's store, and rows kept of it: the library's own, so that its writes are followed."""
    store = kind(library._store)
    library._rows = HitRows(store, library.view.state.position)  # type: ignore[arg-type]  # as `HitRows` uses it
    return store, library._rows


def texts(rows: HitRows, *slots: int) -> dict[int, str]:
    return {slot: stored.chunk.text for slot, stored in rows.at(slots).items()}


def test_what_was_read_is_not_read_again(library: LiveLibrary) -> None:
    store, rows = watched(library)

    assert texts(rows, 0) == {0: "old"}
    assert texts(rows, 0, 1) == texts(rows, 1, 0) == {0: "old", 1: "b"}
    assert store.count == 2


@pytest.mark.parametrize(
    ("command", "after"),
    [
        (PatchChunk("a", {"text": "new"}, NOW), {0: "new", 1: "b"}),
        (PatchChunk("a", {"embedding": vector(5, 5)}, NOW), {1: "b", 2: "old"}),
        (DeleteChunk("a", NOW), {1: "b"}),
        (put("d", [a_chunk("b", "d", vector(1, 0), "again")]), {1: "again"}),
        (put_chunks([a_chunk("c", "d", vector(2, 0), "added")]), {0: "old", 1: "b", 2: "added"}),
    ],
    ids=["patched", "moved", "deleted", "replaced", "added"],
)
def test_what_a_write_changed_is_read_again_and_nothing_else(
    library: LiveLibrary, command: Command, after: dict[int, str]
) -> None:
    store, rows = watched(library)
    rows.at([0, 1])

    library.write([command])

    assert texts(rows, 0, 1, 2) == after
    library.write([put("other", [a_chunk("z", "other", vector(9, 9))])])
    before = store.count
    assert texts(rows, *after) == after
    assert store.count == before, "a write elsewhere left them as they were"


def test_a_row_that_a_write_overtook_while_it_was_read_is_not_kept(library: LiveLibrary) -> None:
    store, rows = watched(library)
    store.meanwhile = lambda: library.write([PatchChunk("a", {"text": "new"}, NOW)])
    rows.at([0])
    store.meanwhile = lambda: None

    assert texts(rows, 0) == {0: "new"}


def test_after_a_field_was_renamed_metadata_has_its_new_name(library: LiveLibrary) -> None:
    library.write([PatchChunk("a", {"metadata": {"year": 7}}, NOW)])
    before = library.search(vector(0, 0)[np.newaxis], 1)[0].hits[0].chunk.metadata

    library.write([UpdateSchema(RENAMING, NOW)])

    assert before == {"year": 7}
    assert library.search(vector(0, 0)[np.newaxis], 1)[0].hits[0].chunk.metadata == {"anno": 7}


def test_the_oldest_rows_make_room(library: LiveLibrary) -> None:
    store, _ = watched(library)
    rows = HitRows(store, library.view.state.position, limit=ROW_BYTES + 10)  # type: ignore[arg-type]

    for slot in (0, 1, 1, 0):
        rows.at([slot])

    assert store.count == 3
    assert HitRows(store, 1, limit=0).at([0, 1]).keys() == {0, 1}  # type: ignore[arg-type]


def test_a_damaged_row_is_told(library: LiveLibrary) -> None:
    _, rows = watched(library, Unreadable)

    with pytest.raises(UnreadableRows):
        rows.at([0, 1])

    assert [rows.readable(slot) for slot in (0, 1)] == [True, False]


IDS = st.sampled_from("abc")
WRITES = st.one_of(
    st.builds(
        lambda name, at, text: put("d" + name, [a_chunk(name, "d" + name, vector(at, 0), text)]),
        IDS,
        st.integers(0, 2),
        st.text(min_size=1, max_size=3),
    ),
    st.builds(lambda name, text: PatchChunk(name, {"text": text}, NOW), IDS, st.text(min_size=1, max_size=3)),
    st.builds(lambda name, at: PatchChunk(name, {"embedding": vector(at, 1)}, NOW), IDS, st.integers(0, 2)),
    st.builds(lambda name: DeleteChunk(name, NOW), IDS),
)


@given(groups=st.lists(st.lists(WRITES, min_size=1, max_size=3), max_size=12), limit=st.sampled_from([2_100, 1 << 20]))
def test_answers_are_those_of_a_library_that_keeps_nothing(groups: list[list[Command]], limit: int) -> None:
    with opened() as library:
        kept = HitRows(library._store, library.view.state.position, limit)
        for group in groups:
            library._rows = kept
            library.write(group)
            answers = library.search(vector(1, 1)[np.newaxis], 5)
            library._rows = HitRows(library._store, library.view.state.position, limit=0)

            assert answers == library.search(vector(1, 1)[np.newaxis], 5)
