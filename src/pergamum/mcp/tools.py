"""The tools: search, fetch, list_libraries, add_documents. Their docstrings and descriptions are read by models."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final, Literal, TypeAlias
from uuid import uuid4

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from pergamum.client import AsyncPergamum, ClientError, NewDocument, NotFound, Refused, TimedOut, Unreachable
from pergamum.mcp.answers import (
    MOST_FIELDS,
    MOST_FIELDS_OF_ONE,
    MOST_HITS,
    MOST_LIBRARIES,
    Added,
    Fetched,
    Found,
    Libraries,
    LibraryInfo,
    cut_metadata,
    found,
    library_info,
    part_of,
)

_SELECTED: Final = ("text", "metadata", "document.title", "document.metadata")
_FILTER: Final = (
    'Which chunks may be found, such as {"field": "year", "op": "gte", "value": 2020}. Operators: eq ne in nin gt gte '
    "lt lte between starts_with contains matches any_of all_of none_of exists is_null. Joined by "
    '{"and": [...]}, {"or": [...]}, {"not": ...}. list_libraries tells the fields.'
)
LibraryName: TypeAlias = Annotated[str, Field(min_length=1, description="The library's name or id.")]


class Draft(BaseModel):
    """A document to store. Without an id it gets one; its text is split and embedded."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(min_length=1, max_length=1_000_000)]
    id: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    title: Annotated[str, Field(max_length=1_000)] | None = None
    source_url: Annotated[str, Field(max_length=2_048)] | None = None
    tags: Annotated[list[str], Field(max_length=100)] = Field(default_factory=list)
    metadata: dict[str, JsonValue] = Field(default_factory=dict)


class Tools:
    """The tools over one client."""

    def __init__(self, client: AsyncPergamum) -> None:
        self._client = client

    async def search(
        self,
        text: Annotated[str, Field(min_length=1, max_length=65_536, description="What to look for.")],
        library: LibraryName,
        k: Annotated[int, Field(ge=1, le=MOST_HITS, description="Most hits wanted.")] = 5,
        filter: Annotated[dict[str, Any] | None, Field(description=_FILTER)] = None,
        mode: Annotated[
            Literal["hybrid", "vector", "keyword"],
            Field(description="By meaning and words (hybrid), meaning alone (vector), or words alone (keyword)."),
        ] = "hybrid",
    ) -> Found:
        """Find the chunks of a library's documents that fit a text best: passages with their document, best first."""
        with _told():
            answer = await self._client.library(library).search(
                text=text, k=k, filter=filter, mode=mode, select=_SELECTED
            )
        return found(answer, k)

    async def fetch(
        self,
        id: Annotated[str, Field(min_length=1, description="A document_id or chunk_id that a search told.")],
        library: LibraryName,
        kind: Annotated[Literal["document", "chunk"], Field(description="What the id is of.")] = "document",
        offset: Annotated[
            int, Field(ge=0, description="Where in the text to begin: next_offset of the part before.")
        ] = 0,
    ) -> Fetched:
        """Read a whole document or one chunk by its id: text, title, metadata. Long texts come in parts."""
        with _told():
            return await (
                self._document(library, id, offset) if kind == "document" else self._chunk(library, id, offset)
            )

    async def list_libraries(
        self, library: Annotated[str | None, Field(description="Tell of this one alone, and all its fields.")] = None
    ) -> Libraries:
        """Tell which libraries there are, what they hold, and the metadata fields that a search can filter by."""
        with _told():
            if library is not None:
                known = await self._client.library(library).refresh()
                return Libraries(libraries=[library_info(known, MOST_FIELDS_OF_ONE)])
            libraries: list[LibraryInfo] = []
            async for known in self._client.libraries.list():
                if len(libraries) == MOST_LIBRARIES:
                    return Libraries(libraries=libraries, note=f"these are the first {MOST_LIBRARIES}, there are more")
                libraries.append(library_info(known, MOST_FIELDS))
            return Libraries(libraries=libraries)

    async def add_documents(
        self,
        library: LibraryName,
        documents: Annotated[list[Draft], Field(min_length=1, max_length=50, description="Stored all, or none.")],
        replace: Annotated[bool, Field(description="Replace documents whose ids exist, instead of refusing.")] = False,
    ) -> Added:
        """Store documents in a library that exists. They are found by searches at once."""
        made: list[NewDocument] = [_new(draft) for draft in documents]
        with _told():
            mode: Literal["upsert", "create"] = "upsert" if replace else "create"
            stored = await self._client.library(library).documents.add_many(made, mode=mode)
        return Added(ids=[str(one.get("id")) for one in made], created=stored.created, replaced=stored.replaced)

    async def _document(self, library: str, id: str, offset: int) -> Fetched:
        document = await self._client.library(library).documents.get(id)
        texts = [document.text or ""]
        if document.text is None:  # it was stored as chunks
            texts = [chunk.text async for chunk in self._client.library(library).chunks.list(document=id)]
        text, next_offset = part_of(texts, offset)
        return Fetched(
            id=document.id,
            document_id=document.id,
            title=document.title,
            author=document.author,
            source_url=document.source_url,
            tags=document.tags,
            metadata=cut_metadata(document.metadata),
            text=text,
            next_offset=next_offset,
        )

    async def _chunk(self, library: str, id: str, offset: int) -> Fetched:
        chunk = await self._client.library(library).chunks.get(id)
        text, next_offset = part_of([chunk.text], offset)
        metadata = cut_metadata(chunk.metadata)
        return Fetched(
            id=chunk.id, document_id=chunk.document_id, metadata=metadata, text=text, next_offset=next_offset
        )


def _new(draft: Draft) -> NewDocument:
    return {
        "id": draft.id or str(uuid4()),
        "title": draft.title,
        "source_url": draft.source_url,
        "tags": draft.tags,
        "metadata": draft.metadata,
        "text": draft.text,
    }


@contextmanager
def _told() -> Iterator[None]:
    """Turn what the client raises into an error that says what a model can do about it."""
    try:
        yield
    except (ClientError, ValueError) as error:
        raise ToolError(explained(error)) from error


def explained(error: ClientError | ValueError) -> str:
    """Return what went wrong, in words for a model."""
    if isinstance(error, Unreachable | TimedOut):
        return f"{error}. Is the Pergamum server running?"
    if not isinstance(error, Refused):
        return str(error)
    if isinstance(error, NotFound):
        return f"{error.detail}. list_libraries tells which libraries there are, search finds ids."
    if error.type == "/problems/embedding-required":
        return "This library embeds no texts, its vectors come from outside: search it with mode keyword, add nothing."
    nearest = error.body.get("nearest")
    known = f" The nearest name is {nearest!r}." if nearest else ""
    return f"{error.detail} [{error.status} {error.type}]{known}"
