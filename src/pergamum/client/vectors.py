"""Vectors on the wire: base64 of little-endian float32, a quarter of the length of JSON numbers and exact."""

import base64
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

VectorLike: TypeAlias = Sequence[float] | npt.NDArray[np.floating] | npt.NDArray[np.integer]
"""What is taken for a vector: a list of numbers, or an array of one dimension."""


def encoded(vector: VectorLike) -> str:
    """Return the vector as the wire carries it. Raises ValueError unless it is one row of at least one number.

    A number beyond float32 becomes infinity, which the server refuses and names.
    """
    with np.errstate(over="ignore"):
        numbers = np.asarray(vector, dtype="<f4")
    if numbers.ndim != 1 or not numbers.size:
        raise ValueError(f"a vector is one row of numbers, received shape {numbers.shape}")
    return base64.b64encode(numbers.tobytes()).decode("ascii")


def decoded(wire: str | Sequence[float]) -> npt.NDArray[np.float32]:
    """Return the vector that the wire carried, as base64 or as numbers."""
    if not isinstance(wire, str):
        return np.asarray(wire, dtype=np.float32)
    return np.frombuffer(base64.b64decode(wire, validate=True), dtype="<f4").astype(np.float32)
