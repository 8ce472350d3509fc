"""Thousands of libraries may exist; threads, connections and descriptors stay within their bounds."""

import threading
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest

from pergamum.app import build_core
from pergamum.domain.chunk import NewChunk
from pergamum.domain.commands import NewDocument, PutDocuments, WriteMode
from pergamum.domain.document import Document
from pergamum.domain.library import Library
from pergamum.settings import Settings

LIBRARIES = 2_000
OPEN = 16
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _one_document(number: int) -> PutDocuments:
    chunk = NewChunk(
        id="chunk", document_id="document", text=f"text {number}", embedding=np.array([1, number], np.float32)
    )
    document = Document(id="document", created_at=NOW, updated_at=NOW)
    return PutDocuments((NewDocument(document, (chunk,)),), WriteMode.UPSERT, NOW)


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.xdist_group("descriptors")
def test_round_robin_over_2000_libraries_stays_within_bounds(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, max_open_libraries=OPEN, readers_per_library=2)
    core = build_core(settings)
    descriptors, threads = _descriptors(), threading.active_count()
    ids: list[UUID] = []
    most_descriptors = most_threads = 0

    for number in range(LIBRARIES):
        library = Library(id=uuid4(), name=f"library {number}", dimension=2, created_at=NOW, updated_at=NOW)
        core.catalog.create(library)
        core.journal.submit(library.id, _one_document(number))
        ids.append(library.id)
    for number, library_id in enumerate(ids):
        with core.catalog.opened(library_id) as opened:
            (answer,) = opened.search(np.array([[1, number]], np.float32), 1)
        assert [hit.chunk.text for hit in answer.hits] == [f"text {number}"]
        most_descriptors = max(most_descriptors, _descriptors())
        most_threads = max(most_threads, threading.active_count())

    assert core.catalog.health().libraries == LIBRARIES
    assert core.catalog.health().open <= OPEN
    assert most_descriptors <= descriptors + OPEN * (3 * (1 + settings.readers_per_library) + 1)
    assert most_threads <= threads + settings.write_threads + settings.background_threads
    core.close()
    assert _descriptors() < descriptors
