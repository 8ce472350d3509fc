"""What a library does with a mask of allowed slots, an index that loses hits, and queries unlike anything it holds."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pergamum.domain.library import IndexKind, IndexSpec
from pergamum.engine.live_library import LiveLibrary
from pergamum.engine.view import Built, Made
from pergamum.index.base import Strategy
from pergamum.index.mask import SlotMask
from pergamum.storage.memory.storage import MemoryStorage
from tests.support.fake_index import FakeIndex, curve, layered, point
from tests.support.kernels import prepare_kernels
from tests.support.library import a_chunk, a_library, put

COUNT = 300
VECTORS = np.random.default_rng(0).standard_normal((COUNT, 4)).astype(np.float32)
QUERY = np.zeros((1, 4), np.float32)
SCANS = [point(0, 1.0, 1e-3, strategy="exact_scan", selectivity=s) for s in (1.0, 0.5, 0.1)]
GRAPH = [point(80, 0.95, 1e-9, strategy="graph", selectivity=s) for s in (1.0, 0.5)]
FILTERED = [point(80, 0.95, 1e-9, strategy="filtered_graph", selectivity=0.1)]


def _ignore(_seconds: float) -> None:
    """Nobody looks at flush times here."""


@pytest.fixture(scope="module")
def library() -> Iterator[LiveLibrary]:
    prepare_kernels()
    storage, settings = MemoryStorage(), a_library(dimension=4)
    storage.create(settings)
    live = LiveLibrary(storage.open(settings.id), _ignore)
    live.write([put("d", [a_chunk(str(slot), "d", row) for slot, row in enumerate(VECTORS)])])
    measured = curve([*SCANS, *GRAPH, *FILTERED], COUNT, {1: 50.0})
    live.publish_index(
        settings.index, Built(layered(FakeIndex(VECTORS), VECTORS), Made(IndexSpec(IndexKind.HNSW), 0), measured)
    )
    yield live
    live.close()


def mask(share: float, seed: int = 0) -> SlotMask:
    return SlotMask.of(np.random.default_rng(seed).random(COUNT) < share)


@given(
    share=st.floats(0, 1), k=st.integers(1, 30), recall=st.sampled_from([0.5, 0.95, "exact"]), seed=st.integers(0, 9)
)
def test_k_allowed_chunks_come_back_whenever_k_match(
    library: LiveLibrary, share: float, k: int, recall: float, seed: int
) -> None:
    allowed = mask(share, seed)
    query = np.random.default_rng(seed).standard_normal((1, 4)).astype(np.float32)

    (answer,) = library.search(query, k, recall, allowed)

    slots = [int(hit.chunk.id) for hit in answer.hits]
    assert len(slots) == len(set(slots)) == min(k, COUNT - allowed.dead)
    assert all(allowed.flags(COUNT)[slots])
    distances = [hit.distance or 0.0 for hit in answer.hits]
    assert distances == sorted(distances)


@pytest.mark.parametrize(
    ("share", "strategy"), [(1.0, Strategy.GRAPH), (0.6, Strategy.GRAPH), (0.15, Strategy.FILTERED_GRAPH)]
)
def test_the_selectivity_decides_the_strategy(library: LiveLibrary, share: float, strategy: Strategy) -> None:
    (answer,) = library.search(QUERY, 10, 0.9, mask(share), explain=True)

    assert answer.plan == strategy
    assert answer.explanation is not None
    assert answer.explanation.selectivity == pytest.approx(share, abs=0.1)


def test_what_no_strategy_was_measured_for_is_scanned(library: LiveLibrary) -> None:
    (answer,) = library.search(QUERY, 3, 0.9, mask(0.02))

    assert (answer.plan, answer.exact, answer.expected_recall) == ("exact_scan", True, 1.0)


def test_of_many_queries_only_the_foreign_ones_are_answered_again(library: LiveLibrary) -> None:
    queries = np.concatenate([QUERY, QUERY + 1e4, QUERY + 0.1])

    near, far, other = library.search(queries, 10, 0.9, explain=True)

    assert [answer.exact for answer in (near, far, other)] == [False, True, False]
    assert (far.expected_recall, near.expected_recall) == (1.0, 0.95)
    assert near.explanation is not None
    assert (near.explanation.rescanned, near.explanation.queries) == (1, 3)


def test_a_mask_that_leaves_nothing_finds_nothing(library: LiveLibrary) -> None:
    (answer,) = library.search(QUERY, 10, 0.9, SlotMask.of(np.zeros(COUNT, np.bool_)))

    assert answer.hits == ()
    assert answer.complete
