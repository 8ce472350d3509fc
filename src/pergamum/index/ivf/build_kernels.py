"""Making partitions: nearest centroids, points of the codes, codes.

Source   Lloyd, "Least squares quantization in PCM", IEEE Trans. Inf. Theory 1982.
"""

import numpy as np
from numba import types

from pergamum.domain.vectors import Matrix
from pergamum.index.ivf.fastscan import TABLE
from pergamum.index.ivf.layout import WIDTH, Bytes, Floats, Longs
from pergamum.index.jit import I8, array, kernel

F4 = types.float32
ROWS, FLOATS = array(F4, 2, readonly=True), array(F4, 1, readonly=True)
TOGETHER = 4
"""Vectors compared with each centroid while it is at hand."""


@kernel(types.void, ROWS, ROWS, FLOATS, array(I8, 1), allocates=True)
def label(x: Matrix, centroids: Matrix, halves: Floats, labels: Longs) -> None:
    """labels[i] = the centroid c nearest to x[i], the first of equals: the greatest <x, c> - |c|^2 / 2.

    Shapes   x (n, d) | centroids (d, p) | halves (p,) | labels (n,).
    Cost     O(n * p * d), a vector instruction for 16 centroids at a time.
    """
    count = centroids.shape[1]
    near = np.empty((TOGETHER, count), np.float32)
    for start in range(0, len(x), TOGETHER):
        stop = min(start + TOGETHER, len(x))
        for i in range(start, stop):
            for p in range(count):
                near[i - start, p] = -halves[p]
        for j in range(x.shape[1]):
            for i in range(start, stop):
                number = x[i, j]
                for p in range(count):
                    near[i - start, p] += number * centroids[j, p]
        for i in range(start, stop):
            best = 0
            for p in range(1, count):
                if near[i - start, p] > near[i - start, best]:
                    best = p
            labels[i] = best


@kernel(types.void, array(F4, 2, readonly=True), array(F4, 2), I8, allocates=True)
def settle_points(pairs: Matrix, points: Floats, turns: int) -> None:
    """Move the 16 points to the middle of what is nearest to them, `turns` times. A point nobody is near stays.

    Shapes   pairs (n, 2) | points (16, 2), where they begin.
    Cost     O(turns * n * 32).
    """
    sums, sizes = np.zeros((TABLE, WIDTH)), np.zeros(TABLE, np.int64)
    for _ in range(turns):
        sums[:], sizes[:] = 0.0, 0
        for i in range(len(pairs)):
            best, least = 0, np.float32(np.inf)
            for point in range(TABLE):
                across, up = pairs[i, 0] - points[point, 0], pairs[i, 1] - points[point, 1]
                gap = across * across + up * up
                if gap < least:
                    best, least = point, gap
            sizes[best] += 1
            sums[best, 0] += pairs[i, 0]
            sums[best, 1] += pairs[i, 1]
        for point in range(TABLE):
            if sizes[point]:
                points[point, 0] = sums[point, 0] / sizes[point]
                points[point, 1] = sums[point, 1] / sizes[point]


@kernel(types.void, ROWS, ROWS, array(I8, 1, readonly=True), array(F4, 3, readonly=True), array(types.uint8, 2))
def encode(x: Matrix, centroids: Matrix, labels: Longs, books: Floats, codes: Bytes) -> None:
    """codes[i, j] = the point of books[j] nearest to dimensions 2 j and 2 j + 1 of x[i] less its centroid.

    Shapes   x (n, 2 m) | centroids (p, 2 m) | labels (n,) | books (m, 16, 2) | codes (n, m).
    Cost     O(n * 16 d).
    """
    for i in range(len(x)):
        for j in range(len(books)):
            across = x[i, WIDTH * j] - centroids[labels[i], WIDTH * j]
            up = x[i, WIDTH * j + 1] - centroids[labels[i], WIDTH * j + 1]
            best, least = 0, np.float32(np.inf)
            for point in range(TABLE):
                one, other = across - books[j, point, 0], up - books[j, point, 1]
                gap = one * one + other * other
                if gap < least:
                    best, least = point, gap
            codes[i, j] = best
