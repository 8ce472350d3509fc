"""Making partitions: nearest centroids, points of the codes, codes.

Source   Lloyd, "Least squares quantization in PCM", IEEE Trans. Inf. Theory 1982.
"""

import numpy as np
from numba import types

from pergamum.domain.vectors import Matrix
from pergamum.index import row_kernels
from pergamum.index.brute_force.kernels import BODY
from pergamum.index.ivf.aim_kernels import set_digits
from pergamum.index.ivf.layout import TABLE, WIDTH, Bytes, Floats, Longs
from pergamum.index.ivf.views import F4, FLOATS, LONGS, MATRIX, ROWS
from pergamum.index.jit import I8, array, kernel


@kernel(types.void, MATRIX, ROWS, FLOATS, FLOATS, array(I8, 1), allocates=True)
def label(x: Matrix, centers: Bytes, scales: Floats, halves: Floats, labels: Longs) -> None:
    """labels[i] = the centroid c nearest to x[i] in 8 bits each, the first of equals: greatest <x, c> - |c|^2 / 2.

    Shapes   x (n, d) | centers, scales, halves: see `Partitions` | labels (n,).
    Cost     O(n * p * stride) byte operations.
    """
    count = len(centers)
    digits, rows = (
        np.zeros(centers.shape[1], np.int8),
        np.arange(count).astype(np.uint32),
    )
    products, near = np.empty(count, np.int32), np.empty(count, np.float32)
    for i in range(len(x)):
        step, total = set_digits(x[i], digits)
        row_kernels.row_dots(BODY, centers, rows, count, digits, products)
        for p in range(count):
            near[p] = step * (scales[p] * np.float32(products[p] - np.int32(128) * total)) - halves[p]
        best = 0
        for p in range(1, count):
            if near[p] > near[best]:
                best = p
        labels[i] = best


@kernel(types.void, MATRIX, array(F4, 2), I8, allocates=True)
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
                across, up = (
                    pairs[i, 0] - points[point, 0],
                    pairs[i, 1] - points[point, 1],
                )
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


@kernel(
    types.void,
    MATRIX,
    MATRIX,
    LONGS,
    array(F4, 3, readonly=True),
    array(types.uint8, 2),
)
def encode(x: Matrix, centroids: Matrix, labels: Longs, books: Floats, codes: Bytes) -> None:
    """codes[i, j] = the point of books[j] nearest to dimensions 2 j and 2 j + 1 of x[i] less its centroid.

    Shapes   x (n, 2 m) | centroids (p, 2 m) | labels (n,) | books (m, 2, 16) | codes (n, m).
    Cost     O(n * 16 d).
    """
    for i in range(len(x)):
        for j in range(len(books)):
            across = x[i, WIDTH * j] - centroids[labels[i], WIDTH * j]
            up = x[i, WIDTH * j + 1] - centroids[labels[i], WIDTH * j + 1]
            best, least = 0, np.float32(np.inf)
            for point in range(TABLE):
                one, other = across - books[j, 0, point], up - books[j, 1, point]
                gap = one * one + other * other
                if gap < least:
                    best, least = point, gap
            codes[i, j] = best
