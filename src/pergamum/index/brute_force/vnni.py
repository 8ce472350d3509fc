"""The search for the next group of codes that a threshold does not rule out, in registers from the codes to the answer.

Only `kernels.py` imports this. Not the products alone are written in LLVM IR: groups go by at the speed of memory only
if nothing else, no test of a flag and no store, takes its time between them.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.base import BaseContext
from numba.core.typing import Context, Signature
from numba.extending import intrinsic

from pergamum.index.distance_kernels import L2
from pergamum.index.quantize import BASE, ERROR, OFFSET, PER_ERROR, PER_SCALE, ROUNDING, SQUARE, STEP, TERMS
from pergamum.index.registers import REGISTER, VNNI, Emitter, ask, emit_nothing, every, multiplied, splat

WIDENED = 1.0 + 2.0**-30
"""Factor of a squared reach that covers ROUNDING and the rounding of the test; see `count_gaps` of kernels.py."""

_BYTE, _I32, _WORD, _F8 = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.DoubleType()
_LANES, _REGISTERS = 16, 4
_FLAGS = ir.VectorType(_BYTE, _LANES * _REGISTERS)
_NARROW, _WIDE = ir.VectorType(ir.FloatType(), _LANES), ir.VectorType(_F8, _LANES)

_AHEAD = 128
"""Lines of 64 bytes between what is multiplied and what is fetched from memory."""

_Test: TypeAlias = Callable[[ir.IRBuilder, "_Scan", ir.Value, ir.Value], ir.Value]


class _Scan(NamedTuple):
    """Addresses of the arrays, and numbers, of one search for the next group. Those of a query begin at its row."""

    codes: ir.Value
    units: ir.Value
    scales: ir.Value
    errors: ir.Value
    squares: ir.Value
    allowed: ir.Value
    stop: ir.Value
    digits: ir.Value
    terms: ir.Value
    limit: ir.Value
    sums: ir.Value


@intrinsic
def vnni_next_within(
    _: Context,
    block: types.Type,
    allowed: types.Type,
    groups: types.Type,
    asked: types.Type,
    queries: types.Type,
    sums: types.Type,
) -> tuple[Signature, Emitter]:
    """Do what `portable_next_within` of kernels.py does: the same groups, the same sums. REQUIRES `VNNI`.

    Cost     units * 8 instructions a group and some 120 for its test, O(1) memory: accumulators stay in registers.
             Lines are asked for 8 KiB ahead, across the page borders where the processor's own prefetcher stops.
    """
    signature = types.int64(block, allowed, groups, asked, queries, sums)
    return signature, _emit if VNNI else emit_nothing


def _emit(context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]) -> ir.Value:
    """Write the loop over groups, once for l2 and once for the other metrics."""
    scan = _operands(context, builder, signature, arguments)
    place = cgutils.alloca_once_value(builder, builder.extract_value(arguments[2], 0))
    metric = builder.extract_value(arguments[3], 0)
    with builder.if_else(builder.icmp_signed("==", metric, _WORD(L2))) as (gaps, products):
        with gaps:
            _emit_groups(builder, scan, place, _gap_test(builder, scan))
        with products:
            _emit_groups(builder, scan, place, _product_test(builder, scan))
    return builder.load(place)


def _operands(
    context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
) -> _Scan:
    def address(kind: types.Type, value: ir.Value) -> ir.Value:
        return context.make_array(kind)(context, builder, value).data

    def fields(place: int) -> list[ir.Value]:
        kinds = signature.args[place].types
        return [address(kind, builder.extract_value(arguments[place], i)) for i, kind in enumerate(kinds)]

    codes, scales, errors, squares = fields(0)
    _, digits, terms = fields(4)
    whole = context.make_array(signature.args[0].types[0])(context, builder, builder.extract_value(arguments[0], 0))
    units, row = builder.extract_value(whole.shape, 1), builder.extract_value(arguments[3], 1)
    numbers = builder.bitcast(digits, _I32.as_pointer())
    return _Scan(
        codes=builder.bitcast(codes, REGISTER.as_pointer()),
        units=units,
        scales=builder.bitcast(scales, _NARROW.as_pointer()),
        errors=builder.bitcast(errors, _NARROW.as_pointer()),
        squares=builder.bitcast(squares, REGISTER.as_pointer()),
        allowed=builder.bitcast(address(signature.args[1], arguments[1]), _FLAGS.as_pointer()),
        stop=builder.extract_value(arguments[2], 1),
        digits=builder.gep(numbers, [builder.mul(row, builder.mul(units, _WORD(2)))]),
        terms=builder.gep(terms, [builder.mul(row, _WORD(TERMS))]),
        limit=builder.extract_value(arguments[3], 2),
        sums=builder.bitcast(address(signature.args[5], arguments[5]), REGISTER.as_pointer()),
    )


def _emit_groups(builder: ir.IRBuilder, scan: _Scan, place: ir.Value, test: _Test) -> None:
    """Write the loop that raises the number at `place` until its group passes `test`, and stores that one's sums."""
    again, look, multiply, found, on, end = (
        builder.append_basic_block(name) for name in ("again", "look", "multiply", "found", "on", "end")
    )
    builder.branch(again)
    builder.position_at_end(again)
    group = builder.load(place)
    builder.cbranch(builder.icmp_signed("<", group, scan.stop), look, end)
    builder.position_at_end(look)
    builder.cbranch(_any_allowed(builder, scan, group), multiply, on)
    builder.position_at_end(multiply)
    sums = _multiplied(builder, scan, group)
    builder.cbranch(_any_within(builder, scan, group, (sums, test)), found, on)
    builder.position_at_end(found)
    for number, register in enumerate(sums):
        builder.store(builder.load(register), builder.gep(scan.sums, [_WORD(number)]), align=1)
    builder.branch(end)
    builder.position_at_end(on)
    builder.store(builder.add(group, _WORD(1)), place)
    builder.branch(again)
    builder.position_at_end(end)


