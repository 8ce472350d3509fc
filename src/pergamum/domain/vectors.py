"""Vectors as the domain sees them, and the rules they must pass."""

from enum import StrEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from pergamum.errors import DimensionMismatch, NotFinite, ZeroVector

Vector: TypeAlias = npt.NDArray[np.float32]
"""float32, shape (dimension,)."""
Matrix: TypeAlias = npt.NDArray[np.float32]
"""C-contiguous float32, one vector a row."""

MAX_DIMENSION = 16_384


class Metric(StrEnum):
    """How near two vectors are. `distance` shrinks with similarity: 1 - cosine, negative dot, l2."""

    COSINE = "cosine"
    DOT = "dot"
    L2 = "l2"

    def scores(self, distances: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return what grows with similarity: cosine similarity, dot product, negative l2 distance."""
        return 1.0 - distances if self is Metric.COSINE else -distances


def check_vector(vector: Vector, dimension: int | None, metric: Metric) -> None:
    """Refuse what a library cannot hold: another length, NaN or infinity, or a zero vector under cosine.

    `dimension` None accepts any length from 1 to MAX_DIMENSION. The check runs after conversion to float32, so a
    float64 beyond its range is caught as infinity.
    """
    if dimension is not None and vector.shape != (dimension,):
        raise DimensionMismatch(expected=dimension, received=vector.size)
    finite = np.isfinite(vector)
    if not finite.all():
        raise NotFinite(at=int(np.argmin(finite)))
    if metric is Metric.COSINE and not vector.any():
        raise ZeroVector


def query_lengths(queries: Matrix, metric: Metric) -> npt.NDArray[np.float64]:
    """Return by what the distances of each query are divided to be comparable between queries, (m,).

    A dot product grows with the length of the query; neither cosine nor l2 do.
    """
    ones = np.ones(len(queries))
    if metric is not Metric.DOT:
        return ones
    lengths = np.linalg.norm(queries.astype(np.float64), axis=1)
    return np.where(lengths > 0, lengths, ones)
