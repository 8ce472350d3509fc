"""Background work on indexes: what a library has is led towards what it asks for, one job a library at a time.

What a library asks for is durable with its rows; what is built is a cache. So nothing here has to survive a crash:
after a start, whoever opens a library looks after it again, and operations that have not ended are taken up.

A job reads one view without a lock, while searches and writes go on, and publishes under the writer's lock. Whatever
goes wrong, the index at hand goes on answering.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from uuid import UUID

import structlog

from pergamum.domain.library import IndexSpec
from pergamum.domain.operation import Operation
from pergamum.engine.auto import Decision, Rule
from pergamum.engine.building import Choosing, Forecast, carry_out, caught_up, forecast
from pergamum.engine.catalog import Catalog
from pergamum.engine.given_back import give_back
from pergamum.engine.live_library import LiveLibrary
from pergamum.engine.needs import Need, auto_decision, needed, remeasured, target_of
from pergamum.engine.trying import Tries, tried
from pergamum.engine.view import EXACT, View
from pergamum.engine.wishes import Wishes
from pergamum.errors import Cancelled, LibraryNotFound, ShuttingDown
from pergamum.index import kernel_cache
from pergamum.index.base import Job

PAUSE_SECONDS = 600.0
"""How long what has failed is left alone, unless something else is asked for."""
_KERNEL_POLL_SECONDS = 0.1

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """How indexes are built: threads a build, when `auto` builds one, the share of searches that is compared.

    `tries` makes the trials that `auto` chooses by.
    """

    threads: int = 1
    rule: Rule = field(default_factory=Rule)
    live_share: float = 0.0
    tries: Tries = tried


@dataclass(slots=True, eq=False)
class _Task:
    """The background job of one library. `progress` is written by the job alone."""

    library_id: UUID
    stop: threading.Event = field(default_factory=threading.Event)
    started: float = 0.0
    progress: float = 0.0


@dataclass(frozen=True, slots=True)
class _Failure:
    """A step that failed, and until when it is not tried again. `need` is None where it was a snapshot."""

    need: Need | None
    until: float


class Builds:
    """Threads: any. Changed under `_lock` only: _tasks, _failures, _drifted, _closed.

    A library in `_tasks` has exactly one job waiting or running.
    """

    def __init__(self, catalog: Catalog, pool: ThreadPoolExecutor, options: Options) -> None:
        self._catalog, self._pool, self._options = catalog, pool, options
        self._wishes = Wishes(catalog)
        self._lock = threading.Lock()
        self._tasks: dict[UUID, _Task] = {}
        self._failures: dict[UUID, _Failure] = {}
        self._drifted: set[UUID] = set()
        self._closed = False
        catalog.watch(self._opened, self._deleted)

    def resume(self) -> None:
        """Take up the operations that a stop or a crash cut short."""
        for library_id in self._wishes.restore():
            self._start(library_id)

    def look_after(self, library: LiveLibrary) -> None:
        """Start a job if the library needs one and has none. Cheap: called after every write."""
        library_id = library.view.state.library.id
        if library.failure is None and (self._need(library) is not None or self._wants_snapshot(library)):
            self._start(library_id)

    def close(self) -> None:
        """Stop every job soon; operations go on after the next start. REQUIRES: the pool is shut down next."""
        with self._lock:
            self._closed = True
            tasks = list(self._tasks.values())
        for task in tasks:
            task.stop.set()

    # Operations ----------------------------------------------------------------------------------------------------

    def follow(self, operation: Operation) -> Operation:
        """Keep the operation durably, and end it once its library has the index that `operation.request` names."""
        self._wishes.add(operation)
        with self._lock:  # who asks wants it tried now, whatever failed before
            self._failures.pop(operation.library_id, None)
        try:
            with self._catalog.opened(operation.library_id) as library:
                self._wishes.settle(library.view, self._is_there(library))
                self.look_after(library)
                if self._at_work(operation.library_id):  # the write itself may have started the job
                    self._wishes.begin(operation.library_id)
        except LibraryNotFound:
            self._wishes.drop(operation.library_id)
        return self.current(operation)

    def current(self, operation: Operation) -> Operation:
        """Return the operation as it stands now, which may be ahead of what is stored."""
        with self._lock:
            task = self._tasks.get(operation.library_id)
        if task is None or not task.started:
            return self._wishes.current(operation, 0.0, None)
        return self._wishes.current(operation, task.progress, _seconds_left(task))

    def operation_of(self, library_id: UUID) -> UUID | None:
        """Return the operation that has not ended on this library, if any."""
        return self._wishes.operation_of(library_id)

    def cancel(self, operation: Operation, revert: Callable[[], int]) -> tuple[Operation, int]:
        """End the operation as cancelled; `revert` takes back what was asked for and returns its position.

        Raises `OperationEnded`; what `revert` raises leaves the operation as it was.
        """
        with self._wishes.cancelling(operation):
            self._stop(operation.library_id)
            position = revert()
        with self._catalog.opened(operation.library_id) as library:
            self.look_after(library)
        return self.current(operation), position

    def explain(self, view: View) -> Decision | None:
        """Return what `auto` chooses for the view and why, None where it has no choice."""
        return auto_decision(view, self._options.rule)

    def predict(self, view: View, spec: IndexSpec) -> Forecast:
        """Return what asking for `spec` is predicted to take. Seconds. Raises `NothingToMeasure`, `ShuttingDown`."""
        target = target_of(view, spec, self._options.rule)
        if target != EXACT and not kernel_cache.ready():
            kernel_cache.prepare()
        job = Job(self._options.threads, self._stop_when_closed)
        try:
            return forecast(view, target or self._tried_out(view, spec, job), job)
        except Cancelled:
            raise ShuttingDown from None

    def _tried_out(self, view: View, spec: IndexSpec, job: Job) -> IndexSpec:
        """Return the index that a trial chooses; it is forgotten again."""
        target = target_of(replace(view, trial=self._options.tries(view, None, job)), spec, self._options.rule)
        assert target is not None, "a trial that has just been made decides"
        return target

    # Jobs ----------------------------------------------------------------------------------------------------------

    def _need(self, library: LiveLibrary) -> Need | None:
        """Return the next step that may be taken now."""
        library_id = library.view.state.library.id
        need = needed(library.view, self._options.rule)
        if need is None and library_id in self._drifted:
            need = remeasured(library.view)
        if need is None or self._wishes.held(library_id):
            return None
        return None if self._paused(library_id, need) else need

    def _wants_snapshot(self, library: LiveLibrary) -> bool:
        return library.wants_snapshot() and not self._paused(library.view.state.library.id, None)

    def _paused(self, library_id: UUID, need: Need | None) -> bool:
        failure = self._failures.get(library_id)
        return failure is not None and failure.need == need and time.monotonic() < failure.until

    def _start(self, library_id: UUID) -> None:
        with self._lock:
            if self._closed or library_id in self._tasks:
                return
            task = self._tasks[library_id] = _Task(library_id)
            self._pool.submit(self._run, task)

    def _at_work(self, library_id: UUID) -> bool:
        with self._lock:
            task = self._tasks.get(library_id)
        return task is not None and task.started > 0

    def _stop_when_closed(self, _share: float) -> None:
        if self._closed:
            raise Cancelled

    def _stop(self, library_id: UUID) -> None:
        with self._lock:
            task = self._tasks.get(library_id)
        if task is not None:
            task.stop.set()

    def _opened(self, library: LiveLibrary) -> None:
        library_id = library.view.state.library.id  # not the library: it would hold itself, and its files, open
        library.live_recall.start(self._options.live_share, self._pool.submit, lambda: self._measure_again(library_id))
        self.look_after(library)

    def _measure_again(self, library_id: UUID) -> None:
        """Searches find less than the curve promised: let the index measure itself anew."""
        log.warning("recall is below what was promised, measuring again", library=str(library_id))
        with self._lock:
            self._drifted.add(library_id)
        self._start(library_id)

    def _deleted(self, library_id: UUID) -> None:
        self._stop(library_id)
        self._wishes.drop(library_id)
        with self._lock:
            self._failures.pop(library_id, None)
            self._drifted.discard(library_id)

    def _run(self, task: _Task) -> None:
        try:
            with self._catalog.opened(task.library_id) as library:
                self._step(task, library)
                self._forget(task)
                if not self._closed:
                    self._wishes.settle(library.view, self._is_there(library))
                    self.look_after(library)  # what came while the job was at work started none
        except LibraryNotFound:
            self._wishes.drop(task.library_id)
        except Exception as error:  # noqa: BLE001 - nobody else would ever hear of it
            log.error("index not looked after", library=str(task.library_id), reason=str(error))
            self._wishes.fail(task.library_id, error)
        finally:
            self._forget(task)

    def _step(self, task: _Task, library: LiveLibrary) -> None:
        """Take one step; what goes wrong is remembered, so that it is not tried at once again."""
        need = self._need(library)
        try:
            if need is not None:
                self._wishes.begin(task.library_id)
                self._build(task, library, need)
                need = None
            if self._wants_snapshot(library) and not task.stop.is_set():
                library.save_snapshot()
                give_back()  # what the build took, and what lies in files now
        except Cancelled:
            log.info("index job stopped", library=str(task.library_id))
        except Exception as error:  # noqa: BLE001 - whatever it is, the index at hand goes on
            self._note_failure(task.library_id, need, error)

    def _build(self, task: _Task, library: LiveLibrary, need: Need) -> None:
        view, library_id = library.view, str(task.library_id)
        task.started = time.monotonic()
        self._load_kernels(task)
        job = Job(self._options.threads, lambda share: _report(task, library, share))
        choosing = Choosing(self._options.rule, self._options.tries)
        made = carry_out(view, need, library.live_recall.queries(), choosing, job)
        built = caught_up(made, lambda: library.view)
        published = library.publish_index(need.asked, built)
        with self._lock:
            self._drifted.discard(task.library_id)
        seconds = round(time.monotonic() - task.started, 3)
        kind, work = (EXACT if built.made is None else built.made.spec).kind.value, need.work.value
        log.info("index job done", library=library_id, kind=kind, work=work, seconds=seconds, published=published)

    def _load_kernels(self, task: _Task) -> None:
        """Have the kernels loaded, giving up at once when the job is stopped: compiling them may take a minute."""
        if kernel_cache.ready():
            return
        loaded = threading.Thread(target=kernel_cache.prepare, name="kernels", daemon=True)
        loaded.start()
        while loaded.is_alive():
            loaded.join(_KERNEL_POLL_SECONDS)
            if task.stop.is_set():
                raise Cancelled

    def _note_failure(self, library_id: UUID, need: Need | None, error: Exception) -> None:
        what = "no index snapshot" if need is None else "index not built, the one at hand goes on"
        log.warning(what, library=str(library_id), reason=str(error) or type(error).__name__)
        with self._lock:
            self._failures[library_id] = _Failure(need, time.monotonic() + PAUSE_SECONDS)
        if need is not None:
            self._wishes.fail(library_id, error)

    def _is_there(self, library: LiveLibrary) -> bool:
        """Whether the library has the index it asks for, though perhaps with more tail than it should have."""
        view = library.view
        return view.index is None or view.active == target_of(view, view.state.library.index, self._options.rule)

    def _forget(self, task: _Task) -> None:
        with self._lock:
            if self._tasks.get(task.library_id) is task:
                del self._tasks[task.library_id]


def _report(task: _Task, library: LiveLibrary, share: float) -> None:
    """Note the progress. Raises `Cancelled` when nobody wants the result any more."""
    task.progress = max(task.progress, min(share, 1.0))
    if task.stop.is_set() or library.failure is not None:
        raise Cancelled


def _seconds_left(task: _Task) -> float | None:
    """Return a guess from how long it took to come so far, None as long as that says little."""
    elapsed, done = time.monotonic() - task.started, task.progress
    if done < 0.02 or elapsed < 0.5:
        return None
    return round(elapsed * (1 - done) / done, 1)
