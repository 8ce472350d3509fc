"""What can be done with libraries."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

from pergamum.domain.commands import UpdateLibrary
from pergamum.domain.library import Chunking, Library, LibraryChanges
from pergamum.domain.schema import MetadataSchema
from pergamum.domain.schema_json import declarations
from pergamum.embedding.factory import Embedders
from pergamum.engine.catalog import Catalog
from pergamum.errors import Damaged, InvalidField, LibraryNotFound
from pergamum.index import factory
from pergamum.journal.base import Journal
from pergamum.services.drafts import LibraryDraft
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

    def create(self, draft: LibraryDraft) -> LibraryState:
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
        self._catalog.create(library)
        return LibraryState(library)

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

    def update(self, reference: str, changes: LibraryChanges, chunking: Mapping[str, int]) -> LibraryState:
        """Change settings; `chunking` holds those parts of it that change. Raises `LibraryExists` for a taken name."""
        before = self.get(reference)
        if chunking:
            changes = {**changes, "chunking": _rechunked(before.library.chunking, chunking)}
        return self._change(before, changes) if changes else before

    def replace(
        self,
        reference: str,
        changes: LibraryChanges,
        fixed: Mapping[str, object],
        schema: MetadataSchema | None = None,
    ) -> LibraryState:
        """Change all settings that may change; `fixed` names others, which must be as they are, and so must `schema`.

        Raises `LibraryNotFound`, `LibraryExists`, and `InvalidField` for what never changes, or not this way.
        """
        before = self.get(reference)
        if schema is not None and declarations(schema) != declarations(before.library.metadata_schema):
            raise InvalidField("metadata_schema", "changes by itself, not with the settings")
        for name, value in fixed.items():
            current = getattr(before.library, name)
            if value != current:
                raise InvalidField(name, f"never changes; it is {current}")
        return self._change(before, changes)

    def delete(self, reference: str) -> int:
        """Delete the library with all it holds; return the position of the deletion."""
        return self._catalog.delete(self._catalog.resolve(reference))

    def _change(self, before: LibraryState, changes: LibraryChanges) -> LibraryState:
        library = before.library
        if "index" in changes:
            factory.check(changes["index"].kind, changes["index"].params, library.metric)
        name = changes.get("name", library.name)
        if name == library.name:
            return self._submit(library.id, changes)
        with self._catalog.renaming(library.id, name):
            return self._submit(library.id, changes)

    def _submit(self, library_id: UUID, changes: LibraryChanges) -> LibraryState:
        outcome = self._journal.submit(library_id, UpdateLibrary(changes, datetime.now(UTC)))
        assert outcome.library is not None, "an update leaves the library behind"
        return replace(self.get(str(library_id)), library=outcome.library, position=outcome.position)

    def _model_and_dimension(self, draft: LibraryDraft) -> tuple[str | None, int | None]:
        if draft.embedding_model is None:
            return None, draft.dimension
        embedder = self._embedders.get(draft.embedding_model)
        if draft.dimension not in {None, embedder.dimension}:
            reason = f"{embedder.name} makes vectors of {embedder.dimension} numbers"
            raise InvalidField("dimension", reason)
        return embedder.name, embedder.dimension


def _rechunked(chunking: Chunking, changes: Mapping[str, int]) -> Chunking:
    changed = replace(chunking, **changes)
    if 2 * changed.overlap > changed.size:
        raise InvalidField("chunking", "overlap must be at most half of size")
    return changed
