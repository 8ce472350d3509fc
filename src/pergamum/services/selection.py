"""What can be done with the documents or chunks that a filter holds for: list, count, facets, delete, update."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from pergamum.domain.commands import DeleteWhere, Outcome, UpdateWhere
from pergamum.domain.document import Document
from pergamum.domain.facets import FacetAsked, FacetFound, known
from pergamum.domain.field_changes import FieldChanges
from pergamum.domain.fields import Level
from pergamum.domain.filters import Filter
from pergamum.domain.listing import Last, Listed, Listing, Part, part_of
from pergamum.domain.tokens import Token
from pergamum.engine.by_filter import Rehearsal, rehearsed
from pergamum.engine.catalog import Catalog
from pergamum.journal.base import Journal
from pergamum.services.chunks import ChunkFound, ChunkService
from pergamum.services.documents import DocumentService
from pergamum.services.terms import UNCONDITIONAL, Terms, submitted

if TYPE_CHECKING:  # polars takes a fifth of a second to import: servers that never filter do without
    from pergamum.engine.columns.selection import Selection

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Counted:
    """How many there are at a position."""

    count: int
    position: int


@dataclass(frozen=True, slots=True)
class FacetsFound:
    """Facets in the order asked, of `count` documents or chunks at a position."""

    facets: list[FacetFound]
    count: int
    position: int


@dataclass(frozen=True, slots=True)
class Rewritten:
    """How many the filter held for, how many of them were deleted or changed, and, of a dry run, what would fail."""

    matched: int
    done: int
    token: Token
    rehearsal: Rehearsal | None = None


class SelectionService:
    """Threads: any. What is wrong with a filter is raised as `UnknownField` or `InvalidFilter`."""

    def __init__(self, catalog: Catalog, journal: Journal, documents: DocumentService, chunks: ChunkService) -> None:
        self._catalog, self._journal, self._documents, self._chunks = catalog, journal, documents, chunks

    def documents(self, reference: str, wanted: Listing) -> Listed[Document]:
        """Return a part of a list of documents. Raises `InvalidCursor`, `InvalidField` where there is no such order."""
        if wanted.plain:
            found = self._documents.page(reference, wanted.after_id, wanted.limit + 1)
            return _cut(found, [document.id for document in found], wanted.limit)
        with self._catalog.opened(self._catalog.resolve(reference)) as live:
            return live.on_selection(Level.DOCUMENT, wanted.filter, lambda found: found.documents(_part(found, wanted)))

    def chunks(self, reference: str, wanted: Listing, *, embedding: bool) -> Listed[ChunkFound]:
        """Return a part of a list of chunks. Raises as `documents`."""
        if wanted.plain:
            page = self._chunks.page(reference, wanted.after_id, wanted.limit + 1, embedding=embedding)
            return _cut(page, [one.chunk.id for one in page], wanted.limit)
        with self._catalog.opened(self._catalog.resolve(reference)) as live:
            listed = live.on_selection(Level.CHUNK, wanted.filter, lambda found: found.chunks(_part(found, wanted)))
            items = [ChunkFound(row.chunk, live.embedding(row) if embedding else None) for row in listed.items]
        return Listed(items, listed.last)

    def count(self, reference: str, level: Level, filter: Filter | None) -> Counted:
        """Return how many the filter holds for."""
        with self._catalog.opened(self._catalog.resolve(reference)) as live:
            return live.on_selection(level, filter, lambda found: Counted(found.count, found.state.position))

    def facets(self, reference: str, level: Level, filter: Filter | None, asked: Sequence[FacetAsked]) -> FacetsFound:
        """Return how the values of fields are spread. Raises `InvalidField` for what a field's type does not have."""

        def told(found: "Selection") -> FacetsFound:
            schema = found.state.library.metadata_schema
            wanted = [known(one, schema, level, f"facets.{place}") for place, one in enumerate(asked)]
            return FacetsFound(found.facets(wanted), found.count, found.state.position)

        with self._catalog.opened(self._catalog.resolve(reference)) as live:
            return live.on_selection(level, filter, told)

    def delete(
        self, reference: str, level: Level, filter: Filter, *, dry_run: bool, terms: Terms[Rewritten] = UNCONDITIONAL
    ) -> Rewritten:
        """Delete what the filter holds for, in one command; documents with their chunks."""
        library_id = self._catalog.resolve(reference)
        if dry_run:
            counted = self.count(str(library_id), level, filter)
            return Rewritten(counted.count, 0, Token(library_id, counted.position))
        command = DeleteWhere(level, filter, datetime.now(UTC))
        return submitted(self._journal, library_id, command, terms, _rewritten)

    def update(
        self,
        reference: str,
        level: Level,
        filter: Filter,
        changes: FieldChanges,
        *,
        dry_run: bool,
        terms: Terms[Rewritten] = UNCONDITIONAL,
    ) -> Rewritten:
        """Change what the filter holds for, in one command. Raises what the first that cannot refuses it with."""
        command = UpdateWhere(level, filter, changes, datetime.now(UTC))
        library_id = self._catalog.resolve(reference)
        if not dry_run:
            return submitted(self._journal, library_id, command, terms, _rewritten)
        with self._catalog.opened(library_id) as live:
            return live.on_selection(level, filter, lambda found: _rehearsed(found, command))


def _part(found: "Selection", wanted: Listing) -> Part:
    return part_of(wanted, found.state.library.metadata_schema)


def _rehearsed(found: "Selection", command: UpdateWhere) -> Rewritten:
    library, numbers = found.state.library, found.numbers.tolist()
    rehearsal = rehearsed(found.rows, library.metadata_schema, numbers, command)
    return Rewritten(len(numbers), 0, Token(library.id, found.state.position), rehearsal)


def _rewritten(outcome: Outcome, token: Token) -> Rewritten:
    return Rewritten(outcome.matched, outcome.matched, token)


def _cut(found: list[Item], ids: list[str], limit: int) -> Listed[Item]:
    """Return the part of a list of which one item more was read."""
    return Listed(found[:limit], Last(ids[limit - 1]) if len(found) > limit else None)
