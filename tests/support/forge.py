"""An index kind without kernels, in the place of real ones: what surrounds a build is tested without building."""

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pergamum.domain.library import IndexKind, IndexSpec
from pergamum.domain.recall import RecallCurve, RecallPoint
from pergamum.domain.trial import SampleTrial, Trial, TrialPoint
from pergamum.domain.vectors import Matrix, Metric
from pergamum.engine import building
from pergamum.engine.view import View
from pergamum.errors import Damaged, InvalidField
from pergamum.index import factory, kernel_cache
from pergamum.index.base import BuiltIndex, Job, Neighbours, Route, Strategy
from pergamum.index.layered import LayeredIndex
from pergamum.index.mask import SlotMask
from tests.support.built import truth

NAME = "fake.index"
STRATEGIES = {
    "kd_tree": (Strategy.TREE,),
    "lsh": (Strategy.TABLES,),
    "hnsw": (Strategy.SCAN, Strategy.GRAPH, Strategy.FILTERED_GRAPH),
    "ivf": (Strategy.PARTITIONS,),
}


@dataclass(frozen=True, slots=True, eq=False)
class FakeIndex:
    """Answers exactly, whatever the effort. `made` counts how often it was built or grown."""

    kind: str
    count: int
    metric: Metric
    made: int = 1

    memory_bytes = anonymous_bytes = 1_000

    @property
    def strategies(self) -> tuple[Strategy, ...]:
        """Those of the kind: only a graph can scan."""
        return STRATEGIES[self.kind]

    def efforts(self, _strategy: Strategy, k: int) -> tuple[int, ...]:
        """One is enough."""
        return (k,)

    def search(self, queries: Matrix, k: int, vectors: Matrix, allowed: SlotMask, _route: Route) -> Neighbours:
        """Answer by a scan."""
        return truth(self.metric, queries, k, vectors[: self.count], allowed)

    def grown(self, vectors: Matrix, _live: SlotMask, job: Job) -> "FakeIndex":
        """Return the same over more slots."""
        job.report(0.5)
        return FakeIndex(self.kind, len(vectors), self.metric, self.made + 1)

    def save(self, folder: Path) -> None:
        """Write all there is to know."""
        (folder / NAME).write_text(json.dumps([self.kind, self.count, self.metric.value, self.made]))

    def faults(self) -> Iterator[str]:
        """A count of 13 is unlucky."""
        if self.count == 13:
            yield "thirteen slots"


@dataclass
class Forge:
    """Builds fake indexes when told to. `go` is set unless a test holds builds back; `fail` makes them raise.

    A trial finds that a query takes `costs` microseconds by each kind; `trials` are those that were made.
    """

    go: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)
    fail: Exception | None = None
    built: int = 0
    costs: dict[IndexKind, float] = field(default_factory=lambda: {IndexKind.HNSW: 1.0, IndexKind.IVF: 2.0})
    trials: list[Trial] = field(default_factory=list)

    def try_kinds(self, view: View, past: Matrix | None, job: Job) -> Trial:  # noqa: ARG002  # as `Tries` has it
        """Stand in for `tried`. A vector takes 100 bytes in a graph, half of that in partitions."""
        self._wait(job)
        costs = {IndexKind.BRUTE_FORCE: 1_000.0, **self.costs}
        samples = [
            SampleTrial(
                IndexSpec(kind), 1, 50 if kind is IndexKind.IVF else 100, (TrialPoint(10, 0.99, 0.99, cost * 1e-6),)
            )
            for kind, cost in costs.items()
        ]
        trial = Trial(view.live_slots, 10, 400, tuple(samples), datetime(2026, 1, 1, tzinfo=UTC))
        self.trials.append(trial)
        return trial

    def build(self, spec: IndexSpec, metric: Metric, vectors: Matrix, _live: SlotMask, job: Job) -> BuiltIndex:
        """Stand in for `factory.build`."""
        self._wait(job)
        self.built += 1
        return FakeIndex(spec.kind.value, len(vectors), metric)

    def _wait(self, job: Job) -> None:
        self.begun.set()
        job.report(0.25)
        while not self.go.wait(0.002):
            job.report(0.5)
        if self.fail is not None:
            raise self.fail

    def hold(self) -> None:
        """Let builds wait from now on."""
        self.go.clear()
        self.begun.clear()


def install(monkeypatch: pytest.MonkeyPatch) -> Forge:
    """Put fakes in the place of every built kind until the test ends."""
    forge = Forge()
    forge.go.set()
    monkeypatch.setattr(factory, "build", forge.build)
    monkeypatch.setattr(factory, "load_built", _load)
    monkeypatch.setattr(factory, "check", _check)
    monkeypatch.setattr(factory, "in_force", lambda _kind, params: dict(params))
    monkeypatch.setattr(building, "calibrate", measured)
    monkeypatch.setattr(kernel_cache, "prepare", lambda: True)
    return forge


def measured(
    index: LayeredIndex, vectors: Matrix, live: SlotMask, *, live_queries: Matrix | None, job: Job
) -> RecallCurve:
    """Stand in for `calibrate`."""
    job.report(1.0)
    point = RecallPoint(
        strategy=index.strategies[-1],
        effort=10,
        k=10,
        selectivity=1.0,
        foreign=False,
        recall=0.99,
        low=0.98,
        high=1.0,
        seconds=1e-6,
        scored=10.0,
        queries=100,
    )
    return RecallCurve((point,), {10: 1.0}, index.count, live.allowed(index.count), datetime(2026, 1, 1, tzinfo=UTC))


def _load(kind: str, folder: Path, *, checked: bool = False) -> BuiltIndex:
    try:
        found, count, metric, made = json.loads((folder / NAME).read_text())
    except (OSError, ValueError) as error:
        raise Damaged(str(folder / NAME), str(error)) from error
    assert found == kind
    return FakeIndex(kind, count, Metric(metric), made)


def _check(kind: str, params: Mapping[str, object], metric: Metric) -> None:
    if "bad" in params:
        raise InvalidField("index.params.bad", "no kind takes it")
