"""The compiled twin of `distance.py`: the same lanes, the same bits."""

import math

from numba import types

from pergamum.domain.vectors import Vector
from pergamum.index.jit import F8, I8, array, kernel
from pergamum.index.lanes import gaps, products

COSINE, DOT, L2 = range(3)
"""Metrics as kernels know them, in the order of `Metric`."""

VECTOR = array(types.float32, 1, readonly=True)


@kernel(F8, VECTOR, VECTOR)
def dot(q: Vector, v: Vector) -> float:
    """Return <q, v> by the eight lanes of `distance.py`.

    Shapes   q (d,) f4 | v (d,) f4.
    Cost     O(d) time, O(1) memory.
    """
    return products(q, v)


@kernel(F8, VECTOR, VECTOR)
def squared_l2(q: Vector, v: Vector) -> float:
    """Return sum (q - v)^2 by the eight lanes of `distance.py`. Shapes and cost as in `dot`."""
    return gaps(q, v)


@kernel(F8, I8, VECTOR, F8, VECTOR)
def distance(metric: int, q: Vector, norm: float, v: Vector) -> float:
    """Return the reference distance of `q`, whose norm is `norm`, to `v`.

    Shapes   q (d,) f4 | norm: |q| by the same lanes, read under cosine only | v (d,) f4.
    Cost     O(d) time, O(1) memory.
    """
    if metric == L2:
        return math.sqrt(squared_l2(q, v))
    if metric == DOT:
        return 0.0 - dot(q, v)
    return 1.0 - dot(q, v) / (norm * math.sqrt(dot(v, v)))
