"""The compiled twin of `distance.py`: the same lanes, the same bits."""

import math

import numpy as np
from numba import types

from pergamum.domain.vectors import Vector
from pergamum.index.jit import F8, I8, array, kernel

COSINE, DOT, L2 = range(3)
"""Metrics as kernels know them, in the order of `Metric`."""

VECTOR = array(types.float32, 1, readonly=True)

wide = np.float64


@kernel(F8, VECTOR, VECTOR)
def dot(q: Vector, v: Vector) -> float:
    """Return <q, v> by the eight lanes of `distance.py`.

    Shapes   q (d,) f4 | v (d,) f4.
    Cost     O(d) time, O(1) memory: the lanes are scalars, so they stay in registers.
    """
    a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = 0.0
    whole = len(q) - len(q) % 8
    for i in range(0, whole, 8):
        a0 += wide(q[i]) * wide(v[i])
        a1 += wide(q[i + 1]) * wide(v[i + 1])
        a2 += wide(q[i + 2]) * wide(v[i + 2])
        a3 += wide(q[i + 3]) * wide(v[i + 3])
        a4 += wide(q[i + 4]) * wide(v[i + 4])
        a5 += wide(q[i + 5]) * wide(v[i + 5])
        a6 += wide(q[i + 6]) * wide(v[i + 6])
        a7 += wide(q[i + 7]) * wide(v[i + 7])
    left = len(q) - whole
    a0 += wide(q[whole]) * wide(v[whole]) if left > 0 else 0.0
    a1 += wide(q[whole + 1]) * wide(v[whole + 1]) if left > 1 else 0.0
    a2 += wide(q[whole + 2]) * wide(v[whole + 2]) if left > 2 else 0.0
    a3 += wide(q[whole + 3]) * wide(v[whole + 3]) if left > 3 else 0.0
    a4 += wide(q[whole + 4]) * wide(v[whole + 4]) if left > 4 else 0.0
    a5 += wide(q[whole + 5]) * wide(v[whole + 5]) if left > 5 else 0.0
    a6 += wide(q[whole + 6]) * wide(v[whole + 6]) if left > 6 else 0.0
    return ((a0 + a1) + (a2 + a3)) + ((a4 + a5) + (a6 + a7))


@kernel(F8, F8, F8, inline=True)
def squared_gap(a: float, b: float) -> float:
    """Return (a - b)^2 in float64. O(1)."""
    gap = wide(a) - wide(b)
    return gap * gap


@kernel(F8, VECTOR, VECTOR)
def squared_l2(q: Vector, v: Vector) -> float:
    """Return sum (q - v)^2 by the eight lanes of `distance.py`. Shapes and cost as in `dot`."""
    a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = 0.0
    whole = len(q) - len(q) % 8
    for i in range(0, whole, 8):
        a0 += squared_gap(q[i], v[i])
        a1 += squared_gap(q[i + 1], v[i + 1])
        a2 += squared_gap(q[i + 2], v[i + 2])
        a3 += squared_gap(q[i + 3], v[i + 3])
        a4 += squared_gap(q[i + 4], v[i + 4])
        a5 += squared_gap(q[i + 5], v[i + 5])
        a6 += squared_gap(q[i + 6], v[i + 6])
        a7 += squared_gap(q[i + 7], v[i + 7])
    left = len(q) - whole
    a0 += squared_gap(q[whole], v[whole]) if left > 0 else 0.0
    a1 += squared_gap(q[whole + 1], v[whole + 1]) if left > 1 else 0.0
    a2 += squared_gap(q[whole + 2], v[whole + 2]) if left > 2 else 0.0
    a3 += squared_gap(q[whole + 3], v[whole + 3]) if left > 3 else 0.0
    a4 += squared_gap(q[whole + 4], v[whole + 4]) if left > 4 else 0.0
    a5 += squared_gap(q[whole + 5], v[whole + 5]) if left > 5 else 0.0
    a6 += squared_gap(q[whole + 6], v[whole + 6]) if left > 6 else 0.0
    return ((a0 + a1) + (a2 + a3)) + ((a4 + a5) + (a6 + a7))


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
