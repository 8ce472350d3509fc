"""Cohere's embedding models, through the official SDK, API v2.

A text is truncated at its end to what the model reads. Documents and queries are embedded differently (`input_type`),
as Cohere's models are trained for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from pydantic import SecretStr

from pergamum.domain.vectors import MAX_DIMENSION, Matrix, Vector
from pergamum.embedding.cohere_connection import BASE_URL, PROVIDER, CohereConnection
from pergamum.embedding.retry import RetryPolicy
from pergamum.errors import EmbeddingFailed

TEXTS_AT_ONCE: Final = 96
"""What the API takes in one call; the SDK does not split."""


class _Widths(NamedTuple):
    """The lengths of vector a model offers; the first is what it gives unless asked."""

    default: int
    others: frozenset[int] = frozenset()


MODELS: Final[Mapping[str, _Widths]] = {
    "embed-v5.0-pro": _Widths(2048, frozenset({256, 512, 1024, 1536})),
    "embed-v5.0-fast": _Widths(2048, frozenset({256, 512, 1024, 1536})),
    "embed-v4.0": _Widths(1536, frozenset({256, 512, 1024})),
    "embed-english-v3.0": _Widths(1024),
    "embed-english-light-v3.0": _Widths(384),
    "embed-multilingual-v3.0": _Widths(1024),
    "embed-multilingual-light-v3.0": _Widths(384),
}


@dataclass(frozen=True, slots=True)
class CohereModel:
    """A model and the length of its vectors. Written `embed-v4.0`, or `embed-v4.0@512` for another than its own length.

    A model that this release does not know can be used by giving its length.
    """

    id: str
    dimension: int

    @classmethod
    def parse(cls, written: str) -> "CohereModel | None":
        """Return the model, or None if it is unknown and no length is given, or does not offer the length."""
        model_id, at, width = written.partition("@")
        known = MODELS.get(model_id)
        if not at:
            return cls(model_id, known.default) if known else None
        if not (width.isascii() and width.isdecimal()) or not model_id:
            return None
        dimension = int(width[:6])
        offered = known is None or dimension == known.default or dimension in known.others
        return cls(model_id, dimension) if offered and 1 <= dimension <= MAX_DIMENSION else None

    @property
    def name(self) -> str:
        """The name a library stores: one for each model and length."""
        known = MODELS.get(self.id)
        return f"{PROVIDER}/{self.id}" + ("" if known and known.default == self.dimension else f"@{self.dimension}")

    @property
    def width_to_ask(self) -> int | None:
        """What to send as `output_dimension`: nothing to the models that have one length only and refuse the field."""
        known = MODELS.get(self.id)
        return None if known and not known.others else self.dimension


class CohereEmbedder:
    """A model of Cohere. Threads: calls may overlap. The SDK is imported and the client made by the first call.

    Raises `EmbeddingFailed` when the SDK is not installed or `key` cannot be a key; no error shows the key.
    """

    def __init__(
        self,
        model: CohereModel,
        key: SecretStr,
        *,
        base_url: str = BASE_URL,
        timeout_s: float = 30.0,
        retry: RetryPolicy | None = None,
    ) -> None:
        self._model = model
        self._cohere = CohereConnection(key, EmbeddingFailed, base_url=base_url, timeout_s=timeout_s, retry=retry)

    @property
    def name(self) -> str:
        """The model's name as a library stores it, such as `cohere/embed-v4.0`."""
        return self._model.name

    @property
    def dimension(self) -> int:
        """How many numbers a vector has."""
        return self._model.dimension

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        """Return one vector a text, in order, 96 texts a call. Raises `EmbeddingFailed` if a call fails in the end."""
        return self._embed(texts, "search_document")

    def embed_query(self, text: str) -> Vector:
        """Return the vector of a question, made to lie near the documents that answer it."""
        vector: Vector = self._embed([text], "search_query")[0]
        return vector

    def close(self) -> None:
        """Close the connections. The embedder may be used again all the same."""
        self._cohere.close()

    def _embed(self, texts: Sequence[str], input_type: str) -> Matrix:
        vectors = np.empty((len(texts), self.dimension), np.float32)
        for first in range(0, len(texts), TEXTS_AT_ONCE):
            some = list(texts[first : first + TEXTS_AT_ONCE])
            vectors[first : first + len(some)] = self._call(some, input_type)
        return vectors

    def _call(self, texts: list[str], input_type: str) -> Matrix:
        model = self._model
        answer = self._cohere.call(lambda client: client.embed(model.id, input_type, texts, model.width_to_ask))
        return _checked(answer, (len(texts), self.dimension))


def _checked(answer: object, shape: tuple[int, int]) -> Matrix:
    """Return the answer as float32. Providers are not trusted: a wrong shape or number is an error, not a vector."""
    try:
        with np.errstate(over="ignore"):  # a number beyond float32 becomes infinity, which is refused below
            vectors = np.array(answer, np.float32)
    except (TypeError, ValueError):
        raise EmbeddingFailed(PROVIDER, "the answer holds no vectors of numbers") from None
    if vectors.shape != shape:
        raise EmbeddingFailed(PROVIDER, f"expected vectors of shape {shape}, received {vectors.shape}")
    if not np.isfinite(vectors).all():
        raise EmbeddingFailed(PROVIDER, "the answer holds a number that is not a finite float32")
    return vectors
