"""Making partitions: nearest centroids, middles, points of the codes, codes and the numbers beside them.

Source   Lloyd, "Least squares quantization in PCM", IEEE Trans. Inf. Theory 1982.
"""

import numpy as np
import numpy.typing as npt
from numba import types

from pergamum.domain.vectors import Matrix
from pergamum.index.distance_kernels import COSINE, L2
from pergamum.index.ivf.aim_kernels import set_digits
from pergamum.index.ivf.layout import BLOCK, MOST_GAIN, TABLE, WIDTH, Bytes, Floats, Longs, Slots
from pergamum.index.ivf.tiles import BODY, TILES, tile_dots
from pergamum.index.ivf.views import F4, F4S, FLOATS, I4S, LONGS, MATRIX
from pergamum.index.jit import F8, I8, array, kernel

SPILL = np.float32(1.5)
"""How much worse a second residual is along the first one than across."""
LEAST_SQUARE = np.float32(1e-30)
"""Of a residual that has a direction."""

_BOOKS = array(F4, 3, readonly=True)


@kernel(types.void, FLOATS, TILES, FLOATS, array(types.int8, 1), I4S, F4S)
def set_near(
    row: Floats, centers: Bytes, scales: Floats, digits: npt.NDArray[np.int8], products: Slots, near: Floats
) -> None:
    """near[p] = <row, c> in 8 bits each. Cost: O(p * d) byte operations."""
    step, total = set_digits(row, digits)
    tile_dots(BODY, centers, digits, products)
    for p in range(len(near)):
        near[p] = step * (scales[p] * np.float32(products[p] - np.int32(128) * total))


@kernel(types.void, MATRIX, TILES, FLOATS, FLOATS, array(I8, 1), allocates=True)
def label(x: Matrix, centers: Bytes, scales: Floats, halves: Floats, labels: Longs) -> None:
    """labels[i] = the centroid c nearest to x[i] in 8 bits each, the first of equals: greatest <x, c> - |c|^2 / 2.

    Shapes   x (n, d) | centers, scales, halves: see `Partitions` | labels (n,).
    Cost     O(n * p * d) byte operations.
    """
    count = len(scales)
    digits, products = np.empty(x.shape[1], np.int8), np.empty(BLOCK * len(centers), np.int32)
    near = np.empty(count, np.float32)
    for i in range(len(x)):
        set_near(x[i], centers, scales, digits, products, near)
        for p in range(count):
            near[p] -= halves[p]
        best = 0
        for p in range(1, count):
            if near[p] > near[best]:
                best = p
        labels[i] = best


@kernel(types.void, MATRIX, MATRIX, TILES, FLOATS, FLOATS, array(I8, 2), allocates=True)
def label_twice(x: Matrix, centroids: Matrix, centers: Bytes, scales: Floats, halves: Floats, labels: Longs) -> None:
    """labels[0, i] as of `label`; labels[1, i] = another centroid c, the first of those whose loss is least:

        |x - c|^2 + SPILL <x - c, r>^2 / |r|^2,        r = x[i] less its first centroid

    Source   Sun, Simcha, Dopson, Guo, Kumar, "SOAR: improved indexing for approximate nearest neighbor search",
             NeurIPS 2023, arXiv 2404.00774: where r hides a vector from a query, a residual across r shows it.
    Shapes   x (n, d), centroids (p, d), p > 1 | centers, scales, halves: see `Partitions` | labels (2, n).
    Cost     O(2 n * p * d) byte operations.
    """
    count = len(scales)
    digits, products = np.empty(x.shape[1], np.int8), np.empty(BLOCK * len(centers), np.int32)
    near, losses = np.empty(count, np.float32), np.empty(count, np.float32)
    residual = np.empty(x.shape[1], np.float32)
    for i in range(len(x)):
        set_near(x[i], centers, scales, digits, products, near)
        for p in range(count):
            near[p] -= halves[p]
        best = np.argmax(near)
        square, along = np.float32(0.0), np.float32(0.0)
        for j in range(len(residual)):
            residual[j] = x[i, j] - centroids[best, j]
            square += residual[j] * residual[j]
            along += residual[j] * x[i, j]
        set_near(residual, centers, scales, digits, products, losses)
        weight = SPILL / square if square > LEAST_SQUARE else np.float32(0.0)
        for p in range(count):
            gap = along - losses[p]
            losses[p] = weight * gap * gap - np.float32(2.0) * near[p]
        second = 1 if best == 0 else 0  # another one, whatever the losses
        for p in range(count):
            if p != best and losses[p] < losses[second]:
                second = p
        labels[0, i], labels[1, i] = best, second


@kernel(types.void, MATRIX, LONGS, LONGS, array(F4, 2), allocates=True)
def set_middles(x: Matrix, order: Longs, starts: Longs, middles: Floats) -> None:
    """middles[p] = the middle of the rows order[starts[p] : starts[p + 1]] of `x`; where there are none it stays.

    Shapes   x (n, d) | order (n,) | starts (p + 1,) | middles (p, d).
    Cost     O(n * d).
    """
    sums = np.empty(x.shape[1])
    for p in range(len(middles)):
        if starts[p] == starts[p + 1]:
            continue
        sums[:] = 0.0
        for i in range(starts[p], starts[p + 1]):
            for j in range(len(sums)):
                sums[j] += np.float64(x[order[i], j])
        for j in range(len(sums)):
            middles[p, j] = sums[j] / np.float64(starts[p + 1] - starts[p])


@kernel(types.void, MATRIX, MATRIX, LONGS, array(F8, 1))
def set_squares(x: Matrix, centroids: Matrix, labels: Longs, squares: npt.NDArray[np.float64]) -> None:
    """squares[i] = |x[i] - its centroid|^2. Shapes: x (n, d), centroids (p, d), labels (n,), squares (n,). O(n * d)."""
    for i in range(len(x)):
        total = 0.0
        for j in range(x.shape[1]):
            gap = np.float64(x[i, j]) - np.float64(centroids[labels[i], j])
            total += gap * gap
        squares[i] = total


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


@kernel(types.void, MATRIX, MATRIX, LONGS, _BOOKS, array(types.uint8, 2))
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


@kernel(types.void, I8, MATRIX, MATRIX, LONGS, _BOOKS, array(types.uint8, 2), FLOATS, F4S, F4S)
def set_numbers(
    metric: int,
    x: Matrix,
    centroids: Matrix,
    labels: Longs,
    books: Floats,
    codes: Bytes,
    middle: Floats,
    gains: Floats,
    shifts: Floats,
) -> None:
    """Fill gains and shifts of rows whose codes stand for u, r being what they are less their centroid c.

    layout.py says why they are what they are. Shapes: middle (2 m,) | gains, shifts (n,) | all others as in `encode`.
    Cost     O(n * d).
    """
    for i in range(len(x)):
        rr = ru = cr = cu = rm = 0.0
        for j in range(len(books)):
            for half in range(WIDTH):
                c = np.float64(centroids[labels[i], WIDTH * j + half])
                r = np.float64(x[i, WIDTH * j + half]) - c
                u = np.float64(books[j, half, codes[i, j]])
                rr, ru, rm = rr + r * r, ru + r * u, rm + r * np.float64(middle[WIDTH * j + half])
                cr, cu = cr + c * r, cu + c * u
        gains[i] = min(rr / ru, MOST_GAIN) if ru > 0.0 else 1.0
        shift = cr - np.float64(gains[i]) * cu
        if metric == COSINE:
            shift += rm
        elif metric == L2:
            shift = 2.0 * shift - 2.0 * cr - rr
        shifts[i] = shift
