"""Commands by filter: what they do to the rows that were selected, some at a time, all or none of them.

The rows are those that the view before the command shows, so it is the only command of its group. They are taken in
ascending order of slot or number: replaying the commands makes the same rows.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol, TypeAlias, TypeVar

from pergamum.domain.chunk import Chunk
from pergamum.domain.commands import Command, DeleteWhere, Outcome, UpdateWhere
from pergamum.domain.document import Document
from pergamum.domain.field_changes import Edits, edits
from pergamum.domain.fields import Level
from pergamum.domain.filters import Filter
from pergamum.domain.schema import MetadataSchema
from pergamum.engine.metadata_checks import merged_at
from pergamum.errors import Fact, Invalid, InvalidField
from pergamum.storage.base import Rows, StoredChunk, WritableRows

Item = TypeVar("Item")
Select: TypeAlias = Callable[[Level, Filter], Sequence[int]]
"""Returns the numbers of the documents, or the slots of the chunks, that a filter holds for, ascending.

Raises `UnknownField`, `InvalidFilter`.
"""
BLOCK: Final = 1_000
"""Rows that are read, and written, at a time."""
MAX_EXAMPLES: Final = 10


class Rewriting(Protocol):
    """What a state machine lets be done to its rows: it keeps the counts, and takes note for the view."""

    rows: WritableRows
    selected: Select

    @property
    def schema(self) -> MetadataSchema:
        """The metadata schema as it is now."""

    def accepted(self, checked: tuple[Item, MetadataSchema]) -> Item:
        """Return what was checked, and use the schema after it."""

    def store_documents(self, documents: Sequence[Document]) -> None:
        """Store documents in place of those with their ids."""

    def store_chunks(self, chunks: Sequence[StoredChunk]) -> None:
        """Store chunks in place of those with their ids. REQUIRES: in the same slots."""

    def remove_document(self, document_id: str) -> None:
        """Remove the document and its chunks."""

    def remove_chunks(self, rows: Sequence[StoredChunk]) -> None:
        """Remove the chunks."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A document or chunk that changes would break a rule in."""

    id: str
    fault: Invalid


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What would become of an update: how many rows would refuse it, and the first of them."""

    failing: int = 0
    examples: tuple[Failure, ...] = ()


def by_filter(command: Command) -> bool:
    """Whether the command is about what a filter holds for, and so must be the only one of its group."""
    return isinstance(command, DeleteWhere | UpdateWhere)


def nothing_selected(_level: Level, _filter: Filter) -> Sequence[int]:
    """Select for those who give no commands by filter."""
    raise NotImplementedError("commands by filter need a view with columns")


def applied_where(machine: Rewriting, position: int, command: DeleteWhere | UpdateWhere) -> Outcome:
    """Apply the command to all it is about, or raise what one of them refuses it with."""
    return (
        _delete(machine, position, command) if isinstance(command, DeleteWhere) else _update(machine, position, command)
    )


def _delete(machine: Rewriting, position: int, command: DeleteWhere) -> Outcome:
    """Delete what the filter holds for; chunks that go are counted off their documents, which have a next version."""
    numbers = machine.selected(command.level, command.filter)
    gone: Counter[str] = Counter()
    for block in _blocks(numbers):
        if command.level is Level.DOCUMENT:
            for document_id in _ascending(machine.rows.ids_at(Level.DOCUMENT, block)):
                machine.remove_document(document_id)
        else:
            chunks = _ascending(machine.rows.chunks_at(block))
            machine.remove_chunks(chunks)
            gone.update(stored.chunk.document_id for stored in chunks)
    _touch(machine, gone, command.at)
    return Outcome(position, matched=len(numbers))


def _update(machine: Rewriting, position: int, command: UpdateWhere) -> Outcome:
    """Change what the filter holds for; chunks that change give their documents a next version. Raises `Invalid`."""
    numbers = machine.selected(command.level, command.filter)
    made = edits(command.changes, command.level, machine.schema)
    owners: dict[str, int] = {}
    for block in _blocks(numbers):
        if command.level is Level.DOCUMENT:
            documents = _ascending(machine.rows.documents_at(block))
            machine.store_documents(
                [machine.accepted(_edited(document, made, machine.schema, command.at)) for document in documents]
            )
        else:
            chunks = _ascending(machine.rows.chunks_at(block))
            edited = [machine.accepted(_edited_chunk(one.chunk, made, machine.schema, command.at)) for one in chunks]
            machine.store_chunks(
                [replace(old, chunk=new, changed=position) for old, new in zip(chunks, edited, strict=True)]
            )
            owners |= dict.fromkeys((chunk.document_id for chunk in edited), 0)
    _touch(machine, owners, command.at)
    return Outcome(position, matched=len(numbers))


def rehearsed(rows: Rows, schema: MetadataSchema, numbers: Sequence[int], command: UpdateWhere) -> Rehearsal:
    """Return which of these rows would refuse the command. O(selected). Raises `Invalid` where all of them would."""
    made = edits(command.changes, command.level, schema)
    failing, examples = 0, list[Failure]()
    for row in _rows(rows, command.level, numbers):
        try:
            schema = _edited_row(row, made, schema, command.at)
        except Invalid as fault:
            failing += 1
            if len(examples) < MAX_EXAMPLES:
                examples.append(Failure(row.id, fault))
    return Rehearsal(failing, tuple(examples))


def _rows(rows: Rows, level: Level, numbers: Sequence[int]) -> Iterator[Document | Chunk]:
    for block in _blocks(numbers):
        if level is Level.DOCUMENT:
            yield from _ascending(rows.documents_at(block))
        else:
            yield from (stored.chunk for stored in _ascending(rows.chunks_at(block)))


def _edited_row(row: Document | Chunk, made: Edits, schema: MetadataSchema, at: datetime) -> MetadataSchema:
    """Return the schema after the row was changed. Raises `Invalid`."""
    if isinstance(row, Document):
        return _edited(row, made, schema, at)[1]
    return _edited_chunk(row, made, schema, at)[1]


def _edited(document: Document, made: Edits, schema: MetadataSchema, at: datetime) -> tuple[Document, MetadataSchema]:
    """Return the document as it is to be stored, and the schema after it. Raises `Invalid` that names the document."""
    try:
        changed = made.of_document(document, at)
    except InvalidField as fault:
        raise fault.located(document_id=document.id) from None
    if not made.metadata:
        return changed, schema
    metadata, schema = merged_at(schema, Level.DOCUMENT, changed.metadata, document_id=document.id)
    return replace(changed, metadata=metadata), schema


def _edited_chunk(chunk: Chunk, made: Edits, schema: MetadataSchema, at: datetime) -> tuple[Chunk, MetadataSchema]:
    """Return the chunk as it is to be stored, and the schema after it. Raises `Invalid` that names the chunk."""
    where: dict[str, Fact] = {"document_id": chunk.document_id, "chunk_id": chunk.id}
    try:
        changed = made.of_chunk(chunk, at)
    except InvalidField as fault:
        raise fault.located(**where) from None
    if not made.metadata:
        return changed, schema
    metadata, schema = merged_at(schema, Level.CHUNK, changed.metadata, **where)
    return replace(changed, metadata=metadata), schema


def _touch(machine: Rewriting, owners: Mapping[str, int], at: datetime) -> None:
    """Give documents their next version; `owners` says how many chunks fewer each has."""
    ids = list(owners)
    for start in range(0, len(ids), BLOCK):
        found = machine.rows.documents_by_id(ids[start : start + BLOCK])
        machine.store_documents([document.touched(at, chunks=-owners[key]) for key, document in found.items()])


def _blocks(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(numbers), BLOCK):
        yield numbers[start : start + BLOCK]


def _ascending(found: Mapping[int, Item]) -> list[Item]:
    return [found[number] for number in sorted(found)]
