"""Filters of any kind: as many hits as can be, recall kept, and an exact scan where a walk cannot know."""

import numpy as np
import numpy.typing as npt
import pytest

from pergamum.domain.vectors import Matrix, Metric
from pergamum.index.base import Neighbours, Route, Strategy
from pergamum.index.hnsw.index import HnswIndex
from pergamum.index.mask import BLOCK_SLOTS, SlotMask
from tests.support.built import FILTERED, GRAPH, assert_lawful, clustered, graph, recall, truth
from tests.support.kernels import compiled_only, prepare_kernels

COUNT = 20_000
strategies = pytest.mark.parametrize("strategy", [GRAPH, FILTERED])


@pytest.fixture(scope="module")
def ground() -> tuple[HnswIndex, Matrix, Matrix]:
    """A graph over clustered vectors, the vectors, and queries."""
    prepare_kernels()
    vectors = clustered(COUNT, 24)
    return graph(vectors), vectors, clustered(40, 24, seed=2)


def _asked(
    ground: tuple[HnswIndex, Matrix, Matrix], queries: Matrix, allowed: SlotMask, route: Route
) -> tuple[Neighbours, float]:
    """What was found, and its recall; the laws are checked."""
    index, vectors, _ = ground
    found = index.search(queries, 10, vectors, allowed, route)
    assert_lawful(found, Metric.L2, queries, 10, vectors, allowed)
    return found, recall(found, truth(Metric.L2, queries, 10, vectors, allowed))


def _by_distance(ground: tuple[HnswIndex, Matrix, Matrix], query: Matrix) -> npt.NDArray[np.int64]:
    """All slots, the nearest to `query` first."""
    return np.argsort(((ground[1] - query) ** 2).sum(axis=1))


def _only(slots: npt.NDArray[np.int64]) -> SlotMask:
    flags = np.zeros(COUNT, np.bool_)
    flags[slots] = True
    return SlotMask.of(flags)


@compiled_only
@strategies
@pytest.mark.parametrize("share", [0.5, 0.1, 0.01, 0.001])
def test_a_random_filter(ground: tuple[HnswIndex, Matrix, Matrix], strategy: Strategy, share: float) -> None:
    allowed = SlotMask.of(np.random.default_rng(3).random(COUNT) < share)

    found, reached = _asked(ground, ground[2], allowed, Route(strategy, 800))

    assert reached >= 0.9
    assert found.rescanned <= 0.1 * len(ground[2]) or share < 0.1


@compiled_only
def test_the_filtered_walk_scores_less_than_a_scan(ground: tuple[HnswIndex, Matrix, Matrix]) -> None:
    allowed = SlotMask.of(np.random.default_rng(3).random(COUNT) < 0.5)

    found, reached = _asked(ground, ground[2], allowed, Route(FILTERED, 60))

    assert reached >= 0.9
    assert found.rescanned <= 2
    assert found.scored < 0.4 * 0.5 * COUNT * len(ground[2])


@compiled_only
@strategies
@pytest.mark.parametrize("share", [0.1, 0.01, 0.001])
def test_a_filter_that_keeps_the_neighbourhood(
    ground: tuple[HnswIndex, Matrix, Matrix], strategy: Strategy, share: float
) -> None:
    for query in ground[2][:6, None]:
        near = _by_distance(ground, query)[: int(share * COUNT)]

        found, reached = _asked(ground, query, _only(near), Route(strategy, 400))

        assert reached >= 0.9
        assert found.verified > 0


@compiled_only
@strategies
@pytest.mark.parametrize("share", [0.5, 0.1, 0.01, 0.001])
def test_a_filter_that_is_set_against_the_query(
    ground: tuple[HnswIndex, Matrix, Matrix], strategy: Strategy, share: float
) -> None:
    rescanned = 0
    for query in ground[2][:6, None]:
        far = _by_distance(ground, query)[-int(share * COUNT) :]

        found, reached = _asked(ground, query, _only(far), Route(strategy, 400))

        assert reached >= 0.9
        rescanned += found.rescanned
    assert rescanned > 0


@compiled_only
@strategies
@pytest.mark.parametrize("many", [0, 1, 9, 10, 11])
def test_as_many_hits_as_are_allowed(ground: tuple[HnswIndex, Matrix, Matrix], strategy: Strategy, many: int) -> None:
    allowed = _only(np.random.default_rng(many).choice(COUNT, many, replace=False))

    found, reached = _asked(ground, ground[2], allowed, Route(strategy, 20))

    assert reached == 1.0
    assert found.rescanned == (len(ground[2]) if many < 10 else found.rescanned)


@strategies
def test_a_small_graph_keeps_its_word_too(strategy: Strategy) -> None:
    prepare_kernels()
    vectors = clustered(150, 6)
    index = graph(vectors)

    for share in (0.0, 0.02, 0.3, 0.9, 1.0):
        allowed = SlotMask.of(np.random.default_rng(1).random(150) < share)
        found = index.search(vectors[:4], 10, vectors, allowed, Route(strategy, 60))
        assert_lawful(found, Metric.L2, vectors[:4], 10, vectors, allowed)
        assert recall(found, truth(Metric.L2, vectors[:4], 10, vectors, allowed)) >= 0.9


@compiled_only
def test_slots_beyond_the_filter_are_allowed() -> None:
    prepare_kernels()
    vectors = clustered(BLOCK_SLOTS + 2000, 4)
    index = graph(vectors, params={"m": 4, "ef_construction": 16})
    allowed = SlotMask.of(np.arange(BLOCK_SLOTS) % 3 == 0)

    for route in (Route(GRAPH, 200), Route(FILTERED, 200)):
        found = index.search(vectors[-10:], 10, vectors, allowed, route)
        assert_lawful(found, Metric.L2, vectors[-10:], 10, vectors, allowed)
        assert (found.slots[:, 0] == np.arange(len(vectors) - 10, len(vectors))).all()
