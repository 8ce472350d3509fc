"""What can be done with the metadata schema of a library."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from pergamum.domain.commands import Outcome, UpdateSchema
from pergamum.domain.schema import MetadataSchema
from pergamum.domain.schema_changes import SchemaChanges, changed
from pergamum.domain.tokens import Token
from pergamum.engine.catalog import Catalog
from pergamum.engine.metadata_checks import Misfits, misfits
from pergamum.journal.base import Journal
from pergamum.services.terms import UNCONDITIONAL, Terms, submitted


@dataclass(frozen=True, slots=True)
class SchemaChanged:
    """A schema after a change, and where it stands; or as it would be, and what of the rows would not fit."""

    schema: MetadataSchema
    token: Token
    misfits: Misfits = field(default_factory=Misfits)


class SchemaService:
    """Threads: any."""

    def __init__(self, catalog: Catalog, journal: Journal) -> None:
        self._catalog, self._journal = catalog, journal

    def get(self, reference: str) -> MetadataSchema:
        """Return the schema. Raises `LibraryNotFound`."""
        with self._catalog.opened(self._catalog.resolve(reference)) as live:
            return live.view.state.library.metadata_schema

    def change(
        self, reference: str, changes: SchemaChanges, terms: Terms[SchemaChanged] = UNCONDITIONAL
    ) -> SchemaChanged:
        """Change the schema. Raises `InvalidField`, or `SchemaMismatch` when stored metadata would not fit.

        O(rows) where the changes ask something of what is stored; other writes wait meanwhile, searches do not.
        """
        library_id = self._catalog.resolve(reference)
        with self._catalog.opened(library_id) as live:
            state = live.view.state
        before = state.library.metadata_schema
        if changes == SchemaChanges():
            return SchemaChanged(before, Token(library_id, state.position))
        changed(before, changes)  # what can never work takes no position
        return submitted(self._journal, library_id, UpdateSchema(changes, datetime.now(UTC)), terms, _changed)

    def try_out(self, reference: str, changes: SchemaChanges) -> SchemaChanged:
        """Return how the change would go now. Raises `InvalidField`."""
        with self._catalog.opened(self._catalog.resolve(reference)) as live, live.reading() as rows:
            state = rows.state()
            before, token = state.library.metadata_schema, Token(state.library.id, state.position)
            if changes == SchemaChanges():
                return SchemaChanged(before, token)
            after = changed(before, changes)
            return SchemaChanged(after, token, misfits(rows, before, after, changes))


def _changed(outcome: Outcome, token: Token) -> SchemaChanged:
    assert outcome.library is not None, "a change leaves the library behind"
    return SchemaChanged(outcome.library.metadata_schema, token)
