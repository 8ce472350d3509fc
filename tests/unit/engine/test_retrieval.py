"""Questions that ask for more than the nearest, put to an open library while it changes, or is damaged."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pergamum.domain.commands import DeleteChunk
from pergamum.domain.filter_reading import read_filter
from pergamum.domain.keywords import read_keywords
from pergamum.domain.library import Library
from pergamum.domain.query import Answer
from pergamum.domain.search_options import Examples, Mode, SearchOptions
from pergamum.domain.vectors import Metric
from pergamum.engine.live_library import LiveLibrary
from pergamum.engine.retrieval import Question
from pergamum.engine.where import Where
from pergamum.errors import ChunkNotFound, LibraryReadOnly
from pergamum.storage.base import LibraryStore, Rows, Storage
from pergamum.storage.memory.storage import MemoryStorage
from pergamum.storage.sqlite.storage import SqliteStorage
from tests.support.kernels import prepare_kernels
from tests.support.library import NOW, a_chunk, a_library, put, vector

GROUPED = SearchOptions(per_group=2)


@pytest.fixture(params=["sqlite", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    prepare_kernels()
    made: Storage = SqliteStorage(tmp_path) if request.param == "sqlite" else MemoryStorage()
    yield made
    made.close()


@pytest.fixture
def settings() -> Library:
    return a_library(metric=Metric.L2)


@pytest.fixture
def library(storage: Storage, settings: Library) -> Iterator[LiveLibrary]:
    storage.create(settings)
    made = opened(storage, settings)
    yield made
    made.close()


def opened(storage: Storage, settings: Library) -> LiveLibrary:
    return LiveLibrary(storage.open(settings.id), lambda _seconds: None)


def question(*numbers: float, k: int = 10, options: SearchOptions = GROUPED, words: str | None = None) -> Question:
    return Question(
        k=k,
        recall=1.0,
        options=options,
        vector=vector(*numbers) if numbers else None,
        keywords=None if words is None else read_keywords(words),
    )


def groups_of(answer: Answer) -> dict[str, list[str]]:
    return {
        group.document_id: [hit.chunk.id for hit in answer.hits[group.first : group.end]]
        for group in answer.groups or ()
    }


class Overtaken:
    """A store whose readers find that, once they have begun, somebody else has written."""

    def __init__(self, store: LibraryStore, writes: list[Callable[[], object]]) -> None:
        self._store, self._writes = store, writes

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    @contextmanager
    def reading(self) -> Iterator[Rows]:
        with self._store.reading() as rows:
            if self._writes:
                self._writes.pop(0)()
            yield rows


def test_k_documents_come_back_though_one_fills_everything_near(library: LiveLibrary) -> None:
    library.write([put("near", [a_chunk(f"n{n}", "near", vector(n / 1_000, 0)) for n in range(700)])])
    library.write([put(f"d{n}", [a_chunk(f"c{n}", f"d{n}", vector(5.0 + n, 0))]) for n in range(5)])

    answer = library.retrieve(question(0, 0, k=4))

    assert groups_of(answer) == {"near": ["n0", "n1"], "d0": ["c0"], "d1": ["c1"], "d2": ["c2"]}
    assert (answer.exact, answer.complete) == (True, True)


def test_documents_found_by_words_have_their_best_chunks_however_late_those_come(library: LiveLibrary) -> None:
    library.write([put("many", [a_chunk(f"m{n}", "many", vector(n, 0), "moon") for n in range(300)])])
    library.write([put("two", [a_chunk(f"t{n}", "two", vector(n, 0), "moon " + "and more " * n) for n in (1, 9)])])

    answer = library.retrieve(question(k=2, words="moon", options=replace(GROUPED, mode=Mode.KEYWORD)))

    assert groups_of(answer) == {"many": ["m0", "m1"], "two": ["t1", "t9"]}


@pytest.mark.parametrize("writes", [1, 2])
def test_a_retrieval_overtaken_by_writes_answers_at_one_position(library: LiveLibrary, writes: int) -> None:
    library.write([put("d", [a_chunk("c", "d", vector(1, 0), "before")])])
    later = [lambda n=n: library.write([put("d", [a_chunk("c", "d", vector(n, 0), f"after {n}")])]) for n in (2, 3)]
    library._store = Overtaken(library._store, list(later[:writes]))  # type: ignore[assignment]  # as the engine uses it

    answer = library.retrieve(question(0, 0))

    (hit,) = answer.hits
    assert (hit.chunk.text, hit.distance, answer.position) == (f"after {writes + 1}", writes + 1.0, writes + 1)


def test_a_filtered_search_overtaken_by_a_write_answers_at_one_position(library: LiveLibrary) -> None:
    library.write([put("d", [a_chunk("c", "d", vector(1, 0), "moon"), a_chunk("e", "d", vector(2, 0), "sea")])])
    where = Where.of(
        read_filter({"field": "text", "op": "matches", "value": "moon"}), library.view.state.library.metadata_schema
    )
    change = [
        lambda: library.write([put("d", [a_chunk("e", "d", vector(2, 0), "moon"), a_chunk("c", "d", vector(9, 0))])])
    ]
    library._store = Overtaken(library._store, list(change))  # type: ignore[assignment]  # as the engine uses it

    (answer,) = library.search(vector(0, 0)[np.newaxis], 5, where=where)

    assert ([hit.chunk.id for hit in answer.hits], answer.position) == (["e"], 2)


def test_rows_that_stay_ahead_of_the_view_are_an_error_not_an_endless_search(library: LiveLibrary) -> None:
    library.write([put("d", [a_chunk("c", "d", vector(1, 0))])])
    library._view = replace(library.view, state=replace(library.view.state, position=99))

    with pytest.raises(LibraryReadOnly):
        library.retrieve(question(0, 0))


def test_a_filter_over_a_schema_that_has_changed_is_checked_anew(library: LiveLibrary) -> None:
    filter = read_filter({"field": "year", "op": "gte", "value": 2})
    library.write([put("d", [replace(a_chunk("a", "d", vector(1, 0)), metadata={"year": 1})])])
    where = Where.of(filter, library.view.state.library.metadata_schema)

    library.write([put("e", [replace(a_chunk("b", "e", vector(1, 0)), metadata={"year": 3, "new": "field"})])])
    (answer,) = library.search(vector(0, 0)[np.newaxis], 5, where=where)

    assert library.view.state.library.metadata_schema is not where.schema
    assert [hit.chunk.id for hit in answer.hits] == ["b"]


def test_a_new_filter_is_predicted_to_take_for_ever_and_a_known_one_is_not(library: LiveLibrary) -> None:
    library.write([put("d", [a_chunk("a", "d", vector(1, 0))])])
    where = Where.of(
        read_filter({"field": "chunk_index", "op": "eq", "value": 0}), library.view.state.library.metadata_schema
    )

    before = library.predicted_seconds(1, 5, where=where)
    library.search(vector(0, 0)[np.newaxis], 5, where=where)
    after = library.predicted_seconds(1, 5, where=where)

    assert (before, after < 1.0) == (float("inf"), True)


def test_examples_are_those_of_the_position_that_is_answered(library: LiveLibrary) -> None:
    library.write([put("d", [a_chunk("a", "d", vector(1, 0)), a_chunk("b", "d", vector(2, 0))])])
    like = SearchOptions(like=Examples(chunks=("a",)))

    found = library.retrieve(question(options=like))
    library.write([DeleteChunk("a", NOW)])

    assert [(hit.chunk.id, hit.distance) for hit in found.hits] == [("b", 1.0)]
    with pytest.raises(ChunkNotFound):
        library.retrieve(question(options=like))


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
@pytest.mark.parametrize("options", [GROUPED, SearchOptions(diversity=0.1)], ids=["grouped", "diverse"])
def test_damaged_rows_are_left_out_and_said(
    library: LiveLibrary, storage: Storage, settings: Library, tmp_path: Path, options: SearchOptions
) -> None:
    library.write([put("d", [a_chunk(f"c{n}", "d", vector(n, 1), f"the text of {n}") for n in range(4)])])
    library.save_snapshot()
    library.close()
    (path,) = tmp_path.rglob("library.db")
    path.write_bytes(path.read_bytes().replace(b"the text of 0", b"\xffhe text of 0"))
    damaged = opened(storage, settings)

    answer = damaged.retrieve(question(0, 1, options=options))

    assert sorted(hit.chunk.id for hit in answer.hits) == (["c1", "c2"] if options is GROUPED else ["c1", "c2", "c3"])
    assert (answer.complete, damaged.view.damaged) == (False, 1)
    damaged.close()


def test_every_part_of_an_answer_is_of_its_position_while_others_write(library: LiveLibrary) -> None:
    def write(number: int) -> None:
        chunks = [a_chunk(f"c{at}", "d", vector(number, at), f"moon {number}") for at in range(5)]
        library.write([put("d", [replace(chunk, metadata={"n": number}) for chunk in chunks])])

    write(1)
    where = Where.of(read_filter({"field": "n", "op": "gte", "value": 0}), library.view.state.library.metadata_schema)
    ask = replace(question(0, 0, words="moon", options=SearchOptions(mode=Mode.HYBRID, per_group=9)), where=where)

    def write_more() -> None:
        for number in range(2, 60):
            write(number)

    writer = threading.Thread(target=write_more)
    writer.start()
    answers: list[Answer] = []
    while writer.is_alive() or len(answers) < 3:
        answers.append(library.retrieve(ask))
    writer.join()

    for answer in answers:
        assert {hit.chunk.text for hit in answer.hits} == {f"moon {answer.position}"}
        assert sorted(hit.distance or 0.0 for hit in answer.hits) == pytest.approx(
            [float(np.hypot(answer.position, at)) for at in range(5)]
        )
