"""Putting arrays together again from the addresses in a `Bound`."""

import ctypes
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from llvmlite import ir
from numba import carray, types
from numba.core.base import BaseContext
from numba.core.typing import Signature
from numba.np.arrayobj import make_array, populate_array

from pergamum.index.bound import ADDRESS, COLUMNS, ROWS, Bound
from pergamum.index.jit import I8, Whole, array
from pergamum.index.registers import in_registers

Taken: TypeAlias = Callable[[Bound, Whole], Any]
"""taken(table, place): the array in row `place` of a `Bound`, of the type that was asked for."""

BOUND = array(I8, 2, readonly=True)
_WORD = ir.IntType(64)


def taken(kind: types.Array) -> Taken:
    """Return a function, for kernels, that puts together the arrays of one type. O(1)."""

    def emit(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        table = context.make_array(signature.args[0])(context, builder, arguments[0])
        start = builder.mul(arguments[1], _WORD(3))
        address, rows, columns = (
            builder.load(builder.gep(table.data, [builder.add(start, _WORD(part))]))
            for part in (ADDRESS, ROWS, COLUMNS)
        )
        size = context.get_abi_sizeof(context.get_data_type(kind.dtype))
        strides = [_WORD(size)] if kind.ndim == 1 else [builder.mul(columns, _WORD(size)), _WORD(size)]
        whole = make_array(kind)(context, builder)
        data = builder.inttoptr(address, context.get_data_type(kind.dtype).as_pointer())
        shape = [rows] if kind.ndim == 1 else [rows, columns]
        populate_array(whole, data=data, shape=shape, strides=strides, itemsize=_WORD(size), meminfo=None)
        return whole._getvalue()

    def looped(table: Bound, place: Whole) -> Whole:
        shape = tuple(int(size) for size in table[place, ROWS : ROWS + kind.ndim])
        if 0 in shape:
            return np.empty(shape, np.dtype(str(kind.dtype)))
        return carray(ctypes.c_void_p(int(table[place, ADDRESS])), shape, np.dtype(str(kind.dtype)))

    return in_registers(looped, kind, emit)
