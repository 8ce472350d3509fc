"""What every storage tells those who keep columns of its rows: numbers, slots, and what changed since a position."""

from pathlib import Path

import apsw
import pytest

from pergamum.errors import Damaged
from pergamum.storage.base import LibraryStore, Storage
from pergamum.storage.sqlite.codec import checksum, document_of, document_row
from tests.support.storage import document, library, save, stored


def changes(store: LibraryStore, since: int, first_slot: int) -> tuple[list[str], list[int]]:
    """Return the ids of the documents and the slots of the chunks that changed."""
    with store.reading() as rows:
        numbers = rows.document_numbers(["d", "e", "f"])
        documents = [(number, each) for number, each in rows.documents_changed(since)]
        chunks = list(rows.chunks_changed(since, first_slot))
    assert [number for number, _ in documents] == sorted(number for number, _ in documents)
    for number, each in documents:
        assert each is not None
        assert numbers[each.id] == number
    for slot, owner, chunk in chunks:
        assert chunk is not None
        assert (chunk.slot, numbers[chunk.chunk.document_id]) == (slot, owner)
    return [each.id for _, each in documents if each], [slot for slot, _, _ in chunks]


def test_numbers_and_slots_are_found_by_id(store: LibraryStore) -> None:
    save(store, stored(0), stored(1, document_id="e"), documents=(document("d"), document("e")))

    with store.reading() as rows:
        numbers = rows.document_numbers(["e", "nobody", "d"])
        assert numbers.keys() == {"d", "e"}
        assert min(numbers.values()) >= 1
        assert rows.all_document_numbers().tolist() == sorted(numbers.values())
        assert rows.slots_by_id(["c1", "nothing"]) == {"c1": 1}


def test_a_number_stays_when_the_document_is_replaced(store: LibraryStore) -> None:
    save(store, documents=(document("d"), document("e")))
    with store.reading() as rows:
        before = rows.document_numbers(["d", "e"])

    save(store, documents=(document("d", title="another"),))

    with store.reading() as rows:
        assert rows.document_numbers(["d", "e"]) == before


def test_a_removed_document_has_no_number(store: LibraryStore) -> None:
    save(store, documents=(document("d"), document("e")))
    with store.writing() as work:
        work.rows.remove_document("e")
        work.commit()

    with store.reading() as rows:
        assert rows.document_numbers(["d", "e"]).keys() == {"d"}
        assert len(rows.all_document_numbers()) == 1


def test_only_what_changed_since_comes(store: LibraryStore) -> None:
    save(store, stored(0), stored(1), documents=(document("d"),))  # position 1
    save(store, documents=(document("e"),))  # 2
    save(store, stored(1, version=2, page_number=7), documents=(document("d"),))  # 3
    save(store, stored(2, document_id="f"), documents=(document("f"),))  # 4

    assert changes(store, -1, 0) == (["d", "e", "f"], [0, 1, 2])
    assert changes(store, 1, 2) == (["d", "e", "f"], [2])
    assert changes(store, 0, 2) == (["d", "e", "f"], [1, 2])
    assert changes(store, 2, 2)[0] == ["d", "f"]
    assert changes(store, 4, 3) == ([], [])


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
def test_a_damaged_row_is_told_and_raises_nothing(storage: Storage, tmp_path: Path) -> None:
    kept = library()
    storage.create(kept)
    store = storage.open(kept.id)
    save(store, *(stored(slot) for slot in range(3)), documents=(document("d"), document("e")))
    (database,) = (tmp_path / "data").rglob("library.db")
    with apsw.Connection(str(database)) as other:
        other.execute(
            "UPDATE chunks SET page_number = 9 WHERE slot = 1; UPDATE documents SET title = 'x' WHERE id = 'e'"
        )

    with store.reading() as rows:
        chunks, documents = list(rows.chunks_changed(-1, 0)), list(rows.documents_changed(-1))
        again = list(rows.documents_changed(0))

    assert [(slot, chunk is None) for slot, _, chunk in chunks] == [(0, False), (1, True), (2, False)]
    assert [each is None for _, each in documents] == [each is None for _, each in again] == [False, True]
    store.close()


def test_a_document_written_by_an_older_release_is_read() -> None:
    values = document_row(document("d", title="old"), 1)[:-2]

    assert document_of((*values, 0, checksum(values))).title == "old"
    with pytest.raises(Damaged):
        document_of((*values, 2, checksum(values)))
