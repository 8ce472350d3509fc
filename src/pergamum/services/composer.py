"""Makes commands' contents of drafts: everything that could differ between two runs is fixed here.

Ids are given, texts split, embeddings made (in one call for all that a request lacks) and checked. What is wrong with
an item goes to `refuse(place, error)`, which raises, or takes note so that the item is left out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias
from uuid import uuid4

import numpy as np

from pergamum.domain.chunk import NewChunk
from pergamum.domain.commands import NewDocument
from pergamum.domain.document import Document
from pergamum.domain.fields import Level
from pergamum.domain.library import Library
from pergamum.domain.metadata import accepted
from pergamum.domain.schema import MetadataSchema
from pergamum.domain.splitter import split
from pergamum.domain.vectors import Matrix, Metric, Vector
from pergamum.embedding.factory import Embedders
from pergamum.engine.metadata_checks import accepted_at
from pergamum.errors import DuplicateId, EmbeddingRequired, Fact, Invalid, InvalidMetadata
from pergamum.services.drafts import ChunkDraft, DocumentDraft, OwnedChunkDraft

Refuse: TypeAlias = Callable[[int, Invalid], None]
"""What to do about a fault of the item in this place of the request."""


def raising(_place: int, fault: Invalid) -> None:
    """Refuse the whole request for the first fault."""
    raise fault


def new_id() -> str:
    """Return the id of a document or chunk whose client gave none."""
    return str(uuid4())


def embedded_text(title: str | None, text: str) -> str:
    """Return what is embedded for a text: its document's title stands before it."""
    return f"{title}\n{text}" if title else text


@dataclass(slots=True)
class _Piece:
    """A chunk on its way: the item it belongs to, where it stands in the request, and its vector once it is known."""

    place: int
    where: Mapping[str, Fact]
    id: str
    document_id: str
    title: str | None
    draft: ChunkDraft
    vector: Vector | None = field(init=False)

    def __post_init__(self) -> None:
        self.vector = self.draft.embedding

    def located(self, fault: Invalid) -> Invalid:
        return fault.located(**self.where, chunk_id=self.draft.id) if self.draft.id else fault.located(**self.where)

    def chunk(self) -> NewChunk:
        assert self.vector is not None, "pieces are embedded before chunks are made of them"
        draft = self.draft
        return NewChunk(
            id=self.id,
            document_id=self.document_id,
            text=draft.text,
            embedding=self.vector,
            page_number=draft.page_number,
            metadata=draft.metadata,
        )


class Composer:
    """Threads: any."""

    def __init__(self, embedders: Embedders) -> None:
        self._embedders = embedders

    def documents(
        self, library: Library, drafts: Sequence[DocumentDraft], at: datetime, refuse: Refuse = raising
    ) -> list[NewDocument]:
        """Return the documents with their chunks, those that `refuse` let pass by left out."""
        refused, noting = _noting(refuse)
        ids = [draft.id or new_id() for draft in drafts]
        for place in _repeated(ids):
            noting(place, DuplicateId("document", ids[place]).located(document=place))
        pieces = [piece for place, draft in enumerate(drafts) for piece in _cut(library, draft, place, ids[place])]
        chunks = self._chunks(library, pieces, refused, noting, drafts)
        return [
            NewDocument(_document(draft, ids[place], at), tuple(chunks.get(place, ())))
            for place, draft in enumerate(drafts)
            if place not in refused
        ]

    def chunks(
        self,
        library: Library,
        drafts: Sequence[OwnedChunkDraft],
        titles: Mapping[str, str | None],
        refuse: Refuse = raising,
    ) -> list[NewChunk]:
        """Return the chunks; `titles` are those of their documents, as far as they exist."""
        refused, noting = _noting(refuse)
        pieces = [
            _Piece(
                place,
                {"chunk": place},
                draft.chunk.id or new_id(),
                draft.document_id,
                titles.get(draft.document_id),
                draft.chunk,
            )
            for place, draft in enumerate(drafts)
        ]
        made = self._chunks(library, pieces, refused, noting)
        return [chunk for chunks in made.values() for chunk in chunks]

    def chunks_of(self, library: Library, document_id: str, draft: DocumentDraft) -> list[NewChunk]:
        """Return the chunks of a document alone."""
        pieces = _cut(library, draft, 0, document_id)
        return self._chunks(library, pieces, *_noting(raising)).get(0, [])

    def vector(self, library: Library, title: str | None, text: str) -> Vector:
        """Return the checked embedding of a chunk's text. Raises `EmbeddingRequired`, `EmbeddingFailed`."""
        vector: Vector = self._embed(library, [embedded_text(title, text)])[0]
        library.check(vector)
        return vector

    def query_vector(self, library: Library, text: str) -> Vector:
        """Return the embedding of a question. Raises `EmbeddingRequired`, `EmbeddingFailed`."""
        if library.embedding_model is None:
            raise EmbeddingRequired
        return self._embedders.get(library.embedding_model).embed_query(text)

    def _chunks(
        self,
        library: Library,
        pieces: list[_Piece],
        refused: set[int],
        refuse: Refuse,
        documents: Sequence[DocumentDraft] | None = None,
    ) -> dict[int, list[NewChunk]]:
        """Return the chunks of the items that are not refused, by the item's place.

        What has to be embedded is, once all else is known to be good. `documents` are the items, unless chunks are.
        """
        for number in _repeated([piece.id for piece in pieces]):
            piece = pieces[number]
            refuse(piece.place, piece.located(DuplicateId("chunk", piece.id)))
        without = [piece for piece in pieces if piece.vector is None]
        if without and library.embedding_model is None:
            for piece in without:
                refuse(piece.place, piece.located(EmbeddingRequired()))
        _check(library, [piece for piece in pieces if piece.vector is not None and piece.place not in refused], refuse)
        _check_metadata(library.metadata_schema, _items(pieces, documents), refused, refuse)
        wanted = [piece for piece in without if piece.place not in refused]
        if wanted:
            for piece, vector in zip(wanted, self._embed(library, [_to_embed(p) for p in wanted]), strict=True):
                piece.vector = vector
            _check(library, wanted, refuse)
        made: dict[int, list[NewChunk]] = {}
        for piece in pieces:
            if piece.place not in refused:
                made.setdefault(piece.place, []).append(piece.chunk())
        return made

    def _embed(self, library: Library, texts: Sequence[str]) -> Matrix:
        if library.embedding_model is None:
            raise EmbeddingRequired
        return self._embedders.get(library.embedding_model).embed_documents(texts)


