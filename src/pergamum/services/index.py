"""What can be done with a library's index."""

from datetime import UTC, datetime
from uuid import uuid4

from pergamum.domain.commands import UpdateLibrary
from pergamum.domain.library import IndexSpec
from pergamum.domain.operation import Operation
from pergamum.engine.catalog import Catalog
from pergamum.engine.live_library import IndexStatus
from pergamum.journal.base import Journal


class IndexService:
    """Threads: any."""

    def __init__(self, catalog: Catalog, journal: Journal) -> None:
        self._catalog, self._journal = catalog, journal

    def choose(self, reference: str, spec: IndexSpec) -> tuple[Operation, int]:
        """Make the library use this index; return the operation that does so, and the position of the choice.

        An exact scan needs no build, so the operation has succeeded when it is returned.
        """
        library_id = self._catalog.resolve(reference)
        outcome = self._journal.submit(library_id, UpdateLibrary({"index": spec}, datetime.now(UTC)))
        at = datetime.now(UTC)
        operation = Operation(id=uuid4(), kind="build_index", library_id=library_id, created_at=at, updated_at=at)
        result = {"kind": spec.kind.value, "active": spec.active.value, "position": outcome.position}
        done = operation.succeeded({**result}, at)
        self._catalog.save_operation(done)
        return done, outcome.position

    def status(self, reference: str) -> IndexStatus:
        """Return what there is to know of the library's index."""
        with self._catalog.opened(self._catalog.resolve(reference)) as live:
            return live.status()
