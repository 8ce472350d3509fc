"""What kernels of several kinds write in LLVM IR: which shuffle instruction there is, sums of its look-ups, set bits.

Only kernels import this.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from llvmlite import binding, ir
from numba import config, types
from numba.core import cgutils
from numba.core.base import BaseContext
from numba.core.typing import Context, Signature
from numba.extending import intrinsic

from pergamum.index.jit import Whole

Emitter: TypeAlias = Callable[[BaseContext, ir.IRBuilder, Signature, Sequence[ir.Value]], ir.Value]

_HALF, _I32 = ir.IntType(16), ir.IntType(32)
_FEATURES = binding.get_host_cpu_features()
_SHUFFLES: Final = (
    (64, "llvm.x86.avx512.pshuf.b.512", "avx512bw"),
    (32, "llvm.x86.avx2.pshuf.b", "avx2"),
)
SHUFFLES = [(width, name) for width, name, feature in _SHUFFLES if _FEATURES.get(feature, False)]
"""Instructions of this processor that look up as many 4-bit codes as a register has bytes, each in the table of 16
bytes in its part of another register: the register's bytes and LLVM's name, the widest first."""


def looped_lowest(bits: Whole) -> Whole:
    """Return the number of the lowest bit that is set. REQUIRES: one is."""
    return (int(bits) & -int(bits)).bit_length() - 1


@intrinsic
def _compiled_lowest(_: Context, bits: types.Type) -> tuple[Signature, Emitter]:
    """Do what `looped_lowest` does."""
    return types.int64(bits), _emit_lowest


lowest: Final = looped_lowest if config.DISABLE_JIT else _compiled_lowest
"""lowest(bits): the number of the lowest bit that is set, of at least one."""


def _emit_lowest(
    _context: BaseContext, builder: ir.IRBuilder, _signature: Signature, arguments: Sequence[ir.Value]
) -> ir.Value:
    word, flag = ir.IntType(64), ir.IntType(1)
    count = cgutils.get_or_insert_function(builder.module, ir.FunctionType(word, [word, flag]), "llvm.cttz.i64")
    return builder.call(count, [arguments[0], flag(1)])


def emit_nothing(
    context: BaseContext, _builder: ir.IRBuilder, signature: Signature, _arguments: Sequence[ir.Value]
) -> ir.Value:
    """Compile to nothing, or to a zero, where the instruction does not exist; the caller never gets here."""
    if signature.return_type == types.void:
        return context.get_dummy_value()
    return context.get_constant_null(signature.return_type)


def every(kind: ir.VectorType, value: int) -> ir.Constant:
    """Return the constant whose lanes are all `value`."""
    return ir.Constant(kind, [value] * kind.count)


def splat(builder: ir.IRBuilder, number: ir.Value, kind: ir.VectorType) -> ir.Value:
    """Return `number` in every lane."""
    nothing = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(nothing, number, _I32(0))
    return builder.shuffle_vector(first, nothing, every(ir.VectorType(_I32, kind.count), 0))


def nibbles(builder: ir.IRBuilder, loaded: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Return the low and the high four bits of every byte."""
    halves = ir.VectorType(_HALF, loaded.type.count // 2)
    shifted = builder.bitcast(builder.lshr(builder.bitcast(loaded, halves), every(halves, 4)), loaded.type)
    return builder.and_(loaded, every(loaded.type, 15)), builder.and_(shifted, every(loaded.type, 15))


def add_to(builder: ir.IRBuilder, total: ir.Value, more: ir.Value) -> None:
    """Add `more` to what lies at the address `total`."""
    builder.store(builder.add(builder.load(total), more), total)
