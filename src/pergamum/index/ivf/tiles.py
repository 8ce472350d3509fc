"""Dot products of 8-bit codes in tiles: 64 rows at a time, four dimensions of each side by side.

One instruction (`vpdpbusd`) multiplies 64 pairs of bytes and adds them by fours, so a register holds the sums of 16
rows from beginning to end, and none has to be added up across its lanes. Only kernels import this.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.core.base import BaseContext
from numba.core.typing import Context, Signature
from numba.extending import intrinsic

from pergamum.index.ivf.layout import BLOCK, UNIT
from pergamum.index.jit import I8, array, kernel
from pergamum.index.registers import REGISTER, VNNI, Emitter, ask, emit_nothing, every, multiplied, splat

Bytes: TypeAlias = npt.NDArray[np.uint8]
Digits: TypeAlias = npt.NDArray[np.int8]
Sums: TypeAlias = npt.NDArray[np.int32]

PORTABLE, SPECIAL = 0, 1
BODY: Final = SPECIAL if VNNI and not config.DISABLE_JIT else PORTABLE
"""Which body this processor runs."""
AHEAD: Final = 48
"""Lines between what is multiplied and what is fetched."""

TILES = array(types.uint8, 3, readonly=True)
DIGITS, SUMS = array(types.int8, 1), array(types.int32, 1)
_I32, _WORD = ir.IntType(32), ir.IntType(64)
_REGISTERS = BLOCK // 16


@kernel(types.void, TILES, DIGITS, SUMS, inline=True)
def portable_tiles(tiles: Bytes, digits: Digits, sums: Sums) -> None:
    """sums[64 t + j] = sum over units u and i < 4 of tiles[t, u, 4 j + i] * digits[4 u + i].

    Shapes   tiles u1 (t, units, 256) | digits i1 (4 units,) | sums i4 (64 t,).
    Cost     O(64 t * 4 units).
    """
    sums[:] = 0
    for tile in range(len(tiles)):
        for unit in range(tiles.shape[1]):
            for j in range(BLOCK):
                total = np.int32(0)
                for i in range(UNIT):
                    total += np.int32(tiles[tile, unit, UNIT * j + i]) * np.int32(digits[UNIT * unit + i])
                sums[BLOCK * tile + j] += total


@intrinsic
def special_tiles(_: Context, tiles: types.Type, digits: types.Type, sums: types.Type) -> tuple[Signature, Emitter]:
    """Do what `portable_tiles` does. REQUIRES a processor that has the instruction. Cost: five instructions a unit."""
    return types.void(tiles, digits, sums), _emit if VNNI else emit_nothing


def _emit(context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]) -> ir.Value:
    """Write the loop over tiles, and in it the loop over units."""
    tiles, digits, sums = (context.make_array(signature.args[i])(context, builder, arguments[i]) for i in range(3))
    count, units = (builder.extract_value(tiles.shape, i) for i in range(2))
    lines, out = (builder.bitcast(each.data, REGISTER.as_pointer()) for each in (tiles, sums))
    numbers = builder.bitcast(digits.data, _I32.as_pointer())
    totals = [cgutils.alloca_once(builder, REGISTER) for _ in range(_REGISTERS)]
    with cgutils.for_range(builder, count) as tile:
        for total in totals:
            builder.store(every(REGISTER, 0), total)
        first = builder.mul(tile.index, units)
        with cgutils.for_range(builder, units) as unit:
            four = splat(builder, builder.load(builder.gep(numbers, [unit.index]), align=1), REGISTER)
            place = builder.mul(builder.add(first, unit.index), _WORD(_REGISTERS))
            for register, total in enumerate(totals):
                ask(builder, builder.gep(lines, [builder.add(place, _WORD(register + AHEAD))]))
                line = builder.load(builder.gep(lines, [builder.add(place, _WORD(register))]), align=1)
                builder.store(multiplied(builder, builder.load(total), line, four), total)
        place = builder.mul(tile.index, _WORD(_REGISTERS))
        for register, total in enumerate(totals):
            builder.store(builder.load(total), builder.gep(out, [builder.add(place, _WORD(register))]), align=1)
    return context.get_dummy_value()


@kernel(types.void, I8, TILES, DIGITS, SUMS, inline=True)
def tile_dots(body: int, tiles: Bytes, digits: Digits, sums: Sums) -> None:
    """Do what `portable_tiles` does, by the body of this processor."""
    if body == SPECIAL:
        special_tiles(tiles, digits, sums)
    else:
        portable_tiles(tiles, digits, sums)
