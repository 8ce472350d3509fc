"""Sums over the eight lanes of `distance.py`, one vector instruction for all eight.

LLVM has vectors of any width: eight float64 are one register of AVX-512, two of AVX2, four of NEON. No operation is
contracted or reordered, so the bits are those of the loops here, which stand in where nothing is compiled
(NUMBA_DISABLE_JIT=1). Written as loops they were compiled to scalar code, six times slower.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.base import BaseContext
from numba.core.typing import Signature

from pergamum.domain.vectors import Vector
from pergamum.index.distance import LANES
from pergamum.index.registers import in_registers

_Term: TypeAlias = Callable[[ir.IRBuilder, ir.Value, ir.Value], ir.Value]

_F4, _F8, _WORD, _I32 = ir.FloatType(), ir.DoubleType(), ir.IntType(64), ir.IntType(32)
_NARROW, _WIDE = ir.VectorType(_F4, LANES), ir.VectorType(_F8, LANES)


def _looped_products(q: Vector, v: Vector) -> float:
    """Return sum q v by the eight lanes. O(d)."""
    sums = np.zeros(LANES)
    for i in range(len(q)):
        sums[i % LANES] += np.float64(q[i]) * np.float64(v[i])
    return float(((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7])))


def _looped_gaps(q: Vector, v: Vector) -> float:
    """Return sum (q - v)^2 by the eight lanes. O(d)."""
    gaps = q.astype(np.float64) - v.astype(np.float64)
    sums = np.zeros(LANES)
    for i in range(len(q)):
        sums[i % LANES] += gaps[i] * gaps[i]
    return float(((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7])))


def _emit_products(
    context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
) -> ir.Value:
    return _emit(context, builder, signature, arguments, lambda b, x, y: b.fmul(x, y))


def _emit_gaps(
    context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
) -> ir.Value:
    def square(b: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
        gap = b.fsub(x, y)
        return b.fmul(gap, gap)

    return _emit(context, builder, signature, arguments, square)


def _emit(
    context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value], term: _Term
) -> ir.Value:
    """Write the loop over whole groups of eight, the loop over what is left, and the sum of the lanes."""
    q, v = (context.make_array(signature.args[i])(context, builder, arguments[i]) for i in (0, 1))
    size = builder.extract_value(q.shape, 0)
    groups = builder.lshr(size, _WORD(3))
    lanes = cgutils.alloca_once_value(builder, ir.Constant(_WIDE, [0.0] * LANES))
    with cgutils.for_range(builder, groups) as group:
        start = builder.mul(group.index, _WORD(LANES))
        x, y = (_eight(builder, array.data, start) for array in (q, v))
        builder.store(builder.fadd(builder.load(lanes), term(builder, x, y)), lanes)
    start = builder.mul(groups, _WORD(LANES))
    rest = builder.sub(size, start)
    with builder.if_then(builder.icmp_unsigned("!=", rest, _WORD(0))):
        x, y = (_some(builder, array.data, start, rest) for array in (q, v))
        builder.store(builder.fadd(builder.load(lanes), term(builder, x, y)), lanes)
    return _lane_sum(builder, builder.load(lanes))


def _eight(builder: ir.IRBuilder, data: ir.Value, start: ir.Value) -> ir.Value:
    """Load eight float32 from anywhere and widen them."""
    address = builder.bitcast(builder.gep(data, [start]), _NARROW.as_pointer())
    return builder.fpext(builder.load(address, align=4), _WIDE)


def _some(builder: ir.IRBuilder, data: ir.Value, start: ir.Value, count: ir.Value) -> ir.Value:
    """Load the last `count` float32 and widen them; the other lanes are zero, which changes no sum: none is -0.0."""
    lane = ir.Constant(ir.VectorType(_WORD, LANES), list(range(LANES)))
    nothing = ir.Constant(ir.VectorType(_WORD, LANES), ir.Undefined)
    first = builder.insert_element(nothing, count, _I32(0))
    every = builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES))
    mask = builder.icmp_unsigned("<", lane, every)
    address = builder.bitcast(builder.gep(data, [start]), _NARROW.as_pointer())
    kind = ir.FunctionType(_NARROW, [_NARROW.as_pointer(), _I32, mask.type, _NARROW])
    masked = cgutils.get_or_insert_function(builder.module, kind, "llvm.masked.load.v8f32.p0v8f32")
    zero = ir.Constant(_NARROW, [0.0] * LANES)
    return builder.fpext(builder.call(masked, [address, _I32(4), mask, zero]), _WIDE)


def _lane_sum(builder: ir.IRBuilder, lanes: ir.Value) -> ir.Value:
    """Return ((0 + 1) + (2 + 3)) + ((4 + 5) + (6 + 7))."""
    parts = [builder.extract_element(lanes, _I32(i)) for i in range(LANES)]
    while len(parts) > 1:
        parts = [builder.fadd(left, right) for left, right in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]


products: Final = in_registers(_looped_products, types.float64, _emit_products)
"""products(q, v): sum q v of two float32 vectors of the same length, in float64."""
gaps: Final = in_registers(_looped_gaps, types.float64, _emit_gaps)
"""gaps(q, v): sum (q - v)^2, likewise."""
