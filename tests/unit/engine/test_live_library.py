"""One open library: groups, refusals, failures and what a search sees of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import apsw
import numpy as np
import pytest

from pergamum.domain.commands import Command, DeleteChunk, DeleteDocument, PatchChunk, PatchDocument, WriteMode
from pergamum.domain.library import Library
from pergamum.domain.vectors import Matrix
from pergamum.engine.live_library import LiveLibrary
from pergamum.errors import (
    ChunkNotFound,
    ChunkOwnedElsewhere,
    DimensionMismatch,
    DocumentExists,
    DocumentNotFound,
    LibraryReadOnly,
    OutcomeUnknown,
    PergamumError,
    StorageFull,
)
from pergamum.index.base import SCAN, Neighbours, Route
from pergamum.index.layered import LayeredIndex
from pergamum.index.mask import SlotMask
from pergamum.storage.base import Storage, UnitOfWork
from pergamum.storage.memory.storage import MemoryStorage
from pergamum.storage.sqlite import pending
from pergamum.storage.sqlite.storage import SqliteStorage
from tests.support.library import NOW, a_chunk, a_library, put, put_chunks, vector


@dataclass
class Opened:
    """A library open over a storage, and a way to open it again."""

    storage: Storage
    settings: Library
    library: LiveLibrary

    def reopen(self) -> LiveLibrary:
        self.library.close()
        self.library = _open(self.storage, self.settings)
        return self.library


def _ignore(seconds: float) -> None:
    """Nobody looks at flush times here."""


def _open(storage: Storage, settings: Library) -> LiveLibrary:
    return LiveLibrary(storage.open(settings.id), _ignore)


@pytest.fixture(params=["sqlite", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    made: Storage = SqliteStorage(tmp_path) if request.param == "sqlite" else MemoryStorage()
    yield made
    made.close()


@pytest.fixture
def opened(storage: Storage) -> Iterator[Opened]:
    settings = a_library(dimension=None)
    storage.create(settings)
    made = Opened(storage, settings, _open(storage, settings))
    yield made
    made.library.close()


def _found(library: LiveLibrary, *query: float, k: int = 10) -> list[str]:
    (answer,) = library.search(vector(*query)[None, :], k)
    return [hit.chunk.id for hit in answer.hits]


def test_a_refusal_undoes_only_itself_and_takes_a_position(opened: Opened) -> None:
    library = opened.library
    first = put("d1", [a_chunk("c1", "d1", vector(1, 0))])
    stolen = put("d2", [a_chunk("c2", "d2", vector(2, 0)), a_chunk("c1", "d2", vector(3, 0))])
    last = put("d3", [a_chunk("c3", "d3", vector(4, 0))])

    outcomes = library.write([first, stolen, last])

    assert [type(outcome.refusal) for outcome in outcomes] == [type(None), ChunkOwnedElsewhere, type(None)]
    assert [outcome.position for outcome in outcomes] == [1, 2, 3]
    assert _found(library, 0, 0) == ["c1", "c3"]
    assert library.view.state.next_slot == 2
    assert (library.view.state.documents, library.view.state.chunks) == (2, 2)


def test_the_first_vector_fixes_the_dimension(opened: Opened) -> None:
    library = opened.library

    first, second = library.write(
        [put("d1", [a_chunk("c1", "d1", vector(1, 0, 0))]), put("d2", [a_chunk("c2", "d2", vector(1, 0))])]
    )

    assert first.refusal is None
    assert isinstance(second.refusal, DimensionMismatch)
    assert library.view.state.library.dimension == 3
    assert opened.reopen().view.state.library.dimension == 3


def test_replacing_a_document_leaves_no_stale_chunk(opened: Opened) -> None:
    library = opened.library
    library.write([put("d", [a_chunk("old", "d", vector(1, 0)), a_chunk("kept", "d", vector(2, 0), "before")])])

    (outcome,) = library.write(
        [put("d", [a_chunk("kept", "d", vector(2, 0), "after"), a_chunk("new", "d", vector(3, 0))])]
    )

    (answer,) = library.search(vector(0, 0)[None, :], 10)
    assert [(hit.chunk.id, hit.chunk.text, hit.chunk.version) for hit in answer.hits] == [
        ("kept", "after", 2),
        ("new", "new", 1),
    ]
    assert outcome.documents[0].version == 2
    assert library.view.state.next_slot == 3, "an unchanged embedding keeps its slot"
    assert library.view.state.chunks == 2


def test_a_changed_embedding_moves_and_the_old_one_is_gone(opened: Opened) -> None:
    library = opened.library
    library.write([put("d", [a_chunk("c", "d", vector(1, 0))])])

    library.write([PatchChunk("c", {"embedding": vector(0, 5)}, NOW)])

    (answer,) = library.search(vector(1, 0)[None, :], 10)
    assert [hit.distance for hit in answer.hits] == [pytest.approx(26**0.5)]


def test_chunk_indexes_are_never_used_twice(opened: Opened) -> None:
    library = opened.library
    library.write([put("d", [a_chunk(f"c{n}", "d", vector(n, 0)) for n in range(3)])])

    library.write([DeleteChunk("c2", NOW)])
    (outcome,) = library.write([put_chunks([a_chunk("c3", "d", vector(9, 9)), a_chunk("c0", "d", vector(7, 7))])])

    assert [(chunk.id, chunk.chunk_index) for chunk in outcome.chunks] == [("c3", 3), ("c0", 0)]
    assert outcome.documents[0].chunks == 3


def test_what_is_not_there_is_refused(opened: Opened) -> None:
    commands: list[Command] = [
        PatchDocument("d", {"title": "t"}, None, NOW),
        DeleteDocument("d", NOW),
        PatchChunk("c", {"text": "t"}, NOW),
        DeleteChunk("c", NOW),
        put_chunks([a_chunk("c", "d", vector(1, 1))]),
    ]

    refusals = [type(outcome.refusal) for outcome in opened.library.write(commands)]

    assert refusals == [DocumentNotFound, DocumentNotFound, ChunkNotFound, ChunkNotFound, DocumentNotFound]


def test_creating_what_exists_is_refused(opened: Opened) -> None:
    _, again = opened.library.write([put("d"), put("d", mode=WriteMode.CREATE)])

    assert isinstance(again.refusal, DocumentExists)
    assert again.refusal.facts["document"] == 0


def test_a_new_text_replaces_the_chunks(opened: Opened) -> None:
    library = opened.library
    library.write([put("d", [a_chunk("old", "d", vector(1, 0))])])

    library.write([PatchDocument("d", {"text": "new"}, (a_chunk("new", "d", vector(1, 0)),), NOW)])

    assert _found(library, 0, 0) == ["new"]
    with library.reading() as rows:
        document = rows.document("d")
    assert document is not None
    assert (document.text, document.chunks, document.version) == ("new", 1, 2)


def test_reopening_resumes_where_it_stopped(opened: Opened) -> None:
    commands = [put(f"d{n}", [a_chunk(f"c{n}", f"d{n}", vector(n, 1))]) for n in range(50)]
    opened.library.write([*commands, DeleteDocument("d7", NOW)])
    before = opened.library.view.state, _found(opened.library, 0, 0, k=60)

    library = opened.reopen()

    assert (library.view.state, _found(library, 0, 0, k=60)) == before
    assert "c7" not in before[1]


def test_the_history_tells_commands_apart(storage: Storage) -> None:
    histories: list[bytes] = []
    for text in ("one", "two", "one"):
        settings = a_library(name=f"{len(histories)}")
        storage.create(settings)
        library = _open(storage, settings)
        library.write([put("d", [a_chunk("c", "d", vector(1, 0), text)])])
        histories.append(library.view.state.history)
        library.close()

    assert histories[0] == histories[2] != histories[1]


@contextmanager
def _failing_commit(library: LiveLibrary, error: PergamumError) -> Iterator[None]:
    """Let every commit of the library fail inside the block."""
    store = library._store
    writing = store.writing

    def fail() -> None:
        raise error

    @contextmanager
    def failing() -> Iterator[UnitOfWork]:
        with writing() as work, pytest.MonkeyPatch.context() as patched:
            patched.setattr(work, "commit", fail)
            yield work

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(store, "writing", failing)
        yield


def test_after_a_failed_flush_nothing_is_acknowledged_until_reopened(opened: Opened) -> None:
    library = opened.library
    library.write([put("d1", [a_chunk("c1", "d1", vector(1, 0))])])

    with _failing_commit(library, OutcomeUnknown("EIO")), pytest.raises(OutcomeUnknown):
        library.write([put("d2", [a_chunk("c2", "d2", vector(2, 0))])])
    with pytest.raises(LibraryReadOnly):
        library.write([put("d3")])

    assert _found(library, 0, 0) == ["c1"]
    library = opened.reopen()
    library.write([put("d4", [a_chunk("c4", "d4", vector(4, 0))])])
    assert _found(library, 0, 0) == ["c1", "c4"]


def test_a_full_disk_keeps_nothing_and_the_next_write_may_try(opened: Opened) -> None:
    library = opened.library
    with _failing_commit(library, StorageFull()), pytest.raises(StorageFull):
        library.write([put("d1", [a_chunk("c1", "d1", vector(1, 0))])])

    library.write([put("d2", [a_chunk("c2", "d2", vector(2, 0, 0))])])

    assert _found(library, 0, 0, 0) == ["c2"]
    assert library.view.state.library.dimension == 3, "the write that failed must not have fixed it"


def test_a_search_overtaken_by_a_write_is_made_again(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    library = opened.library
    library.write([put("d", [a_chunk("c", "d", vector(1, 0), "before")])])
    overtaking: list[Callable[[], object]] = [
        lambda: library.write([put("d", [a_chunk("c", "d", vector(2, 0), "between")])]),
        lambda: library.write([put("d", [a_chunk("c", "d", vector(3, 0), "after")])]),
    ]
    search = LayeredIndex.search

    def overtaken(
        index: LayeredIndex, queries: Matrix, k: int, vectors: Matrix, allowed: SlotMask, route: Route = SCAN
    ) -> Neighbours:
        found = search(index, queries, k, vectors, allowed, route)
        if overtaking:
            overtaking.pop(0)()
        return found

    monkeypatch.setattr(LayeredIndex, "search", overtaken)

    (answer,) = library.search(vector(0, 0)[None, :], 1)

    assert (answer.hits[0].chunk.text, answer.hits[0].distance, answer.position) == ("after", 3.0, 3)


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
def test_a_snapshot_is_used_and_a_damaged_one_is_rebuilt(opened: Opened) -> None:
    rng = np.random.default_rng(1)
    library = opened.library
    chunks = [a_chunk(f"c{n}", "d", rng.random(4, np.float32)) for n in range(200)]
    library.write([put("d", chunks[:150])])
    library.save_snapshot()
    library.write([put_chunks(chunks[150:]), DeleteChunk("c3", NOW)])
    expected = _found(library, 0, 0, 0, 0, k=300)

    assert opened.reopen().status().unsaved == 50
    assert _found(opened.library, 0, 0, 0, 0, k=300) == expected
    folder = opened.library._store.index_folder
    assert folder is not None
    opened.library.close()
    largest = max((file for file in folder.rglob("*") if file.is_file()), key=lambda file: file.stat().st_size)
    damaged = bytearray(largest.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    largest.write_bytes(damaged)
    opened.library = _open(opened.storage, opened.settings)

    assert opened.library.status().unsaved == 200
    assert _found(opened.library, 0, 0, 0, 0, k=300) == expected


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
def test_a_damaged_vector_is_left_out_and_said(opened: Opened) -> None:
    opened.library.write([put("d", [a_chunk(f"c{n}", "d", vector(n, 1)) for n in range(3)])])
    folder = opened.library._store.index_folder
    assert folder is not None
    opened.library.close()
    with (folder.parent / "vectors.f32").open("r+b") as file:
        file.seek(4_096 + 8)
        file.write(b"\xff")
    opened.library = _open(opened.storage, opened.settings)

    (answer,) = opened.library.search(vector(0, 1)[None, :], 10)

    assert [hit.chunk.id for hit in answer.hits] == ["c0", "c2"]
    assert not answer.complete
    assert opened.library.view.damaged == 1
    opened.library.save_snapshot()
    assert opened.reopen().view.damaged == 1, "a snapshot must not make it forgotten"


def _damage_rows(opened: Opened, *texts: str) -> None:
    """Close the library, flip a byte of each text in library.db, and open it again."""
    folder = opened.library._store.index_folder
    assert folder is not None
    opened.library.close()
    path = folder.parent / "library.db"
    content = path.read_bytes()
    for text in texts:
        assert content.count(text.encode()) == 1
        content = content.replace(text.encode(), b"\xff" + text.encode()[1:])
    path.write_bytes(content)
    opened.library = _open(opened.storage, opened.settings)


@pytest.mark.parametrize("saved", [False, True], ids=["read at opening", "covered by the snapshot"])
@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
def test_a_damaged_row_is_left_out_and_said(opened: Opened, saved: bool) -> None:
    chunks = [a_chunk(f"c{n}", "d", vector(n, 1), text=f"the text of {n}") for n in range(4)]
    opened.library.write([put("d", chunks)])
    if saved:
        opened.library.save_snapshot()
    _damage_rows(opened, "the text of 1", "the text of 3")

    (answer,) = opened.library.search(vector(0, 1)[None, :], 10)

    assert [hit.chunk.id for hit in answer.hits] == ["c0", "c2"]
    assert not answer.complete
    assert opened.library.view.damaged == 2


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
def test_a_snapshot_covers_only_vectors_that_are_in_their_place(opened: Opened) -> None:
    opened.library.write([put("d", [a_chunk(f"c{n}", "d", vector(n, 1)) for n in range(4)])])

    opened.library.save_snapshot()

    folder = opened.library._store.index_folder
    assert folder is not None
    with apsw.Connection(str(folder.parent / "library.db")) as other:
        assert other.execute("SELECT count(*) FROM pending").fetchall() == [(0,)]


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
def test_when_its_upkeep_fails_a_library_takes_no_writes_until_reopened(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(5, "input/output error")

    monkeypatch.setattr(pending, "MOST_VECTORS", 1)
    library = opened.library
    library.write([put("d1", [a_chunk("c1", "d1", vector(1, 0))])])
    with monkeypatch.context() as patched:
        patched.setattr("os.fdatasync", fail)
        library.checkpoint()

    assert library.failure is not None
    with pytest.raises(LibraryReadOnly):
        library.write([put("d2", [a_chunk("c2", "d2", vector(2, 0))])])
    library = opened.reopen()
    library.write([put("d3", [a_chunk("c3", "d3", vector(3, 0))])])
    assert _found(library, 0, 0) == ["c1", "c3"]
