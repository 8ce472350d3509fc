"""What lists and facets ask of the rows: documents by number, ids by number or slot, ids in order either way."""

import pytest

from pergamum.domain.fields import Level
from pergamum.storage.base import LibraryStore
from tests.support.storage import UNUSUAL_IDS, document, save, stored


@pytest.fixture
def kept(store: LibraryStore) -> LibraryStore:
    """Documents and chunks of unusual ids, kept in another order than that of the ids."""
    documents = tuple(document(id) for id in UNUSUAL_IDS)
    chunks = [stored(slot, id, id) for slot, id in enumerate(reversed(UNUSUAL_IDS))]
    save(store, *chunks, documents=documents)
    return store


def test_documents_are_found_by_number(kept: LibraryStore) -> None:
    with kept.reading() as rows:
        numbers = rows.document_numbers(UNUSUAL_IDS)
        found = rows.documents_at([*numbers.values(), 1_000_000])

    assert {number: one.id for number, one in found.items()} == {number: id for id, number in numbers.items()}
    assert len(found) == len(UNUSUAL_IDS)


def test_ids_are_found_by_number_and_by_slot(kept: LibraryStore) -> None:
    with kept.reading() as rows:
        numbers = rows.document_numbers(UNUSUAL_IDS)
        of_documents = rows.ids_at(Level.DOCUMENT, [*numbers.values(), 1_000_000])
        of_chunks = rows.ids_at(Level.CHUNK, [3, 1, 1_000_000])

    assert of_documents == {number: id for id, number in numbers.items()}
    assert of_chunks == {1: UNUSUAL_IDS[-2], 3: UNUSUAL_IDS[-4]}


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("descending", [False, True])
def test_ids_are_walked_along_in_either_direction(kept: LibraryStore, level: Level, descending: bool) -> None:
    found: list[tuple[str, int]] = []
    with kept.reading() as rows:
        while part := rows.ids_after(level, found[-1][0] if found else None, 4, descending=descending):
            found += part
        known = rows.ids_at(level, [number for _, number in found])

    assert [id for id, _ in found] == sorted(UNUSUAL_IDS, reverse=descending)
    assert known == {number: id for id, number in found}
