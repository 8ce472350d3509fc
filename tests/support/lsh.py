"""Hash indexes over made-up vectors, for tests."""

import numpy as np

from pergamum.domain.vectors import Matrix, Metric
from pergamum.index.base import Job, Neighbours, Route, Strategy
from pergamum.index.lsh.index import LshIndex
from pergamum.index.lsh.params import LshParams
from pergamum.index.mask import SlotMask

EVERYTHING = 2**40
"""An effort that is more than all buckets."""


def quiet(threads: int = 1) -> Job:
    """A job nobody watches."""
    return Job(threads, lambda _: None)


def clustered(count: int, dimension: int, seed: int = 1) -> Matrix:
    """Vectors around a hundred centers."""
    random = np.random.default_rng(seed)
    centers = np.random.default_rng(99).standard_normal((100, dimension))
    rows = centers[random.integers(0, len(centers), count)] + 0.7 * random.standard_normal((count, dimension))
    return rows.astype(np.float32)


def built(vectors: Matrix, metric: Metric, live: SlotMask | None = None, **params: int) -> LshIndex:
    return LshIndex.build(vectors, metric, live or SlotMask(), LshParams.of(params), quiet())


def asked(
    index: LshIndex, queries: Matrix, vectors: Matrix, effort: int, allowed: SlotMask | None = None
) -> Neighbours:
    """The ten nearest by one effort."""
    return index.search(queries, 10, vectors, allowed or SlotMask(), Route(Strategy.TABLES, effort))


def recall(found: Neighbours, true: Neighbours) -> float:
    """The share of hits that are at most as far as the true last one."""
    return float((found.distances <= true.distances[:, -1:]).mean())
