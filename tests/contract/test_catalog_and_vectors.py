"""What every storage keeps, on a disk and in memory: vectors, the catalogue, stores that come and go."""

from datetime import timedelta
from uuid import UUID, uuid4

import numpy as np
import pytest

from pergamum.domain.json import JsonObject
from pergamum.domain.operation import Operation, OperationStatus
from pergamum.errors import Damaged, LibraryExists, LibraryNotFound
from pergamum.storage.base import LibraryStore, Storage
from tests.support.storage import NOW, UNUSUAL_IDS, library, save, save_vectors, stored


def test_vectors_come_back_at_their_slots(store: LibraryStore) -> None:
    vectors = np.random.default_rng(0).standard_normal((300, 7)).astype(np.float32)
    save_vectors(store, 0, vectors[:100])
    save_vectors(store, 100, vectors[100:])

    np.testing.assert_array_equal(store.vectors.matrix(300)[:300], vectors)


def test_an_older_map_stays_valid_and_shows_later_writes(store: LibraryStore) -> None:
    save_vectors(store, 0, np.ones((10, 64), np.float32))
    older = store.vectors.matrix(10)

    save_vectors(store, 10, np.full((1, 64), 2, np.float32))
    save_vectors(store, 5_000, np.full((1, 64), 3, np.float32))

    assert (older[:10] == 1).all()
    assert (older[10] == 2).all()
    assert (store.vectors.matrix(5_001)[5_000] == 3).all()


def test_a_map_cannot_be_written(store: LibraryStore) -> None:
    save_vectors(store, 0, np.ones((1, 4), np.float32))

    with pytest.raises(ValueError, match="read-only"):
        store.vectors.matrix(1)[0, 0] = 5


def test_vectors_of_a_write_are_mapped_before_it_is_committed(store: LibraryStore) -> None:
    with store.writing() as work:
        work.store_vectors(0, np.ones((1, 4), np.float32))

        assert store.vectors.matrix(1)[0].tolist() == [1, 1, 1, 1]
        assert store.vectors.mapped_bytes >= 16


def test_vectors_of_an_undone_write_are_overwritten_whatever_their_length(store: LibraryStore) -> None:
    with store.writing() as work:
        work.store_vectors(0, np.ones((2, 8), np.float32))

    save_vectors(store, 0, np.full((1, 4), 2, np.float32))

    assert store.vectors.matrix(1)[0].tolist() == [2, 2, 2, 2]


@pytest.mark.parametrize("rows", [1, 100_000])
def test_settled_vectors_stay_where_they_are(store: LibraryStore, rows: int) -> None:
    vectors = np.arange(rows * 4, dtype=np.float32).reshape(rows, 4)
    save_vectors(store, 0, vectors)

    store.settle()
    store.settle()

    np.testing.assert_array_equal(store.vectors.matrix(rows)[:rows], vectors)
    assert store.failure is None


def test_more_slots_than_there_are_is_damage(store: LibraryStore) -> None:
    with pytest.raises(Damaged):
        store.vectors.matrix(1)


def test_names_lead_to_libraries(storage: Storage) -> None:
    first, second = uuid4(), uuid4()
    storage.catalog.add(first, "b/🦊", NOW)
    storage.catalog.add(second, "a", NOW)

    assert storage.catalog.find("b/🦊") == first
    assert storage.catalog.find("c") is None
    assert storage.catalog.names(second) == ["a"]
    assert storage.catalog.libraries() == {first, second}


def test_names_are_listed_in_order_and_in_pages(storage: Storage) -> None:
    ids = {name: uuid4() for name in UNUSUAL_IDS}
    for name, library_id in ids.items():
        storage.catalog.add(library_id, name, NOW)

    first = storage.catalog.page(None, 4)
    rest = storage.catalog.page(first[-1][0], 100)

    assert first + rest == sorted(ids.items())


def test_a_name_belongs_to_one_library(storage: Storage) -> None:
    first, second = uuid4(), uuid4()
    storage.catalog.add(first, "papers", NOW)
    storage.catalog.add(second, "books", NOW)

    with pytest.raises(LibraryExists):
        storage.catalog.add(uuid4(), "papers", NOW)
    with pytest.raises(LibraryExists):
        storage.catalog.reserve(second, "papers")
    assert storage.catalog.libraries() == {first, second}


