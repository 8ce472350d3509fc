"""Asking an embedder without holding up anything else: one that blocks is asked in another thread."""

import asyncio
import inspect
from collections.abc import Awaitable

from pergamum.client.embedders import EmbedderLike, ManyEmbedder, Means, OneEmbedder, awaitable, blocking
from pergamum.client.vectors import MatrixLike, VectorLike


def means_of(embedder: EmbedderLike) -> Means:
    """Return how to ask the embedder. Raises TypeError for what is none."""
    return awaitable(embedder) or blocking(embedder)


async def many(way: ManyEmbedder, texts: list[str]) -> MatrixLike:
    """Return the vectors of the texts."""
    answer = way(texts) if inspect.iscoroutinefunction(way) else await asyncio.to_thread(way, texts)
    return await answer if isinstance(answer, Awaitable) else answer


async def one(way: OneEmbedder, text: str) -> VectorLike:
    """Return the vector of a question."""
    answer = way(text) if inspect.iscoroutinefunction(way) else await asyncio.to_thread(way, text)
    return await answer if isinstance(answer, Awaitable) else answer
