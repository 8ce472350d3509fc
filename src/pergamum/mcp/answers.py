"""What the tools answer. All of it is bounded: what is too long is cut, and says so where it is cut."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel, Field, JsonValue

from pergamum.wire.libraries import LibraryOut
from pergamum.wire.schema import FieldOut
from pergamum.wire.search import HitOut, SearchOut

MOST_HITS: Final = 20
MOST_HIT_TEXT: Final = 2_000
MOST_FETCHED_TEXT: Final = 20_000
MOST_METADATA: Final = 4_000
MOST_DESCRIPTION: Final = 500
MOST_LIBRARIES: Final = 50
MOST_FIELDS: Final = 20
MOST_FIELDS_OF_ONE: Final = 500


class FoundChunk(BaseModel):
    """A chunk that a search found."""

    chunk_id: str
    document_id: str
    title: str | None
    score: float
    text: str
    metadata: dict[str, JsonValue]


class Found(BaseModel):
    """The best chunks, best first."""

    hits: list[FoundChunk]
    note: str | None = None


class Fetched(BaseModel):
    """A document or a chunk, with a part of its text; `next_offset` fetches the part that follows."""

    id: str
    document_id: str
    title: str | None = None
    author: str | None = None
    source_url: str | None = None
    tags: list[str] = Field(default_factory=list)
    metadata: dict[str, JsonValue]
    text: str
    next_offset: int | None


class LibraryInfo(BaseModel):
    """A library: what it holds, and the metadata fields that filters may be about, with their types."""

    name: str
    description: str | None
    documents: int
    chunks: int
    embedding_model: str | None
    fields: dict[str, str]
    note: str | None = None


class Libraries(BaseModel):
    """The libraries there are."""

    libraries: list[LibraryInfo]
    note: str | None = None


class Added(BaseModel):
    """What was stored, by the documents' ids in the order given."""

    ids: list[str]
    created: int
    replaced: int


def found(answer: SearchOut, k: int) -> Found:
    """Return what a search found."""
    hits = [_found_chunk(hit) for hit in answer.hits]
    if len(hits) >= k or not answer.complete:
        return Found(hits=hits)
    return Found(hits=hits, note=f"these are all that match: {len(hits)}")


def library_info(library: LibraryOut, most_fields: int) -> LibraryInfo:
    """Return what is known of a library, at most so many of its fields."""
    schema = library.metadata_schema
    fields = {**_types("chunk", schema.chunks), **_types("document", schema.documents)}
    shown = dict(list(fields.items())[:most_fields])
    more = len(fields) - len(shown)
    return LibraryInfo(
        name=library.name,
        description=None if library.description is None else cut(library.description, MOST_DESCRIPTION, "cut"),
        documents=library.documents,
        chunks=library.chunks,
        embedding_model=library.embedding_model,
        fields=shown,
        note=f"{more:,} more fields: ask for this library alone" if more else None,
    )


def cut(text: str, most: int, note: str) -> str:
    """Return the text, or its first `most` characters with the note."""
    return text if len(text) <= most else f"{text[:most]}\n[{note}: {most:,} of {len(text):,} characters]"


def cut_metadata(metadata: Mapping[str, Any]) -> dict[str, JsonValue]:
    """Return the first fields that fit, and how many others there are."""
    kept: dict[str, JsonValue] = {}
    room = MOST_METADATA
    for name, value in metadata.items():
        room -= len(json.dumps({name: value}, ensure_ascii=False))
        if room < 0:
            return {**kept, "...": f"{len(metadata) - len(kept):,} more fields are too long to be shown"}
        kept[name] = value
    return kept


def part_of(texts: Iterable[str], offset: int) -> tuple[str, int | None]:
    """Return the part of the joined texts that begins at `offset`, and where the next one does, if there is one."""
    whole = "\n\n".join(texts)
    end = offset + MOST_FETCHED_TEXT
    return whole[offset:end], end if len(whole) > end else None


def _found_chunk(hit: HitOut) -> FoundChunk:
    document = hit.document
    metadata = {**((document.metadata if document is not None else None) or {}), **hit.metadata}
    return FoundChunk(
        chunk_id=hit.chunk_id,
        document_id=hit.document_id,
        title=document.title if document is not None else None,
        score=hit.score,
        text=cut(hit.text, MOST_HIT_TEXT, "cut; fetch the chunk for the rest"),
        metadata=cut_metadata(metadata),
    )


def _types(level: str, fields: Mapping[str, FieldOut]) -> dict[str, str]:
    return {f"{level}.metadata.{name}": field.type for name, field in fields.items()}
