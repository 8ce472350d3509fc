"""LangChain's documents as Pergamum's, and back: a document with one chunk, both of LangChain's id."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, repeat
from typing import Any, Final
from uuid import uuid4

import numpy as np
from langchain_core.documents import Document
from langchain_core.vectorstores.utils import maximal_marginal_relevance

from pergamum.client import ChunkOfDocument, NewDocument, decoded
from pergamum.client.vectors import VectorLike
from pergamum.wire.chunks import ChunkOut
from pergamum.wire.search import HitOut


@dataclass(frozen=True, slots=True)
class Entry:
    """A text on its way into a store."""

    id: str
    text: str
    metadata: Mapping[str, Any]


def entries(
    texts: Iterable[str], metadatas: Sequence[Mapping[str, Any]] | None, ids: Sequence[str | None] | None
) -> list[Entry]:
    """Return texts with their metadata and ids, new ids for those without. Raises ValueError for lists unlike long."""
    known = list(texts)
    for name, given in (("metadatas", metadatas), ("ids", ids)):
        if given and len(given) != len(known):
            raise ValueError(f"there are {len(known)} texts, but {len(given)} {name}")
    rows = zip(ids or repeat(None), known, metadatas or repeat({}), strict=False)
    return [Entry(id or str(uuid4()), text, metadata or {}) for id, text, metadata in rows]


def drafts(entries: Iterable[Entry], vectors: Iterable[VectorLike | None]) -> list[NewDocument]:
    """Return the documents to store; the library embeds the texts without a vector."""
    return [
        NewDocument(
            id=entry.id,
            chunks=[ChunkOfDocument(id=entry.id, text=entry.text, metadata=entry.metadata, embedding=vector)],
        )
        for entry, vector in zip(entries, vectors, strict=True)
    ]


def batches(entries: Iterable[Entry], size: int) -> Iterator[list[Entry]]:
    """Return the entries `size` at a time; of those with the same id the last, as if stored one after the other."""
    rest = iter({entry.id: entry for entry in entries}.values())
    while batch := list(islice(rest, size)):
        yield batch


def found(hit: HitOut) -> Document:
    """Return the document of a hit."""
    return Document(id=hit.chunk_id, page_content=hit.text, metadata=hit.metadata)


def in_order(ids: Sequence[str], chunks: Iterable[ChunkOut]) -> list[Document]:
    """Return the documents of chunks in the order of ids; each once."""
    known = {chunk.id: Document(id=chunk.id, page_content=chunk.text, metadata=chunk.metadata) for chunk in chunks}
    return [known[id] for id in dict.fromkeys(ids) if id in known]


def diverse(query: Sequence[float], hits: Sequence[HitOut], k: int, lambda_mult: float) -> list[Document]:
    """Return the documents of `k` hits, chosen by LangChain's maximal marginal relevance. REQUIRES: their vectors."""
    vectors: list[Any] = [decoded(hit.vector) for hit in hits if hit.vector is not None]
    chosen = maximal_marginal_relevance(np.asarray(query, np.float32), vectors, lambda_mult, k) if vectors else []
    return [found(hits[at]) for at in chosen]


def _cosine(score: float) -> float:
    return min(max((1.0 + score) / 2.0, 0.0), 1.0)


def _dot(score: float) -> float:
    return 0.5 * (1.0 + math.tanh(score / 2.0))  # the logistic function, without overflow


def _l2(score: float) -> float:
    return 1.0 / (1.0 - score)  # the score is the negative distance


RELEVANCE: Final[Mapping[str, Callable[[float], float]]] = {"cosine": _cosine, "dot": _dot, "l2": _l2}
"""Scores of each metric as LangChain's relevance: 0 to 1, in the same order."""
