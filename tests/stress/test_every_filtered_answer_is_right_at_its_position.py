"""Filtered answers of every sort beside every sort of write: each is what plain Python says of its position."""

import random
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from pergamum.app import Core, build_core
from pergamum.domain.facets import FacetAsked, known
from pergamum.domain.fields import Level
from pergamum.domain.filter_reading import read_filter
from pergamum.domain.keywords import read_keywords
from pergamum.domain.library import Library
from pergamum.domain.listing import Listing, Order, part_of
from pergamum.domain.query import Answer
from pergamum.domain.search_options import Mode, SearchOptions
from pergamum.engine import live_library, needs
from pergamum.engine.columns import table
from pergamum.engine.columns.cache import RESULTS
from pergamum.engine.columns.selection import Selection
from pergamum.engine.live_library import LiveLibrary
from pergamum.engine.retrieval import Question
from pergamum.engine.where import Where
from pergamum.errors import Conflict, Invalid, NotFound, UnknownField
from pergamum.index import kernel_cache
from pergamum.settings import Settings
from tests.support.filtered_model import SCHEMA, WORDS, Named, State, Write, any_filter, any_write, schema_writes
from tests.support.forge import install
from tests.support.library import a_library

WRITES, READERS = 120, 3
EVERYTHING = 10_000
FOUND = ("vector", "keyword", "hybrid")
ASKED = (*FOUND, "count", "list", "facets")


@dataclass(frozen=True)
class Asked:
    """What was asked: with which filter, by the names of fields of which schema."""

    what: str
    level: Level
    filter: Named
    word: str
    query: np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class Seen:
    """The positions before and after, and what came back: None where a field was unknown."""

    asked: Asked
    before: int
    after: int
    position: int
    told: Any


@dataclass
class History:
    """What each position did; positions of refused writes do nothing."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    ended: threading.Event = field(default_factory=threading.Event)
    at: dict[int, Write] = field(default_factory=dict)
    errors: list[BaseException] = field(default_factory=list)

    def states(self) -> list[State]:
        states = [State()]
        for position in range(1, max(self.at) + 1):
            write = self.at.get(position)
            states.append(states[-1] if write is None else write.applied(states[-1]))
        return states

    def guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - a thread's failure must fail the test
            self.errors.append(error)
            self.ended.set()


@pytest.fixture
def _switching() -> Iterator[None]:
    """Threads take turns a thousand times as often as usual: between any two steps of another."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(usual / 1_000)
    yield
    sys.setswitchinterval(usual)


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, _switching: None) -> Settings:
    """Everything that happens now and then in a large library happens all the time."""
    kernel_cache.prepare()
    for module, name, few in (
        (needs, "TAIL_SLOTS", 30),
        (needs, "TAIL_SHARE", 0.0),
        (needs, "DEAD_SLOTS", 30),
        (live_library, "SNAPSHOT_SLOTS", 40),
        (table, "AT_ONCE", 6),
        (RESULTS, "_limit", 600_000),
    ):
        monkeypatch.setattr(module, name, few)
    install(monkeypatch)
    return Settings(data_dir=tmp_path, background_threads=2)


def _submit(core: Core, library_id: UUID, write: Write, history: History) -> None:
    try:
        outcome = core.journal.submit(library_id, write.command)
    except (Invalid, NotFound, Conflict):
        return
    with history.lock:
        history.at[outcome.position] = write


def _write(core: Core, library: Library, history: History, *, seed: int, changing: bool) -> None:
    """Write; change the schema in between, if that is wanted."""
    chance, changes = random.Random(seed), list[Write]()
    for number in range(WRITES):
        with core.catalog.opened(library.id) as live:
            names = live.view.state.library.metadata_schema.documents
        _submit(core, library.id, any_write(chance, number, "anno" if "anno" in names else "year"), history)
        if changing and number % 3 == 0:
            changes = changes or schema_writes(chance)
            _submit(core, library.id, changes.pop(0), history)


def _read(core: Core, library: Library, history: History, seen: list[Seen], seed: int) -> None:
    chance, rng = random.Random(seed), np.random.default_rng(seed)
    while not history.ended.is_set():
        what = chance.choice(ASKED)
        level = Level.CHUNK if what in FOUND else chance.choice(list(Level))
        query = rng.integers(1, 4, 4).astype(np.float32)
        asked = Asked(what, level, any_filter(chance, level), chance.choice(WORDS), query)
        with core.catalog.opened(library.id) as live:
            seen.append(_ask(live, asked))


def _ask(live: LiveLibrary, asked: Asked) -> Seen:
    before = live.view.state.position
    try:
        position, told = _answer(live, asked)
    except UnknownField:
        position, told = -1, None
    return Seen(asked, before, live.view.state.position, position, told)


def _answer(live: LiveLibrary, asked: Asked) -> tuple[int, Any]:
    filter = read_filter(asked.filter.json)
    if asked.what not in FOUND:
        return live.on_selection(asked.level, filter, partial(_selected, asked))
    where = Where.of(filter, live.view.state.library.metadata_schema)
    if asked.what == "vector":
        (answer,) = live.search(asked.query[None, :], 5, "exact", where=where)
        return answer.position, answer
    vector = asked.query if asked.what == "hybrid" else None
    options = SearchOptions(mode=Mode(asked.what))
    answer = live.retrieve(
        Question(
            k=EVERYTHING,
            recall=1.0,
            options=options,
            vector=vector,
            keywords=read_keywords(asked.word),
            where=where,
            with_documents=True,
        )
    )
    return answer.position, answer


