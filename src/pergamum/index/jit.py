"""How kernels are compiled: one decorator and the array types of their signatures.

This file, `heap.py`, `distance_kernels.py`, `quantize_kernels.py` and every `kernels.py` import numba, which takes most
of a second: nobody imports them before `kernel_cache.py` did. Signatures are explicit, so that importing a kernel
compiles it or loads it from the cache, and no search ever compiles.
"""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeAlias, TypeVar

from numba import njit, types

P = ParamSpec("P")
R = TypeVar("R")

Whole: TypeAlias = Any
"""A whole number of whatever width inside a kernel: the kernel's signature says which, and mypy cannot follow it."""
Real: TypeAlias = Any
"""Likewise a number with a fraction."""

I8 = types.int64
F8 = types.float64
FLAG = types.boolean


def array(scalar: types.Type, dimensions: int, readonly: bool = False) -> types.Type:
    """Return the type of a C-contiguous array; a read-only type takes writable arrays too."""
    return types.Array(scalar, dimensions, "C", readonly=readonly)


def named(fields: type[tuple[object, ...]], *parts: types.Type) -> types.Type:
    """Return the type of the NamedTuple class `fields` whose fields have the types `parts`."""
    return types.BaseTuple.from_types(parts, fields)


def kernel(
    result: types.Type, *parameters: types.Type, inline: bool = False, allocates: bool = False
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Compile the decorated function for exactly these types, without the interpreter lock, through the cache.

    Floats keep their IEEE meaning: no fastmath, so neither order nor rounding of a sum depends on the compiler.
    `inline` is for what runs once a group: a call costs more there than the work. Whoever calls a kernel holds its
    arrays, so their references are not counted: the atomic additions were a third of a walk through a graph. A kernel
    that makes arrays of its own says `allocates`; it must not run in the inner loop of another.
    """
    compiled: Callable[[Callable[P, R]], Callable[P, R]] = njit(
        result(*parameters), nogil=True, cache=True, error_model="numpy", forceinline=inline, _nrt=allocates
    )
    return compiled
