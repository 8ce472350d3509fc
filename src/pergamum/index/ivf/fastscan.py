"""Adding up table look-ups inside registers: 64 vectors at a time, two 4-bit codes a byte.

Source   André, Kermarrec, Le Scouarnec, "Cache locality is not enough: high-performance nearest neighbor search with
         product quantization fast scan", VLDB 2015; the layout is that of Guo et al., ICML 2020 (ScaNN).

One instruction (`vpshufb`) looks up as many 4-bit codes as a register has bytes, in a table of 16 bytes that a register
holds. It is reached by LLVM IR, because no compiler finds it in a loop. Only kernels import this.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from llvmlite import binding, ir
from numba import config, types
from numba.core import cgutils
from numba.core.base import BaseContext
from numba.core.typing import Context, Signature
from numba.extending import intrinsic

from pergamum.index.jit import Whole

BLOCK: Final = 64
"""Vectors that are scanned together."""
TABLE: Final = 16
"""Entries of the table of one code."""

Bytes: TypeAlias = npt.NDArray[np.uint8]
Sums: TypeAlias = npt.NDArray[np.uint16]
_Emitter: TypeAlias = Callable[[BaseContext, ir.IRBuilder, Signature, Sequence[ir.Value]], ir.Value]

_FEATURES = binding.get_host_cpu_features()
_INSTRUCTIONS: Final = (
    (64, "llvm.x86.avx512.pshuf.b.512", "avx512bw"),
    (32, "llvm.x86.avx2.pshuf.b", "avx2"),
)
_USABLE = [(width, name) for width, name, feature in _INSTRUCTIONS if _FEATURES.get(feature, False)]
AVAILABLE: Final = bool(_USABLE)
"""Whether this processor has such an instruction."""

_BYTE, _HALF, _I32, _WORD = ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.IntType(64)
_TABLE = ir.VectorType(_BYTE, TABLE)


@intrinsic
def special_sums(
    _: Context, codes: types.Type, start: types.Type, pairs: types.Type, tables: types.Type, sums: types.Type
) -> tuple[Signature, _Emitter]:
    """Do what `portable_sums` of kernels.py does. Cost: some 14 instructions a pair and register."""
    return types.void(codes, start, pairs, tables, sums), _emit_sums if _USABLE else _emit_nothing


def _looped_survivors(sums: Sums, floor: Whole) -> Whole:
    """Return 64 bits: bit j says whether sums[j] >= floor."""
    bits = 0
    for j in range(BLOCK):
        bits |= int(sums[j] >= floor) << j
    return bits


@intrinsic
def _compiled_survivors(_: Context, sums: types.Type, floor: types.Type) -> tuple[Signature, _Emitter]:
    """Do what `_looped_survivors` does, with one comparison a register."""
    return types.uint64(sums, floor), _emit_survivors


def _looped_lowest(bits: Whole) -> Whole:
    """Return the number of the lowest bit that is set. REQUIRES: one is."""
    return (int(bits) & -int(bits)).bit_length() - 1


@intrinsic
def _compiled_lowest(_: Context, bits: types.Type) -> tuple[Signature, _Emitter]:
    """Do what `_looped_lowest` does."""
    return types.int64(bits), _emit_lowest


survivors: Final = _looped_survivors if config.DISABLE_JIT else _compiled_survivors
"""survivors(sums, floor): 64 bits, bit j set where sums[j] >= floor; `floor` u2."""
lowest: Final = _looped_lowest if config.DISABLE_JIT else _compiled_lowest
"""lowest(bits): the number of the lowest bit that is set, of at least one."""


def _emit_nothing(
    context: BaseContext, _builder: ir.IRBuilder, _signature: Signature, _arguments: Sequence[ir.Value]
) -> ir.Value:
    """Compile to nothing where the instruction does not exist; the caller never gets here."""
    return context.get_dummy_value()


def _emit_sums(
    context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
) -> ir.Value:
    """Write the loop over pairs. A register of 8-bit look-ups is added to 16-bit sums as it is, low bytes and high
    bytes at once, and its high bytes again by themselves: taking the second from the first leaves the low ones.
    """
    codes, tables, sums = (context.make_array(signature.args[i])(context, builder, arguments[i]) for i in (0, 3, 4))
    width, name = _USABLE[0]
    registers, halves = BLOCK // width, ir.VectorType(_HALF, width // 2)
    wide = ir.VectorType(_BYTE, width)
    look_up = cgutils.get_or_insert_function(builder.module, ir.FunctionType(wide, [wide, wide]), name)
    first = builder.bitcast(builder.gep(codes.data, [arguments[1]]), wide.as_pointer())
    table = builder.bitcast(tables.data, _TABLE.as_pointer())
    zero = ir.Constant(halves, [0] * (width // 2))
    both, high = ([cgutils.alloca_once_value(builder, zero) for _ in range(registers)] for _ in range(2))
    with cgutils.for_range(builder, arguments[2]) as pair:
        here = builder.mul(pair.index, _WORD(2))
        entries = [_spread(builder, builder.gep(table, [builder.add(here, _WORD(i))]), width) for i in (0, 1)]
        for register in range(registers):
            place = builder.add(builder.mul(pair.index, _WORD(registers)), _WORD(register))
            loaded = builder.load(builder.gep(first, [place]), align=1)
            for code, entry in zip(_nibbles(builder, loaded, width), entries, strict=True):
                found = builder.bitcast(builder.call(look_up, [entry, code]), halves)
                _add(builder, both[register], found)
                _add(builder, high[register], builder.lshr(found, _every(halves, 8)))
    out = builder.bitcast(sums.data, halves.as_pointer())
    for register in range(registers):
        odd = builder.load(high[register])
        even = builder.sub(builder.load(both[register]), builder.shl(odd, _every(halves, 8)))
        for part, lanes in enumerate(_woven(builder, even, odd, width // 2)):
            builder.store(lanes, builder.gep(out, [_WORD(2 * register + part)]), align=1)
    return context.get_dummy_value()


def _every(kind: ir.VectorType, value: int) -> ir.Constant:
    return ir.Constant(kind, [value] * kind.count)


def _spread(builder: ir.IRBuilder, address: ir.Value, width: int) -> ir.Value:
    """Load a table into every 128 bits of a register."""
    order = ir.Constant(ir.VectorType(_I32, width), [i % TABLE for i in range(width)])
    return builder.shuffle_vector(builder.load(address, align=1), ir.Constant(_TABLE, ir.Undefined), order)


def _nibbles(builder: ir.IRBuilder, loaded: ir.Value, width: int) -> tuple[ir.Value, ir.Value]:
    wide, halves = loaded.type, ir.VectorType(_HALF, width // 2)
    shifted = builder.bitcast(builder.lshr(builder.bitcast(loaded, halves), _every(halves, 4)), wide)
    return builder.and_(loaded, _every(wide, 15)), builder.and_(shifted, _every(wide, 15))


def _add(builder: ir.IRBuilder, register: ir.Value, more: ir.Value) -> None:
    builder.store(builder.add(builder.load(register), more), register)


def _woven(builder: ir.IRBuilder, even: ir.Value, odd: ir.Value, count: int) -> tuple[ir.Value, ir.Value]:
    """Return the lanes of both in turn: those of the first half, those of the second."""
    orders = ([start + i // 2 + (i % 2) * count for i in range(count)] for start in (0, count // 2))
    kind = ir.VectorType(_I32, count)
    first, second = (builder.shuffle_vector(even, odd, ir.Constant(kind, order)) for order in orders)
    return first, second


def _emit_survivors(
    context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
) -> ir.Value:
    sums = context.make_array(signature.args[0])(context, builder, arguments[0])
    kind = ir.VectorType(_HALF, BLOCK)
    loaded = builder.load(builder.bitcast(sums.data, kind.as_pointer()), align=2)
    nothing, floor = ir.Constant(kind, ir.Undefined), builder.trunc(arguments[1], _HALF)
    floors = builder.shuffle_vector(
        builder.insert_element(nothing, floor, _I32(0)), nothing, ir.Constant(ir.VectorType(_I32, BLOCK), [0] * BLOCK)
    )
    return builder.bitcast(builder.icmp_unsigned(">=", loaded, floors), _WORD)


def _emit_lowest(
    _context: BaseContext, builder: ir.IRBuilder, _signature: Signature, arguments: Sequence[ir.Value]
) -> ir.Value:
    flag = ir.IntType(1)
    kind = ir.FunctionType(_WORD, [_WORD, flag])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.cttz.i64"), [arguments[0], flag(1)])