def _any_allowed(builder: ir.IRBuilder, scan: _Scan, group: ir.Value) -> ir.Value:
    """Return whether one of the 64 flags is set."""
    flags = builder.load(builder.gep(scan.allowed, [group]), align=1)
    return _any(builder, builder.icmp_unsigned("!=", flags, every(_FLAGS, 0)))


def _any(builder: ir.IRBuilder, mask: ir.Value) -> ir.Value:
    bits = ir.IntType(mask.type.count)
    return builder.icmp_unsigned("!=", builder.bitcast(mask, bits), bits(0))


def _multiplied(builder: ir.IRBuilder, scan: _Scan, group: ir.Value) -> list[ir.Value]:
    """Write the loop over units; return where the sums are, four registers of the high digits, then of the low."""
    first = builder.mul(builder.mul(group, scan.units), _WORD(_REGISTERS))
    sums = [cgutils.alloca_once(builder, REGISTER) for _ in range(2 * _REGISTERS)]
    for register in sums:
        builder.store(every(REGISTER, 0), register)
    with cgutils.for_range(builder, scan.units) as loop:
        high, low = (
            splat(builder, builder.load(builder.gep(scan.digits, [place]), align=1), REGISTER)
            for place in (loop.index, builder.add(scan.units, loop.index))
        )
        line = builder.add(first, builder.mul(loop.index, _WORD(_REGISTERS)))
        for register in range(_REGISTERS):
            ask(builder, builder.gep(scan.codes, [builder.add(line, _WORD(register + _AHEAD))]))
            codes_here = builder.load(builder.gep(scan.codes, [builder.add(line, _WORD(register))]), align=1)
            for total, digits in ((sums[register], high), (sums[_REGISTERS + register], low)):
                builder.store(multiplied(builder, builder.load(total), codes_here, digits), total)
    return sums


def _any_within(
    builder: ir.IRBuilder, scan: _Scan, group: ir.Value, tested: tuple[Sequence[ir.Value], _Test]
) -> ir.Value:
    """Return whether one of the 64 slots passes the test."""
    sums, test = tested
    first = builder.mul(group, _WORD(_REGISTERS))
    passed = ir.Constant(ir.VectorType(ir.IntType(1), _LANES), [0] * _LANES)
    offset = _term(builder, scan, OFFSET)
    for register in range(_REGISTERS):
        high, low = (builder.sitofp(builder.load(sums[place]), _WIDE) for place in (register, _REGISTERS + register))
        product = builder.fsub(builder.fadd(builder.fmul(_all(256.0), high), low), offset)
        passed = builder.or_(passed, test(builder, scan, builder.add(first, _WORD(register)), product))
    return _any(builder, passed)


def _product_test(builder: ir.IRBuilder, scan: _Scan) -> _Test:
    """Return the test of `count_products`."""
    step, per_scale, per_error, base = (_term(builder, scan, place) for place in (STEP, PER_SCALE, PER_ERROR, BASE))
    needed = builder.fsub(base, splat(builder, scan.limit, _WIDE))

    def test(builder: ir.IRBuilder, scan: _Scan, line: ir.Value, product: ir.Value) -> ir.Value:
        scale, error = _widened(builder, scan.scales, line), _widened(builder, scan.errors, line)
        upper = builder.fmul(scale, builder.fadd(builder.fmul(step, product), per_scale))
        return builder.fcmp_ordered(">=", builder.fadd(upper, builder.fmul(error, per_error)), needed)

    return test


def _gap_test(builder: ir.IRBuilder, scan: _Scan) -> _Test:
    """Return the test of `count_gaps`."""
    step, square, lost = (_term(builder, scan, place) for place in (STEP, SQUARE, ERROR))
    limit = splat(builder, scan.limit, _WIDE)

    def test(builder: ir.IRBuilder, scan: _Scan, line: ir.Value, product: ir.Value) -> ir.Value:
        scale, error = _widened(builder, scan.scales, line), _widened(builder, scan.errors, line)
        squares = builder.sitofp(builder.load(builder.gep(scan.squares, [line]), align=4), _WIDE)
        total = builder.fadd(square, builder.fmul(builder.fmul(scale, scale), squares))
        gap = builder.fsub(total, builder.fmul(builder.fmul(_all(2.0), scale), builder.fmul(step, product)))
        reach = builder.fadd(builder.fadd(error, lost), limit)
        least = builder.fsub(gap, builder.fmul(_all(ROUNDING), total))
        return builder.fcmp_ordered("<=", least, builder.fmul(builder.fmul(reach, reach), _all(WIDENED)))

    return test


def _term(builder: ir.IRBuilder, scan: _Scan, place: int) -> ir.Value:
    """Return one of the query's terms in all lanes."""
    return splat(builder, builder.load(builder.gep(scan.terms, [_WORD(place)])), _WIDE)


def _all(number: float) -> ir.Constant:
    return ir.Constant(_WIDE, [number] * _LANES)


def _widened(builder: ir.IRBuilder, lines: ir.Value, line: ir.Value) -> ir.Value:
    """Load sixteen float32 as float64."""
    return builder.fpext(builder.load(builder.gep(lines, [line]), align=4), _WIDE)
