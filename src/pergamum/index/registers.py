"""What kernels of several kinds reach by LLVM IR: which shuffle instruction there is, and finding a set bit.

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

_Emitter: TypeAlias = Callable[[BaseContext, ir.IRBuilder, Signature, Sequence[ir.Value]], ir.Value]

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
def _compiled_lowest(_: Context, bits: types.Type) -> tuple[Signature, _Emitter]:
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
