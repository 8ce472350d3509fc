"""What can be done with chunks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from pergamum.domain.chunk import Chunk, ChunkChanges, NewChunk
from pergamum.domain.commands import DeleteChunk, Outcome, PatchChunk, PutChunks, WriteMode
from pergamum.domain.etags import IfMatch
from pergamum.domain.tokens import Token
from pergamum.domain.vectors import Vector
from pergamum.engine.catalog import Catalog
from pergamum.engine.live_library import LiveLibrary
from pergamum.engine.preconditions import refuse_other_version
from pergamum.errors import ChunkNotFound, DocumentNotFound, Invalid
from pergamum.journal.base import Journal
from pergamum.services.composer import Composer, Refuse, raising
from pergamum.services.drafts import OwnedChunkDraft
from pergamum.services.terms import UNCONDITIONAL, BatchWritten, Terms, submitted, where_it_stands
from pergamum.storage.base import Rows, StoredChunk


@dataclass(frozen=True, slots=True)
class ChunkWritten:
    """A chunk as a write left it."""

    chunk: Chunk
    created: bool
    token: Token


@dataclass(frozen=True, slots=True)
class ChunkFound:
    """A chunk and, where it was asked for, its embedding."""

    chunk: Chunk
    embedding: Vector | None


class ChunkService:
    """Threads: any."""

    def __init__(self, catalog: Catalog, journal: Journal, composer: Composer) -> None:
        self._catalog, self._journal, self._composer = catalog, journal, composer

    def put(
        self, reference: str, draft: OwnedChunkDraft, mode: WriteMode, terms: Terms[ChunkWritten] = UNCONDITIONAL
    ) -> ChunkWritten:
        """Store a chunk in its document.

        Raises `DocumentNotFound`, `ChunkOwnedElsewhere`, `ChunkExists`, `PreconditionFailed`.
        """
        library_id = self._catalog.resolve(reference)
        chunks = tuple(self.composed(library_id, [draft]))
        return submitted(
            self._journal, library_id, PutChunks(chunks, mode, datetime.now(UTC), terms.if_match), terms, _written
        )

    def put_all(
        self,
        reference: str,
        drafts: Sequence[OwnedChunkDraft],
        mode: WriteMode,
        terms: Terms[BatchWritten] = UNCONDITIONAL,
    ) -> BatchWritten:
        """Store chunks in their documents in one command: all or none."""
        library_id = self._catalog.resolve(reference)
        chunks = tuple(self.composed(library_id, drafts))
        return submitted(self._journal, library_id, PutChunks(chunks, mode, datetime.now(UTC)), terms, BatchWritten)

    def composed(self, library_id: UUID, drafts: Sequence[OwnedChunkDraft], refuse: Refuse = raising) -> list[NewChunk]:
        """Return the drafts with ids and embeddings, ready to be submitted."""
        with self._catalog.opened(library_id) as live:
            library = live.view.state.library
            titles = _titles(live, [draft.document_id for draft in drafts if draft.chunk.embedding is None])
        return self._composer.chunks(library, drafts, titles, refuse)

    def submit(self, library_id: UUID, chunks: Sequence[NewChunk], mode: WriteMode) -> Outcome:
        """Store the chunks in one command."""
        return self._journal.submit(library_id, PutChunks(tuple(chunks), mode, datetime.now(UTC)))

    def patch(
        self, reference: str, chunk_id: str, changes: ChunkChanges, terms: Terms[ChunkWritten] = UNCONDITIONAL
    ) -> ChunkWritten:
        """Change fields of a chunk; a text that comes alone is embedded.

        Raises `ChunkNotFound`, `PreconditionFailed`.
        """
        library_id = self._catalog.resolve(reference)
        if not changes:
            return self._unchanged(library_id, chunk_id, terms.if_match)
        changes = self._with_embedding(library_id, chunk_id, changes)
        command = PatchChunk(chunk_id, changes, datetime.now(UTC), terms.if_match)
        return submitted(self._journal, library_id, command, terms, _rewritten)

    def delete(self, reference: str, chunk_id: str, terms: Terms[Token] = UNCONDITIONAL) -> Token:
        """Delete a chunk. Raises `ChunkNotFound`, `PreconditionFailed`."""
        command = DeleteChunk(chunk_id, datetime.now(UTC), terms.if_match)
        return submitted(self._journal, self._catalog.resolve(reference), command, terms, where_it_stands)

    def get(self, reference: str, chunk_id: str, *, embedding: bool) -> ChunkFound:
        """Return the chunk, with its embedding if asked. Raises `ChunkNotFound`."""
        with self._catalog.opened(self._catalog.resolve(reference)) as live, live.reading() as rows:
            return _found(live, _existing(rows, chunk_id), embedding)

    def page(self, reference: str, after: str | None, limit: int, *, embedding: bool) -> list[ChunkFound]:
        """Return at most `limit` chunks whose ids come after `after`, in order of id."""
        with self._catalog.opened(self._catalog.resolve(reference)) as live, live.reading() as rows:
            return [_found(live, stored, embedding) for stored in rows.chunks(after, limit)]

    def page_of(
        self, reference: str, document_id: str, after: int | None, limit: int, *, embedding: bool
    ) -> list[ChunkFound]:
        """Return at most `limit` chunks of the document after chunk_index `after`. Raises `DocumentNotFound`."""
        with self._catalog.opened(self._catalog.resolve(reference)) as live, live.reading() as rows:
            if rows.document(document_id) is None:
                raise DocumentNotFound(document_id)
            return [_found(live, stored, embedding) for stored in rows.chunks_of(document_id, after, limit)]

    def _unchanged(self, library_id: UUID, chunk_id: str, if_match: IfMatch | None) -> ChunkWritten:
        with self._catalog.opened(library_id) as live, live.reading() as rows:
            chunk, position = _existing(rows, chunk_id).chunk, rows.state().position
        refuse_other_version(if_match, chunk)
        return ChunkWritten(chunk, created=False, token=Token(library_id, position))

    def _with_embedding(self, library_id: UUID, chunk_id: str, changes: ChunkChanges) -> ChunkChanges:
        with self._catalog.opened(library_id) as live:
            library = live.view.state.library
            alone = "text" in changes and "embedding" not in changes
            title = _title_above(live, chunk_id) if alone else None
        try:
            if alone:
                return {**changes, "embedding": self._composer.vector(library, title, changes["text"])}
            if "embedding" in changes:
                library.check(changes["embedding"])
        except Invalid as fault:
            raise fault.located(chunk_id=chunk_id) from None
        return changes


def _written(outcome: Outcome, token: Token) -> ChunkWritten:
    return ChunkWritten(outcome.chunks[0], not outcome.replaced, token)


def _rewritten(outcome: Outcome, token: Token) -> ChunkWritten:
    return ChunkWritten(outcome.chunks[0], created=False, token=token)


def _existing(rows: Rows, chunk_id: str) -> StoredChunk:
    stored = rows.chunk(chunk_id)
    if stored is None:
        raise ChunkNotFound(chunk_id)
    return stored


def _found(live: LiveLibrary, stored: StoredChunk, embedding: bool) -> ChunkFound:
    return ChunkFound(stored.chunk, live.embedding(stored) if embedding else None)


def _titles(live: LiveLibrary, document_ids: list[str]) -> dict[str, str | None]:
    """Return the titles of the documents that exist."""
    if not document_ids:
        return {}
    with live.reading() as rows:
        found = rows.documents_by_id(list(set(document_ids)))
    return {document.id: document.title for document in found.values()}


def _title_above(live: LiveLibrary, chunk_id: str) -> str | None:
    """Return the title of the document that the chunk belongs to."""
    with live.reading() as rows:
        document = rows.document(_existing(rows, chunk_id).chunk.document_id)
    return None if document is None else document.title
