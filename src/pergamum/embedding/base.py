"""What every provider of embeddings can do."""

from collections.abc import Sequence
from typing import Protocol

from pergamum.domain.vectors import Matrix, Vector


class Embedder(Protocol):
    """Turns text into vectors. Threads: calls may overlap."""

    @property
    def name(self) -> str:
        """The model's name as a library stores it, such as `local` or `cohere/embed-v4.0`. Never reused for others."""

    @property
    def dimension(self) -> int:
        """How many numbers a vector has."""

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        """Return one vector a text, float32 (len(texts), dimension), finite, in order.

        Raises `EmbeddingFailed` when the provider refuses or cannot be reached; then nothing is returned.
        """

    def embed_query(self, text: str) -> Vector:
        """Return the vector of a question, float32 (dimension,)."""
