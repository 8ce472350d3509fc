"""Which libraries there are, which are open, and what a crash in between leaves."""

import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from pergamum.domain.commands import UpdateLibrary
from pergamum.domain.library import Library
from pergamum.domain.replies import KeptReply
from pergamum.engine.catalog import Catalog
from pergamum.errors import LibraryExists, LibraryNotFound, OutcomeUnknown
from pergamum.storage.base import Storage
from pergamum.storage.memory.storage import MemoryStorage
from pergamum.storage.sqlite.storage import SqliteStorage
from tests.support.library import NOW, a_chunk, a_library, put, vector


@pytest.fixture(params=["sqlite", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    made: Storage = SqliteStorage(tmp_path) if request.param == "sqlite" else MemoryStorage()
    yield made
    made.close()


def _ignore(seconds: float) -> None:
    """Nobody looks at flush times here."""


def _catalog(storage: Storage, max_open: int = 4) -> Catalog:
    return Catalog(storage, max_open, _ignore)


def _close_libraries(catalog: Catalog) -> None:
    for library_id in list(catalog._entries):
        catalog._close_when_idle(library_id)


def test_a_library_is_found_by_name_and_by_id(storage: Storage) -> None:
    catalog, library = _catalog(storage), a_library("papers")

    catalog.create(library)

    assert catalog.resolve("papers") == catalog.resolve(str(library.id)) == library.id
    for unknown in ("paper", str(uuid4())):
        with pytest.raises(LibraryNotFound):
            catalog.resolve(unknown)


def test_a_name_taken_leaves_nothing_behind(storage: Storage) -> None:
    catalog = _catalog(storage)
    catalog.create(a_library("papers"))

    with pytest.raises(LibraryExists):
        catalog.create(a_library("papers"))

    assert len(catalog.page(None, 10)) == 1
    assert storage.tidy() == []


@pytest.mark.parametrize("kept", [True, False])
def test_a_creation_of_unknown_outcome_loses_nothing_that_was_kept(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    catalog, library = _catalog(storage), a_library("papers")
    add = storage.catalog.add

    def uncertain(library_id: UUID, name: str, at: datetime, reply: KeptReply | None) -> None:
        if kept:
            add(library_id, name, at, reply)
        raise OutcomeUnknown("the flush failed")

    with monkeypatch.context() as patched:
        patched.setattr(storage.catalog, "add", uncertain)
        with pytest.raises(OutcomeUnknown):
            catalog.create(library)

    for started in (catalog, _catalog(storage)):
        if kept:
            with started.opened(started.resolve("papers")) as opened:
                assert opened.view.state.library == library
            _close_libraries(started)
        else:
            with pytest.raises(LibraryNotFound):
                started.resolve("papers")
    if not kept:
        catalog.create(library)


def test_a_deleted_library_is_gone_and_its_name_free(storage: Storage) -> None:
    catalog, library = _catalog(storage), a_library("papers")
    catalog.create(library)
    with catalog.opened(library.id) as opened:
        opened.write([put("d", [a_chunk("c", "d", vector(1, 1))])])

    position = catalog.delete(library.id)

    assert position == 2
    with pytest.raises(LibraryNotFound), catalog.opened(library.id):
        pass
    with pytest.raises(LibraryNotFound):
        catalog.delete(library.id)
    catalog.create(a_library("papers"))


def test_deleting_waits_for_whoever_uses_the_library(storage: Storage) -> None:
    catalog, library = _catalog(storage), a_library("papers")
    catalog.create(library)
    with catalog.opened(library.id) as opened:
        opened.write([put("d", [a_chunk("c", "d", vector(1, 1))])])
        deleting = threading.Thread(target=catalog.delete, args=(library.id,))
        deleting.start()
        while library.id in storage.catalog.libraries():
            pass
        (answer,) = opened.search(vector(1, 1)[None, :], 1)
        with pytest.raises(LibraryNotFound):
            opened.write([put("late")])
    deleting.join()

    assert answer.hits[0].chunk.id == "c"
    assert catalog.health().open == 0


def test_idle_libraries_make_room(storage: Storage) -> None:
    catalog = _catalog(storage, max_open=2)
    libraries = [a_library(f"library {n}") for n in range(5)]
    for library in libraries:
        catalog.create(library)

    for library in libraries * 2:
        with catalog.opened(library.id) as opened:
            opened.write([put(f"d{opened.view.state.position}")])

    assert catalog.health().open == 2
    with catalog.opened(libraries[0].id) as opened:
        assert opened.view.state.documents == 2


def test_two_libraries_open_at_once_with_room_for_one(storage: Storage) -> None:
    catalog = _catalog(storage, max_open=1)
    libraries = [a_library("a"), a_library("b")]
    for library in libraries:
        catalog.create(library)
    counts = []

    def use(number: int) -> None:
        for _ in range(20):
            with catalog.opened(libraries[number].id) as opened:
                opened.write([put(f"d{opened.view.state.position}")])
        counts.append(number)

    threads = [threading.Thread(target=use, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(counts) == [0, 1]
    for library in libraries:
        with catalog.opened(library.id) as opened:
            assert opened.view.state.documents == 20


def test_renaming_frees_the_old_name(storage: Storage) -> None:
    catalog, library = _catalog(storage), a_library("old")
    catalog.create(library)
    catalog.create(a_library("taken"))

    with catalog.renaming(library.id, "new"), catalog.opened(library.id) as opened:
        opened.write([UpdateLibrary({"name": "new"}, NOW)])

    assert catalog.resolve("new") == library.id
    with pytest.raises(LibraryNotFound):
        catalog.resolve("old")
    with pytest.raises(LibraryExists), catalog.renaming(library.id, "taken"):
        pass
    assert storage.catalog.names(library.id) == ["new"]


def test_a_refused_renaming_keeps_the_old_name(storage: Storage) -> None:
    catalog, library = _catalog(storage), a_library("old")
    catalog.create(library)

    with pytest.raises(ValueError, match="refused"), catalog.renaming(library.id, "new"):
        raise ValueError("refused")

    assert storage.catalog.names(library.id) == ["old"]


def _rename(catalog: Catalog, library: Library) -> None:
    with catalog.opened(library.id) as opened:
        opened.write([UpdateLibrary({"name": "new"}, NOW)])


@pytest.mark.parametrize("committed", [True, False])
def test_a_renaming_of_unknown_outcome_is_settled_at_once(storage: Storage, committed: bool) -> None:
    catalog, library = _catalog(storage), a_library("old")
    catalog.create(library)

    def rename() -> None:
        with catalog.renaming(library.id, "new"):
            if committed:
                _rename(catalog, library)
            raise OutcomeUnknown("the power went")

    with pytest.raises(OutcomeUnknown):
        rename()

    kept, freed = ("new", "old") if committed else ("old", "new")
    assert catalog.resolve(kept) == library.id
    with pytest.raises(LibraryNotFound):
        catalog.resolve(freed)
    _close_libraries(catalog)


@pytest.mark.parametrize("committed", [True, False])
def test_a_crash_while_renaming_leaves_one_name(storage: Storage, committed: bool) -> None:
    catalog, library = _catalog(storage), a_library("old")
    catalog.create(library)
    storage.catalog.reserve(library.id, "new")
    if committed:
        _rename(catalog, library)
    _close_libraries(catalog)

    restarted = _catalog(storage)

    name = "new" if committed else "old"
    assert restarted.resolve(name) == library.id
    assert storage.catalog.names(library.id) == [name]
    _close_libraries(restarted)
