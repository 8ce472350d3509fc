"""Dot products of chosen rows of codes by `vpdpbusd`, and asking for memory ahead of its use.

Only kernels import this. Both are reached by LLVM IR: no compiler finds the first in a plain loop, and no Python
statement means the second. Where numba compiles nothing (NUMBA_DISABLE_JIT=1) neither is ever called.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy.typing as npt
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.core.base import BaseContext
from numba.core.typing import Context, Signature
from numba.extending import intrinsic

from pergamum.index.arrays import LINE
from pergamum.index.brute_force.vnni import AVAILABLE
from pergamum.index.jit import Whole

_Emitter: TypeAlias = Callable[[BaseContext, ir.IRBuilder, Signature, Sequence[ir.Value]], ir.Value]

_BYTE, _I32, _WORD = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_REGISTER = ir.VectorType(_I32, 16)


@intrinsic
def dots(
    _: Context, codes: types.Type, slots: types.Type, count: types.Type, query: types.Type, sums: types.Type
) -> tuple[Signature, _Emitter]:
    """Do what `portable_row_dots` of row_kernels.py does. REQUIRES a processor that has the instruction.

    Cost     count * stride / 64 instructions and as many loads; the sum over the lanes of a register ends each row.
    """
    return types.void(codes, slots, count, query, sums), _emit_dots if AVAILABLE else _emit_nothing


@intrinsic
def _prefetch(_: Context, rows: types.Type, row: types.Type, lines: types.Type) -> tuple[Signature, _Emitter]:
    """Ask for the first `lines` cache lines of rows[row]."""
    return types.void(rows, row, lines), _emit_prefetch


def _nothing(_rows: npt.NDArray[Any], _row: Whole, _lines: Whole) -> None:
    """Stand for `_prefetch` where nothing is compiled."""


prefetch = _nothing if config.DISABLE_JIT else _prefetch
"""prefetch(rows, row, lines): ask for the first `lines` cache lines of rows[row]. Changes nothing but time."""


def _emit_nothing(
    context: BaseContext, _builder: ir.IRBuilder, _signature: Signature, _arguments: Sequence[ir.Value]
) -> ir.Value:
    """Compile to nothing where the instruction does not exist; the caller never gets here."""
    return context.get_dummy_value()


def _emit_dots(
    context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
) -> ir.Value:
    """Write the loop over rows, and in it the loop over the lines of a row."""
    codes, slots, query, sums = (
        context.make_array(signature.args[i])(context, builder, arguments[i]) for i in (0, 1, 3, 4)
    )
    stride = builder.extract_value(codes.shape, 1)
    lines = builder.udiv(stride, _WORD(LINE))
    numbers = builder.bitcast(query.data, _REGISTER.as_pointer())
    total = cgutils.alloca_once(builder, _REGISTER)
    with cgutils.for_range(builder, arguments[2]) as row:
        slot = builder.zext(builder.load(builder.gep(slots.data, [row.index])), _WORD)
        start = builder.bitcast(builder.gep(codes.data, [builder.mul(slot, stride)]), _REGISTER.as_pointer())
        builder.store(ir.Constant(_REGISTER, [0] * 16), total)
        with cgutils.for_range(builder, lines) as line:
            unsigned = builder.load(builder.gep(start, [line.index]), align=1)
            signed = builder.load(builder.gep(numbers, [line.index]), align=1)
            builder.store(_multiplied(builder, builder.load(total), unsigned, signed), total)
        builder.store(_lane_sum(builder, builder.load(total)), builder.gep(sums.data, [row.index]))
    return context.get_dummy_value()


def _multiplied(builder: ir.IRBuilder, total: ir.Value, unsigned: ir.Value, signed: ir.Value) -> ir.Value:
    """Add to each lane of `total` the four products of unsigned and signed bytes."""
    kind = ir.FunctionType(_REGISTER, [_REGISTER] * 3)
    instruction = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx512.vpdpbusd.512")
    return builder.call(instruction, [total, unsigned, signed])


def _lane_sum(builder: ir.IRBuilder, register: ir.Value) -> ir.Value:
    kind = ir.FunctionType(_I32, [_REGISTER])
    reduction = cgutils.get_or_insert_function(builder.module, kind, "llvm.vector.reduce.add.v16i32")
    return builder.call(reduction, [register])


def _emit_prefetch(
    context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
) -> ir.Value:
    """Write one prefetch instruction a line, into all caches."""
    rows = context.make_array(signature.args[0])(context, builder, arguments[0])
    row_bytes = builder.extract_value(rows.strides, 0)
    start = builder.gep(builder.bitcast(rows.data, _BYTE.as_pointer()), [builder.mul(arguments[1], row_bytes)])
    kind = ir.FunctionType(ir.VoidType(), [_BYTE.as_pointer(), _I32, _I32, _I32])
    instruction = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
    with cgutils.for_range(builder, arguments[2]) as line:
        address = builder.gep(start, [builder.mul(line.index, _WORD(LINE))])
        builder.call(instruction, [address, _I32(0), _I32(3), _I32(1)])
    return context.get_dummy_value()
