"""Bounds of distances from float32 products: one pass over the vectors as they lie in memory, none of them copied.

With u = 2^-24, a sum of d products in any order, fused or not, is off by at most g * sum |x_i y_i| <= g |x| |y| with
g = d u / (1 - d u) (Higham, "Accuracy and stability of numerical algorithms", section 3.1), and by 2^-126 more for each
operation whose result is too small to be a normal number. `_SHARE` * d covers g for every d up to 16,384, for which
d u is below 2^-10. Where a sum overflows nothing is known: the bounds are infinite.
"""

from typing import Final

import numpy as np

from pergamum.domain.vectors import Matrix, Metric
from pergamum.index.brute_force.work import Doubles
from pergamum.index.quantize import ROUNDING

_SHARE: Final = 1.01 * 2.0**-24
_TINY: Final = 2.0**-125
"""For each dimension: two operations, each off by this at most beside its relative error."""


def rough_bounds(metric: Metric, queries: Matrix, rows: Matrix) -> tuple[Doubles, Doubles]:
    """Return lower and upper bounds of the reference distances of `queries` (m, d) to `rows` (n, d), (m, n) each.

    O(m * n * d) in float32, by matrix products that hold no lock. -inf and inf where nothing is known.
    """
    dimension = rows.shape[1]
    with np.errstate(all="ignore"):
        products = (rows @ queries.T).T.astype(np.float64)
        squares = np.einsum("ij,ij->i", rows, rows).astype(np.float64)
        share, tiny = _SHARE * dimension, _TINY * dimension
        least, most = np.maximum(squares - tiny, 0.0) / (1.0 + share), (squares + tiny) / (1.0 - share)
        wide = queries.astype(np.float64)
        norms = np.sqrt(np.einsum("ij,ij->i", wide, wide))[:, None]
        lost = share * norms * np.sqrt(most) + tiny
        low, high = _BOUNDS[metric](products, lost, norms, least, most)
        unknown = ~(np.isfinite(products + most) & np.isfinite(low) & np.isfinite(high))
    low[unknown], high[unknown] = -np.inf, np.inf
    return low, high


def _of_l2(products: Doubles, lost: Doubles, norms: Doubles, least: Doubles, most: Doubles) -> tuple[Doubles, Doubles]:
    slack = ROUNDING * (norms**2 + most) + 2.0 * lost
    gap = norms**2 - 2.0 * products
    low, high = np.sqrt(np.maximum(gap + least - slack, 0.0)), np.sqrt(np.maximum(gap + most + slack, 0.0))
    return low * (1.0 - ROUNDING), high * (1.0 + ROUNDING)


def _of_dot(products: Doubles, lost: Doubles, norms: Doubles, _: Doubles, most: Doubles) -> tuple[Doubles, Doubles]:
    margin = lost + ROUNDING * norms * np.sqrt(most)
    return -products - margin, -products + margin


def _of_cosine(
    products: Doubles, lost: Doubles, norms: Doubles, least: Doubles, most: Doubles
) -> tuple[Doubles, Doubles]:
    """The length of a row lies between the roots of `least` and `most`; the estimate takes the shorter."""
    lengths = norms * np.sqrt(least)
    margin = (lost + np.abs(products) * (1.0 - np.sqrt(least / most))) / lengths + ROUNDING
    estimate = 1.0 - products / lengths
    return estimate - margin, estimate + margin


_BOUNDS: Final = {Metric.L2: _of_l2, Metric.DOT: _of_dot, Metric.COSINE: _of_cosine}
