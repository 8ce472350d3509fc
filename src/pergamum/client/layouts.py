"""Which columns hits, documents, chunks and libraries have in a table.

Metadata fields are columns of their own. A field is called as filters call it: `year` for the field year of a chunk
or document; `metadata.text` where the plain name is that of a fixed field or begins with `metadata.`, `chunk.` or
`document.`; `document.metadata.year` for one of a hit's document. No two fields get one name.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from pergamum.client.frames import Column, Frame, Kind, kind_of
from pergamum.client.vectors import decoded
from pergamum.domain.fields import CHUNK_COLUMNS, DOCUMENT_COLUMNS
from pergamum.wire.chunks import ChunkOut
from pergamum.wire.documents import DocumentOut
from pergamum.wire.libraries import LibraryOut
from pergamum.wire.search import HitOut

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Field(Generic[T]):
    """A column; unless it is `always` there, it is where something has a value for it."""

    name: str
    kind: Kind
    value: Callable[[T], Any]
    always: bool = True


@dataclass(frozen=True, slots=True)
class Layout(Generic[T]):
    """The columns of a kind of answer: fixed ones, then metadata, then the vector. `title` is that of its table."""

    title: str
    fields: tuple[Field[T], ...]
    metadata: Callable[[T], Iterable[tuple[str, Any]]] = lambda _: ()
    vector: Field[T] | None = None

    def frame(self, items: Iterable[T], wanted: Collection[str] = ()) -> Frame:
        """Return the items as a table; the columns `wanted` are there in any case."""
        gathering = Gathering(self)
        gathering.add(items)
        return gathering.frame(wanted)


class Gathering(Generic[T]):
    """A table under construction, to which items are added as they come. Metadata fields turn up on the way."""

    def __init__(self, layout: Layout[T]) -> None:
        self._layout = layout
        self._fields = (*layout.fields, *([layout.vector] if layout.vector else []))
        self._values: tuple[list[Any], ...] = tuple([] for _ in self._fields)
        self._metadata: dict[str, list[Any]] = {}
        self._rows = 0

    def add(self, items: Iterable[T]) -> None:
        """Add rows at the end."""
        for item in items:
            for field, values in zip(self._fields, self._values, strict=True):
                values.append(field.value(item))
            for name, value in self._layout.metadata(item):
                column = self._metadata.setdefault(name, [])
                column.extend([None] * (self._rows - len(column)))
                column.append(value)
            self._rows += 1

    def frame(self, wanted: Collection[str] = ()) -> Frame:
        """Return what was added as a table; the columns `wanted` are there in any case."""
        fixed = [
            Column(field.name, field.kind, values)
            for field, values in zip(self._fields, self._values, strict=True)
            if field.always or field.name in wanted or any(value is not None for value in values)
        ]
        vectors = [column for column in fixed if column.kind is Kind.VECTOR]
        others = [column for column in fixed if column.kind is not Kind.VECTOR]
        return Frame((*others, *self._metadata_columns(), *vectors))

    def _metadata_columns(self) -> Iterator[Column]:
        for name, values in self._metadata.items():
            whole = [*values, *[None] * (self._rows - len(values))]
            yield Column(name, kind_of(whole), whole)


def _plain(name: str, kind: Kind, *, always: bool = True) -> Field[Any]:
    return Field(name, kind, attrgetter(name), always)


def _array(wire: list[float] | str | None) -> npt.NDArray[np.float32] | None:
    return None if wire is None else decoded(wire)


def _metadata(metadata: Mapping[str, Any] | None, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in (metadata or {}).items():
        yield prefix + name if prefix or not _is_taken(name) else f"metadata.{name}", value


def _is_taken(name: str) -> bool:
    return name in _TAKEN or name.startswith(("metadata.", "chunk.", "document."))


# Hits


def _text(hit: HitOut) -> str | None:
    return hit.text if "text" in hit.model_fields_set else None


def _of_document(name: str, kind: Kind) -> Field[HitOut]:
    def value(hit: HitOut) -> object:
        return None if hit.document is None else getattr(hit.document, name)

    return Field(f"document.{name}", kind, value, always=False)


def _hit_metadata(hit: HitOut) -> Iterator[tuple[str, Any]]:
    yield from _metadata(hit.metadata)
    if hit.document is not None:
        yield from _metadata(hit.document.metadata, "document.metadata.")


HITS: Final[Layout[HitOut]] = Layout(
    "hits",
    (
        _plain("chunk_id", Kind.STRING),
        _plain("document_id", Kind.STRING),
        _plain("score", Kind.FLOAT),
        _plain("distance", Kind.FLOAT),
        _plain("vector_score", Kind.FLOAT, always=False),
        _plain("keyword_score", Kind.FLOAT, always=False),
        _plain("vector_rank", Kind.INTEGER, always=False),
        _plain("keyword_rank", Kind.INTEGER, always=False),
        _plain("relevance", Kind.FLOAT, always=False),
        Field("text", Kind.STRING, _text, always=False),
        _plain("highlights", Kind.SPANS, always=False),
        _plain("page_number", Kind.INTEGER, always=False),
        _plain("chunk_index", Kind.INTEGER, always=False),
        _plain("version", Kind.INTEGER, always=False),
        _plain("created_at", Kind.TIME, always=False),
        _plain("updated_at", Kind.TIME, always=False),
        _of_document("title", Kind.STRING),
        _of_document("author", Kind.STRING),
        _of_document("document_type", Kind.STRING),
        _of_document("source_url", Kind.STRING),
        _of_document("tags", Kind.STRINGS),
        _of_document("chunks", Kind.INTEGER),
        _of_document("version", Kind.INTEGER),
        _of_document("created_at", Kind.TIME),
        _of_document("updated_at", Kind.TIME),
    ),
    _hit_metadata,
    Field("vector", Kind.VECTOR, lambda hit: _array(hit.vector), always=False),
)

DOCUMENTS: Final[Layout[DocumentOut]] = Layout(
    "documents",
    (
        _plain("id", Kind.STRING),
        _plain("title", Kind.STRING),
        _plain("author", Kind.STRING),
        _plain("document_type", Kind.STRING),
        _plain("source_url", Kind.STRING),
        _plain("tags", Kind.STRINGS),
        _plain("chunks", Kind.INTEGER),
        _plain("version", Kind.INTEGER),
        _plain("created_at", Kind.TIME),
        _plain("updated_at", Kind.TIME),
        _plain("text", Kind.STRING, always=False),
    ),
    lambda document: _metadata(document.metadata),
)

CHUNKS: Final[Layout[ChunkOut]] = Layout(
    "chunks",
    (
        _plain("id", Kind.STRING),
        _plain("document_id", Kind.STRING),
        _plain("text", Kind.STRING),
        _plain("page_number", Kind.INTEGER),
        _plain("chunk_index", Kind.INTEGER),
        _plain("version", Kind.INTEGER),
        _plain("created_at", Kind.TIME),
        _plain("updated_at", Kind.TIME),
    ),
    lambda chunk: _metadata(chunk.metadata),
    Field("embedding", Kind.VECTOR, lambda chunk: _array(chunk.embedding), always=False),
)


def _of_library(name: str, value: Callable[[LibraryOut], str]) -> Field[LibraryOut]:
    return Field(name, Kind.STRING, value)


LIBRARIES: Final[Layout[Any]] = Layout(  # of LibraryOut, and what is made from it
    "libraries",
    (
        _of_library("id", lambda library: str(library.id)),
        _plain("name", Kind.STRING),
        _plain("description", Kind.STRING),
        _of_library("metric", lambda library: str(library.metric)),
        _plain("dimension", Kind.INTEGER),
        _plain("embedding_model", Kind.STRING),
        _plain("documents", Kind.INTEGER),
        _plain("chunks", Kind.INTEGER),
        _of_library("index", lambda library: library.index.kind),
        _plain("recall", Kind.FLOAT),
        _plain("version", Kind.INTEGER),
        _plain("position", Kind.INTEGER),
        _plain("created_at", Kind.TIME),
        _plain("updated_at", Kind.TIME),
    ),
)

_TAKEN: Final = frozenset(
    {"vector", "embedding", "metadata", *DOCUMENT_COLUMNS, *CHUNK_COLUMNS}
    | {field.name for field in HITS.fields}
    | {field.name for field in DOCUMENTS.fields}
    | {field.name for field in CHUNKS.fields}
)
"""Names that are no metadata field's in any of these tables."""
