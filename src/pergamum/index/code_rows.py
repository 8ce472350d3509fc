"""8-bit codes laid out for jumping about: one row a slot, whole cache lines, beside the terms that make a distance.

The block layout of `brute_force/` is read from one end to the other; a graph reads a few rows here and there, so a row
is contiguous and starts on a cache line. What the codes mean and what they promise is in `quantize.py`.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pergamum.domain.vectors import Matrix, Metric
from pergamum.index.arrays import LINE, aligned, readonly
from pergamum.index.quantize import encode

_ENCODED_AT_ONCE = 8192


class CodeRows(NamedTuple):
    """Codes of the slots [0, n). Nobody writes to them once an index holds them.

    `codes` u1 (n, stride): c + 128, padded with 128 to whole lines. `terms` f4 (n, 2): scale s, and s^2 C under l2,
    else 0; the *key* of a slot for a query y is terms[1] - 2 s <y, c>, which orders slots as their distances do.
    `errors` f4 (n,): what the codes lose. `squares` i4 (n,): C.
    """

    codes: npt.NDArray[np.uint8]
    terms: npt.NDArray[np.float32]
    errors: npt.NDArray[np.float32]
    squares: npt.NDArray[np.int32]


def row_bytes(dimension: int) -> int:
    """Return the bytes of one row of codes: `dimension` rounded up to whole lines."""
    return -(-dimension // LINE) * LINE


def empty_rows(count: int, dimension: int) -> CodeRows:
    """Return room for `count` slots; the padding of the codes is set, the rest is not."""
    codes = aligned(count, row_bytes(dimension), np.uint8)
    codes[:, dimension:] = 128
    return CodeRows(
        codes,
        np.zeros((count, 2), dtype=np.float32),
        np.zeros(count, dtype=np.float32),
        np.zeros(count, dtype=np.int32),
    )


def encode_rows(rows: CodeRows, first: int, vectors: Matrix, metric: Metric) -> None:
    """Encode `vectors` into the slots from `first` on. O(n * d)."""
    dimension = vectors.shape[1]
    for start in range(0, len(vectors), _ENCODED_AT_ONCE):
        part = encode(np.asarray(vectors[start : start + _ENCODED_AT_ONCE]), metric)
        slots = slice(first + start, first + start + len(part.scales))
        rows.codes[slots, :dimension] = part.codes[:, :dimension]
        rows.terms[slots, 0] = part.scales
        if metric is Metric.L2:
            with np.errstate(over="ignore"):  # of vectors longer than 1e19: their keys are infinite and tell nothing
                rows.terms[slots, 1] = part.scales.astype(np.float64) ** 2 * part.squares
        rows.errors[slots], rows.squares[slots] = part.errors, part.squares


def extended_rows(older: CodeRows, vectors: Matrix, metric: Metric) -> CodeRows:
    """Return codes of all rows of `vectors`, of which `older` has the first. O(n) copied, O(new * d) encoded."""
    rows, known = empty_rows(len(vectors), vectors.shape[1]), len(older.codes)
    rows.codes[:known], rows.terms[:known] = older.codes, older.terms
    rows.errors[:known], rows.squares[:known] = older.errors, older.squares
    encode_rows(rows, known, vectors[known:], metric)
    return rows


def frozen_rows(rows: CodeRows) -> CodeRows:
    """Return read-only views of the arrays: the type that kernels are compiled for."""
    codes, terms, errors, squares = rows
    return CodeRows(readonly(codes), readonly(terms), readonly(errors), readonly(squares))
