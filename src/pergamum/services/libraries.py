"""What can be done with libraries."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

from pergamum.domain.commands import Outcome, UpdateLibrary
from pergamum.domain.library import Chunking, Library, LibraryChanges
from pergamum.domain.replies import KeptReply
from pergamum.domain.schema_json import declarations
from pergamum.domain.tokens import Token
from pergamum.embedding.factory import Embedders
from pergamum.engine.catalog import Catalog
from pergamum.engine.preconditions import refuse_other_version
from pergamum.errors import Damaged, InvalidField, LibraryNotFound
from pergamum.index import factory
from pergamum.journal.base import Journal
from pergamum.services.drafts import LibraryDraft, LibraryReplacement
from pergamum.services.terms import UNCONDITIONAL, Terms, submitted
from pergamum.storage.base import LibraryState


@dataclass(frozen=True, slots=True)
class LibraryPage:
    """Some libraries in ascending order of name; `last` is None at the end. `unavailable` ones cannot be opened."""

    items: list[LibraryState]
    unavailable: list[UUID]
    last: str | None


class LibraryService:
    """Threads: any."""

    def __init__(self, catalog: Catalog, journal: Journal, embedders: Embedders) -> None:
        self._catalog, self._journal, self._embedders = catalog, journal, embedders

    def create(self, draft: LibraryDraft, terms: Terms[LibraryState] = UNCONDITIONAL) -> LibraryState:
        """Create an empty library. Raises `LibraryExists`, `UnknownModel`, `InvalidField`."""
        at = datetime.now(UTC)
        factory.check(draft.index.kind, draft.index.params, draft.metric)
        model, dimension = self._model_and_dimension(draft)
        library = Library(
            id=uuid4(),
            name=draft.name,
            description=draft.description,
            metric=draft.metric,
            dimension=dimension,
            embedding_model=model,
            index=draft.index,
            recall=draft.recall,
            chunking=draft.chunking,
            metadata_schema=draft.metadata_schema,
            created_at=at,
            updated_at=at,
        )
        state = LibraryState(library)
        self._catalog.create(library, terms.kept(state, at))
        return state

    def get(self, reference: str) -> LibraryState:
        """Return the library and what it holds. Raises `LibraryNotFound`."""
        with self._catalog.opened(self._catalog.resolve(reference)) as live:
            return live.view.state

    def page(self, after: str | None, limit: int) -> LibraryPage:
        """Return at most `limit` libraries whose names come after `after`."""
        listed = self._catalog.page(after, limit + 1)
        page = LibraryPage([], [], None)
        for _, library_id in listed[:limit]:
            try:
                with self._catalog.opened(library_id) as live:
                    page.items.append(live.view.state)
            except LibraryNotFound:
                continue  # deleted since the page was read
            except Damaged:
                page.unavailable.append(library_id)
        return replace(page, last=listed[limit - 1][0] if len(listed) > limit else None)

    def position(self, reference: str) -> int:
        """Return the position that reads see now; opens the library. Raises `LibraryNotFound`."""
        return self.get(reference).position

    def position_if_open(self, reference: str) -> int | None:
        """Return the same without ever waiting; None where the library has to be opened. Raises `LibraryNotFound`."""
        return self._catalog.position_if_open(self._catalog.resolve(reference))

    def id_of(self, reference: str) -> UUID:
        """Return the library's id, without opening it. Raises `LibraryNotFound`."""
        return self._catalog.resolve(reference)

    def update(
        self,
        reference: str,
        changes: LibraryChanges,
        chunking: Mapping[str, int],
        terms: Terms[LibraryState] = UNCONDITIONAL,
    ) -> LibraryState:
        """Change settings; `chunking` holds those parts of it that change.

        Raises `LibraryExists` for a taken name, `PreconditionFailed`.
        """
        before = self.get(reference)
        if chunking:
            changes = {**changes, "chunking": _rechunked(before.library.chunking, chunking)}
        if not changes:
            refuse_other_version(terms.if_match, before.library)
            return before
        return self._change(before, changes, terms)

    def replace(
        self,
        reference: str,
        replacement: LibraryReplacement,
        terms: Terms[LibraryState] = UNCONDITIONAL,
    ) -> LibraryState:
        """Change all settings that may change.

        Raises `LibraryNotFound`, `LibraryExists`, `PreconditionFailed`, and `InvalidField` for what never changes, or
        not this way.
        """
        before, schema = self.get(reference), replacement.schema
        if schema is not None and declarations(schema) != declarations(before.library.metadata_schema):
            raise InvalidField("metadata_schema", "changes by itself, not with the settings")
        for name, value in replacement.fixed.items():
            current = getattr(before.library, name)
            if value != current:
                raise InvalidField(name, f"never changes; it is {current}")
        return self._change(before, replacement.changes, terms)

    def delete(self, reference: str, terms: Terms[Token] = UNCONDITIONAL) -> Token:
        """Delete the library with all it holds; return the position of the deletion. Raises `PreconditionFailed`."""
        library_id, at = self._catalog.resolve(reference), datetime.now(UTC)

        def kept(position: int) -> KeptReply | None:
            return terms.kept(Token(library_id, position), at)

        return Token(library_id, self._catalog.delete(library_id, terms.if_match, kept))

    def _change(self, before: LibraryState, changes: LibraryChanges, terms: Terms[LibraryState]) -> LibraryState:
        library = before.library
        if "index" in changes:
            factory.check(changes["index"].kind, changes["index"].params, library.metric)
        command = UpdateLibrary(changes, datetime.now(UTC), terms.if_match)
        name = changes.get("name", library.name)
        if name == library.name:
            return submitted(self._journal, library.id, command, terms, _changed)
        with self._catalog.renaming(library.id, name):
            state = submitted(self._journal, library.id, command, terms, _changed)
            kept = terms.kept(state, command.at)
            if kept is not None:  # who repeats the request by the old name finds no library to ask
                self._catalog.keep_reply(kept)
            return state

    def _model_and_dimension(self, draft: LibraryDraft) -> tuple[str | None, int | None]:
        if draft.embedding_model is None:
            return None, draft.dimension
        embedder = self._embedders.get(draft.embedding_model)
        if draft.dimension not in {None, embedder.dimension}:
            reason = f"{embedder.name} makes vectors of {embedder.dimension} numbers"
            raise InvalidField("dimension", reason)
        return embedder.name, embedder.dimension


def _changed(outcome: Outcome, _token: Token) -> LibraryState:
    assert outcome.library is not None, "an update leaves the library behind"
    documents, chunks = outcome.held
    return LibraryState(outcome.library, outcome.position, documents=documents, chunks=chunks)


def _rechunked(chunking: Chunking, changes: Mapping[str, int]) -> Chunking:
    changed = replace(chunking, **changes)
    if 2 * changed.overlap > changed.size:
        raise InvalidField("chunking", "overlap must be at most half of size")
    return changed
