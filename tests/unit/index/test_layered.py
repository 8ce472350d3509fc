"""Two parts answer like one: a scan over both is the scan of all, before, between and after builds."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pergamum.domain.vectors import Matrix, Metric
from pergamum.index.base import SCAN, Neighbours, Route, Strategy
from pergamum.index.brute_force.index import BruteForceIndex
from pergamum.index.layered import LayeredIndex, merged
from tests.support.built import (
    ALL,
    KINDS_AND_METRICS,
    assert_lawful,
    build,
    clustered,
    loaded,
    recall,
    some_dead,
    truth,
    widest,
)
from tests.support.kernels import KINDS, assert_same, compiled_only, hard_vectors, oracle, prepare_kernels, using

kinds = pytest.mark.parametrize(("kind", "metric"), KINDS_AND_METRICS)


@pytest.fixture(scope="module", autouse=True)
def kernels() -> None:
    prepare_kernels()


def _layered(kind: str, vectors: Matrix, metric: Metric, sizes: tuple[int, int]) -> LayeredIndex:
    """An index of all vectors, the first of them built; the rest came before the build ended, or after it."""
    first, second = sizes
    tail = LayeredIndex.empty(vectors.shape[1], metric).extended(vectors[:second])
    return tail.with_built(build(kind, vectors[:first], metric), vectors[:second]).extended(vectors[second:])


@compiled_only
@kinds
@given(
    made=st.sampled_from(KINDS),
    sizes=st.tuples(st.integers(0, 70), st.integers(0, 70), st.integers(0, 70)),
    dimension=st.sampled_from([1, 3, 20]),
    k=st.sampled_from([1, 10, 250]),
    share=st.sampled_from([0.0, 0.2, 0.95]),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_scan_is_that_of_all(
    kind: str, metric: Metric, made: str, sizes: tuple[int, int, int], dimension: int, k: int, share: float, seed: int
) -> None:
    vectors, queries = hard_vectors(made, sum(sizes), dimension, seed), hard_vectors(made, 2, dimension, seed + 1)
    index, allowed = _layered(kind, vectors, metric, (sizes[0], sum(sizes[:2]))), some_dead(len(vectors), share, seed)

    expected = BruteForceIndex.empty(dimension, metric).extended(vectors).search(queries, k, vectors, allowed)
    assert_same(index.search(queries, k, vectors, allowed), expected)
    assert_same(index.search(queries, k, vectors, allowed, Route(Strategy.TREE)), expected)


@kinds
def test_every_route_finds_what_is_in_either_part(kind: str, metric: Metric) -> None:
    vectors, queries = clustered(240, 8), clustered(5, 8, seed=2)
    index, allowed = _layered(kind, vectors, metric, (150, 200)), some_dead(240, 0.2)
    assert index.built is not None

    for strategy in index.strategies:
        found = index.search(queries, 10, vectors, allowed, widest(index.built, strategy, 240, 10))
        assert_lawful(found, metric, queries, 10, vectors, allowed)
        assert recall(found, truth(metric, queries, 10, vectors, allowed)) >= 0.99


@compiled_only
@kinds
def test_the_tail_keeps_codes_of_what_the_built_index_cannot_scan(kind: str, metric: Metric) -> None:
    index = _layered(kind, clustered(240, 8), metric, (150, 200))

    assert (index.count, index.built_count, index.kind) == (240, 150, kind.partition(" ")[0])
    assert index.tail.first == (150 if index.kind == "hnsw" else 0)
    assert index.strategies[0] is Strategy.SCAN
    assert len(set(index.strategies)) == len(index.strategies)
    assert index.memory_bytes >= index.tail.memory_bytes + 150


@compiled_only
@kinds
def test_changing_the_kind_keeps_the_answers(kind: str, metric: Metric) -> None:
    vectors, queries = clustered(300, 8), clustered(5, 8, seed=2)
    index = LayeredIndex.empty(8, metric).extended(vectors[:200])
    expected = index.search(queries, 10, vectors, ALL)

    for other in (kind, "hnsw", kind, "lsh", None, kind):
        index = index.with_built(build(other, vectors[:180], metric) if other else None, vectors[:200])
        assert_same(index.search(queries, 10, vectors[:200], ALL), expected)
        assert index.kind == (other or "brute_force").partition(" ")[0]

    grown = index.extended(vectors[200:])
    assert_same(grown.search(queries, 10, vectors, ALL), truth(metric, queries, 10, vectors, ALL))
    assert_same(index.search(queries, 10, vectors, ALL), expected)


@compiled_only
@kinds
def test_growing_after_a_build_leaves_no_trace_in_the_older_index(kind: str, metric: Metric) -> None:
    vectors, lost = clustered(260, 8), clustered(60, 8, seed=5)
    index = _layered(kind, vectors[:200], metric, (150, 170))
    before = index.search(vectors[:4], 20, vectors, ALL)

    index.extended(lost)
    grown = index.extended(vectors[200:])

    assert_same(index.search(vectors[:4], 20, vectors, ALL), before)
    assert_same(grown.search(vectors[:4], 20, vectors, ALL), truth(metric, vectors[:4], 20, vectors, ALL))


@kinds
@pytest.mark.parametrize("strategy", list(Strategy))
def test_numpy_stands_in_for_kernels_on_every_route(kind: str, metric: Metric, strategy: Strategy) -> None:
    vectors, queries = clustered(150, 8), clustered(3, 8, seed=2)
    index, allowed = _layered(kind, vectors, metric, (90, 120)), some_dead(150, 0.3)

    with using("numpy"):
        found = index.search(queries, 10, vectors, allowed, Route(strategy, 1))

    assert_same(found, oracle(metric, queries, 10, vectors, allowed))


@kinds
def test_an_index_without_vectors_or_hits(kind: str, metric: Metric) -> None:
    vectors = clustered(40, 8)
    empty = LayeredIndex.empty(8, metric)
    index = empty.with_built(build(kind, vectors[:0], metric), vectors[:0])

    for each in (empty, index):
        assert (each.search(vectors[:2], 3, vectors[:0], ALL).slots == -1).all()
    assert_same(
        index.extended(vectors).search(vectors[:2], 3, vectors, ALL), truth(metric, vectors[:2], 3, vectors, ALL)
    )
    assert (index.extended(vectors).search(vectors[:2], 3, vectors, some_dead(40, 1.0)).slots == -1).all()


@compiled_only
@kinds
def test_what_is_saved_is_enough_to_answer_the_same(kind: str, metric: Metric, tmp_path: Path) -> None:
    vectors, queries = clustered(240, 8), clustered(5, 8, seed=2)
    index = _layered(kind, vectors, metric, (150, 200))
    assert index.built is not None

    index.save(tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    opened = LayeredIndex(BruteForceIndex.load(tmp_path)) if len(names) == 2 else LayeredIndex.empty(8, metric)
    opened = opened.extended(vectors[opened.count :]).with_built(loaded(kind, tmp_path), vectors)

    assert len(names) == (1 if index.kind == "hnsw" else 2)
    for strategy in index.strategies:
        route = widest(index.built, strategy, 240, 10)
        assert_same(opened.search(queries, 10, vectors, ALL, route), index.search(queries, 10, vectors, ALL, route))


def test_without_a_built_index_every_route_is_a_scan() -> None:
    vectors = clustered(50, 8)
    index = LayeredIndex.empty(8, Metric.L2).extended(vectors)

    assert (index.kind, index.built_count, index.strategies) == ("brute_force", 0, (Strategy.SCAN,))
    for strategy in Strategy:
        found = index.search(vectors[:3], 5, vectors, ALL, Route(strategy, 1))
        assert_same(found, index.search(vectors[:3], 5, vectors, ALL, SCAN))


@given(
    left=st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0]), max_size=6),
    right=st.lists(st.sampled_from([0.0, 0.5, 1.0, 3.0]), max_size=6),
    k=st.integers(1, 6),
)
def test_merging_is_sorting(left: list[float], right: list[float], k: int) -> None:
    def found(distances: list[float], first: int) -> Neighbours:
        pairs = sorted((distance, first + slot) for slot, distance in enumerate(distances))[:k]
        pairs += [(np.inf, -1)] * (k - len(pairs))
        return Neighbours(np.array([[slot for _, slot in pairs]]), np.array([[near for near, _ in pairs]]), 1, 2, 1)

    both = merged(found(left, 0), found(right, 10), k)

    assert_same(both, _sorted(left, right, k))
    assert (both.verified, both.scored, both.rescanned) == (2, 4, 2)


def _sorted(left: list[float], right: list[float], k: int) -> Neighbours:
    pairs = sorted([*zip(left, range(6), strict=False), *zip(right, range(10, 16), strict=False)])[:k]
    pairs += [(np.inf, -1)] * (k - len(pairs))
    return Neighbours(np.array([[slot for _, slot in pairs]]), np.array([[near for near, _ in pairs]]))