def test_renaming_holds_two_names_until_the_old_one_is_released(storage: Storage) -> None:
    library_id = uuid4()
    storage.catalog.add(library_id, "old", NOW)

    storage.catalog.reserve(library_id, "new")
    storage.catalog.reserve(library_id, "new")

    assert sorted(storage.catalog.names(library_id)) == ["new", "old"]
    assert storage.catalog.page(None, 10) == [("new", library_id), ("old", library_id)]
    storage.catalog.release_all_but(library_id, "new")
    assert storage.catalog.names(library_id) == ["new"]
    assert storage.catalog.find("old") is None


def test_a_deleted_library_leaves_a_tombstone_and_its_name(storage: Storage) -> None:
    library_id = uuid4()
    storage.catalog.add(library_id, "papers", NOW)

    storage.catalog.remove(library_id)

    assert storage.catalog.tombstones() == {library_id}
    assert storage.catalog.libraries() == set()
    assert storage.catalog.names(library_id) == []
    storage.catalog.add(uuid4(), "papers", NOW)
    with pytest.raises(LibraryNotFound):
        storage.catalog.remove(library_id)


def test_an_operation_is_replaced_by_its_id(storage: Storage) -> None:
    queued = Operation(id=uuid4(), kind="rebuild", library_id=uuid4(), created_at=NOW, updated_at=NOW)
    done = queued.succeeded({"rows": [1, "é"]}, NOW + timedelta(microseconds=1))

    storage.catalog.save_operation(queued)
    storage.catalog.save_operation(done)

    assert storage.catalog.operation(queued.id) == done
    assert done.status is OperationStatus.SUCCEEDED
    assert storage.catalog.operation(uuid4()) is None


def test_operations_that_have_not_ended_are_found_the_oldest_first(storage: Storage) -> None:
    def made(minutes: int) -> Operation:
        at = NOW + timedelta(minutes=minutes)
        request: JsonObject = {"kind": "lsh", "params": {"tables": 3}, "before": {"kind": "auto"}}
        return Operation(
            id=uuid4(), kind="build_index", library_id=uuid4(), request=request, created_at=at, updated_at=at
        )

    late, early, done, failed, given_up = (made(minutes) for minutes in (5, 1, 2, 3, 4))
    running = early.running(NOW)
    for operation in (late, running, done.succeeded({}, NOW), failed.failed({}, NOW), given_up.cancelled(None, NOW)):
        storage.catalog.save_operation(operation)

    assert storage.catalog.unfinished_operations() == [running, late]


def used(storage: Storage) -> UUID:
    kept = library()
    storage.create(kept)
    opened = storage.open(kept.id)
    save(opened, stored(0))
    opened.close()
    return kept.id


def test_a_missing_store_is_damage_never_an_empty_one(storage: Storage) -> None:
    with pytest.raises(Damaged):
        storage.open(uuid4())


def test_a_store_is_made_once(storage: Storage) -> None:
    kept = library()
    storage.create(kept)

    with pytest.raises(FileExistsError):
        storage.create(kept)


def test_a_destroyed_store_is_gone(storage: Storage) -> None:
    library_id = used(storage)

    storage.destroy(library_id)
    storage.destroy(library_id)

    with pytest.raises(Damaged):
        storage.open(library_id)


def test_tidying_keeps_what_a_lost_catalogue_could_have_listed(storage: Storage) -> None:
    listed, lost, deleted, unused = used(storage), used(storage), used(storage), library()
    storage.create(unused)
    storage.catalog.add(listed, "listed", NOW)
    storage.catalog.add(deleted, "deleted", NOW)
    storage.catalog.remove(deleted)

    kept = storage.tidy()

    assert kept == [lost]
    storage.open(listed).close()
    storage.open(lost).close()
    for gone in (deleted, unused.id):
        with pytest.raises(Damaged):
            storage.open(gone)
