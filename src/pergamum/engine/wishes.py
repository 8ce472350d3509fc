"""Operations on indexes that have not ended: at most one a library, the latest; a later wish ends an earlier one."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

import structlog

from pergamum.domain.json import JsonObject
from pergamum.domain.library import IndexKind, IndexSpec
from pergamum.domain.operation import Operation, OperationStatus
from pergamum.engine.catalog import Catalog
from pergamum.engine.view import View
from pergamum.errors import OperationEnded, PergamumError

KIND = "build_index"

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Wish:
    """An operation that has not ended. `held`: it is being cancelled, so nothing may begin or end it meanwhile."""

    operation: Operation
    held: bool = False


def request_of(spec: IndexSpec, before: IndexSpec, position: int) -> JsonObject:
    """Return what an operation remembers: what was asked for, at which position, and what was asked for before."""
    return {
        "kind": spec.kind.value,
        "params": spec.params,
        "position": position,
        "before": {"kind": before.kind.value, "params": before.params},
    }


def asked_for(operation: Operation) -> IndexSpec:
    """Return the index that the operation is to bring."""
    return _spec(operation.request)


def asked_before(operation: Operation) -> IndexSpec:
    """Return the index that was asked for before the operation."""
    before = operation.request["before"]
    assert isinstance(before, dict)
    return _spec(before)


class Wishes:
    """Threads: any. Changed under `_lock` only, and stored under it too, so that no older state overtakes a newer."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._lock = threading.Lock()
        self._open: dict[UUID, _Wish] = {}
        self._unsaved: dict[UUID, Operation] = {}

    def restore(self) -> list[UUID]:
        """Take up the stored operations that have not ended; return their libraries."""
        for operation in self._catalog.unfinished_operations():
            if operation.kind == KIND and operation.request:
                self.add(operation)
        return list(self._open)

    def add(self, operation: Operation) -> None:
        """Store the operation and keep it until it ends; of two for one library the earlier is cancelled."""
        self._catalog.save_operation(operation)
        with self._lock:
            other = self._open.get(operation.library_id)
            if other is not None and _position(other.operation) > _position(operation):
                self._save(_superseded(operation))
                return
            self._open[operation.library_id] = _Wish(operation)
            if other is not None:
                self._save(_superseded(other.operation))

    def begin(self, library_id: UUID) -> None:
        """Say that work on the library's operation has begun."""
        with self._lock:
            wish = self._open.get(library_id)
            if wish is not None and wish.operation.status is OperationStatus.QUEUED:
                wish.operation = wish.operation.running(_now())
                self._save(wish.operation)

    def settle(self, view: View, there: bool) -> None:
        """End the library's operation if it has become true, or if something else is asked for by now."""
        library = view.state.library
        with self._lock:
            wish = self._open.get(library.id)
            if wish is None or wish.held:
                return
            if asked_for(wish.operation) != library.index:
                self._end(_superseded(wish.operation))
            elif there:
                self._end(wish.operation.succeeded(_result(wish.operation, view), _now()))

    def fail(self, library_id: UUID, error: Exception) -> None:
        """End the library's operation, if any, by the error."""
        problem = _problem("build-failed", "The index could not be built.", str(error) or type(error).__name__)
        with self._lock:
            wish = self._open.get(library_id)
            if wish is not None and not wish.held:
                self._end(wish.operation.failed(problem, _now()))

    def drop(self, library_id: UUID) -> None:
        """End the library's operation, if any, because the library is gone."""
        problem = _problem("library-not-found", "The library is gone.", "the library was deleted")
        with self._lock:
            wish = self._open.get(library_id)
            if wish is not None:
                self._end(wish.operation.cancelled(problem, _now()))

    @contextmanager
    def cancelling(self, operation: Operation) -> Iterator[None]:
        """Hold the operation while the block takes it back, then end it as cancelled. Raises `OperationEnded`."""
        with self._lock:
            wish = self._open.get(operation.library_id)
            if wish is None or wish.held or wish.operation.id != operation.id:
                now = self._unsaved.get(operation.id, operation)
                raise OperationEnded(str(operation.id), now.status.value if now.ended else "ended")
            wish.held = True
        try:
            yield
        except BaseException:
            wish.held = False
            raise
        with self._lock:
            if self._open.get(operation.library_id) is wish:
                self._end(wish.operation.cancelled(None, _now()))

    def held(self, library_id: UUID) -> bool:
        """Whether the library's operation is being cancelled."""
        wish = self._open.get(library_id)
        return wish is not None and wish.held

    def operation_of(self, library_id: UUID) -> UUID | None:
        """Return the library's operation, if any."""
        wish = self._open.get(library_id)
        return None if wish is None else wish.operation.id

    def current(self, operation: Operation, progress: float, seconds_left: float | None) -> Operation:
        """Return the operation as it stands; progress is that of the library's job."""
        with self._lock:
            wish = self._open.get(operation.library_id)
            if wish is None or wish.operation.id != operation.id:
                return self._unsaved.get(operation.id) or self._catalog.operation(operation.id)
            now = wish.operation
        running = now.status is OperationStatus.RUNNING
        return replace(now, progress=progress, seconds_left=seconds_left) if running else now

    def _end(self, operation: Operation) -> None:
        """REQUIRES: the lock is held."""
        del self._open[operation.library_id]
        self._save(operation)

    def _save(self, operation: Operation) -> None:
        """Store the operation; what cannot be stored now is remembered, and settled again after a start."""
        try:
            self._catalog.save_operation(operation)
        except PergamumError as error:
            self._unsaved[operation.id] = operation
            log.warning("operation not stored", operation=str(operation.id), reason=str(error))


def _result(operation: Operation, view: View) -> JsonObject:
    request = operation.request
    return {"kind": request["kind"], "active": view.active.kind.value, "position": request["position"]}


def _superseded(operation: Operation) -> Operation:
    problem = _problem("superseded", "Another index was asked for.", "another index was asked for meanwhile")
    return operation.cancelled(problem, _now())


def _problem(slug: str, title: str, detail: str) -> JsonObject:
    return {"type": f"/problems/{slug}", "title": title, "detail": detail}


def _spec(named: JsonObject) -> IndexSpec:
    params = named["params"]
    assert isinstance(params, dict)
    return IndexSpec(IndexKind(str(named["kind"])), params)


def _position(operation: Operation) -> int:
    position = operation.request["position"]
    assert isinstance(position, int)
    return position


def _now() -> datetime:
    return datetime.now(UTC)
