"""Many documents or chunks, one a line, more than fit into one request.

`abort` keeps all lines in one command or none; `skip` keeps the good ones, a batch at a time in bounded memory, as if
each line had been put in turn.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Generic, TypeAlias, TypeVar
from uuid import UUID

from pergamum.domain.chunk import NewChunk
from pergamum.domain.commands import NewDocument, Outcome, WriteMode
from pergamum.domain.tokens import Token
from pergamum.engine.catalog import Catalog
from pergamum.errors import (
    ChunkExists,
    Conflict,
    Damaged,
    DocumentExists,
    DocumentNotFound,
    Invalid,
    LibraryNotFound,
    NotFound,
    PergamumError,
)
from pergamum.services.chunks import ChunkService
from pergamum.services.composer import Refuse
from pergamum.services.documents import DocumentService
from pergamum.services.drafts import DocumentDraft, OwnedChunkDraft

MAX_REPORTED = 100

Draft = TypeVar("Draft")
Item = TypeVar("Item")


class OnError(StrEnum):
    """What a wrong line does: `abort` keeps nothing, `skip` leaves the line out."""

    ABORT = "abort"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Line(Generic[Draft]):
    """A line of an import, by its number from 1: what it holds, or what is wrong with it."""

    number: int
    content: Draft | PergamumError


@dataclass(slots=True)
class Report:
    """How an import went. `errors` are the first faults, each with its line; `token` is that of the last batch kept."""

    token: Token
    accepted: int = 0
    failed: int = 0
    errors: list[tuple[int, PergamumError]] = field(default_factory=list)

    def refuse(self, number: int, fault: PergamumError) -> None:
        """Count a line that was left out."""
        self.failed += 1
        if len(self.errors) < MAX_REPORTED:
            self.errors.append((number, fault))


class Store(ABC, Generic[Draft, Item]):
    """What differs between an import of documents and one of chunks."""

    place: str
    """The fact of a refusal that says which item it is about."""

    @abstractmethod
    def id_of(self, draft: Draft) -> str | None:
        """Return the id that the client gave the item."""

    @abstractmethod
    def compose(self, drafts: Sequence[Draft], refuse: Refuse) -> list[Item]:
        """Return an item for each draft that is not refused."""

    @abstractmethod
    def submit(self, items: Sequence[Item]) -> Outcome:
        """Store the items in one command."""

    @abstractmethod
    def conflicts(self, items: Sequence[Item]) -> dict[int, PergamumError]:
        """Return what stands against items now, by their places: what a refusal would name one by one."""


class _Documents(Store[DocumentDraft, NewDocument]):
    place = "document"

    def __init__(self, catalog: Catalog, documents: DocumentService, library_id: UUID, mode: WriteMode) -> None:
        self._catalog, self._documents, self._library_id, self._mode = catalog, documents, library_id, mode

    def id_of(self, draft: DocumentDraft) -> str | None:
        return draft.id

    def compose(self, drafts: Sequence[DocumentDraft], refuse: Refuse) -> list[NewDocument]:
        return self._documents.composed(self._library_id, drafts, refuse)

    def submit(self, items: Sequence[NewDocument]) -> Outcome:
        return self._documents.submit(self._library_id, items, self._mode)

    def conflicts(self, items: Sequence[NewDocument]) -> dict[int, PergamumError]:
        if self._mode is WriteMode.UPSERT:
            return {}
        with self._catalog.opened(self._library_id) as live, live.reading() as rows:
            taken = rows.documents_by_id([item.document.id for item in items])
        ids = enumerate(item.document.id for item in items)
        return {place: DocumentExists(document_id) for place, document_id in ids if document_id in taken}


class _Chunks(Store[OwnedChunkDraft, NewChunk]):
    place = "chunk"

    def __init__(self, catalog: Catalog, chunks: ChunkService, library_id: UUID, mode: WriteMode) -> None:
        self._catalog, self._chunks, self._library_id, self._mode = catalog, chunks, library_id, mode

    def id_of(self, draft: OwnedChunkDraft) -> str | None:
        return draft.chunk.id

    def compose(self, drafts: Sequence[OwnedChunkDraft], refuse: Refuse) -> list[NewChunk]:
        return self._chunks.composed(self._library_id, drafts, refuse)

    def submit(self, items: Sequence[NewChunk]) -> Outcome:
        return self._chunks.submit(self._library_id, items, self._mode)

    def conflicts(self, items: Sequence[NewChunk]) -> dict[int, PergamumError]:
        with self._catalog.opened(self._library_id) as live, live.reading() as rows:
            owners = rows.documents_by_id(list({item.document_id for item in items}))
            taken = rows.chunks_by_id([item.id for item in items]) if self._mode is WriteMode.CREATE else {}
        found: dict[int, PergamumError] = {}
        for place, item in enumerate(items):
            if item.document_id not in owners:
                found[place] = DocumentNotFound(item.document_id)
            elif item.id in taken:
                found[place] = ChunkExists(item.id)
        return found


class Import(Generic[Draft, Item]):
    """One import under way. Threads: one at a time."""

    def __init__(self, store: Store[Draft, Item], on_error: OnError, before: Token) -> None:
        self._store, self._on_error = store, on_error
        self._report = Report(before)
        self._kept: list[Line[Draft]] = []

    def take(self, lines: Sequence[Line[Draft]]) -> None:
        """Store the good lines, or keep them for `finish`. Raises what is wrong with a line if that aborts."""
        seen: set[str] = set()
        for line in lines:
            if isinstance(line.content, PergamumError):
                self._fault(line.number, line.content)
                continue
            given = self._store.id_of(line.content)
            if given in seen and self._on_error is OnError.SKIP:
                self._store_kept()  # a command names no id twice; the later line comes after the earlier
                seen.clear()
            if given is not None:
                seen.add(given)
            self._kept.append(line)
        if self._on_error is OnError.SKIP:
            self._store_kept()

    def finish(self) -> Report:
        """Store what was kept; return how it all went."""
        self._store_kept()
        return self._report

    def _fault(self, number: int, fault: PergamumError) -> None:
        fault.facts = {name: value for name, value in fault.facts.items() if name != self._store.place}
        if self._on_error is OnError.ABORT:
            raise fault.located(line=number)
        self._report.refuse(number, fault)

    def _store_kept(self) -> None:
        lines, self._kept = self._kept, []
        refused: set[int] = set()

        def refuse(place: int, fault: Invalid) -> None:
            self._fault(lines[place].number, fault)
            refused.add(place)

        drafts = [line.content for line in lines if not isinstance(line.content, PergamumError)]
        items = self._store.compose(drafts, refuse)
        numbers = [line.number for place, line in enumerate(lines) if place not in refused]
        self._submit(items, numbers)

    def _submit(self, items: Sequence[Item], numbers: Sequence[int]) -> None:
        """Store the items; those that the command would be refused for are left out, or abort everything."""
        if not items:
            return
        try:
            outcome = self._store.submit(items)
        except LibraryNotFound:
            raise
        except (Invalid, NotFound, Conflict, Damaged) as refusal:
            self._submit_without(refusal, items, numbers)
            return
        except PergamumError as error:  # the lines before stay: say how many, so that the client can go on from there
            raise error.located(accepted=self._report.accepted, failed=self._report.failed) from None
        self._report.accepted += len(items)
        self._report.token = replace(self._report.token, position=outcome.position)

    def _submit_without(self, refusal: PergamumError, items: Sequence[Item], numbers: Sequence[int]) -> None:
        """Store what can be stored of a refused batch: without all that conflicts, else in parts."""
        place = refusal.facts.get(self._store.place)
        if self._on_error is OnError.ABORT or len(items) == 1:
            self._fault(numbers[place if isinstance(place, int) else 0], refusal)
            return
        conflicts = self._store.conflicts(items)
        for at, fault in conflicts.items():
            self._fault(numbers[at], fault)
        if conflicts:
            left = [at for at in range(len(items)) if at not in conflicts]
            self._submit([items[at] for at in left], [numbers[at] for at in left])
            return
        half = len(items) // 2
        self._submit(items[:half], numbers[:half])
        self._submit(items[half:], numbers[half:])


DocumentImport: TypeAlias = Import[DocumentDraft, NewDocument]
ChunkImport: TypeAlias = Import[OwnedChunkDraft, NewChunk]


class ImportService:
    """Threads: any."""

    def __init__(self, catalog: Catalog, documents: DocumentService, chunks: ChunkService) -> None:
        self._catalog, self._documents, self._chunks = catalog, documents, chunks

    def documents(self, reference: str, mode: WriteMode, on_error: OnError) -> DocumentImport:
        """Begin an import of documents. Raises `LibraryNotFound`."""
        library_id = self._catalog.resolve(reference)
        store = _Documents(self._catalog, self._documents, library_id, mode)
        return Import(store, on_error, self._before(library_id))

    def chunks(self, reference: str, mode: WriteMode, on_error: OnError) -> ChunkImport:
        """Begin an import of chunks into documents that exist. Raises `LibraryNotFound`."""
        library_id = self._catalog.resolve(reference)
        store = _Chunks(self._catalog, self._chunks, library_id, mode)
        return Import(store, on_error, self._before(library_id))

    def _before(self, library_id: UUID) -> Token:
        with self._catalog.opened(library_id) as live:
            return Token(library_id, live.view.state.position)
