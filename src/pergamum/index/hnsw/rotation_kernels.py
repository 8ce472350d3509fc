"""A rotation that costs d log d: rounds of random signs and butterflies, whole registers at a time.

Source   the random Hadamard transforms of Ailon and Chazelle, "The fast Johnson-Lindenstrauss transform", SICOMP 2009.
         Theirs needs a power of two. Here the registers of 16 numbers of a vector are mixed within, and then the first
         2^b of them with each other, in the next round the last 2^b, 2^b being at most their number: no padding to a
         power of two. What the two have not in common is paired once between them.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.base import BaseContext
from numba.core.typing import Signature

from pergamum.index.hnsw.wide import UNIT, Floats
from pergamum.index.jit import Whole, array, kernel
from pergamum.index.registers import in_registers

F4 = types.float32
SIGNS, FLOATS = array(F4, 2, readonly=True), array(F4, 1)
_DISTANCES: Final = (8, 4, 2, 1)
"""Of the lanes of a register that are paired, one after the other."""
_F4, _I32 = ir.FloatType(), ir.IntType(32)
_REGISTER: Final = ir.VectorType(_F4, UNIT)


def _looped_lanes(x: Floats, signs: Floats, turn: Whole) -> None:
    """Multiply x by signs[turn], then mix the numbers of each register with each other. O(d)."""
    registers = (x * signs[turn]).reshape(-1, UNIT)
    lane = np.arange(UNIT)
    for distance in _DISTANCES:
        sign = np.where(lane & distance, np.float32(-1), np.float32(1))
        registers = registers[:, lane ^ distance] + sign * registers
    x[:] = registers.reshape(-1)


def _looped_pairs(x: Floats, start: Whole, gap: Whole, count: Whole) -> None:
    """Replace the registers a, b by a + b, a - b: of all pairs (i, i + gap), i in [start, start + count). O(count)."""
    registers = x.reshape(-1, UNIT)
    one, other = (registers[first : first + count].copy() for first in (start, start + gap))
    registers[start : start + count], registers[start + gap : start + gap + count] = one + other, one - other


def _looped_fours(x: Floats, start: Whole, gap: Whole) -> None:
    """Do what `_looped_pairs` does at distances gap and 2 gap, of the 4 gap registers from `start` on. O(gap)."""
    for first in (start, start + 2 * gap):
        _looped_pairs(x, first, gap, gap)
    _looped_pairs(x, start, 2 * gap, 2 * gap)


def _emit_lanes(
    context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
) -> ir.Value:
    whole = context.make_array(signature.args[0])(context, builder, arguments[0])
    x, signs = whole.data, context.make_array(signature.args[1])(context, builder, arguments[1]).data
    count = builder.udiv(builder.extract_value(whole.shape, 0), ir.Constant(ir.IntType(64), UNIT))
    first = builder.mul(arguments[2], count)
    with cgutils.for_range(builder, count) as loop:
        place = _register(builder, x, loop.index)
        sign = builder.load(_register(builder, signs, builder.add(first, loop.index)), align=4)
        mixed = builder.fmul(builder.load(place, align=4), sign)
        for distance in _DISTANCES:
            order = ir.Constant(ir.VectorType(_I32, UNIT), [lane ^ distance for lane in range(UNIT)])
            signed = ir.Constant(_REGISTER, [-1.0 if lane & distance else 1.0 for lane in range(UNIT)])
            mixed = builder.fadd(builder.shuffle_vector(mixed, mixed, order), builder.fmul(signed, mixed))
        builder.store(mixed, place, align=4)
    return context.get_dummy_value()


def _emit_pairs(
    context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
) -> ir.Value:
    x = context.make_array(signature.args[0])(context, builder, arguments[0]).data
    with cgutils.for_range(builder, arguments[3]) as loop:
        near = builder.add(arguments[1], loop.index)
        places = [_register(builder, x, place) for place in (near, builder.add(near, arguments[2]))]
        mixed = _butterfly(builder, *(builder.load(place, align=4) for place in places))
        for place, number in zip(places, mixed, strict=True):
            builder.store(number, place, align=4)
    return context.get_dummy_value()


def _emit_fours(
    context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
) -> ir.Value:
    x = context.make_array(signature.args[0])(context, builder, arguments[0]).data
    with cgutils.for_range(builder, arguments[2]) as loop:
        at = [builder.add(arguments[1], loop.index)]
        for _ in range(3):
            at.append(builder.add(at[-1], arguments[2]))
        places = [_register(builder, x, place) for place in at]
        one, two, three, four = (builder.load(place, align=4) for place in places)
        (a, b), (c, d) = _butterfly(builder, one, two), _butterfly(builder, three, four)
        (e, g), (f, h) = _butterfly(builder, a, c), _butterfly(builder, b, d)
        for place, number in zip(places, (e, f, g, h), strict=True):
            builder.store(number, place, align=4)
    return context.get_dummy_value()


def _register(builder: ir.IRBuilder, start: ir.Value, number: ir.Value) -> ir.Value:
    return builder.gep(builder.bitcast(start, _REGISTER.as_pointer()), [number])


def _butterfly(builder: ir.IRBuilder, one: ir.Value, other: ir.Value) -> tuple[ir.Value, ir.Value]:
    return builder.fadd(one, other), builder.fsub(one, other)


lanes: Final = in_registers(_looped_lanes, types.void, _emit_lanes)
"""lanes(x, signs, turn): see `_looped_lanes`."""
pairs: Final = in_registers(_looped_pairs, types.void, _emit_pairs)
"""pairs(x, start, gap, count): see `_looped_pairs`."""
fours: Final = in_registers(_looped_fours, types.void, _emit_fours)
"""fours(x, start, gap): see `_looped_fours`; reads and writes every register once."""


@kernel(types.void, SIGNS, FLOATS)
def rotate(signs: Floats, x: Floats) -> None:
    """Rotate x in place: lengths and angles stay, up to rounding.

    Shapes   signs f4 (3, d): see `signs_of` of wide.py | x f4 (d,), d a multiple of UNIT.
    Cost     O(rounds * d log d).
    """
    count, block = len(x) // UNIT, 1
    while 2 * block <= count:
        block *= 2
    for turn in range(len(signs)):
        lanes(x, signs, turn)
        first, gap = (count - block) * (turn % 2), 1
        while 4 * gap <= block:
            for start in range(first, first + block, 4 * gap):
                fours(x, start, gap)
            gap *= 4
        if gap < block:
            pairs(x, first, gap, gap)
        if turn == 1:
            pairs(x, 0, block, count - block)
