"""Applies commands to the rows of one library: deterministic, and refusing instead of raising.

A `StateMachine` lives as long as one write transaction, which holds a group of commands. Each command runs in a
savepoint, so a refusal undoes only itself. What the commands add to the vectors and take from the live slots is
gathered here; `live_library.py` makes it durable and publishes it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar, assert_never
from zlib import crc32

import numpy as np

from pergamum.domain.chunk import Chunk, NewChunk
from pergamum.domain.commands import (
    Command,
    DeleteChunk,
    DeleteDocument,
    DeleteWhere,
    NewDocument,
    Outcome,
    PatchChunk,
    PatchDocument,
    PutChunks,
    PutDocuments,
    UpdateLibrary,
    UpdateSchema,
    UpdateWhere,
    WriteMode,
)
from pergamum.domain.document import Document
from pergamum.domain.fields import Level
from pergamum.domain.json import merge_object
from pergamum.domain.library import Library
from pergamum.domain.replies import Keep, KeptReply
from pergamum.domain.schema import MetadataSchema
from pergamum.domain.schema_changes import changed
from pergamum.domain.vectors import Matrix, Vector
from pergamum.engine.by_filter import Select, applied_where, nothing_selected
from pergamum.engine.history import extended_history
from pergamum.engine.id_checks import (
    refuse_existing_chunks,
    refuse_existing_documents,
    refuse_owned_elsewhere,
    refuse_without_document,
)
from pergamum.engine.metadata_checks import accepted_chunks, accepted_documents, merged_at, misfits
from pergamum.engine.preconditions import refuse_answered, refuse_other_version
from pergamum.engine.written import Written
from pergamum.errors import (
    AnsweredBefore,
    ChunkNotFound,
    Conflict,
    Damaged,
    DimensionMismatch,
    DocumentNotFound,
    Invalid,
    NotFound,
)
from pergamum.storage.base import LibraryState, StoredChunk, UnitOfWork

Item = TypeVar("Item")


class StateMachine:
    """The commands of one group, applied in order.

    `state` is where the library stands after them; `vectors` are new, in the slots from `first_slot` on; `dead` are
    the slots that lost their chunk, `rewritten` those whose row may be another now; `written` hears of the rows that
    changed, if somebody wants to know. `select` says what a command by filter is about. REQUIRES: one thread;
    `vector_at` reads a slot below `first_slot`.
    """

    def __init__(
        self,
        work: UnitOfWork,
        state: LibraryState,
        vector_at: Callable[[int], Vector],
        written: Written | None = None,
        select: Select = nothing_selected,
    ) -> None:
        self._work, self.rows, self._vector_at, self._written = work, work.rows, vector_at, written
        self.selected = select
        self.state = state
        self.rows.use_schema(state.library.metadata_schema)
        self.first_slot = state.next_slot
        self.vectors: list[Vector] = []
        self.dead: list[int] = []
        self.rewritten: list[int] = []

    def apply(self, command: Command, keep: Keep | None = None) -> Outcome:
        """Apply one command and keep the reply to it, if told to; a refused one takes a position, and nothing else.

        One that was answered before, under its key, does not even take that.
        """
        before, vectors, dead = self.state, len(self.vectors), len(self.dead)
        written = None if self._written is None else self._written.mark()
        position = before.position + 1
        try:
            with self._work.savepoint():
                if keep is not None:
                    refuse_answered(keep.key, self.rows.reply(keep.key.name), command.at)
                outcome = self._outcome(position, command)
                if keep is not None:
                    self.rows.keep_reply(KeptReply(keep.key, command.at, keep.reply_of(outcome)))
        except AnsweredBefore as answered:
            return Outcome(before.position, answered)
        except (Invalid, NotFound, Conflict, Damaged) as refusal:
            self.state = before
            self.rows.use_schema(before.library.metadata_schema)
            del self.vectors[vectors:], self.dead[dead:]
            if self._written is not None and written is not None:
                self._written.undo(written)
            outcome = Outcome(position, refusal)
        self.state = replace(
            self.state,
            position=position,
            history=extended_history(before.history, command),
            next_slot=self.first_slot + len(self.vectors),
        )
        return outcome

    def added(self) -> Matrix | None:
        """Return the new vectors, in the slots from `first_slot` on, or None when there are none."""
        return np.stack(self.vectors) if self.vectors else None

    def _outcome(self, position: int, command: Command) -> Outcome:
        match command:
            case UpdateLibrary():
                return self._update_library(position, command)
            case UpdateSchema():
                return self._update_schema(position, command)
            case PutDocuments():
                return self._put_documents(position, command)
            case PatchDocument():
                return self._patch_document(position, command)
            case DeleteDocument():
                return self._delete_document(position, command)
            case PutChunks():
                return self._put_chunks(position, command)
            case PatchChunk():
                return self._patch_chunk(position, command)
            case DeleteChunk():
                return self._delete_chunk(position, command)
            case DeleteWhere() | UpdateWhere():
                return applied_where(self, position, command)
            case _:
                assert_never(command)

    # Settings ------------------------------------------------------------------------------------------------------

    def _update_library(self, position: int, command: UpdateLibrary) -> Outcome:
        refuse_other_version(command.if_match, self.state.library)
        library = self.state.library.changed(command.changes, command.at)
        self.state = replace(self.state, library=library)
        return Outcome(position, library=library, held=(self.state.documents, self.state.chunks))

    def _update_schema(self, position: int, command: UpdateSchema) -> Outcome:
        library = self.state.library
        before, after = library.metadata_schema, changed(library.metadata_schema, command.changes)
        misfits(self.rows, before, after, command.changes).refuse()
        library = replace(library.with_schema(after), version=library.version + 1, updated_at=command.at)
        self._use(library)
        return Outcome(position, library=library)

    # Documents -----------------------------------------------------------------------------------------------------

    def _put_documents(self, position: int, command: PutDocuments) -> Outcome:
        older = self.rows.documents_by_id([new.document.id for new in command.documents])
        if command.mode is WriteMode.CREATE:
            refuse_existing_documents(command.documents, older)
        if command.if_match is not None:
            refuse_other_version(command.if_match, older.get(command.documents[0].document.id))
        chunks = [chunk for new in command.documents for chunk in new.chunks]
        previous = self.rows.chunks_by_id([chunk.id for chunk in chunks])
        for place, new in enumerate(command.documents):
            refuse_owned_elsewhere(new.chunks, previous, document=place)
        news = self.accepted(accepted_documents(self.schema, command.documents))
        chunks = [chunk for new in news for chunk in new.chunks]
        kept = {chunk.id for chunk in chunks}
        for document_id in older:
            self.remove_chunks([old for old in self._chunks_of(document_id) if old.chunk.id not in kept])
        documents = tuple(_numbered(new, older.get(new.document.id)) for new in news)
        self.store_documents(documents)
        self._count(documents=len(documents) - len(older))
        indexes = [index for new in command.documents for index in range(len(new.chunks))]
        written = self._write_chunks(position, command.at, chunks, indexes, previous)
        return Outcome(position, documents=documents, chunks=written, replaced=len(older))

    def _patch_document(self, position: int, command: PatchDocument) -> Outcome:
        stored = self._document(command.document_id)
        refuse_other_version(command.if_match, stored)
        document = stored.changed(command.changes, command.at)
        if "metadata" in command.changes:
            checked = merged_at(self.schema, Level.DOCUMENT, document.metadata, document_id=document.id)
            document = replace(document, metadata=self.accepted(checked))
        if command.chunks is None:
            self.store_documents([document])
            return Outcome(position, documents=(document,))
        refuse_owned_elsewhere(command.chunks, self.rows.chunks_by_id([chunk.id for chunk in command.chunks]))
        chunks = self.accepted(accepted_chunks(self.schema, command.chunks, document_id=document.id))
        self.remove_chunks(self._chunks_of(document.id))
        count = len(chunks)
        document = replace(document, chunks=count, next_chunk_index=count)
        self.store_documents([document])
        written = self._write_chunks(position, command.at, chunks, range(count), {})
        return Outcome(position, documents=(document,), chunks=written)

    def _delete_document(self, position: int, command: DeleteDocument) -> Outcome:
        refuse_other_version(command.if_match, self._document(command.document_id))
        self.remove_document(command.document_id)
        return Outcome(position)

    # Chunks --------------------------------------------------------------------------------------------------------

    def _put_chunks(self, position: int, command: PutChunks) -> Outcome:
        documents = self.rows.documents_by_id(list({chunk.document_id for chunk in command.chunks}))
        previous = self.rows.chunks_by_id([chunk.id for chunk in command.chunks])
        refuse_without_document(command.chunks, documents)
        if command.mode is WriteMode.CREATE:
            refuse_existing_chunks(command.chunks, previous)
        if command.if_match is not None:
            old = previous.get(command.chunks[0].id)
            refuse_other_version(command.if_match, None if old is None else old.chunk)
        refuse_owned_elsewhere(command.chunks, previous)
        chunks = self.accepted(accepted_chunks(self.schema, command.chunks))
        indexes = []
        for chunk in chunks:
            document, old = documents[chunk.document_id], previous.get(chunk.id)
            indexes.append(document.next_chunk_index if old is None else old.chunk.chunk_index)
            if old is None:
                documents[document.id] = _one_more(document)
        touched = tuple(document.touched(command.at) for document in documents.values())
        self.store_documents(touched)
        written = self._write_chunks(position, command.at, chunks, indexes, previous)
        return Outcome(position, documents=touched, chunks=written, replaced=len(previous))

    def _patch_chunk(self, position: int, command: PatchChunk) -> Outcome:
        stored = self._chunk(command.chunk_id)
        refuse_other_version(command.if_match, stored.chunk)
        chunk, changes = stored.chunk, command.changes
        metadata = chunk.metadata
        if "metadata" in changes:
            merged = merge_object(metadata, changes["metadata"])
            metadata = self.accepted(merged_at(self.schema, Level.CHUNK, merged, chunk_id=chunk.id))
        new = NewChunk(
            id=chunk.id,
            document_id=chunk.document_id,
            text=changes.get("text", chunk.text),
            embedding=changes["embedding"] if "embedding" in changes else self._vector(stored.slot),
            page_number=changes.get("page_number", chunk.page_number),
            metadata=metadata,
        )
        document = self._document(chunk.document_id).touched(command.at)
        self.store_documents([document])
        written = self._write_chunks(position, command.at, [new], [chunk.chunk_index], {chunk.id: stored})
        return Outcome(position, documents=(document,), chunks=written, replaced=1)

    def _delete_chunk(self, position: int, command: DeleteChunk) -> Outcome:
        stored = self._chunk(command.chunk_id)
        refuse_other_version(command.if_match, stored.chunk)
        document = self._document(stored.chunk.document_id).touched(command.at, chunks=-1)
        self.remove_chunks([stored])
        self.store_documents([document])
        return Outcome(position, documents=(document,))

    # Shared --------------------------------------------------------------------------------------------------------

    def _write_chunks(
        self,
        position: int,
        at: datetime,
        chunks: Sequence[NewChunk],
        indexes: Sequence[int],
        previous: Mapping[str, StoredChunk],
    ) -> tuple[Chunk, ...]:
        """Store `chunks`; those with the id of a row of `previous` become its next version."""
        stored = []
        for new, index in zip(chunks, indexes, strict=True):
            self._fix_dimension(new)
            old = previous.get(new.id)
            slot, crc = self._slot_for(new.embedding, old)
            chunk = _next_version(new, index, None if old is None else old.chunk, at)
            stored.append(StoredChunk(chunk, slot, crc, position))
        self.store_chunks(stored)
        self._count(chunks=len(stored) - len(previous))
        return tuple(row.chunk for row in stored)

    @property
    def schema(self) -> MetadataSchema:
        """The metadata schema as it is now."""
        return self.state.library.metadata_schema

    def accepted(self, checked: tuple[Item, MetadataSchema]) -> Item:
        """Return what was checked, and use the schema after it."""
        item, schema = checked
        if schema is not self.schema:
            self._use(self.state.library.with_schema(schema))
        return item

    def _use(self, library: Library) -> None:
        self.state = replace(self.state, library=library)
        self.rows.use_schema(library.metadata_schema)

    def _fix_dimension(self, new: NewChunk) -> None:
        """Let the first vector fix the library's dimension. Another length may come from a write that raced with it."""
        library, size = self.state.library, new.embedding.size
        if library.dimension is None:
            self.state = replace(self.state, library=library.with_dimension(size))
        elif library.dimension != size:
            raise DimensionMismatch(library.dimension, size).located(chunk_id=new.id)

    def _slot_for(self, embedding: Vector, old: StoredChunk | None) -> tuple[int, int]:
        """Return (slot, crc32) for the embedding: the slot it has already, or a new one."""
        crc = crc32(embedding.data)
        if old is not None:
            if old.vector_crc == crc and np.array_equal(self._vector(old.slot), embedding):
                return old.slot, crc
            self.dead.append(old.slot)
        self.vectors.append(embedding)
        return self.first_slot + len(self.vectors) - 1, crc

    def _vector(self, slot: int) -> Vector:
        return self.vectors[slot - self.first_slot] if slot >= self.first_slot else self._vector_at(slot)

    def store_documents(self, documents: Sequence[Document]) -> None:
        """Store documents, in place of those with their ids."""
        self.rows.put_documents(documents)
        if self._written is not None:
            self._written.note(self.state.library.metadata_schema, documents=documents)

    def store_chunks(self, chunks: Sequence[StoredChunk]) -> None:
        """Store chunks, in place of those with their ids."""
        self.rows.put_chunks(chunks)
        self.rewritten.extend(row.slot for row in chunks if row.slot < self.first_slot)
        if self._written is not None:
            self._written.note(self.state.library.metadata_schema, chunks=chunks)

    def remove_document(self, document_id: str) -> None:
        """Remove the document and its chunks."""
        self.remove_chunks(self._chunks_of(document_id))
        if self._written is not None:
            self._written.removed.extend(self.rows.document_numbers([document_id]).values())
        self.rows.remove_document(document_id)
        self._count(documents=-1)

    def remove_chunks(self, rows: Sequence[StoredChunk]) -> None:
        """Remove the chunks; their slots are dead."""
        self.rows.remove_chunks(rows)
        self.dead.extend(row.slot for row in rows)
        self._count(chunks=-len(rows))

    def _count(self, *, documents: int = 0, chunks: int = 0) -> None:
        state = self.state
        self.state = replace(state, documents=state.documents + documents, chunks=state.chunks + chunks)

    def _document(self, document_id: str) -> Document:
        document = self.rows.document(document_id)
        if document is None:
            raise DocumentNotFound(document_id)
        return document

    def _chunk(self, chunk_id: str) -> StoredChunk:
        stored = self.rows.chunk(chunk_id)
        if stored is None:
            raise ChunkNotFound(chunk_id)
        return stored

    def _chunks_of(self, document_id: str) -> list[StoredChunk]:
        return self.rows.chunks_of(document_id, None, None)


def _numbered(new: NewDocument, older: Document | None) -> Document:
    document = replace(new.document, chunks=len(new.chunks), next_chunk_index=len(new.chunks))
    return document if older is None else document.succeeding(older)


def _one_more(document: Document) -> Document:
    return replace(document, chunks=document.chunks + 1, next_chunk_index=document.next_chunk_index + 1)


def _next_version(new: NewChunk, index: int, old: Chunk | None, at: datetime) -> Chunk:
    return Chunk(
        id=new.id,
        document_id=new.document_id,
        text=new.text,
        page_number=new.page_number,
        chunk_index=index,
        metadata=new.metadata,
        version=1 if old is None else old.version + 1,
        created_at=at if old is None else old.created_at,
        updated_at=at,
    )
