"""The sums over eight lanes: the same bits from one instruction, from plain loops, and from the definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pergamum.domain.vectors import Matrix, Metric
from pergamum.index import distance
from pergamum.index.arrays import readonly
from tests.support.kernels import KINDS, hard_vectors, prepare_kernels


@pytest.fixture(scope="module", autouse=True)
def kernels() -> None:
    prepare_kernels()


@given(
    kinds=st.tuples(st.sampled_from(KINDS), st.sampled_from(KINDS)),
    dimension=st.integers(1, 70),
    offset=st.integers(0, 9),
    seed=st.integers(0, 2**32 - 1),
)
def test_distances_are_those_of_the_definition(kinds: tuple[str, str], dimension: int, offset: int, seed: int) -> None:
    """`offset`: rows need not begin at a multiple of anything but four bytes."""
    from pergamum.index import distance_kernels

    query = hard_vectors(kinds[0], 1, dimension, seed)[0]
    vectors = _shifted(hard_vectors(kinds[1], 6, dimension, seed + 1), offset)
    norm = np.sqrt(distance_kernels.dot(query, query))

    for number, metric in enumerate(Metric):
        found = np.array([distance_kernels.distance(number, query, norm, vector) for vector in vectors])
        assert found.tobytes() == distance.distances(metric, query, vectors).tobytes()


@given(dimension=st.integers(0, 40), seed=st.integers(0, 2**32 - 1))
def test_the_loops_that_stand_in_give_the_same_bits(dimension: int, seed: int) -> None:
    from pergamum.index import lanes
    from pergamum.index.distance_kernels import dot

    q, v = (hard_vectors("any norm", 1, max(dimension, 1), each)[0, :dimension] for each in (seed, seed + 1))

    looped = lanes._looped_products(q, v)

    assert np.float64(dot(q, v)).tobytes() == np.float64(looped).tobytes()
    assert lanes._looped_gaps(q, q) == 0.0
    assert lanes._looped_gaps(q, v) == pytest.approx(((q.astype(np.float64) - v.astype(np.float64)) ** 2).sum())


def test_lanes_are_added_in_pairs() -> None:
    from pergamum.index.distance_kernels import dot

    ones, huge = np.ones(8, np.float32), np.array([1e30, 1, -1e30, 1, 0, 0, 0, 0], np.float32)

    assert dot(ones, huge) == 0.0  # one after the other they would give 1


def _shifted(vectors: Matrix, offset: int) -> Matrix:
    """The same numbers, `offset` floats behind the start of their memory."""
    space = np.empty(vectors.size + offset, np.float32)
    space[offset:] = vectors.ravel()
    return readonly(space[offset:].reshape(vectors.shape))
