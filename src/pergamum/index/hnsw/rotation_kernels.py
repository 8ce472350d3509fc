"""A rotation that costs d log d: rounds of random signs and butterflies.

Source   the random Hadamard transforms of Ailon and Chazelle, "The fast Johnson-Lindenstrauss transform", SICOMP 2009.
         Theirs halves a power of two down to pairs; here a stage may pair numbers at any distance, so that no
         dimension needs padding to a power of two, and of many numbers none is below eight, so that whole registers
         are added.
"""

import math
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.core.base import BaseContext
from numba.core.typing import Context, Signature
from numba.extending import intrinsic

from pergamum.index.hnsw.wide import Floats
from pergamum.index.jit import Whole, array, kernel

_Emitter: TypeAlias = Callable[[BaseContext, ir.IRBuilder, Signature, Sequence[ir.Value]], ir.Value]

F4 = types.float32
SIGNS, FLOATS = array(F4, 2, readonly=True), array(F4, 1)
LANES: Final = 8
"""Numbers that are added at once."""
LEAST, LEAST_OF_MANY, MANY = 2, 8, 256
"""The least distance of two numbers that are paired; so many numbers or more mix well enough without the shortest."""
_HALF: Final = np.float32(math.sqrt(0.5))
_F4, _WORD = ir.FloatType(), ir.IntType(64)


def _looped_butterflies(x: Floats, start: Whole, gap: Whole) -> None:
    """Turn every pair (i, i + gap), i in [start, start + gap), by 45 degrees. O(gap)."""
    one, other = x[start : start + gap].copy(), x[start + gap : start + 2 * gap].copy()
    x[start : start + gap], x[start + gap : start + 2 * gap] = _HALF * (one + other), _HALF * (one - other)


@intrinsic
def _compiled_butterflies(_: Context, x: types.Type, start: types.Type, gap: types.Type) -> tuple[Signature, _Emitter]:
    """Do what `_looped_butterflies` does. As a loop over one array it was compiled to scalar code."""
    return types.void(x, start, gap), _emit_butterflies


butterflies: Final = _looped_butterflies if config.DISABLE_JIT else _compiled_butterflies
"""butterflies(x, start, gap): turn the pairs (i, i + gap), i in [start, start + gap), by 45 degrees."""


def _emit_butterflies(
    context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
) -> ir.Value:
    data, gap = context.make_array(signature.args[0])(context, builder, arguments[0]).data, arguments[2]
    near = builder.gep(data, [arguments[1]])
    far = builder.gep(near, [gap])
    groups = builder.udiv(gap, _WORD(LANES))
    with cgutils.for_range(builder, groups) as group:
        _turn(builder, near, far, builder.mul(group.index, _WORD(LANES)), ir.VectorType(_F4, LANES))
    done = builder.mul(groups, _WORD(LANES))
    with cgutils.for_range(builder, builder.sub(gap, done)) as single:
        _turn(builder, near, far, builder.add(done, single.index), ir.VectorType(_F4, 1))
    return context.get_dummy_value()


def _turn(builder: ir.IRBuilder, near: ir.Value, far: ir.Value, place: ir.Value, kind: ir.VectorType) -> None:
    places = [builder.bitcast(builder.gep(start, [place]), kind.as_pointer()) for start in (near, far)]
    one, other = (builder.load(address, align=4) for address in places)
    half = ir.Constant(kind, [float(_HALF)] * kind.count)
    for address, turned in zip(places, (builder.fadd(one, other), builder.fsub(one, other)), strict=True):
        builder.store(builder.fmul(half, turned), address, align=4)


@kernel(types.void, SIGNS, FLOATS)
def rotate(signs: Floats, x: Floats) -> None:
    """Rotate x in place: lengths and angles stay, up to rounding.

    Shapes   signs f4 (rounds, d) | x f4 (d,), d at least 16.
    Cost     O(rounds * d log d). Odd rounds pair at odd distances from the other end, so that all numbers mix.
    """
    size = len(x)
    least = LEAST_OF_MANY if size >= MANY else LEAST
    for turn in range(len(signs)):
        for i in range(size):
            x[i] *= signs[turn, i]
        gap = size // (2 + turn % 2)
        while gap >= least:
            distance = gap - 1 + gap % 2 if turn % 2 == 1 and gap > least else gap
            start = size % (2 * distance) if turn % 2 == 1 else 0
            while start + 2 * distance <= size:
                butterflies(x, start, distance)
                start += 2 * distance
            gap //= 2