def _noting(refuse: Refuse) -> tuple[set[int], Refuse]:
    """Return the places that are refused from now on, and `refuse` made to add to them, once for each place."""
    refused: set[int] = set()

    def noting(place: int, fault: Invalid) -> None:
        if place not in refused:
            refuse(place, fault)
            refused.add(place)

    return refused, noting


def _repeated(ids: Sequence[str]) -> list[int]:
    """Return the places of the ids that stood before already."""
    if len(set(ids)) == len(ids):
        return []
    first = {ids[place]: place for place in reversed(range(len(ids)))}
    return [place for place in range(len(ids)) if first[ids[place]] != place]


def _cut(library: Library, draft: DocumentDraft, place: int, document_id: str) -> list[_Piece]:
    """Return the pieces of a document: its chunks, or the parts of its text."""
    chunks: Sequence[ChunkDraft] = draft.chunks or ()
    if draft.chunks is None and draft.text is not None:
        chunking = library.chunking
        chunks = [ChunkDraft(text=part) for part in split(draft.text, chunking.size, chunking.overlap)]
    return [
        _Piece(place, {"document": place, "chunk": number}, chunk.id or new_id(), document_id, draft.title, chunk)
        for number, chunk in enumerate(chunks)
    ]


def _to_embed(piece: _Piece) -> str:
    return embedded_text(piece.title, piece.draft.text)


def _document(draft: DocumentDraft, id: str, at: datetime) -> Document:
    return Document(
        id=id,
        title=draft.title,
        author=draft.author,
        document_type=draft.document_type,
        source_url=draft.source_url,
        tags=draft.tags,
        metadata=draft.metadata,
        text=draft.text,
        created_at=at,
        updated_at=at,
    )


def _check(library: Library, pieces: Sequence[_Piece], refuse: Refuse) -> None:
    """Refuse the items whose vectors the library cannot hold.

    Where the library has no dimension yet the first vector sets it.
    """
    vectors = [piece.vector for piece in pieces if piece.vector is not None]
    if not vectors:
        return
    dimension = library.dimension or vectors[0].size
    if _all_fit(vectors, dimension, library.metric):
        return
    settled = library.with_dimension(dimension)
    for piece, vector in zip(pieces, vectors, strict=True):
        try:
            settled.check(vector)
        except Invalid as fault:
            refuse(piece.place, piece.located(fault))


@dataclass(slots=True)
class _Item:
    """An item of a request: the document, if it is one, and its pieces."""

    place: int
    document: DocumentDraft | None = None
    pieces: list[_Piece] = field(default_factory=list)


def _items(pieces: Sequence[_Piece], documents: Sequence[DocumentDraft] | None) -> list[_Item]:
    """Return the items in order."""
    items = {place: _Item(place, draft) for place, draft in enumerate(documents or ())}
    for piece in pieces:
        items.setdefault(piece.place, _Item(piece.place)).pieces.append(piece)
    return list(items.values())


def _check_metadata(schema: MetadataSchema, items: Sequence[_Item], refused: set[int], refuse: Refuse) -> None:
    """Refuse the items whose metadata does not fit the schema as those before them leave it.

    This spares what is refused its embedding; what counts is the check where the order of writes is known.
    """
    for item in items:
        if item.place in refused:
            continue
        try:
            schema = _schema_after(schema, item)
        except InvalidMetadata as fault:
            refuse(item.place, fault)


def _schema_after(schema: MetadataSchema, item: _Item) -> MetadataSchema:
    if item.document is not None:
        where: dict[str, Fact] = {"document": item.place}
        if item.document.id is not None:
            where["document_id"] = item.document.id
        _, schema = accepted_at(schema, Level.DOCUMENT, item.document.metadata, **where)
    for piece in item.pieces:
        try:
            _, schema = accepted(schema, Level.CHUNK, piece.draft.metadata)
        except InvalidMetadata as fault:
            piece.located(fault)
            raise
    return schema


def _all_fit(vectors: Sequence[Vector], dimension: int, metric: Metric) -> bool:
    """Whether no vector is at fault: the same rules for all at once, several times faster than one by one."""
    if any(vector.size != dimension for vector in vectors):
        return False
    matrix = np.stack(vectors)
    return bool(np.isfinite(matrix).all() and (metric is not Metric.COSINE or matrix.any(axis=1).all()))
