"""Columns that were made before some writes are what the rows say after them."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from pergamum.domain.commands import DeleteDocument
from pergamum.domain.fields import Level
from pergamum.domain.filters import Condition, Op
from pergamum.domain.listing import Listing, Order, part_of
from pergamum.engine.columns.selection import Selection
from pergamum.engine.live_library import LiveLibrary
from pergamum.storage.sqlite.storage import SqliteStorage
from tests.support.library import NOW, a_library, put


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveLibrary]:
    storage, library = SqliteStorage(tmp_path), a_library()
    storage.create(library)
    made = LiveLibrary(storage.open(library.id), lambda _seconds: None)
    yield made
    made.close()
    storage.close()


def test_a_document_removed_beside_a_damaged_one_is_gone(live: LiveLibrary, tmp_path: Path) -> None:
    live.write([put("d0"), put("d1"), put("d2")])
    (database,) = tmp_path.rglob("library.db")
    with closing(apsw.Connection(str(database))) as connection:
        connection.execute("UPDATE documents SET title = 'other' WHERE id = 'd2'")
    prepared = live._columns.prepared(lambda: live.view, None)
    assert prepared is not None
    live.write([DeleteDocument("d1", NOW)])

    live._publish_columns(prepared)

    assert _ids(live) == ["d0"]


def _ids(live: LiveLibrary) -> list[str]:
    wanted = Listing(Level.DOCUMENT, Condition("version", Op.GTE, 0), Order("version"))

    def listed(found: Selection) -> list[str]:
        part = part_of(wanted, found.state.library.metadata_schema)
        return [document.id for document in found.documents(part).items]

    return live.on_selection(Level.DOCUMENT, wanted.filter, listed)
