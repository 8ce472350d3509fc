"""What can be done with documents."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from pergamum.domain.chunk import NewChunk
from pergamum.domain.commands import DeleteDocument, NewDocument, Outcome, PatchDocument, PutDocuments, WriteMode
from pergamum.domain.document import Document, DocumentChanges
from pergamum.domain.library import Library
from pergamum.engine.catalog import Catalog
from pergamum.errors import DocumentNotFound
from pergamum.journal.base import Journal
from pergamum.services.composer import Composer, Refuse, raising
from pergamum.services.drafts import DocumentDraft


@dataclass(frozen=True, slots=True)
class DocumentWritten:
    """A document as a write left it. `chunk_ids` are the chunks it stored, None when it left them alone."""

    document: Document
    chunk_ids: list[str] | None
    created: bool
    position: int


class DocumentService:
    """Threads: any."""

    def __init__(self, catalog: Catalog, journal: Journal, composer: Composer) -> None:
        self._catalog, self._journal, self._composer = catalog, journal, composer

    def put(self, reference: str, draft: DocumentDraft, mode: WriteMode) -> DocumentWritten:
        """Store a document with its chunks in one command. Raises `DocumentExists` if told to create."""
        outcome = self.put_all(reference, [draft], mode)
        chunk_ids = [chunk.id for chunk in outcome.chunks]
        return DocumentWritten(outcome.documents[0], chunk_ids, not outcome.replaced, outcome.position)

    def put_all(self, reference: str, drafts: Sequence[DocumentDraft], mode: WriteMode) -> Outcome:
        """Store documents with their chunks in one command: all or none."""
        library_id = self._catalog.resolve(reference)
        return self.submit(library_id, self.composed(library_id, drafts), mode)

    def composed(
        self, library_id: UUID, drafts: Sequence[DocumentDraft], refuse: Refuse = raising
    ) -> list[NewDocument]:
        """Return the drafts with ids, chunks and embeddings, ready to be submitted."""
        return self._composer.documents(self._library(library_id), drafts, datetime.now(UTC), refuse)

    def submit(self, library_id: UUID, documents: Sequence[NewDocument], mode: WriteMode) -> Outcome:
        """Store the documents in one command. REQUIRES: there is at least one; they were composed together."""
        at = documents[0].document.updated_at
        return self._journal.submit(library_id, PutDocuments(tuple(documents), mode, at))

    def patch(self, reference: str, document_id: str, changes: DocumentChanges) -> DocumentWritten:
        """Change fields of a document; a new text replaces its chunks. Raises `DocumentNotFound`."""
        library_id = self._catalog.resolve(reference)
        if not changes:
            return self._unchanged(library_id, document_id)
        chunks = self._chunks_of_new_text(library_id, document_id, changes)
        at = datetime.now(UTC)
        outcome = self._journal.submit(library_id, PatchDocument(document_id, changes, chunks, at))
        chunk_ids = None if chunks is None else [chunk.id for chunk in chunks]
        return DocumentWritten(outcome.documents[0], chunk_ids, created=False, position=outcome.position)

    def delete(self, reference: str, document_id: str) -> int:
        """Delete a document and its chunks; return the position. Raises `DocumentNotFound`."""
        command = DeleteDocument(document_id, datetime.now(UTC))
        return self._journal.submit(self._catalog.resolve(reference), command).position

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

    def _unchanged(self, library_id: UUID, document_id: str) -> DocumentWritten:
        with self._catalog.opened(library_id) as live, live.reading() as rows:
            document, position = rows.document(document_id), rows.state().position
        if document is None:
            raise DocumentNotFound(document_id)
        return DocumentWritten(document, None, created=False, position=position)

    def _chunks_of_new_text(
        self, library_id: UUID, document_id: str, changes: DocumentChanges
    ) -> tuple[NewChunk, ...] | None:
        if "text" not in changes:
            return None
        title = changes["title"] if "title" in changes else self.get(str(library_id), document_id).title
        return tuple(self._composer.chunks_of_text(self._library(library_id), document_id, title, changes["text"]))