def _selected(asked: Asked, found: Selection) -> tuple[int, Any]:
    assert found.rows.state().position == found.state.position, "rows of another position than the columns"
    if asked.what == "count":
        return found.state.position, found.count
    schema = found.state.library.metadata_schema
    if asked.what == "facets":
        by = "colour" if asked.level is Level.DOCUMENT else "kind"
        (facet,) = found.facets([known(FacetAsked(by, top=100), schema, asked.level, "facets")])
        return found.state.position, facet
    order = Order("colour" if asked.level is Level.DOCUMENT else "kind")
    items: list[Any] = []
    wanted = Listing(asked.level, None, order, limit=7)
    while True:
        page = (found.documents if asked.level is Level.DOCUMENT else found.chunks)(part_of(wanted, schema))
        items += page.items
        if page.last is None:
            return found.state.position, items
        wanted = Listing(asked.level, None, order, page.last, limit=7)


# What must have come back -------------------------------------------------------------------------------------------


def _check(seen: Seen, states: list[State]) -> None:
    asked = seen.asked
    if seen.told is None:
        assert any(asked.filter.needs - state.names for state in states[seen.before : seen.after + 1])
        return
    assert seen.before <= seen.position <= seen.after
    state = states[seen.position]
    assert asked.filter.needs <= state.names
    wanted = asked.filter.selected(state, asked.level)
    if asked.what in FOUND:
        _check_hits(asked, state, wanted, seen.told)
    elif asked.what == "count":
        assert seen.told == len(wanted)
    else:
        _check_selected(asked, state, wanted, seen.told)


def _check_selected(asked: Asked, state: State, wanted: list[str], told: Any) -> None:  # noqa: ANN401  # as in Seen
    if asked.level is Level.DOCUMENT:
        values = {id: state.documents[id].meta.get("colour") for id in wanted}
    else:
        values = {id: state.chunks[id].meta.get("kind") for id in wanted}
    if asked.what == "facets":
        counts = Counter(value for value in values.values() if value is not None)
        assert told.values == sorted(counts.items(), key=lambda each: (-each[1], each[0]))
        assert told.missing == sum(value is None for value in values.values())
        return
    assert Counter(item.id if asked.level is Level.DOCUMENT else item.chunk.id for item in told) == Counter(wanted)
    if asked.level is Level.DOCUMENT:
        assert [item.metadata for item in told] == [state.documents[item.id].meta for item in told]
        assert [item.title for item in told] == [state.documents[item.id].title for item in told]
        ordered = [values[item.id] for item in told]
    else:
        assert [item.chunk.text for item in told] == [state.chunks[item.chunk.id].text for item in told]
        ordered = [values[item.chunk.id] for item in told]
    assert ordered == sorted(ordered, key=lambda value: (value is None, value))


def _check_hits(asked: Asked, state: State, wanted: list[str], answer: Answer) -> None:
    far = {id: float(np.sqrt(((asked.query - np.array(state.chunks[id].vector)) ** 2).sum())) for id in wanted}
    ids = [hit.chunk.id for hit in answer.hits]
    assert len(set(ids)) == len(ids)
    if asked.what == "vector":
        assert set(ids) <= set(wanted)
        np.testing.assert_allclose([far[id] for id in ids], sorted(far.values())[:5])
    else:
        worded = {id for id in wanted if _has(state, id, asked.word)}
        assert set(ids) == (worded if asked.what == "keyword" else set(wanted))
        ranked = {hit.chunk.id for hit in answer.hits if hit.details and hit.details.keyword_rank is not None}
        assert asked.what == "keyword" or ranked == worded
    for hit in answer.hits:
        piece = state.chunks[hit.chunk.id]
        assert (hit.chunk.text, hit.chunk.document_id) == (piece.text, piece.owner)
        assert asked.what == "keyword" or hit.distance == pytest.approx(far[hit.chunk.id])
        if hit.details and hit.details.document:
            assert hit.details.document.title == state.documents[piece.owner].title
            assert hit.details.document.metadata == state.documents[piece.owner].meta


def _has(state: State, id: str, word: str) -> bool:
    piece = state.chunks[id]
    return word in f"{state.documents[piece.owner].title} {piece.text}".split()


def test_every_filtered_answer_is_right_at_its_position(settings: Settings) -> None:
    library = replace(a_library(dimension=4), metadata_schema=SCHEMA)
    history, seen = History(), list[Seen]()
    core = build_core(settings)
    core.catalog.create(library)

    writers = [partial(_write, core, library, history, seed=seed, changing=seed == 1) for seed in range(2)]
    readers = [partial(_read, core, library, history, seen, seed) for seed in range(READERS)]
    threads = [threading.Thread(target=history.guarded, args=(each,)) for each in (*readers, *writers)]
    for thread in threads:
        thread.start()
    for thread in threads[len(readers) :]:
        thread.join()
    history.ended.set()
    for thread in threads:
        thread.join()
    core.close()

    assert not history.errors
    states = history.states()
    assert len({one.position for one in seen}) > 20, "reads and writes did not overlap"
    for one in seen:
        _check(one, states)
    again = build_core(settings)
    _check_all(again, library, states)
    again.close()


def _check_all(core: Core, library: Library, states: list[State]) -> None:
    """Everything as it is after opening again: columns come from files, brought up to the rows."""
    chance, query = random.Random(3), np.ones(4, np.float32)
    with core.catalog.opened(library.id) as live:
        for what in ASKED:
            for level in Level if what not in FOUND else [Level.CHUNK]:
                for _ in range(10):
                    _check(
                        _ask(live, Asked(what, level, any_filter(chance, level), chance.choice(WORDS), query)), states
                    )
