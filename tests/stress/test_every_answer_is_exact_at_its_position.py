"""Many readers and writers at once: every answer equals the exact one at the very position it names."""

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest

from pergamum.app import Core, build_core
from pergamum.domain.chunk import NewChunk
from pergamum.domain.commands import Command, DeleteDocument, NewDocument, PutDocuments, WriteMode
from pergamum.domain.document import Document
from pergamum.domain.library import Library
from pergamum.domain.query import Answer
from pergamum.domain.vectors import Metric, Vector
from pergamum.errors import NotFound
from pergamum.settings import Settings

DIMENSION = 8
DOCUMENTS = 30
WRITERS, WRITES = 4, 120
READERS = 4
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Seen:
    """A search: its query, the positions at its start and end, its answer."""

    query: Vector
    before: int
    after: int
    answer: Answer


@dataclass
class Written:
    """What each position did: document id -> its chunks, or None when it was deleted."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    all: threading.Event = field(default_factory=threading.Event)
    at: dict[int, tuple[str, dict[str, tuple[str, Vector]] | None]] = field(default_factory=dict)

    def states(self) -> Iterator[dict[str, tuple[str, Vector]]]:
        """Replay the writes: yield for each position, from 0 on, chunk id -> (text, vector)."""
        documents: dict[str, dict[str, tuple[str, Vector]]] = {}
        for position in range(max(self.at) + 1):
            document_id, chunks = self.at.get(position, ("", None))
            documents[document_id] = chunks or {}
            yield {chunk_id: chunk for chunks in documents.values() for chunk_id, chunk in chunks.items()}


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    core = build_core(Settings(data_dir=tmp_path))
    yield core
    core.close()


def _library(metric: Metric) -> Library:
    return Library(
        id=uuid4(), name=f"stress-{metric}", metric=metric, dimension=DIMENSION, created_at=NOW, updated_at=NOW
    )


def _put(rng: np.random.Generator, document_id: str, stamp: str) -> PutDocuments:
    # Few distinct vectors, so that ties are common and their order is put to the test.
    chunks = tuple(
        NewChunk(
            id=f"{document_id}/{number}",
            document_id=document_id,
            text=f"{document_id} {number} {stamp}",
            embedding=rng.integers(1, 4, DIMENSION).astype(np.float32),
        )
        for number in range(int(rng.integers(1, 5)))
    )
    document = Document(id=document_id, created_at=NOW, updated_at=NOW)
    return PutDocuments((NewDocument(document, chunks),), WriteMode.UPSERT, NOW)


def _write(core: Core, library_id: UUID, seed: int, written: Written) -> None:
    rng, choice = np.random.default_rng(seed), random.Random(seed)
    for number in range(WRITES):
        # Each writer owns its documents, so what it wrote last is what is stored.
        document_id = f"w{seed}d{choice.randrange(DOCUMENTS // WRITERS)}"
        command: Command = _put(rng, document_id, f"{seed}.{number}")
        if choice.random() < 0.2:
            command = DeleteDocument(document_id, NOW)
        try:
            outcome = core.journal.submit(library_id, command)
        except NotFound:
            continue
        chunks = (
            {c.id: (c.text, c.embedding) for c in command.documents[0].chunks}
            if isinstance(command, PutDocuments)
            else None
        )
        with written.lock:
            written.at[outcome.position] = (document_id, chunks)


def _search(core: Core, library_id: UUID, seed: int, written: Written, seen: list[Seen]) -> None:
    """Search as long as something is written."""
    rng = np.random.default_rng(1_000 + seed)
    while not written.all.is_set():
        query = rng.integers(1, 4, DIMENSION).astype(np.float32)
        with core.catalog.opened(library_id) as library:
            before = library.view.state.position
            (answer,) = library.search(query[None, :], 10)
            after = library.view.state.position
        seen.append(Seen(query, before, after, answer))


def _distance(metric: Metric, query: Vector, vector: Vector) -> float:
    a, b = query.astype(np.float64), vector.astype(np.float64)
    if metric is Metric.L2:
        return float(np.sqrt(((a - b) ** 2).sum()))
    dot = float(a @ b)
    return -dot if metric is Metric.DOT else 1.0 - dot / float(np.sqrt(a @ a) * np.sqrt(b @ b))


def _assert_exact(metric: Metric, state: dict[str, tuple[str, Vector]], query: Vector, answer: Answer) -> None:
    distances = sorted(_distance(metric, query, vector) for _, vector in state.values())
    assert len(answer.hits) == min(10, len(state))
    np.testing.assert_allclose([hit.distance or 0.0 for hit in answer.hits], distances[: len(answer.hits)], atol=1e-12)
    for hit in answer.hits:
        text, vector = state[hit.chunk.id]
        assert hit.chunk.text == text
        assert hit.distance == pytest.approx(_distance(metric, query, vector), abs=1e-12)


def _run(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("metric", list(Metric))
def test_every_answer_is_exact_at_its_position(core: Core, metric: Metric) -> None:
    library, written = _library(metric), Written()
    core.catalog.create(library)
    seen: list[Seen] = []
    errors: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - a thread's failure must fail the test
            errors.append(error)

    def write_all() -> None:
        writers = [partial(_write, core, library.id, seed, written) for seed in range(WRITERS)]
        _run([threading.Thread(target=guarded, args=(writer,)) for writer in writers])
        written.all.set()

    work = [write_all, *(partial(_search, core, library.id, seed, written, seen) for seed in range(READERS))]
    _run([threading.Thread(target=guarded, args=(each,)) for each in work])

    assert not errors
    assert len({search.answer.position for search in seen}) > 10, "searches and writes did not overlap"
    states = list(written.states())
    for search in seen:
        assert search.before <= search.answer.position <= search.after
        _assert_exact(metric, states[search.answer.position], search.query, search.answer)
    with core.catalog.opened(library.id) as opened:
        assert opened.view.state.chunks == len(states[-1])
