"""Paging through a list while others write: what did not change comes exactly once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from pergamum.domain.commands import DeleteDocument, NewDocument, PutDocuments, WriteMode
from pergamum.domain.document import Document
from pergamum.domain.fields import Level
from pergamum.domain.filter_reading import read_filter
from pergamum.domain.listing import Listed, Listing, Order, part_of
from pergamum.engine.live_library import LiveLibrary
from pergamum.storage.sqlite.storage import SqliteStorage
from tests.support.library import NOW, a_library

STEADY, LISTS = 60, 6


def _documents(ids: list[str], year: int) -> PutDocuments:
    made = [
        NewDocument(Document(id=id, metadata={"year": year + at % 7}, created_at=NOW, updated_at=NOW), ())
        for at, id in enumerate(ids)
    ]
    return PutDocuments(tuple(made), WriteMode.UPSERT, NOW + timedelta(seconds=year))


@pytest.mark.parametrize("order", [None, Order("year"), Order("year", descending=True)])
def test_rows_that_do_not_change_come_once_each(tmp_path: Path, order: Order | None) -> None:
    storage, library = SqliteStorage(tmp_path), a_library()
    storage.create(library)
    live, done = LiveLibrary(storage.open(library.id), lambda _: None), threading.Event()
    steady = [f"steady {number}" for number in range(STEADY)]
    live.write([_documents(steady, 1990)])

    def write() -> None:
        turn = 0
        while not done.is_set():
            turn += 1
            live.write([_documents([f"busy {turn % 9}", f"zebra {turn % 5}"], 1985 + turn % 20)])
            if turn % 3 == 0:
                live.write([DeleteDocument(f"busy {turn % 9}", NOW)])

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(write)
        lists = [_listed(live, order) for _ in range(LISTS)]
        done.set()
        writer.result()
    live.close()
    storage.close()

    for found in lists:
        assert sorted(id for id in found if id.startswith("steady")) == sorted(steady)


def _listed(live: LiveLibrary, order: Order | None) -> list[str]:
    """The ids of all pages, each read at whatever position the library has reached."""
    everything = read_filter({"field": "year", "op": "exists"})
    found: list[str] = []
    wanted = Listing(Level.DOCUMENT, everything, order, limit=7)
    while True:
        page = _page(live, wanted)
        found += [document.id for document in page.items]
        if page.last is None:
            return found
        wanted = Listing(Level.DOCUMENT, everything, order, page.last, limit=7)


def _page(live: LiveLibrary, wanted: Listing) -> Listed[Document]:
    return live.on_selection(
        wanted.level,
        wanted.filter,
        lambda found: found.documents(part_of(wanted, found.state.library.metadata_schema)),
    )
