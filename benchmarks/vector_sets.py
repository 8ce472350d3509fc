"""The vectors the index benchmarks search, how many of them, and the neighbours that are right."""

import argparse
import gzip
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from benchmarks.harness import environment, said
from pergamum.domain.vectors import Matrix, Metric
from pergamum.index import kernel_cache
from pergamum.index.brute_force.index import BruteForceIndex
from pergamum.index.mask import SlotMask

K = 10
LIVE = SlotMask()
SETS = ("words-100", "sentences-384")
FASHION = Path("/usr/share/datasets/fashion-mnist")
"""Where the Debian package dataset-fashion-mnist puts its images."""
FASHION_NAME = "fashion-mnist"
FASHION_BLOCK = 50
"""Queries compared with all images at once."""
ROUNDING = 1e-6
"""Equally far neighbours count as found; the given distances are float32."""

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class DataSet:
    """Vectors (n, d) and queries (m, d), float32, and `worst`, the distance of the K-th true neighbour, (m,).

    Under cosine all are of unit length, which is what faiss needs; everybody gets the same.
    """

    name: str
    vectors: Matrix
    queries: Matrix
    worst: npt.NDArray[np.float64]
    metric: Metric = Metric.COSINE

    @classmethod
    def load(cls, folder: Path, name: str) -> Self:
        """Return the set with the neighbours that come with it, under cosine."""
        with np.load(folder / f"{name}.npz") as arrays:
            worst = arrays["distances"][:, K - 1].astype(np.float64)
            return cls(name, unit(arrays["base"]), unit(arrays["queries"]), worst)

    @classmethod
    def fashion(cls, folder: Path, queries: int = 1_000) -> Self:
        """Return 60,000 images of 28 x 28 pixels under l2, and the first test images; the true neighbours by NumPy."""
        vectors = images(folder / "train-images-idx3-ubyte.gz")
        asked = images(folder / "t10k-images-idx3-ubyte.gz")[:queries]
        return cls(FASHION_NAME, vectors, asked, whole_numbers_worst(vectors, asked), Metric.L2)

    def sample(self, count: int, queries: int, seed: int = 0) -> Self:
        """Return `count` vectors of this set, the first of one random order; the true neighbours by our exact scan."""
        chosen = np.random.default_rng(seed).permutation(len(self.vectors))[:count]
        vectors, asked = np.ascontiguousarray(self.vectors[np.sort(chosen)]), self.queries[:queries]
        return replace(self, vectors=vectors, queries=asked, worst=exact_worst(vectors, asked, metric=self.metric))

    def recall(self, found: Labels) -> float:
        """Return the share of the found (m, K) that are as near as the K-th true neighbour; -1 is a miss."""
        hits = (self._distances(found) <= self.worst[: len(found), None] + ROUNDING) & (found >= 0)
        return float(hits.mean())

    def _distances(self, found: Labels) -> npt.NDArray[np.float64]:
        asked = self.queries[: len(found)].astype(np.float64)
        near = self.vectors[found].astype(np.float64)
        if self.metric is Metric.L2:
            return np.asarray(np.linalg.norm(near - asked[:, None], axis=2))
        near /= np.linalg.norm(near, axis=2, keepdims=True)
        unit_asked = asked / np.linalg.norm(asked, axis=1, keepdims=True)
        return np.asarray(1.0 - np.einsum("mkd,md->mk", near, unit_asked))

    def one_by_one(self, count: int | None = None) -> list[Matrix]:
        """Return the first queries, each of shape (1, d)."""
        return [query[None] for query in self.queries[:count]]


@dataclass(frozen=True)
class Scale:
    """How much of everything: vectors (None: all) and queries of a set, queries that are timed, repeats and builds."""

    vectors: int | None
    queries: int
    asked: int
    repeats: int
    builds: int

    def of(self, data: DataSet) -> DataSet:
        """Return as much of the set."""
        return data if self.vectors is None else data.sample(self.vectors, self.queries)


def add_sets(parser: argparse.ArgumentParser) -> None:
    """Let the command line say which sets, and where they are."""
    data = os.environ.get("PERGAMUM_TEST_DATA") or "../shared/data"
    known = [*SETS, FASHION_NAME]
    parser.add_argument("--data", type=Path, default=Path(data), help="folder of the .npz files")
    parser.add_argument("--fashion", type=Path, default=FASHION, help="folder of fashion-mnist's .gz files")
    parser.add_argument("--sets", nargs="+", choices=known, default=known)


def sets(arguments: argparse.Namespace) -> Iterator[DataSet]:
    """Yield the sets one after the other; say so where the images are absent."""
    fashion = arguments.fashion
    for name in arguments.sets:
        if name in SETS:
            yield DataSet.load(arguments.data, name)
        elif fashion.is_dir():
            yield DataSet.fashion(fashion)
        else:
            said(f"no fashion-mnist in {fashion}: install the Debian package dataset-fashion-mnist, or give --fashion")


def begun(about: str | None) -> tuple[int, Iterator[DataSet]]:
    """Read --sets and --repeats, say where this runs, load the kernels; return the repeats and the sets."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_sets(parser)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    print(environment())
    if not kernel_cache.prepare():
        raise SystemExit("the kernels could not be compiled")
    return options.repeats, sets(options)


def widened(vectors: Matrix, width: int) -> Matrix:
    """Return the vectors with zeros behind, up to `width` dimensions."""
    return np.pad(vectors, ((0, 0), (0, width - vectors.shape[1])))


def unit(vectors: npt.NDArray[np.floating]) -> Matrix:
    scaled: Matrix = vectors.astype(np.float32)
    scaled /= np.linalg.norm(scaled, axis=1, keepdims=True)
    return scaled


def images(path: Path) -> Matrix:
    """Return the images of an IDX file, one a row, as float32: a byte a pixel behind 16 bytes of header."""
    with gzip.open(path) as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16)
    return pixels.reshape(-1, 28 * 28).astype(np.float32)


def whole_numbers_worst(vectors: Matrix, queries: Matrix) -> npt.NDArray[np.float64]:
    """Return the l2 distance of the K-th nearest of each query. Numbers are whole and small, so float64 is exact."""
    base = vectors.astype(np.float64)
    squares = np.einsum("nd,nd->n", base, base)
    worst = list[float]()
    for first in range(0, len(queries), FASHION_BLOCK):
        asked = queries[first : first + FASHION_BLOCK].astype(np.float64)
        found = squares - 2.0 * (asked @ base.T) + np.einsum("md,md->m", asked, asked)[:, None]
        worst += np.sqrt(np.partition(found, K - 1, axis=1)[:, K - 1]).tolist()
    return np.array(worst)


def exact_worst(
    vectors: Matrix, queries: Matrix, allowed: SlotMask = LIVE, metric: Metric = Metric.COSINE
) -> npt.NDArray[np.float64]:
    """Return the distance of the K-th nearest allowed vector of each query; inf where fewer are allowed."""
    index = BruteForceIndex.empty(vectors.shape[1], metric).extended(vectors)
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
