"""Queries as two 8-bit digits a number, with the terms that make a bound. `quantize.py` names the symbols."""

import math

import numpy as np
import numpy.typing as npt
from numba import types

from pergamum.index.distance import Doubles
from pergamum.index.distance_kernels import dot
from pergamum.index.jit import F8, FLAG, array, kernel
from pergamum.index.quantize import (
    BASE,
    ERROR,
    MAX_QUERY_CODE,
    NORM,
    OFFSET,
    PER_ERROR,
    PER_SCALE,
    ROUNDING,
    SQUARE,
    STEP,
)


@kernel(types.void, array(types.float32, 2, readonly=True), FLAG, array(types.int8, 3), array(F8, 2))
def encode_queries(raw: npt.NDArray[np.float32], cosine: bool, digits: npt.NDArray[np.int8], terms: Doubles) -> None:
    """Encode each row of `raw` into `digits`, which is all zero, and `terms`.

    PER_SCALE and PER_ERROR make `s * PER_SCALE + e * PER_ERROR` a bound of |<y, x> - t s <a, c>| and of every rounding:

        <y, x> = <t a, s c> + <t a, r> + <p, x>
        |<t a, r>| <= |t a| e                      (Cauchy-Schwarz)
        |<p, x>|   <= 128 s sum |p_i|              (from |x_i| <= 128 s)
        rounding   <= ROUNDING |y| |x| <= ROUNDING |y| (128 s sqrt(d) + e)

    The last line covers what float64 does to the reference distance, to the bound and to this function: none of their
    chains of at most 16,384 additions is off by more than 2^-39 of the sum of its magnitudes, which |y| |x| bounds.

    Shapes   raw (m, d) f4 | digits (m, 2, padded d) i1 | terms (m, 8) f8. Under cosine no row is zero.
    Cost     O(m * d) time, O(1) memory.
    """
    for row in range(len(raw)):
        query = raw[row]
        norm = math.sqrt(dot(query, query))
        unit = norm if cosine else 1.0
        largest = 0.0
        for number in query:
            largest = max(largest, abs(np.float64(number) / unit))
        step = largest / MAX_QUERY_CODE if largest > 0.0 else 1.0
        total = square = lost = lost_square = 0.0
        for i in range(len(query)):
            y = np.float64(query[i]) / unit
            whole = np.rint(y / step)
            rest = abs(y - whole * step)
            high = math.floor((whole + 128.0) / 256.0)
            digits[row, 0, i], digits[row, 1, i] = int(high), int(whole - 256.0 * high)
            total, square = total + whole, square + whole * whole
            lost, lost_square = lost + rest, lost_square + rest * rest
        slack = ROUNDING * norm / unit
        terms[row, STEP], terms[row, OFFSET] = step, 128.0 * total
        terms[row, PER_SCALE] = 128.0 * (lost * (1.0 + ROUNDING) + slack * math.sqrt(len(query)))
        terms[row, PER_ERROR] = (math.sqrt(square) * step + slack) * (1.0 + ROUNDING)
        terms[row, BASE] = 1.0 if cosine else 0.0
        terms[row, SQUARE] = square * step * step
        terms[row, ERROR] = math.sqrt(lost_square) * (1.0 + ROUNDING) + slack
        terms[row, NORM] = norm
