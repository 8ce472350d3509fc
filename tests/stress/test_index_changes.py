"""The kind of index changes while searches and writes run: every answer is exact at its position, and nothing leaks."""

import gc
import threading
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle
from pathlib import Path
from uuid import UUID

import pytest

from pergamum.app import Core, build_core
from pergamum.domain.commands import UpdateLibrary
from pergamum.domain.library import IndexKind, IndexSpec
from pergamum.domain.vectors import Metric
from pergamum.engine import needs
from pergamum.engine.live_library import LiveLibrary
from pergamum.engine.view import Built, Made, View
from pergamum.index import kernel_cache
from pergamum.index.layered import LayeredIndex
from pergamum.index.mask import SlotMask
from pergamum.settings import Settings
from pergamum.storage.memory.storage import MemoryStorage
from tests.stress.test_every_answer_is_exact_at_its_position import (
    NOW,
    Seen,
    Written,
    _assert_exact,
    _library,
    _run,
    _search,
    _write,
)
from tests.support.forge import FakeIndex, Forge, install
from tests.support.library import a_chunk, a_library, put, vector

PUBLICATIONS = 10_000
KINDS = [IndexKind.HNSW, IndexKind.KD_TREE, IndexKind.LSH, IndexKind.BRUTE_FORCE]


@pytest.fixture
def forge(monkeypatch: pytest.MonkeyPatch) -> Forge:
    kernel_cache.prepare()  # without them NumPy scans everything, whatever was built
    for name, few in (("TAIL_SLOTS", 20), ("TAIL_SHARE", 0.0), ("DEAD_SLOTS", 20)):
        monkeypatch.setattr(needs, name, few)
    return install(monkeypatch)


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    core = build_core(Settings(data_dir=tmp_path, background_threads=2))
    yield core
    core.close()


def _change_kinds(core: Core, library_id: UUID, written: Written, changes: list[str]) -> None:
    """Ask for one kind after the other as long as something is written."""
    waiting = threading.Event()
    for kind in cycle(KINDS):
        if written.all.is_set():
            return
        core.journal.submit(library_id, UpdateLibrary({"index": IndexSpec(kind)}, NOW))
        with core.catalog.opened(library_id) as library:
            while library.view.active.kind is not kind and library.view.live_slots and not written.all.is_set():
                waiting.wait(0.001)
        changes.append(kind)


@pytest.mark.parametrize("metric", [Metric.L2, Metric.COSINE])
def test_every_answer_is_exact_while_the_kind_changes(core: Core, forge: Forge, metric: Metric) -> None:
    library, written = _library(metric), Written()
    core.catalog.create(library)
    seen: list[Seen] = []
    changes: list[str] = []
    errors: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - a thread's failure must fail the test
            errors.append(error)
            written.all.set()

    def write_all() -> None:
        writers = [partial(_write, core, library.id, seed, written) for seed in range(3)]
        _run([threading.Thread(target=guarded, args=(writer,)) for writer in writers])
        written.all.set()

    searches = [partial(_search, core, library.id, seed, written, seen) for seed in range(2)]
    work = [write_all, partial(_change_kinds, core, library.id, written, changes), *searches]
    _run([threading.Thread(target=guarded, args=(each,)) for each in work])

    assert not errors
    assert len(changes) > len(KINDS), "kinds and writes did not overlap"
    assert forge.built >= 3
    states = list(written.states())
    for search in seen:
        if search.answer.position < len(states):
            _assert_exact(metric, states[search.answer.position], search.query, search.answer)


def _alive() -> dict[type, int]:
    gc.collect()
    kinds = (View, LayeredIndex, SlotMask, FakeIndex)
    return {kind: sum(isinstance(each, kind) for each in gc.get_objects()) for kind in kinds}


def test_nothing_is_left_of_ten_thousand_views() -> None:
    settings, storage = a_library(), MemoryStorage()
    storage.create(settings)
    library = LiveLibrary(storage.open(settings.id), lambda _: None)
    before = _alive()

    for number in range(PUBLICATIONS):
        library.write([put("d", [a_chunk("c", "d", vector(number, 1))])])
        if number % 100 == 0:
            _publish(library, IndexSpec(KINDS[number // 100 % 3]))

    assert library.view.state.position == PUBLICATIONS
    after = _alive()
    assert {kind: after[kind] - before[kind] for kind in after if after[kind] - before[kind] > 2} == {}
    library.close()


def _publish(library: LiveLibrary, spec: IndexSpec) -> None:
    view = library.view
    assert view.index is not None
    assert view.vectors is not None
    built = FakeIndex(spec.kind, view.index.count, view.state.library.metric)
    index = view.index.with_built(built, view.vectors)
    assert library.publish_index(view.state.library.index, Built(index, Made(spec, 0), None))
