"""The contract of `BuiltIndex`, for every kind, metric and strategy: exact ones equal the oracle, all keep its laws."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pergamum.domain.vectors import Matrix, Metric
from pergamum.errors import Cancelled, Damaged, InvalidField
from pergamum.index import factory
from pergamum.index.base import BuiltIndex, Job, Neighbours, Route, Strategy
from pergamum.index.mask import SlotMask
from tests.support.built import (
    ALL,
    KINDS_AND_METRICS,
    assert_lawful,
    build,
    clustered,
    loaded,
    quiet,
    recall,
    some_dead,
    truth,
    widest,
)
from tests.support.kernels import KINDS, assert_same, compiled_only, hard_vectors, prepare_kernels

kinds = pytest.mark.parametrize(("kind", "metric"), KINDS_AND_METRICS)
WELL_BEHAVED = ("normal", "duplicates", "small integers")
"""Kinds of vectors whose 8-bit codes tell near from far."""


@pytest.fixture(scope="module", autouse=True)
def kernels() -> None:
    prepare_kernels()


def answers(
    index: BuiltIndex, queries: Matrix, k: int, vectors: Matrix, allowed: SlotMask
) -> dict[Strategy, Neighbours]:
    """What each strategy finds when it tries hard."""
    routes = [widest(index, strategy, index.count, k) for strategy in index.strategies]
    return {route.strategy: index.search(queries, k, vectors, allowed, route) for route in routes}


def assert_answers(
    index: BuiltIndex, metric: Metric, queries: Matrix, k: int, vectors: Matrix, allowed: SlotMask = ALL
) -> None:
    """Every strategy is lawful, exact ones are exact, and the others lose next to nothing."""
    true = truth(metric, queries, k, vectors, allowed)
    for strategy, found in answers(index, queries, k, vectors, allowed).items():
        assert_lawful(found, metric, queries, k, vectors, allowed)
        assert recall(found, true) >= 0.99
        if Route(strategy).exact:
            assert_same(found, true)


@compiled_only
@kinds
@given(
    made=st.sampled_from(KINDS),
    asked=st.sampled_from(KINDS),
    shape=st.tuples(st.integers(1, 150), st.sampled_from([1, 2, 3, 9, 65])),
    k=st.sampled_from([1, 3, 10, 200]),
    shares=st.tuples(st.sampled_from([0.0, 0.3, 1.0]), st.sampled_from([0.0, 0.1, 0.9, 1.0])),
    effort=st.integers(1, 40),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_answer_keeps_the_laws(
    kind: str,
    metric: Metric,
    made: str,
    asked: str,
    shape: tuple[int, int],
    k: int,
    shares: tuple[float, float],
    effort: int,
    seed: int,
) -> None:
    vectors = hard_vectors(made, *shape, seed)
    queries = np.concatenate([hard_vectors(asked, 2, shape[1], seed + 1), vectors[:1]])
    live = some_dead(len(vectors), shares[0], seed)
    allowed = live.without(np.flatnonzero(np.random.default_rng(seed + 1).random(len(vectors)) < shares[1]).tolist())
    index = build(kind, vectors, metric, live)

    true = truth(metric, queries, k, vectors, allowed)
    for strategy in index.strategies:
        found = index.search(queries, k, vectors, allowed, Route(strategy, effort))
        assert_lawful(found, metric, queries, k, vectors, allowed)
        if Route(strategy).exact:
            assert_same(found, true)
    assert list(index.faults()) == []


@compiled_only
@kinds
@given(
    made=st.sampled_from(WELL_BEHAVED),
    count=st.integers(1, 300),
    dimension=st.sampled_from([2, 8, 40]),
    share=st.sampled_from([0.0, 0.4]),
    seed=st.integers(0, 2**32 - 1),
)
def test_trying_hard_finds_all_but_nothing(
    kind: str, metric: Metric, made: str, count: int, dimension: int, share: float, seed: int
) -> None:
    vectors, queries = hard_vectors(made, count, dimension, seed), hard_vectors("normal", 3, dimension, seed + 1)

    assert_answers(build(kind, vectors, metric), metric, queries, 10, vectors, some_dead(count, share, seed))


@compiled_only
@kinds
def test_deleting_growing_replacing_and_loading_change_no_law(kind: str, metric: Metric, tmp_path: Path) -> None:
    vectors, queries = clustered(260, 12), clustered(4, 12, seed=2)
    deleted = some_dead(100, 0.3)
    replaced = deleted.without(range(100, 120))  # their new vectors came as slots 240 to 259

    first = build(kind, vectors[:100], metric)
    grown = first.grown(vectors[:240], deleted, quiet())
    later = grown.grown(vectors, replaced, quiet())
    later.save(tmp_path)
    opened = loaded(kind, tmp_path)
    again = opened.grown(vectors, replaced, quiet())

    assert_answers(first, metric, queries, 10, vectors[:100], deleted)
    assert_answers(grown, metric, queries, 10, vectors[:240], deleted)
    for index in (later, opened, again):
        assert (index.kind, index.count) == (kind.partition(" ")[0], 260)
        assert_answers(index, metric, queries, 10, vectors, replaced)
        assert list(index.faults()) == []


@kinds
@pytest.mark.parametrize("count", [0, 1, 90])
def test_a_loaded_index_answers_the_same_bits(kind: str, metric: Metric, count: int, tmp_path: Path) -> None:
    vectors, queries = clustered(max(count, 1), 7)[:count], clustered(5, 7, seed=2)
    index = build(kind, vectors, metric, some_dead(count, 0.2))

    index.save(tmp_path)
    opened = loaded(kind, tmp_path)

    assert (opened.count, opened.memory_bytes, opened.strategies) == (count, index.memory_bytes, index.strategies)
    allowed = some_dead(count, 0.2).without([3])
    before, after = (answers(each, queries, 4, vectors, allowed) for each in (index, opened))
    for strategy, found in before.items():
        assert_same(after[strategy], found)


@kinds
def test_a_folder_without_the_index_is_damaged(kind: str, metric: Metric, tmp_path: Path) -> None:
    del metric

    with pytest.raises(Damaged):
        loaded(kind, tmp_path)


@kinds
def test_nothing_at_all(kind: str, metric: Metric) -> None:
    vectors = clustered(30, 5)
    index, empty = build(kind, vectors, metric), build(kind, vectors[:0], metric)

    for each, rows in ((index, vectors), (empty, vectors[:0])):
        for found in answers(each, vectors[:0], 3, rows, ALL).values():
            assert found.slots.shape == found.distances.shape == (0, 3)
    for found in answers(index, vectors[:2], 3, vectors, some_dead(30, 1.0)).values():
        assert (found.slots == -1).all()
    assert_answers(empty.grown(vectors, ALL, quiet()), metric, vectors[:3], 5, vectors)
    assert_answers(index.grown(vectors, some_dead(30, 1.0), quiet()), metric, vectors[:3], 5, vectors, some_dead(30, 1))


@pytest.mark.parametrize(("kind", "metric"), [pair for pair in KINDS_AND_METRICS if pair[1] is not Metric.COSINE])
def test_queries_and_vectors_of_zeros(kind: str, metric: Metric) -> None:
    vectors = np.concatenate([np.zeros((3, 6), np.float32), clustered(40, 6)])

    assert_answers(build(kind, vectors, metric), metric, np.zeros((1, 6), np.float32), 5, vectors)
    assert_answers(build(kind, vectors, metric), metric, vectors[5:7], 43, vectors)


@compiled_only
@kinds
def test_slots_beyond_the_index_are_never_found(kind: str, metric: Metric) -> None:
    vectors = clustered(120, 6)
    index = build(kind, vectors[:80], metric)

    for found in answers(index, vectors[100:103], 90, vectors, ALL).values():
        assert found.slots.max() == 79
        assert ((found.slots >= 0).sum(axis=1) == 80).all()


@compiled_only
@kinds
def test_a_batch_answers_like_single_searches_at_once(kind: str, metric: Metric) -> None:
    vectors, queries = clustered(3000, 10), clustered(40, 10, seed=2)
    index, allowed = build(kind, vectors, metric), some_dead(3000, 0.2)

    for strategy in index.strategies:
        route = Route(strategy, index.efforts(strategy, 10)[0])
        whole = index.search(queries, 10, vectors, allowed, route)
        with ThreadPoolExecutor(4) as pool:
            parts = list(
                pool.map(lambda at, by=route: index.search(queries[at : at + 1], 10, vectors, allowed, by), range(40))
            )
        np.testing.assert_array_equal(np.concatenate([part.slots for part in parts]), whole.slots)
        assert sum(part.verified for part in parts) == whole.verified
        assert sum(part.scored for part in parts) == whole.scored


@compiled_only
@kinds
@pytest.mark.parametrize("calls", [1, 2, 3, 5])
def test_a_cancelled_build_leaves_the_older_index_as_it_was(kind: str, metric: Metric, calls: int) -> None:
    vectors = clustered(400, 6)
    index, live = build(kind, vectors[:200], metric), some_dead(200, 0.5)
    before = answers(index, vectors[:3], 10, vectors, ALL)
    left = calls

    def report(_share: float) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise Cancelled

    try:
        index.grown(vectors, live, Job(2, report))
    except Cancelled:
        assert left == 0

    for strategy, found in answers(index, vectors[:3], 10, vectors, ALL).items():
        assert_same(found, before[strategy])
    assert list(index.faults()) == []


@compiled_only
@kinds
def test_progress_rises_to_one(kind: str, metric: Metric) -> None:
    shares: list[float] = []

    build(kind, clustered(500, 6), metric, job=Job(2, shares.append))

    assert shares == sorted(shares)
    assert shares[0] >= 0.0
    assert shares[-1] <= 1.0


@compiled_only
@kinds
def test_what_the_planner_asks(kind: str, metric: Metric) -> None:
    index = build(kind, clustered(500, 6), metric)

    assert index.memory_bytes > 500
    for strategy in index.strategies:
        for k in (1, 10, 5000):
            efforts = index.efforts(strategy, k)
            assert list(efforts) == sorted(set(efforts))
            assert len(efforts) >= 1
            assert Route(strategy).exact == (efforts == (0,))


def test_dot_is_refused_where_it_has_no_sense() -> None:
    with pytest.raises(InvalidField, match=r"index\.kind"):
        factory.check("kd_tree", {}, Metric.DOT)
    for kind, metric in KINDS_AND_METRICS:
        factory.check(kind.partition(" ")[0], {}, metric)
