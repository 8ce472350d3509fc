"""What kernels of several kinds write in LLVM IR: products of bytes, shuffles, sums, set bits, asking for memory.

No compiler finds these instructions in a plain loop, and no Python statement means the last. Only kernels import this.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias, TypeVar

from llvmlite import binding, ir
from numba import config, types
from numba.core import cgutils
from numba.core.base import BaseContext
from numba.core.typing import Context, Signature
from numba.extending import intrinsic

from pergamum.index.jit import Whole

Emitter: TypeAlias = Callable[[BaseContext, ir.IRBuilder, Signature, Sequence[ir.Value]], ir.Value]
Looped = TypeVar("Looped", bound=Callable[..., Any])

_BYTE, _HALF, _I32 = ir.IntType(8), ir.IntType(16), ir.IntType(32)
REGISTER: Final = ir.VectorType(_I32, 16)
"""A register of 16 sums, or of 64 bytes."""
_FEATURES = binding.get_host_cpu_features()
VNNI: Final = bool(_FEATURES.get("avx512vnni", False))
"""Whether this processor multiplies bytes in such registers; see `multiplied`."""
_SHUFFLES: Final = (
    (64, "llvm.x86.avx512.pshuf.b.512", "avx512bw"),
    (32, "llvm.x86.avx2.pshuf.b", "avx2"),
)
SHUFFLES = [(width, name) for width, name, feature in _SHUFFLES if _FEATURES.get(feature, False)]
"""Instructions of this processor that look up as many 4-bit codes as a register has bytes, each in the table of 16
bytes in its part of another register: the register's bytes and LLVM's name, the widest first."""


def in_registers(looped: Looped, result: types.Type, emit: Emitter) -> Looped:
    """Return what does the same as `looped` inside kernels: what `emit` writes, whose result is of the type `result`.

    Where nothing is compiled (NUMBA_DISABLE_JIT=1) it is `looped` itself.
    """
    if config.DISABLE_JIT:
        return looped

    def typed(_: Context, *arguments: types.Type) -> tuple[Signature, Emitter]:
        return result(*arguments), emit

    named = inspect.signature(looped).parameters.values()
    context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_ONLY)
    typed.__signature__ = inspect.Signature([context, *named])  # type: ignore[attr-defined]  # numba counts these
    compiled: Looped = intrinsic(typed)
    return compiled


def looped_lowest(bits: Whole) -> Whole:
    """Return the number of the lowest bit that is set. REQUIRES: one is."""
    return (int(bits) & -int(bits)).bit_length() - 1


def _emit_lowest(
    _context: BaseContext, builder: ir.IRBuilder, _signature: Signature, arguments: Sequence[ir.Value]
) -> ir.Value:
    word, flag = ir.IntType(64), ir.IntType(1)
    count = cgutils.get_or_insert_function(builder.module, ir.FunctionType(word, [word, flag]), "llvm.cttz.i64")
    return builder.call(count, [arguments[0], flag(1)])


lowest: Final = in_registers(looped_lowest, types.int64, _emit_lowest)
"""lowest(bits): the number of the lowest bit that is set, of at least one."""


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


def multiplied(builder: ir.IRBuilder, total: ir.Value, unsigned: ir.Value, signed: ir.Value) -> ir.Value:
    """Return `total` with the four products of unsigned and signed bytes of each lane added to it (`vpdpbusd`).

    Sums wrap at 32 bits and never saturate; 255 * 128 * 16,384 < 2^31, so those of vectors do not wrap either.
    REQUIRES `VNNI`.
    """
    kind = ir.FunctionType(REGISTER, [REGISTER] * 3)
    instruction = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx512.vpdpbusd.512")
    return builder.call(instruction, [total, unsigned, signed])


def ask(builder: ir.IRBuilder, pointer: ir.Value) -> None:
    """Ask for the cache line at `pointer`: to read it (0), into all caches (3), as data (1).

    The processor ignores an address where there is no memory.
    """
    address = builder.bitcast(pointer, _BYTE.as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [address.type, _I32, _I32, _I32])
    instruction = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
    builder.call(instruction, [address, _I32(0), _I32(3), _I32(1)])


def nibbles(builder: ir.IRBuilder, loaded: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Return the low and the high four bits of every byte."""
    halves = ir.VectorType(_HALF, loaded.type.count // 2)
    shifted = builder.bitcast(builder.lshr(builder.bitcast(loaded, halves), every(halves, 4)), loaded.type)
    return builder.and_(loaded, every(loaded.type, 15)), builder.and_(shifted, every(loaded.type, 15))


def add_to(builder: ir.IRBuilder, total: ir.Value, more: ir.Value) -> None:
    """Add `more` to what lies at the address `total`."""
    builder.store(builder.add(builder.load(total), more), total)
