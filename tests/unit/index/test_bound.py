"""Arrays by address: what a kernel puts together is the array that was bound, to read and to write."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from numba import types

from pergamum.index.bound import bound
from pergamum.index.jit import I8, Whole, array, kernel
from tests.support.kernels import compiled_only, prepare_kernels

KINDS = {
    "f4": types.float32, "f8": types.float64, "i4": types.int32, "i8": types.int64,
    "u1": types.uint8, "u2": types.uint16, "u4": types.uint32, "u8": types.uint64, "i1": types.int8, "?": types.boolean,
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def kernels() -> None:
    prepare_kernels()


def copying(kind: object, dimensions: int) -> Callable[..., None]:
    """A kernel that copies a bound array into the next one, of the same shape."""
    from pergamum.index.bound_kernels import BOUND, taken

    found = taken(array(kind, dimensions))

    @kernel(types.void, BOUND, I8)
    def copy(table: Whole, place: Whole) -> None:
        source, target = found(table, place).reshape(-1), found(table, place + 1).reshape(-1)
        for i in range(len(source)):
            target[i] = source[i]

    return copy


@compiled_only
@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("shape", [(0,), (1,), (70,), (0, 3), (5, 1), (3, 65)])
def test_bound_arrays_come_back(kind: str, shape: tuple[int, ...]) -> None:
    source = (np.random.default_rng(1).integers(0, 100, shape) % (2 if kind == "?" else 100)).astype(kind)
    target: npt.NDArray[np.generic] = np.zeros(shape, kind)

    copying(KINDS[kind], len(shape))(bound([np.zeros(3), source, target]), 1)

    np.testing.assert_array_equal(target, source)


def test_only_plain_arrays_can_be_bound() -> None:
    for array_ in (np.zeros((4, 6))[:, ::2], np.zeros((2, 2, 2)), np.asfortranarray(np.zeros((3, 4)))):
        with pytest.raises(ValueError, match="cannot be bound"):
            bound([array_])
