"""Adding up table look-ups inside registers: 64 vectors at a time, two 4-bit codes a byte.

Source   André, Kermarrec, Le Scouarnec, "Cache locality is not enough: high-performance nearest neighbor search with
         product quantization fast scan", VLDB 2015; the layout is that of Guo et al., ICML 2020 (ScaNN).

One instruction (`vpshufb`) looks up as many 4-bit codes as a register has bytes, in a table of 16 bytes that a register
holds. It is reached by LLVM IR, because no compiler finds it in a loop. Only kernels import this.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.base import BaseContext
from numba.core.typing import Context, Signature
from numba.extending import intrinsic

from pergamum.index.ivf.layout import BLOCK, TABLE
from pergamum.index.jit import Real, Whole
from pergamum.index.registers import SHUFFLES, Emitter, add_to, ask, emit_nothing, every, in_registers, nibbles, splat

MOST_ENTRY: Final = 63
"""The greatest entry: four of them are added within a byte."""
MOST_SUM: Final = 65_535
AHEAD: Final = 32
"""Lines of codes between what is added up and what is fetched; a sixth less time where a vector has many codes."""

Bytes: TypeAlias = npt.NDArray[np.uint8]
Sums: TypeAlias = npt.NDArray[np.uint16]
Floats: TypeAlias = npt.NDArray[np.float32]
Keys: TypeAlias = npt.NDArray[np.int32]
Books: TypeAlias = npt.NDArray[np.float32]

_BYTE, _HALF, _I32, _WORD, _F4 = ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.IntType(64), ir.FloatType()
_TABLE = ir.VectorType(_BYTE, TABLE)


@intrinsic
def special_sums(
    _: Context, codes: types.Type, start: types.Type, pairs: types.Type, tables: types.Type, sums: types.Type
) -> tuple[Signature, Emitter]:
    """Do what `portable_sums` of scan_kernels.py does. Cost: some nine instructions a pair and register."""
    return types.void(codes, start, pairs, tables, sums), _emit_sums if SHUFFLES else emit_nothing


def _looped_survivors(
    sums: Sums, numbers: Floats, terms: tuple[Real, Real, Real], floor: Real, scores: Floats
) -> Whole:
    """Fill `scores`, see `survivors`; return 64 bits: bit j says whether scores[j] >= floor."""
    base, low, step = terms
    bits = 0
    for j in range(BLOCK):
        scores[j] = ((step * np.float32(sums[j]) + low) * numbers[j] + numbers[BLOCK + j]) + base
        bits |= int(scores[j] >= floor) << j
    return bits


def _looped_entries(books: Books, code: Whole, terms: tuple[Real, Real, Real, Real], tables: Bytes) -> None:
    """Fill the table of one code, see `entries`."""
    across, up, half, top = terms
    for i in range(TABLE):
        entry = across * books[code, 0, i] + up * books[code, 1, i] + half
        tables[TABLE * code + i] = np.uint8(np.int32(max(np.float32(0.0), min(top, entry))))


def _emit_entries(
    context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
) -> ir.Value:
    books, tables = (context.make_array(signature.args[i])(context, builder, arguments[i]) for i in (0, 3))
    kind, whole = ir.VectorType(_F4, TABLE), ir.VectorType(_I32, TABLE)
    across, up, half, top = (splat(builder, builder.extract_value(arguments[2], i), kind) for i in range(4))
    rows = builder.bitcast(books.data, kind.as_pointer())
    first = builder.shl(arguments[1], _WORD(1))
    one, other = (builder.load(builder.gep(rows, [builder.add(first, _WORD(i))]), align=4) for i in (0, 1))
    entry = builder.fadd(builder.fadd(builder.fmul(across, one), builder.fmul(up, other)), half)
    entry = builder.select(builder.fcmp_ordered("<", entry, top), entry, top)
    zero = ir.Constant(kind, [0.0] * TABLE)
    entry = builder.select(builder.fcmp_ordered(">", entry, zero), entry, zero)
    out = builder.bitcast(tables.data, _TABLE.as_pointer())
    builder.store(builder.trunc(builder.fptosi(entry, whole), _TABLE), builder.gep(out, [arguments[1]]), align=1)
    return context.get_dummy_value()


entries: Final = in_registers(_looped_entries, types.void, _emit_entries)
"""entries(books, code, (across, up, half, top), tables): table i of `code`, as a byte, is what is left of

    across * books[code, 0, i] + up * books[code, 1, i] + half        in float32, at least 0, at most `top`

