"""Vectors on the wire: base64 of little-endian float32, a quarter of the length of JSON numbers and exact."""

import binascii
from collections.abc import Sequence
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

FLOAT32: Final = np.dtype("<f4")


class SupportsArray(Protocol):
    """What NumPy can make an array of: a pandas or polars Series, an Arrow array, a torch tensor."""

    def __array__(self, *args: Any, **kwargs: Any) -> npt.NDArray[Any]:  # noqa: ANN401  # as NumPy declares it
        """Return the array."""
        ...


VectorLike: TypeAlias = Sequence[float] | npt.NDArray[np.floating] | npt.NDArray[np.integer] | SupportsArray
"""What is taken for a vector: a list of numbers, or an array of one dimension of NumPy's or anybody's."""
MatrixLike: TypeAlias = Sequence[VectorLike] | npt.NDArray[np.floating] | SupportsArray
"""What is taken for vectors of one length: a list of them, or an array of two dimensions."""


def encoded(vector: VectorLike) -> str:
    """Return the vector as the wire carries it. Raises ValueError unless it is one row of at least one number.

    A number beyond float32 becomes infinity, which the server refuses and names.
    """
    numbers = vector if type(vector) is np.ndarray and vector.dtype == FLOAT32 else _numbers(vector)
    if numbers.ndim != 1 or not numbers.size:
        raise ValueError(f"a vector is one row of numbers, received shape {numbers.shape}")
    raw = numbers.data if numbers.flags.c_contiguous else numbers.tobytes()
    return binascii.b2a_base64(raw, newline=False).decode("ascii")


def matrix(vectors: MatrixLike, rows: int) -> npt.NDArray[np.float32]:
    """Return the vectors as one array. Raises ValueError unless they are so many rows of one length."""
    if rows == 0:
        return np.empty((0, 0), np.float32)
    numbers = _numbers(vectors)
    if numbers.ndim != 2 or len(numbers) != rows:
        raise ValueError(f"expected {rows} vectors, received shape {numbers.shape}")
    return numbers


def decoded(wire: str | Sequence[float]) -> npt.NDArray[np.float32]:
    """Return the vector that the wire carried, as base64 or as numbers.

    >>> chunk = library.chunks.add(document_id="1", text="The sun warms the sea.")
    >>> decoded(library.chunks.get(chunk.id, embedding=True).embedding).shape
    (256,)
    """
    if not isinstance(wire, str):
        return np.asarray(wire, dtype=np.float32)
    return np.frombuffer(binascii.a2b_base64(wire, strict_mode=True), dtype=FLOAT32).astype(np.float32)


def _numbers(given: VectorLike | MatrixLike) -> npt.NDArray[np.float32]:
    cell_value = getattr(given, "as_py", None)  # of a cell of an Arrow table
    with np.errstate(over="ignore"):
        return np.asarray(given if cell_value is None else cell_value(), dtype=FLOAT32)
