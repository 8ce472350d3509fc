"""The reference distance: what "exact" means, whatever body computes it.

A product of two float32 numbers is exact in float64, so only the order of the sum matters, and it is fixed: lane j of
eight adds the elements j, j + 8, j + 16, ... in order, and the lanes add up as ((0+1)+(2+3)) + ((4+5)+(6+7)).

    dot     0 - <q, v>
    cosine  1 - <q, v> / (|q| |v|)
    l2      sqrt(sum (q - v)^2), the differences in float64

The functions here are NumPy; `distance_kernels.py` holds the compiled twin, and a test compares the two bit by bit.
Nothing overflows or underflows: a non-zero product of two float32 lies within [2^-298, 2^256].
"""

import numpy as np
import numpy.typing as npt

from pergamum.domain.vectors import Matrix, Metric

LANES = 8

Doubles = npt.NDArray[np.float64]


def distances(metric: Metric, query: npt.NDArray[np.float32], vectors: Matrix) -> Doubles:
    """Return the reference distance of `query` (d,) to each row of `vectors` (n, d) as float64 (n,). O(n * d)."""
    wide_query, wide = query.astype(np.float64), vectors.astype(np.float64)
    if metric is Metric.L2:
        difference = wide_query - wide
        return roots(lane_sums(difference, difference))
    dots = lane_sums(wide, wide_query)
    if metric is Metric.DOT:
        return 0.0 - dots
    return 1.0 - dots / (float(norms(query[None, :])[0]) * norms(vectors))


def norms(vectors: Matrix) -> Doubles:
    """Return the Euclidean norm of each row, float64 (n,), summed by the same lanes."""
    wide = vectors.astype(np.float64)
    return roots(lane_sums(wide, wide))


def roots(squares: Doubles) -> Doubles:
    """Return square roots, each rounded once as IEEE 754 demands."""
    result: Doubles = np.sqrt(squares)
    return result


def lane_sums(left: Doubles, right: Doubles) -> Doubles:
    """Return the sum of products of each row of `left` (n, d) with `right` (n, d) or (d,), by lanes."""
    sums: Doubles = np.zeros((len(left), LANES))
    dimension = left.shape[1]
    for start in range(0, dimension, LANES):
        part = slice(start, start + LANES)
        product = left[:, part] * right[..., part]
        sums[:, : product.shape[1]] += product
    even, odd = sums[:, 0::2], sums[:, 1::2]
    pairs = even + odd
    total: Doubles = (pairs[:, 0] + pairs[:, 1]) + (pairs[:, 2] + pairs[:, 3])
    return total
