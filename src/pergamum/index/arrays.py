"""Arrays as kernels want them: read-only where they do not write, on a cache line where speed asks for it."""

import mmap
from collections.abc import Iterable
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

LINE: Final = 64
"""Bytes of a cache line, and of the widest registers."""

_FLOAT32: Final = np.dtype(np.float32)

Array = TypeVar("Array", bound=npt.NDArray[np.generic])
Scalar = TypeVar("Scalar", bound=np.generic)


def readonly(array: Array) -> Array:
    """Return a view that cannot be written: the type that most kernels are compiled for."""
    view = array.view()
    view.flags.writeable = False
    return view


def aligned(rows: int, columns: int, scalar: type[Scalar]) -> npt.NDArray[Scalar]:
    """Return an uninitialised array (rows, columns) whose first element starts a cache line."""
    dtype = np.dtype(scalar)
    size = rows * columns * dtype.itemsize
    space = np.empty(size + LINE, dtype=np.uint8)
    start = -space.ctypes.data % LINE
    return space[start : start + size].view(dtype).reshape(rows, columns)


def plain(array: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the array, or a copy of it, as kernels take it that are called by their entry: plain, in C order, float32.

    `as_kernel_input` makes a view that cannot be written, too: 0.5 us, and 12 in a thread whose caches hold something
    else.
    """
    if type(array) is np.ndarray and array.dtype == _FLOAT32 and array.flags.c_contiguous:
        return array
    return np.ascontiguousarray(array, dtype=np.float32)


def as_kernel_input(array: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the array, or a view or copy of it, as kernels take it: plain, in C order, float32, read-only."""
    found = plain(array)
    return readonly(found) if found.flags.writeable else found


def anonymous_bytes(arrays: Iterable[npt.NDArray[Any]]) -> int:
    """Return the bytes of those arrays that lie in no file mapped read-only."""
    return sum(array.nbytes for array in arrays if not is_mapped(array))


def is_mapped(array: npt.NDArray[Any]) -> bool:
    """Whether the memory is that of a file mapped read-only: the system may drop it at any time and read it again."""
    owner: object = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, memoryview):
        owner = owner.obj
    return isinstance(owner, mmap.mmap) and memoryview(owner).readonly
