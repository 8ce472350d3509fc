"""No vector is ever nearer than its lower bound or farther than its upper bound; the bodies agree on every integer."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pergamum.domain.vectors import Matrix, Metric
from pergamum.index import distance
from pergamum.index.arrays import readonly
from pergamum.index.brute_force import blocks
from pergamum.index.brute_force.work import Doubles, Work
from pergamum.index.mask import BLOCK_SLOTS
from pergamum.index.quantize import NORM, OFFSET, STEP, TERMS, QueryCodes, encode, padded
from tests.support.kernels import KINDS, bits, compiled_only, hard_vectors, prepare_kernels

_METRICS = list(Metric)
DIMENSIONS = [1, 2, 3, 7, 16, 100, 384]
hard = given(
    kind=st.sampled_from(KINDS),
    other=st.sampled_from(KINDS),
    dimension=st.sampled_from(DIMENSIONS),
    seed=st.integers(0, 2**32 - 1),
)


@pytest.fixture(scope="module", autouse=True)
def kernels() -> None:
    prepare_kernels()


def _encoded(query: Matrix, metric: Metric) -> QueryCodes:
    from pergamum.index.quantize_kernels import encode_queries

    digits = np.zeros((1, 2, padded(query.shape[1])), dtype=np.int8)
    terms = np.empty((1, TERMS))
    encode_queries(query, metric is Metric.COSINE, digits, terms)
    return QueryCodes(readonly(query), digits, terms)


def _bounds(metric: Metric, query: Matrix, vectors: Matrix) -> Doubles:
    """Lower and upper bounds, shape (2, n), n <= 64."""
    from pergamum.index.brute_force import kernels

    block, codes, work = blocks.reserve(query.shape[1]), _encoded(query, metric), Work.begin(1, 1)
    blocks.write(block, 0, encode(vectors, metric))
    block = blocks.frozen(block)
    kernels.portable_dots(block.codes, 0, codes.digits, 0, work.sums)
    if metric is Metric.L2:
        kernels.bound_gaps(work.sums, block, 0, codes.terms, 0, work.bounds)
    else:
        kernels.bound_products(work.sums, block.scales, block.errors, 0, codes.terms, 0, work.bounds)
    return work.bounds[:, : len(vectors)]


@pytest.mark.parametrize("metric", list(Metric))
@hard
def test_bounds_hold(metric: Metric, kind: str, other: str, dimension: int, seed: int) -> None:
    query, vectors = hard_vectors(kind, 1, dimension, seed), hard_vectors(other, 63, dimension, seed + 1)
    vectors = np.concatenate([vectors, query])

    low, high = _bounds(metric, query, vectors)

    exact = distance.distances(metric, query[0], vectors)
    assert (low <= exact).all()
    assert (exact <= high).all()


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_bounds_are_tight_enough_to_rule_out(metric: Metric, dimension: int) -> None:
    query, vectors = hard_vectors("normal", 1, dimension, 1), hard_vectors("normal", 64, dimension, 2)

    low, high = _bounds(metric, query, vectors)

    size = 1.0 if metric is Metric.COSINE else np.linalg.norm(vectors, axis=1)
    size = size * (np.linalg.norm(query) if metric is Metric.DOT else 1.0)
    assert ((high - low) <= 0.04 * size).all()


@pytest.mark.parametrize("metric", list(Metric))
@hard
def test_what_codes_lose_is_within_the_error(metric: Metric, kind: str, other: str, dimension: int, seed: int) -> None:
    vectors = hard_vectors(kind, 20, dimension, seed)

    codes = encode(vectors, metric)

    meant = vectors.astype(np.float64)
    if metric is Metric.COSINE:
        meant /= distance.norms(vectors)[:, None]
    signed = codes.codes[:, :dimension].astype(np.float64) - 128
    scales = codes.scales.astype(np.float64)[:, None]
    lost = np.sqrt(((meant - scales * signed) ** 2).sum(axis=1))
    assert (lost <= codes.errors * (1 + 1e-9) + 2.0**-50).all()
    assert (np.abs(meant) <= 128 * scales).all()
    assert (signed.min(), signed.max()) >= (-127, -127)
    np.testing.assert_array_equal((signed**2).sum(axis=1), codes.squares)


@pytest.mark.parametrize("metric", list(Metric))
@hard
def test_the_digits_of_a_query_give_it_back(metric: Metric, kind: str, other: str, dimension: int, seed: int) -> None:
    query = hard_vectors(kind, 1, dimension, seed)

    codes = _encoded(query, metric)

    numbers = 256 * codes.digits[0, 0].astype(np.int64) + codes.digits[0, 1]
    meant = query[0].astype(np.float64) / (codes.terms[0, NORM] if metric is Metric.COSINE else 1.0)
    assert np.abs(meant - numbers[:dimension] * codes.terms[0, STEP]).max() <= 0.5001 * codes.terms[0, STEP]
    assert codes.terms[0, OFFSET] == 128 * numbers.sum()
    assert bits(codes.terms[0, NORM]) == bits(distance.norms(query)[0])


def _special_next_within() -> Callable[..., int]:
    """The special body as a function of its own, which tests can call."""
    from pergamum.index.brute_force import kernels

    if kernels.BODY == kernels.PORTABLE:
        pytest.skip("this processor has no AVX-512 VNNI, or kernels are interpreted")
    return partial(kernels.next_within, kernels.VNNI)


@pytest.mark.parametrize("dimension", [4, 100, 384, 16_384])
def test_the_special_instruction_and_the_plain_loop_give_the_same_integers(dimension: int) -> None:
    from pergamum.index.brute_force import kernels

    special, random = _special_next_within(), np.random.default_rng(1)
    block, all_allowed = blocks.reserve(dimension), np.ones(BLOCK_SLOTS, dtype=np.bool_)
    block.codes[:2] = random.integers(0, 256, (2, dimension // 4, 256), dtype=np.uint8)
    digits = random.integers(-128, 128, (3, 2, dimension), dtype=np.int8)
    block.codes[0], digits[1] = 255, -128
    block = blocks.frozen(block)
    codes = QueryCodes(readonly(np.zeros((3, dimension), dtype=np.float32)), digits, np.zeros((3, TERMS)))

    for group in range(2):
        for row in range(3):
            sums = np.zeros((2, 2, 64), dtype=np.int32)
            kernels.portable_dots(block.codes, group, digits, row, sums[0])
            found = special(block, all_allowed, (group, group + 1), kernels.Asked(0, row, np.inf), codes, sums[1])
            assert found == group
            np.testing.assert_array_equal(sums[0], sums[1])


@pytest.mark.parametrize("metric", list(Metric))
@hard
def test_both_bodies_stop_at_the_same_groups(metric: Metric, kind: str, other: str, dimension: int, seed: int) -> None:
    """For thresholds from none to all, at groups with and without allowed slots, up to the last whole group or not."""
    from pergamum.index.brute_force import kernels

    special, random = _special_next_within(), np.random.default_rng(seed)
    query, vectors = hard_vectors(kind, 1, dimension, seed), hard_vectors(other, 500, dimension, seed + 1)
    block, codes = blocks.reserve(dimension), _encoded(query, metric)
    blocks.write(block, 0, encode(vectors, metric))
    block = blocks.frozen(block)
    allowed = random.random(BLOCK_SLOTS) < random.choice([0.005, 0.02, 1.0])
    exact = distance.distances(metric, query[0], vectors)

    for limit in (np.inf, *np.quantile(exact, [0.0, 0.01, 0.1, 0.9])):
        for begin in range(8):
            found = [Work.begin(1, 1), Work.begin(1, 1)]
            at = [
                body(block, allowed, (begin, 8), kernels.Asked(_METRICS.index(metric), 0, limit), codes, work.sums)
                for body, work in zip((kernels.portable_next_within, special), found, strict=True)
            ]
            assert at[0] == at[1]
            assert at[0] == 8 or found[0].sums.tobytes() == found[1].sums.tobytes()


@compiled_only
@pytest.mark.parametrize("metric", list(Metric))
@hard
def test_no_group_is_passed_that_holds_a_bound_within_the_limit(
    metric: Metric, kind: str, other: str, dimension: int, seed: int
) -> None:
    """What spares the bounds of a group, without a root, never spares one that they would let in."""
    from pergamum.index.brute_force import kernels

    query, vectors = hard_vectors(kind, 1, dimension, seed), hard_vectors(other, 64, dimension, seed + 1)
    block, codes, work = blocks.reserve(dimension), _encoded(query, metric), Work.begin(1, 1)
    blocks.write(block, 0, encode(vectors, metric))
    block = blocks.frozen(block)
    all_allowed = np.ones(BLOCK_SLOTS, dtype=np.bool_)
    low, high = _bounds(metric, query, vectors)

    exact = distance.distances(metric, query[0], vectors)
    for limit in np.maximum(np.concatenate([low[::8], high[::8]]), 0.0 if metric is Metric.L2 else -np.inf):
        asked = kernels.Asked(_METRICS.index(metric), 0, limit)
        found = kernels.portable_next_within(block, all_allowed, (0, 1), asked, codes, work.sums)
        assert found == 0 or (exact > limit).all()
        assert metric is not Metric.L2 or found == 0 or (low > limit).all()
