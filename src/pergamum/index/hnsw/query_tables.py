"""What a query does once before it walks, 16 numbers at a time: its largest number, its tables.

Left to the compiler both went one number at a time, because a float has no order among NaNs, and took half of the time.
Only kernels import this.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.base import BaseContext
from numba.core.typing import Signature

from pergamum.index.arrays import LINE
from pergamum.index.hnsw.wide import GROUP, UNIT, Bytes, Floats, patterns_of
from pergamum.index.jit import Real, Whole
from pergamum.index.registers import every, in_registers, splat

_BYTE, _F4, _I32, _WORD = ir.IntType(8), ir.FloatType(), ir.IntType(32), ir.IntType(64)
_REGISTER, _WHOLES = ir.VectorType(_F4, UNIT), ir.VectorType(_I32, UNIT)
_CODES: Final = 4
"""Codes in a register of a block."""


def _place_of(code: int) -> int:
    """Return where in the 128 bytes of tables of a register those of its code begin."""
    return LINE * (code % 2) + GROUP * (code // 2)


def _looped_largest(x: Floats) -> Real:
    """Return max |x[i]|. REQUIRES: len(x) is a multiple of UNIT, nothing is NaN. O(d)."""
    return np.abs(x).max()


def _looped_tables(bits: Whole, turned: Floats, peak: Real, scale: Real, tables: Bytes) -> None:
    """Write (what a code adds to <z, R y> + peak) * scale, rounded, for all codes; see `make_tables`.

    Shapes   turned f4 (padded + 4,) | tables u1 (128 * registers,). REQUIRES: the results are in [0, 255].
    Cost     O(16 * padded).
    """
    each, patterns = 4 // int(bits), patterns_of(int(bits))
    for code in range((len(turned) - 4) // each):
        numbers = turned[each * code : each * code + 4, None]
        terms = numbers * patterns
        entries = (((terms[0] + terms[1]) + (terms[2] + terms[3])) + peak) * scale + np.float32(0.5)
        start = 2 * LINE * (code // _CODES) + _place_of(code % _CODES)
        tables[start : start + GROUP] = np.tile(entries.astype(np.int32).astype(np.uint8), 2)


def _emit_largest(
    context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
) -> ir.Value:
    """Compare the bits without the sign: among those of floats that is the order of their sizes."""
    x = context.make_array(signature.args[0])(context, builder, arguments[0])
    start = builder.bitcast(x.data, _WHOLES.as_pointer())
    most = cgutils.alloca_once_value(builder, every(_WHOLES, 0))
    with cgutils.for_range(builder, builder.udiv(builder.extract_value(x.shape, 0), _WORD(UNIT))) as loop:
        loaded = builder.load(builder.gep(start, [loop.index]), align=4)
        size, before = builder.and_(loaded, every(_WHOLES, 0x7FFFFFFF)), builder.load(most)
        builder.store(builder.select(builder.icmp_signed(">", size, before), size, before), most)
    reduce = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(_I32, [_WHOLES]), f"llvm.vector.reduce.smax.v{UNIT}i32"
    )
    return builder.bitcast(builder.call(reduce, [builder.load(most)]), _F4)


def _emit_tables(
    context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
) -> ir.Value:
    turned, tables = (context.make_array(signature.args[i])(context, builder, arguments[i]) for i in (1, 4))
    line = [splat(builder, arguments[i], _REGISTER) for i in (2, 3)]
    padded = builder.sub(builder.extract_value(turned.shape, 0), _WORD(4))
    with builder.if_else(builder.icmp_signed("==", arguments[0], _WORD(1))) as (one_bit, two_bits):
        with one_bit:
            _emit_registers(builder, 1, (turned.data, tables.data), padded, line)
        with two_bits:
            _emit_registers(builder, 2, (turned.data, tables.data), padded, line)
    return context.get_dummy_value()


def _emit_registers(
    builder: ir.IRBuilder, bits: int, arrays: tuple[ir.Value, ir.Value], padded: ir.Value, line: Sequence[ir.Value]
) -> None:
    """Write the loop over the registers of a block."""
    (turned, tables), numbers = arrays, UNIT // bits
    with cgutils.for_range(builder, builder.udiv(padded, _WORD(numbers))) as loop:
        first = builder.gep(turned, [builder.mul(loop.index, _WORD(numbers))])
        out = builder.gep(tables, [builder.mul(loop.index, _WORD(2 * LINE))])
        _emit_register(builder, bits, first, line, out)


def _emit_register(builder: ir.IRBuilder, bits: int, first: ir.Value, line: Sequence[ir.Value], out: ir.Value) -> None:
    """Write the tables of the four codes of a register."""
    each, patterns, kind = 4 // bits, patterns_of(bits), ir.VectorType(_BYTE, UNIT)
    for code in range(_CODES):
        numbers = [builder.load(builder.gep(first, [_WORD(each * code + i)]), align=4) for i in range(each)]
        terms = [
            builder.fmul(splat(builder, number, _REGISTER), ir.Constant(_REGISTER, pattern.tolist()))
            for number, pattern in zip(numbers, patterns, strict=False)
        ]
        both = [builder.fadd(terms[i], terms[i + 1]) for i in range(0, each, 2)]
        total = both[0] if len(both) == 1 else builder.fadd(*both)
        scaled = builder.fadd(builder.fmul(builder.fadd(total, line[0]), line[1]), ir.Constant(_REGISTER, [0.5] * UNIT))
        entries = builder.trunc(builder.fptosi(scaled, _WHOLES), kind)
        for copy in (0, UNIT):
            place = builder.gep(out, [_WORD(_place_of(code) + copy)])
            builder.store(entries, builder.bitcast(place, kind.as_pointer()), align=1)


largest: Final = in_registers(_looped_largest, types.float32, _emit_largest)
"""largest(x): see `_looped_largest`."""
write_tables: Final = in_registers(_looped_tables, types.void, _emit_tables)
"""write_tables(bits, turned, peak, scale, tables): see `_looped_tables`."""
