"""Real indexes promise no more than queries that were never seen find: those held out of the library."""

import numpy as np
import pytest

from pergamum.domain.library import IndexKind, IndexSpec
from pergamum.domain.recall import shares_found
from pergamum.domain.vectors import Matrix, Metric
from pergamum.engine.calibration import calibrate
from pergamum.index import factory
from pergamum.index.base import Route, Strategy
from pergamum.index.layered import LayeredIndex
from pergamum.index.mask import SlotMask
from tests.support.fake_index import JOB
from tests.support.kernels import compiled_only, prepare_kernels

COUNT, HELD_OUT = 4_000, 500
SPECS = [
    IndexSpec(IndexKind.HNSW, {"m": 4, "ef_construction": 40}),
    IndexSpec(IndexKind.LSH),
    IndexSpec(IndexKind.IVF),
]
pytestmark = compiled_only


def clustered(metric: Metric, seed: int) -> tuple[Matrix, Matrix]:
    """Return vectors around 50 centres, of uneven density, and some held out."""
    random = np.random.default_rng(seed)
    spread = random.uniform(0.2, 1.0, (50, 1))
    which = random.integers(0, 50, COUNT + HELD_OUT)
    vectors = random.standard_normal((50, 32))[which] + spread[which] * random.standard_normal((len(which), 32))
    if metric is Metric.DOT:
        vectors *= random.uniform(0.5, 2.0, (len(which), 1))
    made = np.ascontiguousarray(vectors, np.float32)
    return made[:COUNT], made[COUNT:]


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind.value)
def test_the_low_end_is_no_promise_that_queries_to_come_break(spec: IndexSpec, metric: Metric) -> None:
    prepare_kernels()
    broken, checked = [], 0
    for seed in range(2):
        vectors, queries = clustered(metric, seed)
        index = LayeredIndex.empty(32, metric).extended(vectors)
        index = index.with_built(factory.build(spec, metric, vectors, SlotMask(), JOB), vectors)
        truth = index.search(queries, 10, vectors, SlotMask()).distances
        curve = calibrate(index, vectors, SlotMask(), live_queries=None, job=JOB)
        for point in curve.points:
            if point.strategy == "exact_scan" or point.foreign or (point.k, point.selectivity) != (10, 1.0):
                continue
            route = Route(Strategy(point.strategy), point.effort)
            found = index.search(queries, 10, vectors, SlotMask(), route).distances
            recall = float(shares_found(found, truth).mean())
            checked += 1
            if point.low > recall + 0.01:
                broken.append((seed, point.effort, point.low, recall))

    assert checked >= 2
    assert broken == []