without its fraction. Shapes: books f4 (m, 2, 16) | tables u1 (16 m,).
"""


def _looped_reaching(keys: Keys, start: Whole, least: Whole) -> Whole:
    """Return 64 bits: bit j says whether keys[start + j] >= least."""
    bits = 0
    for j in range(BLOCK):
        bits |= int(keys[start + j] >= least) << j
    return bits


def _emit_reaching(
    context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
) -> ir.Value:
    keys, kind = context.make_array(signature.args[0])(context, builder, arguments[0]), ir.VectorType(_I32, BLOCK)
    loaded = builder.load(builder.bitcast(builder.gep(keys.data, [arguments[1]]), kind.as_pointer()), align=4)
    return builder.bitcast(builder.icmp_signed(">=", loaded, splat(builder, arguments[2], kind)), _WORD)


reaching: Final = in_registers(_looped_reaching, types.uint64, _emit_reaching)
"""reaching(keys, start, least): 64 bits, bit j set where keys[start + j] >= least. Shapes: keys i4 (>= start + 64,)."""


def _looped_reached(keys: Keys, stop: Whole, least: Whole) -> Whole:
    """Return how many of keys[:stop] reach `least`, see `reached`."""
    count = 0
    for key in keys[:stop]:
        count += int(key >= least)
    return count


def _emit_reached(
    context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
) -> ir.Value:
    keys, kind = context.make_array(signature.args[0])(context, builder, arguments[0]), ir.VectorType(_I32, BLOCK)
    rows, least = builder.bitcast(keys.data, kind.as_pointer()), splat(builder, arguments[2], kind)
    total = cgutils.alloca_once_value(builder, every(kind, 0))
    with cgutils.for_range(builder, builder.lshr(arguments[1], _WORD(6))) as row:
        loaded = builder.load(builder.gep(rows, [row.index]), align=4)
        add_to(builder, total, builder.zext(builder.icmp_signed(">=", loaded, least), kind))
    name, whole = f"llvm.vector.reduce.add.v{BLOCK}i32", ir.FunctionType(_I32, [kind])
    count = builder.call(cgutils.get_or_insert_function(builder.module, whole, name), [builder.load(total)])
    return builder.zext(count, _WORD)


reached: Final = in_registers(_looped_reached, types.int64, _emit_reached)
"""reached(keys, stop, least): how many of keys[:stop] are >= least; `stop` a multiple of 64. Left to the compiler, it
counts in 64 bits.
"""


def _emit_sums(
    context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
) -> ir.Value:
    """Write the loop over pairs, two at a time. Four look-ups are added as bytes, and these to 16-bit sums as they
    are, low bytes and high bytes at once, and their high bytes again by themselves: taking the second from the first
    leaves the low ones.
    """
    codes, tables, sums = (context.make_array(signature.args[i])(context, builder, arguments[i]) for i in (0, 3, 4))
    width = SHUFFLES[0][0]
    registers, halves = BLOCK // width, ir.VectorType(_HALF, width // 2)
    first = builder.bitcast(builder.gep(codes.data, [arguments[1]]), ir.VectorType(_BYTE, width).as_pointer())
    table = builder.bitcast(tables.data, _TABLE.as_pointer())
    zero = ir.Constant(halves, [0] * (width // 2))
    both, high = ([cgutils.alloca_once_value(builder, zero) for _ in range(registers)] for _ in range(2))

    def add(pairs: Sequence[ir.Value]) -> None:
        for register in range(registers):
            bytes_ = [found for pair in pairs for found in _looked_up(builder, first, table, pair, register)]
            found = builder.bitcast(_total(builder, bytes_), halves)
            add_to(builder, both[register], found)
            add_to(builder, high[register], builder.lshr(found, every(halves, 8)))

    with cgutils.for_range(builder, builder.lshr(arguments[2], _WORD(1))) as two:
        pair = builder.shl(two.index, _WORD(1))
        add([pair, builder.add(pair, _WORD(1))])
    with cgutils.if_unlikely(builder, builder.trunc(arguments[2], ir.IntType(1))):
        add([builder.sub(arguments[2], _WORD(1))])
    out = builder.bitcast(sums.data, halves.as_pointer())
    for register in range(registers):
        odd = builder.load(high[register])
        even = builder.sub(builder.load(both[register]), builder.shl(odd, every(halves, 8)))
        for part, lanes in enumerate(_woven(builder, even, odd, width // 2)):
            builder.store(lanes, builder.gep(out, [_WORD(2 * register + part)]), align=1)
    return context.get_dummy_value()


def _looked_up(
    builder: ir.IRBuilder, codes: ir.Value, table: ir.Value, pair: ir.Value, register: int
) -> tuple[ir.Value, ir.Value]:
    """Return the entries of the low and of the high codes of a pair, for the vectors of one register."""
    width, name = SHUFFLES[0]
    wide = ir.VectorType(_BYTE, width)
    look_up = cgutils.get_or_insert_function(builder.module, ir.FunctionType(wide, [wide, wide]), name)
    place = builder.add(builder.mul(pair, _WORD(BLOCK // width)), _WORD(register))
    low, high = nibbles(builder, builder.load(builder.gep(codes, [place]), align=1))
    if register == 0:
        ahead = builder.add(place, _WORD(AHEAD * (BLOCK // width)))
        ask(builder, builder.gep(codes, [ahead]))
    here = builder.shl(pair, _WORD(1))
    of_low, of_high = (_spread(builder, builder.gep(table, [builder.add(here, _WORD(i))]), width) for i in (0, 1))
    return builder.call(look_up, [of_low, low]), builder.call(look_up, [of_high, high])


def _total(builder: ir.IRBuilder, parts: Sequence[ir.Value]) -> ir.Value:
    while len(parts) > 1:
        parts = [builder.add(parts[i], parts[i + 1]) for i in range(0, len(parts), 2)]
    return parts[0]


def _spread(builder: ir.IRBuilder, address: ir.Value, width: int) -> ir.Value:
    """Load a table into every 128 bits of a register."""
    order = ir.Constant(ir.VectorType(_I32, width), [i % TABLE for i in range(width)])
    return builder.shuffle_vector(builder.load(address, align=1), ir.Constant(_TABLE, ir.Undefined), order)


def _woven(builder: ir.IRBuilder, even: ir.Value, odd: ir.Value, count: int) -> tuple[ir.Value, ir.Value]:
    """Return the lanes of both in turn: those of the first half, those of the second."""
    orders = ([start + i // 2 + (i % 2) * count for i in range(count)] for start in (0, count // 2))
    kind = ir.VectorType(_I32, count)
    first, second = (builder.shuffle_vector(even, odd, ir.Constant(kind, order)) for order in orders)
    return first, second


def _emit_survivors(
    context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
) -> ir.Value:
    sums, numbers, scores = (context.make_array(signature.args[i])(context, builder, arguments[i]) for i in (0, 1, 4))
    kind = ir.VectorType(_F4, BLOCK)
    base, low, step = (splat(builder, builder.extract_value(arguments[2], i), kind) for i in range(3))
    summed = builder.load(builder.bitcast(sums.data, ir.VectorType(_HALF, BLOCK).as_pointer()), align=2)
    gains, shifts = (
        builder.load(builder.bitcast(builder.gep(numbers.data, [_WORD(BLOCK * i)]), kind.as_pointer()), align=4)
        for i in (0, 1)
    )
    score = builder.fadd(builder.fmul(step, builder.uitofp(summed, kind)), low)
    score = builder.fadd(builder.fadd(builder.fmul(score, gains), shifts), base)
    builder.store(score, builder.bitcast(scores.data, kind.as_pointer()), align=4)
    return builder.bitcast(builder.fcmp_ordered(">=", score, splat(builder, arguments[3], kind)), _WORD)


survivors: Final = in_registers(_looped_survivors, types.uint64, _emit_survivors)
"""survivors(sums, numbers, (base, low, step), floor, scores): 64 bits, bit j set where scores[j] >= floor, where

    scores[j] = ((step * sums[j] + low) * numbers[j] + numbers[64 + j]) + base        in float32

Shapes   sums u2 (64,) | numbers f4 (>= 128,): gains, then shifts | all others f4, scores (64,) to be filled.
"""
