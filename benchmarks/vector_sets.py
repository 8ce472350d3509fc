"""The vectors the index benchmarks search, and the neighbours that are right."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from pergamum.domain.vectors import Matrix, Metric
from pergamum.index.brute_force.index import BruteForceIndex
from pergamum.index.mask import SlotMask

K = 10
LIVE = SlotMask()
SETS = ("words-100", "sentences-384")
ROUNDING = 1e-6
"""Equally far neighbours count as found; the given distances are float32."""

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class DataSet:
    """Unit vectors (n, d) and queries (m, d), float32, and `worst`, the distance of the K-th true neighbour, (m,).

    Unit length is what faiss needs for cosine distance; everybody gets the same.
    """

    name: str
    vectors: Matrix
    queries: Matrix
    worst: npt.NDArray[np.float64]

    @classmethod
    def load(cls, folder: Path, name: str) -> Self:
        """Return the set with the neighbours that come with it."""
        with np.load(folder / f"{name}.npz") as arrays:
            worst = arrays["distances"][:, K - 1].astype(np.float64)
            return cls(name, unit(arrays["base"]), unit(arrays["queries"]), worst)

    def sample(self, count: int, queries: int, seed: int = 0) -> Self:
        """Return `count` vectors of this set, the first of one random order; the true neighbours by our exact scan."""
        chosen = np.random.default_rng(seed).permutation(len(self.vectors))[:count]
        vectors, asked = np.ascontiguousarray(self.vectors[np.sort(chosen)]), self.queries[:queries]
        return replace(self, vectors=vectors, queries=asked, worst=exact_worst(vectors, asked))

    def recall(self, found: Labels) -> float:
        """Return the share of the found (m, K) that are as near as the K-th true neighbour; -1 is a miss."""
        asked = self.queries[: len(found)].astype(np.float64)
        near = self.vectors[found].astype(np.float64)
        near /= np.linalg.norm(near, axis=2, keepdims=True)
        distances = 1.0 - np.einsum("mkd,md->mk", near, asked / np.linalg.norm(asked, axis=1, keepdims=True))
        hits = (distances <= self.worst[: len(found), None] + ROUNDING) & (found >= 0)
        return float(hits.mean())

    def one_by_one(self, count: int | None = None) -> list[Matrix]:
        """Return the first queries, each of shape (1, d)."""
        return [query[None] for query in self.queries[:count]]


def widened(vectors: Matrix, width: int) -> Matrix:
    """Return the vectors with zeros behind, up to `width` dimensions."""
    return np.pad(vectors, ((0, 0), (0, width - vectors.shape[1])))


def unit(vectors: npt.NDArray[np.floating]) -> Matrix:
    scaled: Matrix = vectors.astype(np.float32)
    scaled /= np.linalg.norm(scaled, axis=1, keepdims=True)
    return scaled


def exact_worst(vectors: Matrix, queries: Matrix, allowed: SlotMask = LIVE) -> npt.NDArray[np.float64]:
    """Return the distance of the K-th nearest allowed vector of each query; inf where fewer are allowed."""
    index = BruteForceIndex.empty(vectors.shape[1], Metric.COSINE).extended(vectors)
    return index.search(queries, K, vectors, allowed).distances[:, K - 1]


@contextmanager
def pinned(core: int | None = None) -> Iterator[None]:
    """Keep the calling thread, and threads it starts, on one core: the last allowed one when none is named."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed) if core is None else core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
