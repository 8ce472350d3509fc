"""What a group of commands changed of documents and chunks, so that their columns can follow."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from pergamum.domain.document import Document
from pergamum.domain.schema import MetadataSchema
from pergamum.storage.base import StoredChunk

Mark: TypeAlias = tuple[int, int, int]


@dataclass(slots=True)
class Written:
    """The rows written, in order, each with the schema whose names its metadata has; numbers of documents removed.

    A document or chunk that was written and then removed may still be among those written.
    """

    chunks: list[tuple[MetadataSchema, StoredChunk]] = field(default_factory=list)
    documents: list[tuple[MetadataSchema, Document]] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)

    def note(
        self, schema: MetadataSchema, *, documents: Sequence[Document] = (), chunks: Sequence[StoredChunk] = ()
    ) -> None:
        """Remember rows that were written while `schema` was in force."""
        self.documents.extend((schema, document) for document in documents)
        self.chunks.extend((schema, stored) for stored in chunks)

    def mark(self) -> Mark:
        """Return how far things have come, for `undo`."""
        return len(self.chunks), len(self.documents), len(self.removed)

    def undo(self, mark: Mark) -> None:
        """Forget what was noted after the mark: the command was refused."""
        chunks, documents, removed = mark
        del self.chunks[chunks:], self.documents[documents:], self.removed[removed:]
