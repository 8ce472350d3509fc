"""Making partitions with any number of threads, always the same ones."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
import numpy.typing as npt

from pergamum.domain.vectors import Matrix, Metric
from pergamum.index.arrays import readonly
from pergamum.index.base import Job
from pergamum.index.ivf.assembly import Coded, Trained, by_label, centers_of, halves_of
from pergamum.index.ivf.layout import TABLE, WIDTH, Bytes, Floats, Longs, codes_of, represent

TURNS: Final = 8
"""Rounds of k-means; more gain next to nothing."""
TRAINED_ON: Final = 48
"""Vectors a partition that k-means looks at."""
MOST_RESIDUALS: Final = 8_192
"""Residuals from which the points of the codes are made."""
POINT_TURNS: Final = 12
ASKED, ASKED_EACH, NEAREST = 256, 4, 10
"""Partitions, vectors of each and neighbours of each that tell the spread."""
_PIECE: Final = 4_096
_MIDDLES: Final = 32
_METRICS: Final = list(Metric)


def represented(vectors: Matrix, metric: Metric, scale: float, middle: Floats | None, job: Job) -> Floats:
    """Return x of each row, padded with zeros to whole codes, as f4 (n, 2 m); see `represent` of layout.py."""
    x = np.zeros((len(vectors), WIDTH * codes_of(vectors.shape[1])), np.float32)
    _run(job, len(x), lambda part: represent(vectors[part], metric, scale, middle, x[part]))
    return x


def trained(x: Floats, count: int, metric: Metric, scale: float, job: Job) -> Trained:
    """Return `count` partitions and the points of their codes for the rows of `x` (n, 2 m), n at least `count`.

    The middle of all is taken off `x`, in place.
    """
    middle = x.mean(axis=0, dtype=np.float64).astype(np.float32)
    x -= middle
    sample = x[_spread(len(x), TRAINED_ON * count)]
    centroids = sample[_spread(len(sample), count)].copy()
    labels = np.zeros(len(sample), np.int64)
    for turn in range(TURNS):
        job.report(0.5 * turn / TURNS)
        labels = labels_of(sample, centroids, job)
        centroids = _moved(sample, labels, centroids, job)
    chosen = x[_spread(len(x), MOST_RESIDUALS)]
    residuals = chosen - centroids[labels_of(chosen, centroids, job)]
    job.report(0.55)
    widths, copies = _widths(sample, labels, centroids, job), copies_of(metric, count)
    return Trained(metric, middle, centroids, widths, _books(residuals, job), scale, copies)


def copies_of(metric: Metric, count: int) -> int:
    """Return in how many of `count` partitions a vector is.

    Two where products count: a second partition halves how many vectors a query looks at. Under l2, on images, it won
    nothing.
    """
    return 1 if metric is Metric.L2 else min(2, count)


def labels_of(x: Floats, centroids: Floats, job: Job) -> Longs:
    """Return the nearest centroid of each row, as far as 8 bits tell."""
    from pergamum.index.ivf.build_kernels import label  # noqa: PLC0415  # numba: loaded by then

    labels = np.empty(len(x), np.int64)
    codes, steps = centers_of(centroids)
    centers, scales = readonly(codes), readonly(steps)
    halves = readonly(halves_of(centroids))
    _run(job, len(x), lambda part: label(readonly(x[part]), centers, scales, halves, labels[part]))
    return labels


def coded(x: Floats, slots: Longs, made: Trained, job: Job) -> list[Coded]:
    """Return what is kept of each row of `x`, for each of its partitions."""
    if made.copies == 1:
        return [_coded(x, slots, labels_of(x, made.centroids, job), made, job)]
    return [_coded(x, slots, labels, made, job) for labels in _both_labels_of(x, made.centroids, job)]


def _both_labels_of(x: Floats, centroids: Floats, job: Job) -> Longs:
    """Return for each row the nearest centroid and the one it is spilled to, (2, n)."""
    from pergamum.index.ivf.build_kernels import label_twice  # noqa: PLC0415

    codes, steps = centers_of(centroids)
    whole, centers, scales = readonly(centroids), readonly(codes), readonly(steps)
    halves = readonly(halves_of(centroids))
    parts = [np.empty((2, len(x[part])), np.int64) for part in _pieces(len(x))]

    def label_part(part: slice) -> None:
        label_twice(readonly(x[part]), whole, centers, scales, halves, parts[part.start // _PIECE])

    _run(job, len(x), label_part)
    return np.concatenate([np.zeros((2, 0), np.int64), *parts], axis=1)


def _coded(x: Floats, slots: Longs, labels: Longs, made: Trained, job: Job) -> Coded:
    """Return what is kept of each row of `x` in the partition that its label names."""
    from pergamum.index.ivf.build_kernels import encode, set_numbers  # noqa: PLC0415

    kept = Coded(
        slots,
        labels,
        np.empty((len(x), len(made.books)), np.uint8),
        np.empty(len(x), np.float32),
        np.empty(len(x), np.float32),
    )
    metric, centroids, books = _METRICS.index(made.metric), readonly(made.centroids), readonly(made.books)

    def encode_part(part: slice) -> None:
        rows, named, codes = readonly(x[part]), readonly(labels[part]), kept.codes[part]
        encode(rows, centroids, named, books, codes)
        set_numbers(metric, rows, centroids, named, books, codes, made.middle, kept.gains[part], kept.shifts[part])

    _run(job, len(x), encode_part)
    return kept


def spread_of(x: Floats, every: Sequence[Coded], made: Trained) -> float:
    """Return by how much estimates are off: the root of the mean square of their error, by the distance |y - x|.

    Measured between vectors and their nearest in the same partition, for the error is not the same in all directions.
    Estimates being <y, x>; those of l2, twice that, are off by twice as much. O(1,024 d n / p).
    """
    squares = np.concatenate([_squares(x, kept, made) for kept in every])
    return float(np.sqrt(squares.mean())) if len(squares) else 0.0


def _squares(x: Floats, kept: Coded, made: Trained) -> npt.NDArray[np.float64]:
    """Return the squares of what `spread_of` takes the mean of."""
    order = by_label(kept.labels)
    first = np.searchsorted(kept.labels[order], np.arange(len(made.centroids) + 1))
    squares = [np.zeros(0)]
    for place in _spread(len(made.centroids), ASKED).tolist():
        rows = order[first[place] : first[place + 1]]
        if len(rows) > 1:
            residuals = x[rows] - made.centroids[place]
            lost = residuals - kept.gains[rows, None] * _points(made, kept.codes[rows])
            squares.append(_errors(residuals, lost))
    return np.concatenate(squares)


def _errors(residuals: Floats, lost: Floats) -> npt.NDArray[np.float64]:
    """Return (<y, lost of x> / |y - x|)^2 of some rows y and the rows x nearest to them."""
    asked = _spread(len(residuals), ASKED_EACH)
    gaps = np.stack([((residuals - residuals[row]) ** 2).sum(axis=1, dtype=np.float64) for row in asked.tolist()])
    gaps[np.arange(len(asked)), asked] = np.inf
    near = np.argsort(gaps, axis=1, kind="stable")[:, : min(NEAREST, len(residuals) - 1)]
    off = np.einsum("ij,ikj->ik", residuals[asked], lost[near]).astype(np.float64)
    gap = np.take_along_axis(gaps, near, axis=1)
    apart = gap > 0
    squares: npt.NDArray[np.float64] = off[apart] ** 2 / gap[apart]
    return squares


def _points(made: Trained, codes: Bytes) -> Floats:
    """Return u of rows of codes, f4 (n, 2 m)."""
    return made.books.transpose(0, 2, 1)[np.arange(len(made.books)), codes].reshape(len(codes), -1)


def _spread(count: int, wanted: int) -> Longs:
    """Return at most `wanted` places of [0, count), evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).astype(np.int64))


