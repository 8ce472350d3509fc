"""Asking an embedder."""

import inspect
from typing import NoReturn

from pergamum.client.embedders import EmbedderLike, ManyEmbedder, Means, OneEmbedder, blocking
from pergamum.client.vectors import MatrixLike, VectorLike


def means_of(embedder: EmbedderLike) -> Means:
    """Return how to ask the embedder. Raises TypeError for what is none."""
    return blocking(embedder)


def many(way: ManyEmbedder, texts: list[str]) -> MatrixLike:
    """Return the vectors of the texts. Raises TypeError for an embedder that has to be awaited."""
    answer = way(texts)
    return _refuse(answer) if inspect.isawaitable(answer) else answer


def one(way: OneEmbedder, text: str) -> VectorLike:
    """Return the vector of a question. Raises TypeError for an embedder that has to be awaited."""
    answer = way(text)
    return _refuse(answer) if inspect.isawaitable(answer) else answer


def _refuse(answer: object) -> NoReturn:
    if inspect.iscoroutine(answer):
        answer.close()
    raise TypeError("an asynchronous embedder needs AsyncPergamum")
