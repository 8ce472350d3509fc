"""Making room in a sorted array: one move of memory. Only kernels import this."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.base import BaseContext
from numba.core.typing import Signature

from pergamum.index.jit import Whole
from pergamum.index.registers import in_registers

_BYTE, _WORD = ir.IntType(8), ir.IntType(64)


def _looped_shift(pool: npt.NDArray[np.uint64], place: Whole, last: Whole) -> None:
    """Move the entries [place, last) up by one. O(last - place)."""
    pool[place + 1 : last + 1] = pool[place:last].copy()


def _emit_shift(
    context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
) -> ir.Value:
    pool = context.make_array(signature.args[0])(context, builder, arguments[0])
    source = builder.gep(pool.data, [arguments[1]])
    target = builder.gep(source, [_WORD(1)])
    pointer = _BYTE.as_pointer()
    size = builder.mul(builder.sub(arguments[2], arguments[1]), _WORD(8))
    kind = ir.FunctionType(ir.VoidType(), [pointer, pointer, _WORD, ir.IntType(1)])
    move = cgutils.get_or_insert_function(builder.module, kind, "llvm.memmove.p0i8.p0i8.i64")
    builder.call(move, [builder.bitcast(target, pointer), builder.bitcast(source, pointer), size, ir.IntType(1)(0)])
    return context.get_dummy_value()


shift: Final = in_registers(_looped_shift, types.void, _emit_shift)
"""shift(pool, place, last): move the entries [place, last) up by one; a loop that reads what it has just written goes
one entry at a time."""
