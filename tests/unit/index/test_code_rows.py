"""Rows of codes say the same as the blocks of the scan, in another order; their scan is exact."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pergamum.domain.vectors import Matrix, Metric
from pergamum.index.arrays import LINE
from pergamum.index.base import SCAN, Neighbours
from pergamum.index.brute_force.index import BruteForceIndex
from pergamum.index.code_rows import CodeRows, empty_rows, encode_rows, extended_rows, frozen_rows, row_bytes
from pergamum.index.mask import BLOCK_SLOTS, SlotMask
from pergamum.index.quantize import encode
from tests.support.built import ALL, clustered, graph, some_dead
from tests.support.kernels import (
    KINDS,
    Body,
    assert_same,
    compiled_only,
    hard_vectors,
    oracle,
    prepare_kernels,
    using,
)

bodies = pytest.mark.parametrize("body", ["special", "portable"])
metrics = pytest.mark.parametrize("metric", list(Metric))


@pytest.fixture(scope="module", autouse=True)
def kernels() -> None:
    prepare_kernels()


def _rows(vectors: Matrix, metric: Metric) -> CodeRows:
    return extended_rows(empty_rows(0, vectors.shape[1]), vectors, metric)


def _scanned(vectors: Matrix, metric: Metric, queries: Matrix, k: int, allowed: SlotMask) -> Neighbours:
    """What the scan of rows answers: that of a graph, which here has no links worth the name."""
    index = graph(vectors, metric, live=SlotMask.of(np.zeros(len(vectors), np.bool_)))
    return index.search(queries, k, vectors, allowed, SCAN)


@metrics
@given(
    kind=st.sampled_from(KINDS),
    count=st.integers(0, 60),
    dimension=st.sampled_from([1, 63, 64, 65, 130]),
    seed=st.integers(0, 2**32 - 1),
)
def test_rows_hold_the_codes_of_every_vector(metric: Metric, kind: str, count: int, dimension: int, seed: int) -> None:
    vectors = hard_vectors(kind, count, dimension, seed)

    rows, codes = _rows(vectors, metric), encode(vectors, metric)

    assert rows.codes.shape == (count, row_bytes(dimension))
    np.testing.assert_array_equal(rows.codes[:, :dimension], codes.codes[:, :dimension])
    assert (rows.codes[:, dimension:] == 128).all()
    np.testing.assert_array_equal(rows.terms[:, 0], codes.scales)
    np.testing.assert_array_equal(rows.errors, codes.errors)
    np.testing.assert_array_equal(rows.squares, codes.squares)
    with np.errstate(over="ignore"):
        squares = (codes.scales.astype(np.float64) ** 2 * codes.squares).astype(np.float32)
    np.testing.assert_array_equal(rows.terms[:, 1], squares if metric is Metric.L2 else np.zeros(count))


@metrics
@given(sizes=st.lists(st.integers(0, 40), max_size=4), seed=st.integers(0, 1000))
def test_extending_step_by_step_gives_the_rows_of_the_whole(metric: Metric, sizes: list[int], seed: int) -> None:
    vectors = hard_vectors("normal", sum(sizes), 70, seed)
    rows = empty_rows(0, 70)

    for size in np.cumsum(sizes, dtype=np.int64).tolist():
        rows = extended_rows(rows, vectors[:size], metric)

    for part, whole in zip(rows, _rows(vectors, metric), strict=True):
        np.testing.assert_array_equal(part, whole)


def test_a_piece_longer_than_what_is_encoded_at_once() -> None:
    vectors = hard_vectors("normal", 8192 + 11, 3, 1)

    rows = _rows(vectors, Metric.L2)

    np.testing.assert_array_equal(rows.codes[:, :3], encode(vectors, Metric.L2).codes[:, :3])


@pytest.mark.parametrize(("dimension", "width"), [(1, 64), (64, 64), (65, 128), (384, 384), (385, 448)])
def test_a_row_is_whole_cache_lines(dimension: int, width: int) -> None:
    rows = empty_rows(7, dimension)

    assert row_bytes(dimension) == rows.codes.strides[0] == width
    assert rows.codes.ctypes.data % LINE == 0


def test_encoding_touches_its_slots_only() -> None:
    rows, vectors = empty_rows(9, 5), hard_vectors("normal", 3, 5, 1)
    rows.codes[:] = 7

    encode_rows(rows, 4, vectors, Metric.COSINE)

    assert (np.delete(rows.codes, [4, 5, 6], axis=0) == 7).all()
    assert (rows.terms[[4, 5, 6], 0] > 0).all()
    assert (np.delete(rows.terms, [4, 5, 6], axis=0) == 0).all()


@compiled_only
@bodies
@metrics
@given(
    kind=st.sampled_from(KINDS),
    count=st.integers(1, 200),
    dimension=st.sampled_from([1, 3, 64, 100]),
    k=st.sampled_from([1, 10, 210]),
    share=st.sampled_from([0.0, 0.1, 0.9, 1.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_scan_of_rows_is_exact(
    body: Body, metric: Metric, kind: str, count: int, dimension: int, k: int, share: float, seed: int
) -> None:
    vectors, allowed = hard_vectors(kind, count, dimension, seed), some_dead(count, share, seed)
    queries = np.concatenate([hard_vectors("normal", 2, dimension, seed + 1), vectors[:1]])

    with using(body):
        found = _scanned(vectors, metric, queries, k, allowed)

    assert_same(found, oracle(metric, queries, k, vectors, allowed))


@compiled_only
@bodies
@metrics
def test_the_scan_of_rows_over_more_than_a_block(body: Body, metric: Metric) -> None:
    vectors, queries = clustered(BLOCK_SLOTS + 300, 3), clustered(3, 3, seed=2)
    allowed = some_dead(BLOCK_SLOTS, 0.4)

    with using(body):
        found = _scanned(vectors, metric, queries, 300, allowed)

    whole = BruteForceIndex.empty(3, metric).extended(vectors)
    assert_same(found, whole.search(queries, 300, vectors, allowed))


@metrics
def test_a_scan_reads_few_vectors_and_scores_only_what_is_allowed(metric: Metric) -> None:
    vectors, allowed = clustered(300, 16), some_dead(300, 0.5)

    found = _scanned(vectors, metric, vectors[:2], 3, allowed)

    assert found.scored == 2 * allowed.allowed(300)
    assert found.verified < 60
    assert found.rescanned == 0


@compiled_only
@metrics
@given(
    kind=st.sampled_from(KINDS),
    other=st.sampled_from(KINDS),
    dimension=st.sampled_from([1, 3, 64, 70]),
    seed=st.integers(0, 2**32 - 1),
)
def test_bounds_of_rows_hold_the_distance(metric: Metric, kind: str, other: str, dimension: int, seed: int) -> None:
    from pergamum.index.brute_force.work import Work
    from pergamum.index.distance import distances
    from pergamum.index.quantize import TERMS
    from pergamum.index.quantize_kernels import encode_queries
    from pergamum.index.row_kernels import bound_rows, portable_row_dots

    query = hard_vectors(kind, 1, dimension, seed)
    vectors = np.concatenate([hard_vectors(other, 59, dimension, seed + 1), query])
    rows = frozen_rows(_rows(vectors, metric))
    digits, terms = np.zeros((1, 2, row_bytes(dimension)), np.int8), np.empty((1, TERMS))
    encode_queries(query, metric is Metric.COSINE, digits, terms)
    work, slots = Work.begin(1, 1), np.arange(60, dtype=np.uint32)
    for digit in (0, 1):
        portable_row_dots(rows.codes, slots, 60, digits[0, digit], work.sums[digit])

    bound_rows(rows, slots, 60, list(Metric).index(metric), 0, terms, work)

    true = distances(metric, query[0], vectors)
    assert (work.bounds[0, :60] <= true).all()
    assert (work.bounds[1, :60] >= true).all()


def test_no_rows_have_no_answers() -> None:
    vectors = clustered(5, 4)

    found = _scanned(vectors[:0], Metric.L2, vectors, 3, ALL)

    assert (found.slots == -1).all()
    assert np.isposinf(found.distances).all()
