"""No vector is ever nearer than its float32 bound says, or farther, whatever its numbers are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pergamum.domain.vectors import Metric
from pergamum.index import distance
from pergamum.index.brute_force import fallback
from pergamum.index.brute_force.rough import rough_bounds
from pergamum.index.mask import SlotMask
from tests.support.kernels import KINDS, assert_same, hard_vectors, oracle, prepare_kernels, using

metrics = pytest.mark.parametrize("metric", list(Metric))


@metrics
@given(
    kind=st.sampled_from(KINDS),
    other=st.sampled_from(KINDS),
    dimension=st.sampled_from([1, 2, 3, 7, 100, 384]),
    seed=st.integers(0, 2**32 - 1),
)
def test_bounds_hold(metric: Metric, kind: str, other: str, dimension: int, seed: int) -> None:
    queries = hard_vectors(kind, 2, dimension, seed)
    vectors = np.concatenate([hard_vectors(other, 60, dimension, seed + 1), queries])

    low, high = rough_bounds(metric, queries, vectors)

    for row, query in enumerate(queries):
        exact = distance.distances(metric, query, vectors)
        assert (low[row] <= exact).all()
        assert (exact <= high[row]).all()


@metrics
@pytest.mark.parametrize("dimension", [2, 100, 1_536])
def test_bounds_are_tight_enough_to_rule_out(metric: Metric, dimension: int) -> None:
    queries, vectors = hard_vectors("normal", 2, dimension, 1), hard_vectors("normal", 50, dimension, 2)

    low, high = rough_bounds(metric, queries, vectors)

    size = np.linalg.norm(vectors, axis=1) * np.linalg.norm(queries, axis=1)[:, None]
    assert ((high - low) <= 1e-6 * dimension * (size if metric is Metric.DOT else np.sqrt(dimension))).all()


@metrics
@pytest.mark.parametrize("dead", [0.0, 0.5, 0.95])
@pytest.mark.parametrize("queries", [1, 3])
def test_runs_of_any_length_find_the_same(
    metric: Metric, dead: float, queries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_kernels()
    monkeypatch.setattr(fallback, "_RUN", 64 * 8)
    monkeypatch.setattr(fallback, "_CHUNK", 1)
    vectors = hard_vectors("near ties", 1_000, 8, 5)
    live = SlotMask().without(np.flatnonzero(np.random.default_rng(6).random(1_000) < dead).tolist())

    with using("numpy"):
        found = fallback.before_kernels(metric, vectors[:queries], 12, vectors, live, begin=70)

    assert found is not None
    assert_same(found, oracle(metric, vectors[:queries], 12, vectors, live.without(range(70))))