def _moved(sample: Floats, labels: Longs, centroids: Floats, job: Job) -> Floats:
    """Return the middles of the partitions; an empty one goes to a vector of a large one, while there are any."""
    from pergamum.index.ivf.build_kernels import set_middles  # noqa: PLC0415

    sizes = np.bincount(labels, minlength=len(centroids))
    order, starts = by_label(labels), np.concatenate([[0], np.cumsum(sizes)])
    moved, rows = centroids.copy(), readonly(sample)

    def move(part: slice) -> None:
        set_middles(rows, order, starts[part.start : part.stop + 1], moved[part])

    _run(job, len(centroids), move, _MIDDLES)
    full = np.flatnonzero(sizes)
    largest = full[np.argsort(-sizes[full], kind="stable")]
    for empty, crowded in zip(np.flatnonzero(sizes == 0), largest, strict=False):
        moved[empty] = sample[order[starts[crowded] + sizes[crowded] // 2]]
    return moved


def _widths(sample: Floats, labels: Longs, centroids: Floats, job: Job) -> Floats:
    """Return how far the vectors of each partition lie from its centroid: the root of the mean square."""
    from pergamum.index.ivf.build_kernels import set_squares  # noqa: PLC0415

    squares, places = np.empty(len(sample)), readonly(centroids)
    _run(job, len(sample), lambda part: set_squares(readonly(sample[part]), places, labels[part], squares[part]))
    total, sizes = (np.bincount(labels, weights, len(centroids)) for weights in (squares, None))
    return np.sqrt(total / np.maximum(sizes, 1)).astype(np.float32)


def _books(residuals: Floats, job: Job) -> Floats:
    from pergamum.index.ivf.build_kernels import settle_points  # noqa: PLC0415

    each = residuals.shape[1] // WIDTH
    books = np.zeros((each, WIDTH, TABLE), np.float32)

    def settle(part: slice) -> None:
        for code in range(part.start, min(part.stop, each)):
            pairs = np.ascontiguousarray(residuals[:, WIDTH * code : WIDTH * code + WIDTH])
            points = pairs[np.resize(_spread(len(pairs), TABLE), TABLE)]
            settle_points(readonly(pairs), points, POINT_TURNS)
            books[code] = points.T

    _run(job, each, settle, 2)
    return books


def _pieces(count: int, piece: int = _PIECE) -> list[slice]:
    return [slice(start, min(start + piece, count)) for start in range(0, count, piece)]


def _run(job: Job, count: int, work: Callable[[slice], None], piece: int = _PIECE) -> None:
    """Do `work` on slices of [0, count), in any order."""
    pieces = _pieces(count, piece)
    if job.threads == 1 or len(pieces) < 2:
        for part in pieces:
            work(part)
        return
    with ThreadPoolExecutor(job.threads, thread_name_prefix="build") as pool:
        list(pool.map(work, pieces))
