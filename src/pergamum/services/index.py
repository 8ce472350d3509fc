"""What can be done with a library's index."""

import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

from pergamum.domain.commands import UpdateLibrary
from pergamum.domain.json import JsonObject
from pergamum.domain.library import IndexSpec
from pergamum.domain.operation import Operation
from pergamum.domain.tokens import Token
from pergamum.engine.auto import Decision
from pergamum.engine.building import Forecast
from pergamum.engine.builds import Builds
from pergamum.engine.catalog import Catalog
from pergamum.engine.index_status import IndexStatus
from pergamum.engine.live_recall import LiveRecallFigure
from pergamum.engine.wishes import KIND, request_of
from pergamum.index import factory
from pergamum.journal.base import Journal
from pergamum.services.operations import OperationAt
from pergamum.services.terms import UNCONDITIONAL, Terms


@dataclass(frozen=True, slots=True)
class IndexReport:
    """An index, the parameters in force, what `auto` chose and why, and the operation that has not ended.

    `live_recall` is what searches really found, for each recall that was asked for.
    """

    status: IndexStatus
    params_in_force: JsonObject
    auto: Decision | None
    operation: UUID | None
    live_recall: tuple[LiveRecallFigure, ...]


class IndexService:
    """Threads: any. One preflight at a time: it takes a core for some seconds."""

    def __init__(self, catalog: Catalog, journal: Journal, builds: Builds) -> None:
        self._catalog, self._journal, self._builds = catalog, journal, builds
        self._predicting = threading.Lock()

    def choose(self, reference: str, spec: IndexSpec, terms: Terms[OperationAt] = UNCONDITIONAL) -> OperationAt:
        """Make the library use this index; return the operation that does so, and where the choice stands.

        Raises `InvalidField`. Where nothing has to be built the operation has succeeded when it is returned. The reply
        is kept right after: a crash between the two lets a repetition ask for the same index once more, by another
        operation, which ends the first.
        """
        library_id = self._catalog.resolve(reference)
        before = self._checked(library_id, spec)
        outcome = self._journal.submit(library_id, UpdateLibrary({"index": spec}, datetime.now(UTC)))
        at = datetime.now(UTC)
        request = request_of(spec, before, outcome.position)
        operation = Operation(
            id=uuid4(), kind=KIND, library_id=library_id, request=request, created_at=at, updated_at=at
        )
        chosen = OperationAt(self._builds.follow(operation), Token(library_id, outcome.position))
        kept = terms.kept(chosen, at)
        if kept is not None:
            self._catalog.keep_reply(kept)
        return chosen

    def predict(self, reference: str, spec: IndexSpec) -> Forecast:
        """Return what the index is predicted to take, from a sample. Raises `InvalidField`, `NothingToMeasure`."""
        library_id = self._catalog.resolve(reference)
        self._checked(library_id, spec)
        with self._predicting, self._catalog.opened(library_id) as live:
            return self._builds.predict(live.view, spec)

    def report(self, reference: str) -> IndexReport:
        """Return what there is to know of the library's index."""
        library_id = self._catalog.resolve(reference)
        with self._catalog.opened(library_id) as live:
            view, status, live_recall = live.view, live.status(), live.live_recall.figures()
        return IndexReport(
            status,
            factory.in_force(status.active.kind, status.active.params),
            self._builds.explain(view),
            self._builds.operation_of(library_id),
            live_recall,
        )

    def _checked(self, library_id: UUID, spec: IndexSpec) -> IndexSpec:
        """Check the index for the library; return what it asks for so far."""
        with self._catalog.opened(library_id) as live:
            library = live.view.state.library
        factory.check(spec.kind, spec.params, library.metric)
        return library.index
