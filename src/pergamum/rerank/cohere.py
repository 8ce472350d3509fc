"""Cohere's reranking models, through the official SDK, API v2.

A text longer than the model reads is cut off at its end by the provider. Relevance lies between 0 and 1 and may be
compared across calls with the same question, so texts beyond one call's limit are sent in further calls.
"""

import math
from collections.abc import Sequence
from typing import Final

from pydantic import SecretStr

from pergamum.embedding.cohere_connection import BASE_URL, PROVIDER, CohereConnection
from pergamum.embedding.retry import RetryPolicy
from pergamum.errors import RerankFailed

DEFAULT_MODEL: Final = "rerank-v4.0-fast"
MODELS: Final = (
    "rerank-v5.0-pro",
    "rerank-v5.0-fast",
    "rerank-v4.0-pro",
    DEFAULT_MODEL,
    "rerank-v3.5",
    "rerank-english-v3.0",
    "rerank-multilingual-v3.0",
)
TEXTS_AT_ONCE: Final = 1_000
"""What the API advises at most for one call; the SDK does not split."""

RETRY: Final = RetryPolicy(attempts=3, longest_wait_s=5.0)
"""A search waits for it."""


class CohereReranker:
    """A model of Cohere. Threads: calls may overlap. The SDK is imported and the client made by the first call.

    Raises `RerankFailed` when the SDK is not installed or `key` cannot be a key; no error shows the key.
    """

    def __init__(
        self,
        model: str,
        key: SecretStr,
        *,
        base_url: str = BASE_URL,
        timeout_s: float = 10.0,
        retry: RetryPolicy = RETRY,
    ) -> None:
        self._model = model
        self._cohere = CohereConnection(key, RerankFailed, base_url=base_url, timeout_s=timeout_s, retry=retry)

    @property
    def name(self) -> str:
        """Provider and model, such as `cohere/rerank-v4.0-fast`."""
        return f"{PROVIDER}/{self._model}"

    def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return one relevance from 0 to 1 a text, in order, 1,000 texts a call.

        Blank texts are not sent, as the API refuses them: they are worth 0, and so is all if the question is blank.
        Raises `RerankFailed` if a call fails in the end.
        """
        relevances = [0.0] * len(texts)
        told = [number for number, text in enumerate(texts) if text.strip()] if query.strip() else []
        for first in range(0, len(told), TEXTS_AT_ONCE):
            some = told[first : first + TEXTS_AT_ONCE]
            for number, relevance in zip(some, self._call(query, [texts[number] for number in some]), strict=True):
                relevances[number] = relevance
        return relevances

    def close(self) -> None:
        """Close the connections. The reranker may be used again all the same."""
        self._cohere.close()

    def _call(self, query: str, texts: list[str]) -> list[float]:
        answer = self._cohere.call(lambda client: client.rerank(self._model, query, texts))
        relevances = _by_place(answer, len(texts))
        if relevances is None:
            raise self._cohere.failed("the answer does not hold one finite relevance a text")
        return relevances


def _by_place(answer: object, count: int) -> list[float] | None:
    """Return the relevance of each text, in the order they were sent; None where the answer is not as agreed."""
    if not isinstance(answer, list):
        return None
    relevances: dict[int, float] = {}
    for result in answer:
        place, relevance = getattr(result, "index", None), getattr(result, "relevance_score", None)
        if not isinstance(place, int) or not isinstance(relevance, int | float) or not math.isfinite(relevance):
            return None
        relevances[place] = float(relevance)
    if len(answer) != count or relevances.keys() != set(range(count)):
        return None
    return [relevances[place] for place in range(count)]
