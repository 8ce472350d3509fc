"""Which libraries a process has open that only reads, beside the one that writes them."""

import threading
import time
from uuid import UUID, uuid4

import pytest

from pergamum.engine import reader_catalog
from pergamum.engine.elsewhere import Elsewhere
from pergamum.engine.reader_catalog import ReaderCatalog
from pergamum.errors import Damaged
from pergamum.storage.sqlite.read_only import ReadOnlyStorage
from tests.workers.both import Both, Later


def test_a_damaged_file_is_the_writers_to_tell(both: Both) -> None:
    later = Later()
    catalog = ReaderCatalog(ReadOnlyStorage(both.data, 1), 4, later)
    with pytest.raises(Elsewhere) as missing, catalog.opened(catalog.resolve("papers")):
        pass
    assert missing.value.library_id == both.settings.id
    catalog.open_soon(both.settings.id)
    later.work()

    with pytest.raises(Elsewhere), catalog.opened(both.settings.id):
        raise Damaged("a row", "its checksum is wrong")
    with catalog.opened(both.settings.id) as library:
        assert library.view.state.position == 1
    with pytest.raises(Elsewhere):
        catalog.resolve("another")
    catalog.close()


def test_what_is_asked_for_by_many_spellings_is_not_remembered_for_good(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_catalog, "MOST_KNOWN", 3)
    catalog = ReaderCatalog(ReadOnlyStorage(both.data, 1), 4, Later())
    spelled = str(both.settings.id)

    for reference in ("papers", spelled, spelled.upper(), f"{{{spelled}}}", f"urn:uuid:{spelled}"):
        assert catalog.resolve(reference) == both.settings.id

    assert len(catalog._names.known) == 3
    catalog.close()


def test_what_cannot_be_opened_is_left_alone_for_a_while_and_then_forgotten(both: Both) -> None:
    later, unknown = Later(), uuid4()
    catalog = ReaderCatalog(ReadOnlyStorage(both.data, 1), 4, later)
    for tries in (1, 0):
        catalog.open_soon(unknown)
        assert later.work() == tries

    catalog.tidy()
    assert catalog._not_before.keys() == {unknown}
    catalog._not_before[unknown] = time.monotonic()
    catalog.tidy()

    assert catalog._not_before == {}
    catalog.open_soon(unknown)
    assert later.work() == 1
    catalog.close()


def test_tidying_up_makes_no_search_wait_and_may_meet_the_end(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    later = Later()
    catalog = ReaderCatalog(ReadOnlyStorage(both.data, 1), 4, later)
    catalog.open_soon(both.settings.id)
    later.work()
    asked: list[int] = []

    def is_listed(_storage: ReadOnlyStorage, library_id: UUID) -> bool:
        with catalog.opened(library_id) as library:
            asked.append(library.view.state.position)
        if len(asked) == 2:
            catalog.close()
        return True

    monkeypatch.setattr(ReadOnlyStorage, "is_listed", is_listed)
    for _ in range(3):
        thread = threading.Thread(target=catalog.tidy, daemon=True)
        thread.start()
        thread.join(30)
        assert not thread.is_alive()

    assert asked == [1, 1]


def test_libraries_are_closed_when_they_are_deleted_or_too_many(both: Both) -> None:
    later = Later()
    catalog = ReaderCatalog(ReadOnlyStorage(both.data, 1), 0, later)
    catalog.open_soon(both.settings.id)
    later.work()
    assert not catalog.is_open(both.settings.id)

    catalog = ReaderCatalog(ReadOnlyStorage(both.data, 1), 1, later)
    catalog.open_soon(both.settings.id)
    later.work()
    assert catalog.resolve("papers") == both.settings.id
    with catalog.opened(both.settings.id) as library:
        both.storage.catalog.remove(both.settings.id)
        catalog.tidy()
        assert not catalog.is_open(both.settings.id)
        assert not library._closed  # whoever has it may finish
        with library.reading() as rows:
            assert rows.state().position == 1
    assert library._closed
    with pytest.raises(Elsewhere):
        catalog.resolve("papers")
    catalog.close()
