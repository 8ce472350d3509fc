"""Rows to move, and what must be true of a library after they were."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from pergamum.client import Library, decoded

Vectors: TypeAlias = npt.NDArray[np.float32]

DIMENSION: Final = 16
ROWS: Final = 60


def vectors(rows: int = ROWS, seed: int = 7) -> Vectors:
    """Random vectors of many lengths, float32."""
    drawn = np.random.default_rng(seed).standard_normal((rows, DIMENSION)) * 3
    return drawn.astype(np.float32)


def stored_vectors(library: Library) -> dict[str, Vectors]:
    """The vectors of a library by the ids of their chunks."""
    chunks = library.chunks.list(embedding=True)
    return {chunk.id: decoded(chunk.embedding) for chunk in chunks if chunk.embedding is not None}


def metadata(library: Library) -> dict[str, Mapping[str, Any]]:
    """The metadata of a library by the ids of its chunks."""
    return {chunk.id: chunk.metadata for chunk in library.chunks.list()}


def texts(library: Library) -> dict[str, str]:
    """The texts of a library by the ids of its chunks."""
    return {chunk.id: chunk.text for chunk in library.chunks.list()}


def types(library: Library) -> dict[str, str]:
    """The declared types of the fields of chunks."""
    return {name: field.type for name, field in library.schema.get().chunks.items()}


def nearest(library: Library, question: npt.NDArray[np.float32], k: int = 10) -> list[str]:
    """The ids of the nearest chunks, all looked at."""
    return [hit.chunk_id for hit in library.search(vector=question, k=k, recall="exact").hits]


def assert_same_vectors(library: Library, ids: Sequence[str], expected: Vectors) -> None:
    """Every vector is there, bit for bit."""
    stored = stored_vectors(library)
    assert stored.keys() == set(ids)
    for id, vector in zip(ids, expected, strict=True):
        assert stored[id].tobytes() == vector.tobytes(), id
