"""Embedding on the client's side, of what is stored and of what is looked for."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from pergamum.client import calls
from pergamum.client.aio.embed import many, means_of, one
from pergamum.client.aio.transport import AsyncDoor
from pergamum.client.embedders import MOST_TEXTS, EmbedderLike, blanks, checked, cut, embeds_query, filled, with_vector
from pergamum.wire.libraries import ChunkingOut

Fields = TypeVar("Fields", bound=Mapping[str, Any])


class AsyncEmbedding:
    """What embeds for one library: the embedder that the client was given, or nothing; then all is left to the server.

    How texts are split is asked of the server once. Threads: may be shared if the embedder may.
    """

    def __init__(
        self,
        door: AsyncDoor,
        library: str,
        embedder: EmbedderLike | None = None,
        chunking: ChunkingOut | None = None,
    ) -> None:
        self._door, self._library, self._chunking = door, library, chunking
        self.embedder = embedder
        self._means = None if embedder is None else means_of(embedder)

    async def documents(self, group: Sequence[Fields]) -> Sequence[Fields]:
        """Return the documents with their texts split and every chunk embedded; those given without an embedder."""
        if self._means is None or not any(document.get("text") or document.get("chunks") for document in group):
            return group
        chunking = await self._known_chunking()
        whole = [cut(document, chunking) for document in group]
        vectors = await self._vectors([text for document in whole for text in blanks(document.get("chunks") or ())])
        return [
            {**document, "chunks": filled(document["chunks"], vectors)} if document.get("chunks") else document  # type: ignore[misc]  # the same fields
            for document in whole
        ]

    async def chunks(self, group: Sequence[Fields]) -> Sequence[Fields]:
        """Return the chunks, every one embedded; those given without an embedder."""
        return group if self._means is None else filled(group, await self._vectors(blanks(group)))

    async def query(self, query: Fields) -> Fields:
        """Return the query with its text embedded, if that is to be."""
        return query if self._means is None else (await self.queries([query]))[0]

    async def queries(self, group: Sequence[Fields]) -> list[Fields]:
        """Return the queries with their texts embedded, as far as that is to be."""
        return [await self._query(query) for query in group]

    async def _query(self, query: Fields) -> Fields:
        if self._means is None or not embeds_query(query):
            return query
        if self._means.query is None:
            return with_vector(query, (await self._some([query["text"]]))[0])
        return with_vector(query, await one(self._means.query, query["text"]))

    async def _vectors(self, texts: Sequence[str]) -> Iterator[npt.NDArray[np.float32]]:
        """Return the vectors of the texts, some at a time being asked for."""
        rows: list[npt.NDArray[np.float32]] = []
        for start in range(0, len(texts), MOST_TEXTS):
            rows.extend(await self._some(texts[start : start + MOST_TEXTS]))
        return iter(rows)

    async def _some(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        assert self._means is not None, "only asked where there is an embedder"
        return checked(await many(self._means.documents, list(texts)), texts)

    async def _known_chunking(self) -> ChunkingOut:
        if self._chunking is None:
            self._chunking = (await self._door.send(calls.get_library(self._library))).chunking
        return self._chunking
