"""What embeds texts on the client's side, and which texts of a document or chunk it is for.

Any object with `embed_documents(texts)` and `embed_query(text)` is one, such as LangChain's `Embeddings`, and so is any
function from a list of texts to their vectors.

>>> def length(texts):
...     return [[len(text), 1.0] for text in texts]
>>> lengths = client.libraries.create(name="lengths", embedder=length)
>>> lengths.documents.add(text="The moon pulls the sea.").chunks
1
>>> lengths.search(text="as long as this text is", k=1)[0].text
'The moon pulls the sea.'

A chunk is embedded by its own text; where the server embeds, the title of the document goes before it.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from pergamum.client.vectors import MatrixLike, VectorLike, matrix
from pergamum.domain.splitter import split
from pergamum.wire.libraries import ChunkingOut

Fields = TypeVar("Fields", bound=Mapping[str, Any])
ManyEmbedder: TypeAlias = Callable[[list[str]], MatrixLike | Awaitable[MatrixLike]]
"""Texts to vectors: a matrix, or a list of vectors, of one row a text, in order."""
OneEmbedder: TypeAlias = Callable[[str], VectorLike | Awaitable[VectorLike]]
MOST_TEXTS = 512
"""As many texts go into one call of an embedder."""


class Embedder(Protocol):
    """Turns texts into vectors of one length. Threads: calls may overlap."""

    def embed_documents(self, texts: list[str]) -> MatrixLike:
        """Return one vector a text, in order."""
        ...

    def embed_query(self, text: str) -> VectorLike:
        """Return the vector of a question."""
        ...


class AsyncEmbedder(Protocol):
    """The same for asynchronous clients. LangChain's names, `aembed_documents` and `aembed_query`, are taken too."""

    async def embed_documents(self, texts: list[str]) -> MatrixLike:
        """Return one vector a text, in order."""
        ...

    async def embed_query(self, text: str) -> VectorLike:
        """Return the vector of a question."""
        ...


EmbedderLike: TypeAlias = Embedder | AsyncEmbedder | ManyEmbedder


@dataclass(frozen=True, slots=True)
class Means:
    """How an embedder is asked; `query` is None where a question is embedded like any text."""

    documents: ManyEmbedder
    query: OneEmbedder | None = None


def blocking(embedder: EmbedderLike) -> Means:
    """Return how to ask an embedder that may hold up its caller. Raises TypeError for what is none."""
    many: ManyEmbedder | None = getattr(embedder, "embed_documents", None)
    one: OneEmbedder | None = getattr(embedder, "embed_query", None)
    if many is not None:
        return Means(many, one)
    if callable(embedder):
        return Means(embedder)
    raise TypeError(
        "an embedder has embed_documents(texts) and embed_query(text), or is a function from texts to vectors; "
        f"received a {type(embedder).__name__}"
    )


def awaitable(embedder: EmbedderLike) -> Means | None:
    """Return how to ask an embedder that has methods for event loops; None where it has not."""
    many: ManyEmbedder | None = getattr(embedder, "aembed_documents", None)
    one: OneEmbedder | None = getattr(embedder, "aembed_query", None)
    return Means(many, one) if many is not None else None


def cut(document: Fields, chunking: ChunkingOut) -> Fields:
    """Return the document with its text split into chunks beside it; one without a text, or with chunks, as is."""
    text = document.get("text")
    if text is None or document.get("chunks") is not None:
        return document
    pieces = [{"text": piece} for piece in split(text, chunking.size, chunking.overlap)]
    return {**document, "chunks": pieces}  # type: ignore[return-value]  # the same fields and one more


def blanks(chunks: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the texts of the chunks that have no embedding, in order."""
    return [chunk["text"] for chunk in chunks if chunk.get("embedding") is None and chunk.get("text") is not None]


def filled(chunks: Sequence[Fields], vectors: Iterator[npt.NDArray[np.float32]]) -> list[Fields]:
    """Return the chunks, those of `blanks` with the next vectors."""
    return [
        {**chunk, "embedding": next(vectors)}  # type: ignore[misc]  # the same fields and one more
        if chunk.get("embedding") is None and chunk.get("text") is not None
        else chunk
        for chunk in chunks
    ]


def checked(vectors: MatrixLike, texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Return what an embedder answered as a matrix. Raises ValueError unless it is one vector a text."""
    try:
        return matrix(vectors, len(texts))
    except ValueError as error:
        raise ValueError(f"the embedder was given {len(texts)} texts: {error}") from None


def embeds_query(query: Mapping[str, Any]) -> bool:
    """Return whether the query's text has to be embedded. Raises ValueError where it is needed beside its vector."""
    if query.get("text") is None or query.get("vector") is not None or query.get("like") is not None:
        return False
    mode = query.get("mode", "vector")
    if mode == "vector" and (query.get("rerank") is not None or "highlights" in (query.get("select") or ())):
        raise ValueError("with an embedder of the client, rerank and highlights need mode hybrid, which sends the text")
    return bool(mode != "keyword")


def with_vector(query: Fields, vector: VectorLike) -> Fields:
    """Return the query by the vector of its text; only a hybrid search is by its words as well."""
    text = query.get("text") if query.get("mode") == "hybrid" else None
    return {**query, "text": text, "vector": vector}  # type: ignore[return-value]  # the same fields
