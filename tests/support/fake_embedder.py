"""A tiny embedder for tests: no model, no files, any dimension."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from pergamum.domain.vectors import Matrix, Vector


def hash_vector(text: str, dimension: int) -> Vector:
    """Return a vector of length 1 that depends on nothing but `text`: alike for equal texts, unrelated for others."""
    seed = int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
    vector = np.random.default_rng(seed).standard_normal(dimension)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


class FakeEmbedder:
    """Embeds by hash. Remembers what it was asked, one entry a call."""

    def __init__(self, dimension: int = 8, name: str = "fake") -> None:
        self._name, self._dimension = name, dimension
        self.asked: list[list[str]] = []

    @property
    def name(self) -> str:
        return self._name

    @property
    def dimension(self) -> int:
        return self._dimension

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        self.asked.append(list(texts))
        return np.array([hash_vector(text, self._dimension) for text in texts], np.float32).reshape(
            len(texts), self._dimension
        )

    def embed_query(self, text: str) -> Vector:
        self.asked.append([text])
        return hash_vector(text, self._dimension)
