"""Adding up the look-ups of the 32 neighbours in a block, inside registers. Only kernels import this.

The instruction is that of `ivf/fastscan.py`; here the vectors are few and the look-ups of two codes are added as bytes
first, which their tables allow (MOST_ENTRY).
"""

import itertools
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.base import BaseContext
from numba.core.typing import Context, Signature
from numba.extending import intrinsic

from pergamum.index.arrays import LINE
from pergamum.index.hnsw.wide import CODES, FACTORS, GROUP, OFFSETS
from pergamum.index.jit import Real, Whole
from pergamum.index.registers import SHUFFLES, Emitter, add_to, ask, emit_nothing, every, in_registers, nibbles, splat

_BYTE, _HALF, _I32, _WORD = ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.IntType(64)


@intrinsic
def special_block_sums(
    _: Context,
    blocks: types.Type,
    start: types.Type,
    registers: types.Type,
    tables: types.Type,
    sums: types.Type,
    ahead: types.Type,
) -> tuple[Signature, Emitter]:
    """Do what `portable_block_sums` of wide_kernels.py does, and ask for the blocks that begin at the bytes `ahead`.

    A line of each is asked for beside each register: all at once would hold up what is read now, until they are there.
    Cost     some ten instructions a register.
    """
    return types.void(blocks, start, registers, tables, sums, ahead), _emit_sums if SHUFFLES else emit_nothing


def _looped_estimates(
    blocks: npt.NDArray[np.uint8],
    start: Whole,
    sums: npt.NDArray[np.uint16],
    line: tuple[Real, Real, Real, Real],
    keys: npt.NDArray[np.float32],
) -> Whole:
    """Put the estimated keys of the neighbours in a block into `keys`; return 64 bits: which are below the limit.

    Shapes   blocks u1, flat; the block begins at byte `start` | sums u2 (32,) | line: the key of the slot whose
             neighbours they are, low and step of the tables, the limit | keys f4 (32,).
    """
    begin = int(start)
    factors = blocks[begin + FACTORS : begin + FACTORS + 4 * GROUP].view(np.float32)
    offsets = blocks[begin + OFFSETS : begin + OFFSETS + 4 * GROUP].view(np.float32)
    key, low, step, limit = line
    with np.errstate(all="ignore"):
        keys[:GROUP] = (key + offsets) - factors * (low + step * sums.astype(np.float32))
    return sum(1 << j for j in range(GROUP) if keys[j] < limit)


def _emit_sums(
    context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
) -> ir.Value:
    """Write the loop over registers; each is read in as many parts as this processor's are narrower."""
    width, name = SHUFFLES[0]
    parts, wide, halves = LINE // width, ir.VectorType(_BYTE, width), ir.VectorType(_HALF, width // 2)
    look_up = cgutils.get_or_insert_function(builder.module, ir.FunctionType(wide, [wide, wide]), name)
    blocks, tables, sums = (context.make_array(signature.args[i])(context, builder, arguments[i]) for i in (0, 3, 4))
    codes = builder.bitcast(builder.gep(blocks.data, [arguments[1]]), wide.as_pointer())
    table = builder.bitcast(tables.data, wide.as_pointer())
    both, high = (cgutils.alloca_once_value(builder, ir.Constant(halves, [0] * (width // 2))) for _ in range(2))
    asked = [builder.gep(blocks.data, [place]) for place in cgutils.unpack_tuple(builder, arguments[5])]
    for begin, line in itertools.product(asked, range(CODES // LINE)):
        ask(builder, builder.gep(begin, [_WORD(LINE * line)]))
    with cgutils.for_range(builder, arguments[2]) as register:
        for begin in asked:
            place = builder.add(builder.mul(register.index, _WORD(LINE)), _WORD(CODES))
            ask(builder, builder.gep(begin, [place]))
        for part in range(parts):
            place = builder.add(builder.mul(register.index, _WORD(parts)), _WORD(part))
            loaded = builder.load(builder.gep(codes, [place]), align=1)
            entries = builder.add(builder.mul(register.index, _WORD(2 * parts)), _WORD(part))
            found = [
                builder.call(
                    look_up,
                    [builder.load(builder.gep(table, [builder.add(entries, _WORD(side * parts))]), align=1), code],
                )
                for side, code in enumerate(nibbles(builder, loaded))
            ]
            added = builder.bitcast(builder.add(*found), halves)
            add_to(builder, both, added)
            add_to(builder, high, builder.lshr(added, every(halves, 8)))
    _store(builder, builder.load(both), builder.load(high), sums.data)
    return context.get_dummy_value()


def _emit_estimates(
    context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
) -> ir.Value:
    blocks, sums, keys = (context.make_array(signature.args[i])(context, builder, arguments[i]) for i in (0, 2, 4))
    reals = ir.VectorType(ir.FloatType(), GROUP)
    begin = builder.gep(blocks.data, [arguments[1]])
    factors, offsets = (
        builder.load(builder.bitcast(builder.gep(begin, [_WORD(part)]), reals.as_pointer()), align=1)
        for part in (FACTORS, OFFSETS)
    )
    key, low, step, limit = (splat(builder, builder.extract_value(arguments[3], i), reals) for i in range(4))
    loaded = builder.load(builder.bitcast(sums.data, ir.VectorType(_HALF, GROUP).as_pointer()), align=2)
    product = builder.fadd(low, builder.fmul(step, builder.uitofp(loaded, reals)))
    found = builder.fsub(builder.fadd(key, offsets), builder.fmul(factors, product))
    builder.store(found, builder.bitcast(keys.data, reals.as_pointer()), align=4)
    below = builder.fcmp_ordered("<", found, limit)
    return builder.zext(builder.bitcast(below, _I32), _WORD)


estimates: Final = in_registers(_looped_estimates, types.uint64, _emit_estimates)
"""estimates(blocks, start, sums, (key, low, step, limit), keys): see `_looped_estimates`."""


def _store(builder: ir.IRBuilder, both: ir.Value, high: ir.Value, out: ir.Value) -> None:
    """Take the high bytes out of the sums of both, add up the halves of a register, put the lanes in turn."""
    lanes = ir.VectorType(_HALF, GROUP // 2)
    even, odd = (
        _folded(builder, sums, lanes.count)
        for sums in (builder.sub(both, builder.shl(high, every(high.type, 8))), high)
    )
    order = [i // 2 + (i % 2) * lanes.count for i in range(GROUP)]
    woven = builder.shuffle_vector(even, odd, ir.Constant(ir.VectorType(_I32, GROUP), order))
    builder.store(woven, builder.bitcast(out, ir.VectorType(_HALF, GROUP).as_pointer()), align=2)


def _folded(builder: ir.IRBuilder, sums: ir.Value, lanes: int) -> ir.Value:
    """Return the sum of the two halves of a vector of twice the lanes; a vector of as many as it is."""
    if sums.type.count == lanes:
        return sums
    kind = ir.VectorType(_I32, lanes)
    first, second = (
        builder.shuffle_vector(sums, sums, ir.Constant(kind, list(range(start, start + lanes)))) for start in (0, lanes)
    )
    return builder.add(first, second)
