"""The graph finds what is near: recall floors, more effort finds more, scratch shared by threads, epochs that wrap."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pergamum.domain.vectors import Matrix, Metric
from pergamum.errors import InvalidField
from pergamum.index.base import SCAN, BuiltIndex, Strategy
from pergamum.index.hnsw.index import MOST_EFFORT, HnswIndex
from pergamum.index.hnsw.params import HnswParams
from pergamum.index.quantize import STEP, TERMS
from tests.support.built import (
    ALL,
    GRAPH,
    assert_lawful,
    clustered,
    graph,
    recall,
    some_dead,
    truth,
    walked,
)
from tests.support.kernels import Body, assert_same, compiled_only, hard_vectors, prepare_kernels, using

metrics = pytest.mark.parametrize("metric", list(Metric))


@pytest.fixture(scope="module", autouse=True)
def kernels() -> None:
    prepare_kernels()


@pytest.fixture(scope="module")
def large(kernels: None) -> tuple[Matrix, Matrix, HnswIndex]:
    """20,000 vectors, 200 queries, and a graph."""
    vectors = clustered(20_000, 32)
    return vectors, clustered(200, 32, seed=2), graph(vectors)


@metrics
def test_a_small_graph_finds_nearly_everything(metric: Metric) -> None:
    vectors, queries = clustered(150, 10), clustered(6, 10, seed=2)
    index = graph(vectors, metric)

    found = walked(index, queries, vectors, 30)

    assert_lawful(found, metric, queries, 10, vectors, ALL)
    assert recall(found, truth(metric, queries, 10, vectors, ALL)) >= 0.95
    assert 0 < found.scored <= 6 * 160
    assert list(index.faults()) == []


@metrics
@given(count=st.integers(1, 50), dimension=st.integers(1, 5), k=st.integers(1, 20), seed=st.integers(0, 2**32 - 1))
def test_an_effort_of_all_reads_exactly_the_nearest_by_codes(
    metric: Metric, count: int, dimension: int, k: int, seed: int
) -> None:
    vectors, queries = hard_vectors("small integers", count, dimension, seed), clustered(2, dimension, seed % 100)
    index = graph(vectors, metric, params={"m": 4, "ef_construction": 16})
    assume(_strongly_connected(index))

    found = walked(index, queries, vectors, count + k, k=k)

    nearest = _by_codes(index, queries)[:, : k + 16]
    for row, slots in enumerate(nearest):
        true = truth(metric, queries[row : row + 1], k, vectors, ALL.without(set(range(count)) - set(slots.tolist())))
        np.testing.assert_array_equal(found.slots[row], true.slots[0])
    assert found.rescanned == (len(queries) if k > count else 0)
    assert found.verified >= nearest.size


@compiled_only
@metrics
def test_recall_has_a_floor(metric: Metric) -> None:
    vectors, queries = clustered(20_000, 32), clustered(100, 32, seed=2)
    index, true = graph(vectors, metric), truth(metric, queries, 10, vectors, ALL)

    reached = [recall(walked(index, queries, vectors, effort), true) for effort in (24, 80, 400)]

    assert np.greater_equal(reached, [0.80, 0.95, 0.99]).all(), reached


@compiled_only
def test_real_vectors_are_found(data_folder: Path) -> None:
    for name, efforts, floors in (("words-100", (80, 270), (0.93, 0.985)), ("sentences-384", (80, 270), (0.95, 0.985))):
        with np.load(data_folder / f"{name}.npz") as data:
            vectors, queries = data["base"][:6000].astype(np.float32), data["queries"][:100].astype(np.float32)
        index, true = graph(vectors, Metric.COSINE), truth(Metric.COSINE, queries, 10, vectors, ALL)

        reached = [recall(walked(index, queries, vectors, effort), true) for effort in efforts]

        assert np.greater_equal(reached, floors).all(), (name, reached)


@compiled_only
def test_more_effort_finds_more_and_costs_more(large: tuple[Matrix, Matrix, HnswIndex]) -> None:
    vectors, queries, index = large
    true = truth(Metric.L2, queries, 10, vectors, ALL)

    found = [walked(index, queries, vectors, effort) for effort in index.efforts(GRAPH, 10)]

    reached = [recall(each, true) for each in found]
    assert all(later >= earlier - 0.005 for earlier, later in pairwise(reached))
    assert reached[-1] >= 0.999
    assert all(later.scored > earlier.scored for earlier, later in pairwise(found))
    assert all(each.rescanned == 0 for each in found)
    assert found[0].scored < 0.02 * len(vectors) * len(queries)
    assert found[0].verified <= 10 * len(queries)


@compiled_only
def test_an_effort_below_k_is_k(large: tuple[Matrix, Matrix, HnswIndex]) -> None:
    vectors, queries, index = large

    assert_same(walked(index, queries, vectors, 3, k=50), walked(index, queries, vectors, 50, k=50))
    found = walked(index, queries[:2], vectors, 1, k=MOST_EFFORT + 1000)
    assert_lawful(found, Metric.L2, queries[:2], MOST_EFFORT + 1000, vectors, ALL)


@compiled_only
def test_both_bodies_walk_the_same_way(large: tuple[Matrix, Matrix, HnswIndex]) -> None:
    vectors, queries, index = large
    bodies: tuple[Body, ...] = ("special", "portable")
    found, scanned = [], []

    for body in bodies:
        with using(body):
            found.append(walked(index, queries, vectors, 50))
            scanned.append(index.search(queries[:9], 10, vectors, ALL, SCAN))

    assert_same(*found)
    assert_same(*scanned)
    assert found[0].scored == found[1].scored


@compiled_only
def test_threads_that_search_at_once_get_what_one_gets(large: tuple[Matrix, Matrix, HnswIndex]) -> None:
    vectors, queries, index = large
    efforts = [20, 5000, 60]  # each takes its turn with the scratch of the others
    alone = [walked(index, queries[:60], vectors, effort) for effort in efforts]
    index = replace(index)  # without the desks of earlier searches

    with ThreadPoolExecutor(6) as pool:
        together = [
            [pool.submit(walked, index, queries[at : at + 1], vectors, effort) for at in range(60)]
            for effort in efforts
        ]

    for whole, parts in zip(alone, together, strict=True):
        np.testing.assert_array_equal(np.concatenate([part.result().slots for part in parts]), whole.slots)
        assert sum(part.result().scored for part in parts) == whole.scored
    assert 1 <= index._desks.free <= 6


@compiled_only
def test_more_searches_than_epochs_find_the_same() -> None:
    vectors = clustered(80, 4)
    index = graph(vectors)
    first = walked(index, vectors[:3], vectors, 10)

    for _ in range(5):
        walked(index, vectors[:60], vectors, 10)
        assert_same(walked(index, vectors[:3], vectors, 10), first)

    assert index._desks.free == 1


@compiled_only
def test_the_scratch_is_as_large_as_the_effort() -> None:
    vectors = clustered(60, 4)
    index = graph(vectors)

    small, large = (walked(index, vectors[:2], vectors, effort) for effort in (10, 10_000))

    assert index._desks.take(10_000).has_room(10_000)
    assert small.verified <= large.verified


def test_equal_vectors_are_all_in_reach() -> None:
    vectors = hard_vectors("equal", 300, 6, 1)
    index = graph(vectors, params={"m": 4, "ef_construction": 16})

    found = walked(index, vectors[:1], vectors, 300)

    assert list(index.faults()) == []
    assert found.slots[0].tolist() == list(range(10))


def test_it_is_a_built_index() -> None:
    index: BuiltIndex = graph(clustered(20, 4), Metric.COSINE)

    assert (index.kind, index.count) == ("hnsw", 20)
    assert set(index.strategies) == {Strategy.SCAN, Strategy.GRAPH, Strategy.FILTERED_GRAPH}
    assert index.efforts(Strategy.SCAN, 10) == (0,)
    assert index.efforts(GRAPH, 10)[0] == 10
    assert index.efforts(GRAPH, MOST_EFFORT + 1) == (MOST_EFFORT + 1,)


@compiled_only
def test_memory_is_what_the_docs_promise() -> None:
    vectors = hard_vectors("normal", 2000, 384, 1)

    index = graph(vectors, params={"ef_construction": 16})

    assert index.memory_bytes <= 0.6 * vectors.nbytes
    assert index.memory_bytes <= 2000 * (384 + 16 + 8 * 16 + 5 + 1.2 * 4 * 16 / 15 * 16)


@pytest.mark.parametrize("value", [3, 65, 16.0, "16", True, None])
def test_a_wrong_parameter_is_refused(value: object) -> None:
    with pytest.raises(InvalidField, match=r"index\.params\.m"):
        HnswParams.of({"m": value})


def test_parameters() -> None:
    assert HnswParams.of({}) == HnswParams(16, 120)
    assert HnswParams.of({"m": 64, "ef_construction": 2000}) == HnswParams(64, 2000)
    with pytest.raises(InvalidField, match=r"index\.params\.ef: .*known: m, ef_construction"):
        HnswParams.of({"ef": 10})


def test_dead_slots_lead_on_but_are_not_found() -> None:
    vectors, queries = clustered(200, 6), clustered(5, 6, seed=2)
    live = some_dead(200, 0.4)

    found = walked(graph(vectors), queries, vectors, 60, live)

    assert_lawful(found, Metric.L2, queries, 10, vectors, live)
    assert recall(found, truth(Metric.L2, queries, 10, vectors, live)) >= 0.9


def _strongly_connected(index: HnswIndex) -> bool:
    from pergamum.index.hnsw.build_kernels import spread

    queue = np.empty(index.count, np.uint32)
    reached = [spread(index.graph.links, at, np.zeros(index.count, np.uint8), queue) for at in range(index.count)]
    return set(reached) == {index.count}


def _by_codes(index: HnswIndex, queries: Matrix) -> npt.NDArray[np.int64]:
    """All slots in the order of what codes say, equal ones by slot."""
    from pergamum.index.quantize_kernels import encode_queries

    digits, terms = np.zeros((len(queries), 2, index.rows.codes.shape[1]), np.int8), np.empty((len(queries), TERMS))
    encode_queries(queries, index.metric is Metric.COSINE, digits, terms)
    products = (digits[:, 0].astype(np.int32) @ (index.rows.codes.T.astype(np.int32) - 128)).astype(np.float32)
    factors = (512.0 * terms[:, STEP]).astype(np.float32)[:, None]
    keys = index.rows.terms[:, 1] - index.rows.terms[:, 0] * (factors * products)
    return np.argsort(keys + np.float32(0.0), axis=1, kind="stable")
