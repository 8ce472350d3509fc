"""Dot products of chosen rows of codes by `vpdpbusd`, and asking for memory ahead of its use.

Only kernels import this. Both are reached by LLVM IR: no compiler finds the first in a plain loop, and no Python
statement means the second. Where numba compiles nothing (NUMBA_DISABLE_JIT=1) the first is never called, and the second
does nothing.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.base import BaseContext
from numba.core.typing import Context, Signature
from numba.extending import intrinsic

from pergamum.index.arrays import LINE
from pergamum.index.jit import Whole
from pergamum.index.registers import REGISTER, VNNI, Emitter, ask, emit_nothing, every, in_registers, multiplied

_BYTE, _I32, _WORD = ir.IntType(8), ir.IntType(32), ir.IntType(64)


@intrinsic
def dots(
    _: Context, codes: types.Type, slots: types.Type, count: types.Type, query: types.Type, sums: types.Type
) -> tuple[Signature, Emitter]:
    """Do what `portable_row_dots` of row_kernels.py does. REQUIRES a processor that has the instruction.

    Cost     count * stride / 64 instructions and as many loads; the sum over the lanes of a register ends each row.
    """
    return types.void(codes, slots, count, query, sums), _emit_dots if VNNI else emit_nothing


def _nothing(_rows: npt.NDArray[Any], _row: Whole, _lines: Whole) -> None:
    """Stand for `prefetch` where nothing is compiled."""


def _emit_dots(
    context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
) -> ir.Value:
    """Write the loop over rows, and in it the loop over the lines of a row."""
    codes, slots, query, sums = (
        context.make_array(signature.args[i])(context, builder, arguments[i]) for i in (0, 1, 3, 4)
    )
    stride = builder.extract_value(codes.shape, 1)
    lines = builder.udiv(stride, _WORD(LINE))
    numbers = builder.bitcast(query.data, REGISTER.as_pointer())
    total = cgutils.alloca_once(builder, REGISTER)
    with cgutils.for_range(builder, arguments[2]) as row:
        slot = builder.zext(builder.load(builder.gep(slots.data, [row.index])), _WORD)
        start = builder.bitcast(builder.gep(codes.data, [builder.mul(slot, stride)]), REGISTER.as_pointer())
        builder.store(every(REGISTER, 0), total)
        with cgutils.for_range(builder, lines) as line:
            unsigned = builder.load(builder.gep(start, [line.index]), align=1)
            signed = builder.load(builder.gep(numbers, [line.index]), align=1)
            builder.store(multiplied(builder, builder.load(total), unsigned, signed), total)
        builder.store(_lane_sum(builder, builder.load(total)), builder.gep(sums.data, [row.index]))
    return context.get_dummy_value()


def _lane_sum(builder: ir.IRBuilder, register: ir.Value) -> ir.Value:
    kind = ir.FunctionType(_I32, [REGISTER])
    reduction = cgutils.get_or_insert_function(builder.module, kind, "llvm.vector.reduce.add.v16i32")
    return builder.call(reduction, [register])


def _emit_prefetch(
    context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
) -> ir.Value:
    """Write one prefetch instruction a line, into all caches."""
    rows = context.make_array(signature.args[0])(context, builder, arguments[0])
    row_bytes = builder.extract_value(rows.strides, 0)
    start = builder.gep(builder.bitcast(rows.data, _BYTE.as_pointer()), [builder.mul(arguments[1], row_bytes)])
    with cgutils.for_range(builder, arguments[2]) as line:
        ask(builder, builder.gep(start, [builder.mul(line.index, _WORD(LINE))]))
    return context.get_dummy_value()


prefetch: Final = in_registers(_nothing, types.void, _emit_prefetch)
"""prefetch(rows, row, lines): ask for the first `lines` cache lines of rows[row]. Changes nothing but time."""
