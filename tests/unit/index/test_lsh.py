"""Hash tables find what is near, say how far it is exactly, and never come back with fewer hits than there are."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pergamum.domain.vectors import Metric
from pergamum.index import distance
from pergamum.index.base import BuiltIndex, Route, Strategy
from pergamum.index.lsh.scratch import Scratch, borrowed
from pergamum.index.mask import SlotMask
from tests.support.kernels import KINDS, assert_same, compiled_only, hard_vectors, oracle, prepare_kernels
from tests.support.lsh import EVERYTHING, asked, built, clustered, recall

METRICS = list(Metric)


@pytest.fixture(scope="module", autouse=True)
def _kernels() -> None:
    prepare_kernels()


@compiled_only
@pytest.mark.parametrize(
    ("metric", "dimension", "effort", "floor"),
    [
        (Metric.COSINE, 32, 400, 0.96),
        (Metric.COSINE, 8, 64, 0.99),
        (Metric.DOT, 32, 400, 0.90),
        (Metric.L2, 32, 400, 0.93),
        (Metric.L2, 4, 50, 0.99),
    ],
)
def test_recall_has_a_floor(metric: Metric, dimension: int, effort: int, floor: float) -> None:
    vectors, queries = clustered(20_000, dimension), clustered(100, dimension, seed=2)
    index = built(vectors, metric)

    found = asked(index, queries, vectors, effort)

    assert recall(found, oracle(metric, queries, 10, vectors, SlotMask())) >= floor
    assert found.verified < 0.05 * len(queries) * len(vectors)
    assert found.rescanned == 0


@compiled_only
@pytest.mark.parametrize("metric", METRICS)
def test_more_effort_finds_more(metric: Metric) -> None:
    vectors, queries = clustered(20_000, 32), clustered(50, 32, seed=2)
    index, true = built(vectors, metric), oracle(metric, queries, 10, vectors, SlotMask())
    efforts = index.efforts(Strategy.TABLES, 10)

    reached = [recall(asked(index, queries, vectors, effort), true) for effort in efforts]

    assert list(efforts) == sorted(set(efforts))
    assert all(later >= earlier - 0.02 for earlier, later in pairwise(reached))
    assert reached[-1] >= 0.99


@settings(max_examples=20)
@given(
    metric=st.sampled_from(METRICS),
    kind=st.sampled_from(KINDS),
    shape=st.tuples(st.integers(1, 60), st.integers(1, 12)),
    effort=st.sampled_from([1, 5, 40, EVERYTHING]),
    seed=st.integers(0, 2**32 - 1),
)
def test_distances_are_the_reference_and_hits_are_as_many_as_can_be(
    metric: Metric, kind: str, shape: tuple[int, int], effort: int, seed: int
) -> None:
    vectors, queries = hard_vectors(kind, *shape, seed), hard_vectors(kind, 2, shape[1], seed + 1)
    flags = np.random.default_rng(seed).random(len(vectors)) < 0.7
    allowed = SlotMask.of(flags)

    found = asked(built(vectors, metric, tables=2, bits=3), queries, vectors, effort, allowed)

    for query, slots, distances in zip(queries, found.slots, found.distances, strict=True):
        real = slots[slots >= 0]
        assert len(real) == len(set(real)) == min(10, int(flags.sum()))
        assert flags[real].all()
        exact = distance.distances(metric, query, vectors[real])
        assert exact.tobytes() == distances[: len(real)].tobytes()
        assert list(zip(exact, real, strict=True)) == sorted(zip(exact, real, strict=True))
        assert np.isinf(distances[len(real) :]).all()
    if effort == EVERYTHING:
        assert_same(found, oracle(metric, queries, 10, vectors, allowed))


@pytest.mark.parametrize("metric", METRICS)
def test_an_effort_of_all_buckets_is_exact(metric: Metric) -> None:
    vectors, queries = clustered(300, 9), clustered(3, 9, seed=2)
    index = built(vectors, metric, tables=2, bits=4)

    found = asked(index, queries, vectors, index.buckets)

    assert_same(found, oracle(metric, queries, 10, vectors, SlotMask()))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("bits", [1, 5, 9])
def test_every_bucket_comes_once_and_the_cheapest_first(metric: Metric, bits: int) -> None:
    from pergamum.index.lsh import kernels
    from pergamum.index.lsh.hash_kernels import place, rotate

    vectors, tables = clustered(50, 6), 2
    index = built(vectors, metric, tables=tables, bits=bits)
    scratch = Scratch.made(index.hashes, index.tables, index.buckets, 1)
    place(clustered(1, 6, seed=2)[0], True, index.hashes, scratch.point)
    rotate(scratch.point, index.hashes, scratch.rotated)

    count = kernels.cheapest(index.hashes, tables, 2 * index.buckets, scratch)

    assert count == index.buckets == tables << bits
    assert sorted(scratch.buckets.tolist()) == [
        table << 20 | key for table in range(tables) for key in range(1 << bits)
    ]


@pytest.mark.parametrize("metric", [Metric.COSINE, Metric.L2])  # under dot a query is another point than a vector
def test_a_vector_is_in_its_own_bucket(metric: Metric) -> None:
    vectors = clustered(400, 20)
    index = built(vectors, metric, tables=1, bits=6)

    found = asked(index, vectors, vectors, 1)

    assert (found.slots[:, 0] == np.arange(len(vectors))).all()


@compiled_only
@pytest.mark.parametrize("share", [0.5, 0.01, 0.0002])
def test_a_mask_costs_no_hits(share: float) -> None:
    vectors, queries = clustered(20_000, 16), clustered(20, 16, seed=2)
    flags = np.random.default_rng(0).random(len(vectors)) < share
    allowed = SlotMask.of(flags)

    found = asked(built(vectors, Metric.COSINE), queries, vectors, 300, allowed)

    true = oracle(Metric.COSINE, queries, 10, vectors, allowed)
    assert ((found.slots >= 0).sum(axis=1) == min(10, flags.sum())).all()
    assert flags[found.slots[found.slots >= 0]].all()
    assert recall(found, true) >= 0.85
    assert (found.rescanned == len(queries)) == (share < 0.001)


def test_slots_beyond_the_mask_are_allowed() -> None:
    vectors = clustered(100, 8)
    index = built(vectors, Metric.L2, tables=2, bits=2)

    found = asked(index, vectors[:3], vectors, 7, SlotMask().without([0, 1]))

    assert not np.isin([0, 1], found.slots).any()
    assert (found.slots >= 0).all()


@compiled_only
def test_searches_of_other_sizes_do_not_disturb_each_other() -> None:
    small, large = clustered(3000, 8), clustered(6000, 8, seed=3)
    indexes = [(built(rows, Metric.L2), rows) for rows in (small, large)]
    queries = clustered(5, 8, seed=2)

    first = [asked(index, queries, rows, effort) for index, rows in indexes for effort in (40, 900)]
    again = [asked(index, queries, rows, effort) for index, rows in indexes for effort in (40, 900)]

    for one, other in zip(first, again, strict=True):
        assert_same(one, other)


@compiled_only
def test_threads_that_search_at_once_get_what_one_gets() -> None:
    vectors, queries = clustered(5000, 16), clustered(200, 16, seed=2)
    index = built(vectors, Metric.COSINE)
    alone = asked(index, queries, vectors, 200)

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda at: asked(index, queries[at : at + 20], vectors, 200), range(0, 200, 20)))

    np.testing.assert_array_equal(np.concatenate([each.slots for each in together]), alone.slots)
    assert sum(each.verified for each in together) == alone.verified


def test_epochs_that_run_out_start_again() -> None:
    vectors = clustered(60, 4)
    index = built(vectors, Metric.L2, tables=1, bits=1)
    before = asked(index, vectors[:3], vectors, 1)
    scratch = borrowed(index.hashes, index.tables, 1, 10)
    scratch.epoch[0], scratch.marks[:] = 2**32 - 2, 1

    after = asked(index, vectors[:3], vectors, 1)

    assert int(scratch.epoch[0]) == len(vectors[:3])
    assert_same(after, before)


@pytest.mark.parametrize("metric", METRICS)
def test_nothing_is_found_in_nothing(metric: Metric) -> None:
    vectors = clustered(5, 4)
    empty, dead = built(vectors[:0], metric), built(vectors, metric, SlotMask.of(np.zeros(5, dtype=np.bool_)))

    nothing = asked(empty, vectors, vectors, 10)
    masked = asked(dead, vectors, vectors, 10, SlotMask.of(np.zeros(5, dtype=np.bool_)))

    assert (nothing.slots == -1).all()
    assert (masked.slots == -1).all()
    assert asked(empty, vectors[:0], vectors, 10).slots.shape == (0, 10)
    assert list(empty.faults()) == list(dead.faults()) == []


def test_it_is_a_built_index() -> None:
    index: BuiltIndex = built(clustered(20, 4), Metric.COSINE)

    assert (index.kind, index.count, index.strategies) == ("lsh", 20, (Strategy.TABLES,))
    assert index.memory_bytes > 0
    assert not Route(Strategy.TABLES, 5).exact
