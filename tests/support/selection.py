"""A library of random documents, and what plain Python says of it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from pergamum.domain.chunk import Chunk, NewChunk
from pergamum.domain.commands import Command, NewDocument, Outcome, PutDocuments, WriteMode
from pergamum.domain.document import Document
from pergamum.domain.fields import Column, Level
from pergamum.domain.filter_checking import checked
from pergamum.domain.filters import Filter
from pergamum.domain.library import Library
from pergamum.domain.listing import Listed, Listing, part_of
from pergamum.engine.live_library import LiveLibrary
from pergamum.storage.base import StoredChunk
from pergamum.storage.memory.storage import MemoryStorage
from tests.support.filters import Given, holds, value_of
from tests.support.library import NOW, vector
from tests.support.random_filters import Record, Records


@dataclass(frozen=True, slots=True)
class Row:
    """A document, or a chunk with its document, and the number it is kept under."""

    document: Document
    chunk: Chunk | None
    number: int

    @property
    def id(self) -> str:
        return self.document.id if self.chunk is None else self.chunk.id


class Stored:
    """An open library in memory with these documents, its rows, and what a filter holds for by plain Python."""

    def __init__(self, library: Library, given: Records) -> None:
        storage = MemoryStorage()
        storage.create(library)
        self.live, self.schema = LiveLibrary(storage.open(library.id), lambda _: None), library.metadata_schema
        if given:
            self.write(PutDocuments(tuple(map(_new, given)), WriteMode.CREATE, NOW))

    def write(self, command: Command) -> Outcome:
        (outcome,) = self.live.write([command])
        return outcome

    def rows(self, level: Level) -> list[Row]:
        with self.live.reading() as rows:
            documents = rows.documents(None, 1_000)
            numbers = rows.document_numbers([document.id for document in documents])
            chunks = rows.chunks(None, 1_000)
        if level is Level.DOCUMENT:
            return [Row(document, None, numbers[document.id]) for document in documents]
        owners = {document.id: document for document in documents}
        return [Row(owners[stored.chunk.document_id], stored.chunk, stored.slot) for stored in chunks]

    def matching(self, level: Level, filter: Filter) -> list[Row]:
        wanted = checked(filter, self.schema, level)
        return [row for row in self.rows(level) if holds(wanted, row.document, row.chunk, self.schema)]

    def value(self, column: Column, row: Row) -> Given:
        return value_of(column, row.document, row.chunk, self.schema)

    def pages(self, wanted: Listing) -> Iterator[list[str]]:
        """The ids of one page after the other, of a hundred pages at most."""
        for _ in range(100):
            listed = self.part(wanted)
            yield [item.id if isinstance(item, Document) else item.chunk.id for item in listed.items]
            if listed.last is None:
                return
            wanted = replace(wanted, after=listed.last)

    def part(self, wanted: Listing) -> Listed[Document] | Listed[StoredChunk]:
        """A part of a list."""
        if wanted.level is Level.DOCUMENT:
            return self.live.on_selection(
                wanted.level,
                wanted.filter,
                lambda found: found.documents(part_of(wanted, found.state.library.metadata_schema)),
            )
        return self.live.on_selection(
            wanted.level,
            wanted.filter,
            lambda found: found.chunks(part_of(wanted, found.state.library.metadata_schema)),
        )


def _new(record: Record) -> NewDocument:
    chunks = [
        NewChunk(
            id=chunk.id,
            document_id=chunk.document_id,
            text=chunk.text,
            embedding=vector(1, at),
            page_number=chunk.page_number,
            metadata=chunk.metadata,
        )
        for at, chunk in enumerate(record.chunks)
    ]
    return NewDocument(record.document, tuple(chunks))
