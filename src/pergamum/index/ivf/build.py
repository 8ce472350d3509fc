"""Making partitions with any number of threads, always the same ones."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np

from pergamum.index.arrays import readonly
from pergamum.index.base import Job
from pergamum.index.ivf.fastscan import TABLE
from pergamum.index.ivf.layout import WIDTH, Bytes, Floats, Longs

TURNS: Final = 8
"""Rounds of k-means; more gain next to nothing."""
TRAINED_ON: Final = 48
"""Vectors a partition that k-means looks at."""
MOST_RESIDUALS: Final = 16_384
"""Residuals from which the points of the codes are made."""
POINT_TURNS: Final = 12
_PIECE: Final = 4_096


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """Where partitions and codes lie: `centroids` f4 (p, 2 m), `books` f4 (m, 16, 2)."""

    centroids: Floats
    books: Floats


def trained(x: Floats, count: int, job: Job) -> Trained:
    """Return `count` partitions and the points of their codes for the rows of `x` (n, 2 m), n at least `count`."""
    sample = x[_spread(len(x), TRAINED_ON * count)]
    centroids = sample[_spread(len(sample), count)].copy()
    for turn in range(TURNS):
        job.report(0.5 * turn / TURNS)
        centroids = _moved(sample, labels_of(sample, centroids, job), centroids)
    chosen = x[_spread(len(x), MOST_RESIDUALS)]
    residuals = chosen - centroids[labels_of(chosen, centroids, job)]
    job.report(0.55)
    return Trained(centroids, _books(residuals, job))


def labels_of(x: Floats, centroids: Floats, job: Job) -> Longs:
    """Return the nearest centroid of each row."""
    from pergamum.index.ivf.build_kernels import label  # noqa: PLC0415  # numba: loaded by then

    labels = np.empty(len(x), np.int64)
    columns, halves = _columns(centroids), halves_of(centroids)
    _run(job, len(x), lambda part: label(readonly(x[part]), columns, halves, labels[part]))
    return labels


def codes_for(x: Floats, labels: Longs, made: Trained, job: Job) -> Bytes:
    """Return the codes of each row, u1 (n, m)."""
    from pergamum.index.ivf.build_kernels import encode  # noqa: PLC0415

    codes = np.empty((len(x), len(made.books)), np.uint8)
    centroids, books = readonly(made.centroids), readonly(made.books)
    _run(job, len(x), lambda part: encode(readonly(x[part]), centroids, readonly(labels[part]), books, codes[part]))
    return codes


def spread_of(x: Floats, labels: Longs, codes: Bytes, made: Trained) -> float:
    """Return what the codes lose of a dimension, by the root of its mean square, over some of the rows."""
    if not len(x):
        return 0.0
    some = _spread(len(x), MOST_RESIDUALS)
    kept = made.books[np.arange(len(made.books)), codes[some]].reshape(len(some), -1)
    lost = x[some] - made.centroids[labels[some]] - kept
    return float(np.sqrt(np.mean(lost.astype(np.float64) ** 2)))


def halves_of(centroids: Floats) -> Floats:
    """Return |c|^2 / 2 of each row."""
    return readonly((np.einsum("ij,ij->i", centroids, centroids) / 2).astype(np.float32))


def _columns(centroids: Floats) -> Floats:
    return readonly(np.ascontiguousarray(centroids.T))


def _spread(count: int, wanted: int) -> Longs:
    """Return at most `wanted` places of [0, count), evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).astype(np.int64))


def _moved(sample: Floats, labels: Longs, centroids: Floats) -> Floats:
    """Return the middles of the partitions; an empty one goes to a vector of a large one, while there are any."""
    sizes = np.bincount(labels, minlength=len(centroids))
    order = np.argsort(labels, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)])[:-1]
    full = np.flatnonzero(sizes)
    moved = centroids.copy()
    sums = np.add.reduceat(sample[order].astype(np.float64), starts[full], axis=0)
    moved[full] = sums / sizes[full, None]
    largest = full[np.argsort(-sizes[full], kind="stable")]
    for empty, crowded in zip(np.flatnonzero(sizes == 0), largest, strict=False):
        moved[empty] = sample[order[starts[crowded] + sizes[crowded] // 2]]
    return moved.astype(np.float32)


def _books(residuals: Floats, job: Job) -> Floats:
    from pergamum.index.ivf.build_kernels import settle_points  # noqa: PLC0415

    each = residuals.shape[1] // WIDTH
    books = np.zeros((each, TABLE, WIDTH), np.float32)

    def settle(part: slice) -> None:
        for code in range(part.start, min(part.stop, each)):
            pairs = np.ascontiguousarray(residuals[:, WIDTH * code : WIDTH * code + WIDTH])
            books[code] = pairs[np.resize(_spread(len(pairs), TABLE), TABLE)]
            settle_points(readonly(pairs), books[code], POINT_TURNS)

    _run(job, each, settle, 8)
    return books


def _run(job: Job, count: int, work: Callable[[slice], None], piece: int = _PIECE) -> None:
    """Do `work` on slices of [0, count), in any order."""
    pieces = [slice(start, start + piece) for start in range(0, count, piece)]
    if job.threads == 1 or len(pieces) < 2:
        for part in pieces:
            work(part)
        return
    with ThreadPoolExecutor(job.threads, thread_name_prefix="build") as pool:
        list(pool.map(work, pieces))
