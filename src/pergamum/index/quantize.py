"""Vectors as 8-bit codes, with what is needed to know how wrong a code can be.

A stored vector v stands for x: v / |v| under cosine, v itself under dot and l2. It is kept as

    x = s * c + r      c integers in [-127, 127], stored as c + 128 in one byte; s the scale (float32); r what is lost
    e >= |r|           the error (float32, rounded up)
    C = sum c^2        an exact integer, from which l2 knows |s * c|

A query y (q / |q| under cosine, else q) is kept in 16 bits, as two signed 8-bit digits a number: y = t * a + p with
a = 256 * high + low in [-32512, 32512]. The second digit makes the query's part of the bound vanish beside the stored
vector's; a scan waits for memory, so the second multiplication is free.

What `encode` promises, for every finite float32 input, denormals and 1e38 included:

    e >= |x - s * c|   in exact arithmetic, x being the float64 numbers computed here;
    |x_i| <= 128 * s   so that |<p, x>| <= 128 * s * sum |p_i|;
    all finite.

Why. m = max |x_i| and s is m / 127 rounded to float32, then raised by one step if 127 * s < m; so x_i / s <= 127, no
code is clipped and |x_i - s * c_i| <= s / 2, slightly more where the quotient rounded across a half. s * c is exact
in float64 (24 + 8 bits). Each subtraction, square, sum and root is off by at most 2^-53 of its result, for a non-zero
x - s * c is above 2^-340, so that its square does not underflow; a sum of 16,384 is off by at most 2^-39. `e` adds
2^-30 and then takes the next float32, which covers the conversion. s <= 2.7e36 and e <= s / 2 * 128 < 1.8e38 keep
float32 finite. A zero vector has s = 0, c = 0 and for e the least positive float32.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pergamum.domain.vectors import Matrix, Metric
from pergamum.index.distance import Doubles

UNIT = 4
"""Dimensions are padded to a multiple of this: one 32-bit lane of a dot-product instruction."""
MAX_CODE = 127
MAX_QUERY_CODE = MAX_CODE * 256
TERMS = 8
ROUNDING = 2.0**-36
"""Share of |q| |v| (of |q|^2 + |v|^2 under l2) that covers every float64 rounding of a distance and of its bound."""

_CHUNK = 1 << 18


@dataclass(frozen=True, slots=True, eq=False)
class Codes:
    """n encoded vectors: `codes` u1 (n, padded dimension), `scales` f4, `errors` f4, `squares` i4, each (n,)."""

    codes: npt.NDArray[np.uint8]
    scales: npt.NDArray[np.float32]
    errors: npt.NDArray[np.float32]
    squares: npt.NDArray[np.int32]


class QueryCodes(NamedTuple):
    """m encoded queries, as `quantize_kernels.encode_queries` makes them.

    `raw` f4 (m, d); `digits` i1 (m, 2, padded dimension): high, then low; `terms` f8 (m, 8), columns named below.
    """

    raw: npt.NDArray[np.float32]
    digits: npt.NDArray[np.int8]
    terms: Doubles


STEP, OFFSET, PER_SCALE, PER_ERROR, BASE, SQUARE, ERROR, NORM = range(8)
"""Columns of `QueryCodes.terms`: t; 128 * sum a; the bound's factor of s and of e; 1 under cosine, else 0; |t a|^2;
|p|, rounded up; |q| as the reference computes it."""


def padded(dimension: int) -> int:
    """Return `dimension` rounded up to whole units."""
    return -(-dimension // UNIT) * UNIT


def encode(vectors: Matrix, metric: Metric) -> Codes:
    """Encode each row of `vectors` (n, d). O(n * d) time, O(1) memory beside the result."""
    count, dimension = vectors.shape
    codes = np.full((count, padded(dimension)), 128, dtype=np.uint8)
    scales, errors = np.empty(count, dtype=np.float32), np.empty(count, dtype=np.float32)
    squares = np.empty(count, dtype=np.int32)
    rows = max(1, _CHUNK // dimension)
    for start in range(0, count, rows):
        part = slice(start, start + rows)
        signed, scales[part], errors[part] = _encode(vectors[part], metric)
        squares[part] = np.einsum("ij,ij->i", signed, signed)
        codes[part, :dimension] = signed + 128.0
    return Codes(codes, scales, errors, squares)


def _encode(vectors: Matrix, metric: Metric) -> tuple[Doubles, npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return c as float64 (n, d), s and e."""
    x = _represented(vectors, metric)
    largest = np.maximum(x.max(axis=1), -x.min(axis=1))
    scales = (largest / MAX_CODE).astype(np.float32)
    raised = np.nextafter(scales, np.float32(np.inf))
    scales = np.where(scales.astype(np.float64) * MAX_CODE < largest, raised, scales)
    wide = scales.astype(np.float64)[:, None]
    codes = x / np.where(wide > 0, wide, 1.0)
    np.rint(codes, out=codes)
    x -= codes * wide
    lost = np.sqrt(np.einsum("ij,ij->i", x, x)) * (1 + 2.0**-30)
    return codes, scales, np.nextafter(lost.astype(np.float32), np.float32(np.inf))


def _represented(vectors: Matrix, metric: Metric) -> Doubles:
    """Return x, the float64 vectors that the codes stand for; a new array."""
    x = vectors.astype(np.float64)
    if metric is Metric.COSINE:
        x /= np.sqrt(np.einsum("ij,ij->i", x, x))[:, None]
    return x
