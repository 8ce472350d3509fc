"""The reference distance has one value, to the last bit, whoever computes it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pergamum.domain.vectors import Metric, Vector
from pergamum.index import distance
from tests.support.kernels import KINDS, bits, hard_vectors, prepare_kernels

hard = given(
    kind=st.sampled_from(KINDS),
    other=st.sampled_from(KINDS),
    dimension=st.one_of(st.integers(1, 40), st.sampled_from([100, 384])),
    seed=st.integers(0, 2**32 - 1),
)


def _by_definition(metric: Metric, query: Vector, vector: Vector) -> float:
    """The words of `distance.py`, one operation at a time."""
    q, v = [float(x) for x in query], [float(x) for x in vector]
    if metric is Metric.L2:
        gap = [a - b for a, b in zip(q, v, strict=True)]
        return math.sqrt(_lanes(gap, gap))
    if metric is Metric.DOT:
        return 0.0 - _lanes(q, v)
    return 1.0 - _lanes(q, v) / (math.sqrt(_lanes(q, q)) * math.sqrt(_lanes(v, v)))


def _lanes(left: list[float], right: list[float]) -> float:
    lanes = [0.0] * 8
    for i, (a, b) in enumerate(zip(left, right, strict=True)):
        lanes[i % 8] += a * b
    return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]))


@pytest.mark.parametrize("metric", list(Metric))
@hard
def test_numpy_follows_the_definition_to_the_bit(
    metric: Metric, kind: str, other: str, dimension: int, seed: int
) -> None:
    query, vectors = hard_vectors(kind, 1, dimension, seed)[0], hard_vectors(other, 5, dimension, seed + 1)

    found = distance.distances(metric, query, vectors)

    assert bits(found) == bits(np.array([_by_definition(metric, query, vector) for vector in vectors]))


@pytest.mark.parametrize("metric", list(Metric))
@hard
def test_the_kernel_follows_the_definition_to_the_bit(
    metric: Metric, kind: str, other: str, dimension: int, seed: int
) -> None:
    prepare_kernels()
    from pergamum.index import distance_kernels

    query, vector = hard_vectors(kind, 1, dimension, seed)[0], hard_vectors(other, 1, dimension, seed + 1)[0]
    norm = float(distance.norms(query[None])[0])

    found = distance_kernels.distance(list(Metric).index(metric), query, norm, vector)

    assert bits(np.array([found])) == bits(np.array([_by_definition(metric, query, vector)]))


@hard
def test_distances_are_near_the_true_ones(kind: str, other: str, dimension: int, seed: int) -> None:
    query, vectors = hard_vectors(kind, 1, dimension, seed)[0], hard_vectors(other, 5, dimension, seed + 1)
    products = [[float(a) * float(b) for a, b in zip(query, vector, strict=True)] for vector in vectors]

    found = distance.distances(Metric.DOT, query, vectors)

    for distance_found, terms in zip(found, products, strict=True):
        assert abs(distance_found + math.fsum(terms)) <= 1e-12 * math.fsum(map(abs, terms))
