"""What can be done with documents."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from pergamum.domain.chunk import NewChunk
from pergamum.domain.commands import DeleteDocument, NewDocument, Outcome, PatchDocument, PutDocuments, WriteMode
from pergamum.domain.document import Document, DocumentChanges
from pergamum.domain.etags import IfMatch
from pergamum.domain.library import Library
from pergamum.domain.tokens import Token
from pergamum.engine.catalog import Catalog
from pergamum.engine.preconditions import refuse_other_version
from pergamum.errors import DocumentNotFound
from pergamum.journal.base import Journal
from pergamum.services.composer import Composer, Refuse, raising
from pergamum.services.drafts import ChunkDraft, DocumentDraft
from pergamum.services.terms import UNCONDITIONAL, BatchWritten, Terms, submitted, where_it_stands


@dataclass(frozen=True, slots=True)
class DocumentWritten:
    """A document as a write left it. `chunk_ids` are the chunks it stored, None when it left them alone."""

    document: Document
    chunk_ids: list[str] | None
    created: bool
    token: Token


class DocumentService:
    """Threads: any."""

    def __init__(self, catalog: Catalog, journal: Journal, composer: Composer) -> None:
        self._catalog, self._journal, self._composer = catalog, journal, composer

    def put(
        self, reference: str, draft: DocumentDraft, mode: WriteMode, terms: Terms[DocumentWritten] = UNCONDITIONAL
    ) -> DocumentWritten:
        """Store a document with its chunks in one command.

        Raises `DocumentExists` if told to create, `PreconditionFailed`.
        """
        library_id = self._catalog.resolve(reference)
        at = datetime.now(UTC)
        documents = self._composer.documents(self._library(library_id), [draft], at)
        command = PutDocuments(tuple(documents), mode, at, terms.if_match)

        def written(outcome: Outcome, token: Token) -> DocumentWritten:
            chunk_ids = [chunk.id for chunk in outcome.chunks]
            return DocumentWritten(outcome.documents[0], chunk_ids, not outcome.replaced, token)

        return submitted(self._journal, library_id, command, terms, written)

    def put_all(
        self,
        reference: str,
        drafts: Sequence[DocumentDraft],
        mode: WriteMode,
        terms: Terms[BatchWritten] = UNCONDITIONAL,
    ) -> BatchWritten:
        """Store documents with their chunks in one command: all or none."""
        library_id = self._catalog.resolve(reference)
        documents = self.composed(library_id, drafts)
        command = PutDocuments(tuple(documents), mode, documents[0].document.updated_at)
        return submitted(self._journal, library_id, command, terms, BatchWritten)

    def composed(
        self, library_id: UUID, drafts: Sequence[DocumentDraft], refuse: Refuse = raising
    ) -> list[NewDocument]:
        """Return the drafts with ids, chunks and embeddings, ready to be submitted."""
        return self._composer.documents(self._library(library_id), drafts, datetime.now(UTC), refuse)

    def submit(self, library_id: UUID, documents: Sequence[NewDocument], mode: WriteMode) -> Outcome:
        """Store the documents in one command. REQUIRES: there is at least one; they were composed together."""
        at = documents[0].document.updated_at
        return self._journal.submit(library_id, PutDocuments(tuple(documents), mode, at))

    def patch(
        self,
        reference: str,
        document_id: str,
        changes: DocumentChanges,
        terms: Terms[DocumentWritten] = UNCONDITIONAL,
        *,
        chunks: tuple[ChunkDraft, ...] | None = None,
    ) -> DocumentWritten:
        """Change fields of a document; a new text replaces its chunks, by `chunks` if they are given with it.

        Raises `DocumentNotFound`, `PreconditionFailed`.
        """
        library_id = self._catalog.resolve(reference)
        if not changes:
            return self._unchanged(library_id, document_id, terms.if_match)
        made = self._chunks_of_new_text(library_id, document_id, changes, chunks)
        command = PatchDocument(document_id, changes, made, datetime.now(UTC), terms.if_match)

        def written(outcome: Outcome, token: Token) -> DocumentWritten:
            chunk_ids = None if made is None else [chunk.id for chunk in made]
            return DocumentWritten(outcome.documents[0], chunk_ids, created=False, token=token)

        return submitted(self._journal, library_id, command, terms, written)

    def delete(self, reference: str, document_id: str, terms: Terms[Token] = UNCONDITIONAL) -> Token:
        """Delete a document and its chunks. Raises `DocumentNotFound`, `PreconditionFailed`."""
        command = DeleteDocument(document_id, datetime.now(UTC), terms.if_match)
        return submitted(self._journal, self._catalog.resolve(reference), command, terms, where_it_stands)

    def get(self, reference: str, document_id: str) -> Document:
        """Return the document with its text. Raises `DocumentNotFound`."""
        with self._catalog.opened(self._catalog.resolve(reference)) as live, live.reading() as rows:
            document = rows.document(document_id)
        if document is None:
            raise DocumentNotFound(document_id)
        return document

    def page(self, reference: str, after: str | None, limit: int) -> list[Document]:
        """Return at most `limit` documents whose ids come after `after`, in order of id."""
        with self._catalog.opened(self._catalog.resolve(reference)) as live, live.reading() as rows:
            return rows.documents(after, limit)

    def _library(self, library_id: UUID) -> Library:
        with self._catalog.opened(library_id) as live:
            return live.view.state.library

    def _unchanged(self, library_id: UUID, document_id: str, if_match: IfMatch | None) -> DocumentWritten:
        with self._catalog.opened(library_id) as live, live.reading() as rows:
            document, position = rows.document(document_id), rows.state().position
        if document is None:
            raise DocumentNotFound(document_id)
        refuse_other_version(if_match, document)
        return DocumentWritten(document, None, created=False, token=Token(library_id, position))

    def _chunks_of_new_text(
        self, library_id: UUID, document_id: str, changes: DocumentChanges, chunks: tuple[ChunkDraft, ...] | None
    ) -> tuple[NewChunk, ...] | None:
        if "text" not in changes:
            return None
        title = changes["title"] if "title" in changes else self.get(str(library_id), document_id).title
        draft = DocumentDraft(id=document_id, title=title, text=changes["text"], chunks=chunks)
        return tuple(self._composer.chunks_of(self._library(library_id), document_id, draft))
