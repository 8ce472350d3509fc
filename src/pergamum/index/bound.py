"""Arrays by address: one argument of a kernel instead of thirty.

Numba takes an array apart at every call, which costs 130 ns: a search of a graph, whose parts are thirty arrays, took
4 us before it began. What does not change between calls is therefore written down once, as addresses, and put together
again inside the kernel (`bound_kernels.py`).
"""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

Bound: TypeAlias = npt.NDArray[np.int64]
"""i8 (arrays, 3): address, rows, columns of each; one column where an array has one dimension."""

ADDRESS, ROWS, COLUMNS = range(3)
_MOST_DIMENSIONS: Final = 2


def bound(arrays: Sequence[npt.NDArray[Any]]) -> Bound:
    """Return where the arrays lie. REQUIRES: C order; the caller holds them for as long as the result is used."""
    table = np.ones((len(arrays), 3), dtype=np.int64)
    for row, array in zip(table, arrays, strict=True):
        if not array.flags.c_contiguous or array.ndim > _MOST_DIMENSIONS:
            raise ValueError(f"an array of shape {array.shape} cannot be bound: only C order, at most two dimensions")
        row[ADDRESS] = array.ctypes.data
        row[ROWS : ROWS + array.ndim] = array.shape
    return table
