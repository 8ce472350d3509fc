"""A trial measures what it says: on samples of the live chunks, with queries that are not among them."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from pergamum.domain.library import IndexKind, IndexSpec
from pergamum.domain.trial import SampleTrial, Trial, reached
from pergamum.domain.vectors import Matrix, Metric
from pergamum.engine import trying
from pergamum.engine.auto import TRIED, Facts, Rule, decide
from pergamum.engine.trial_file import decode_trial, encode_trial
from pergamum.engine.trying import part_of, tried
from pergamum.engine.view import EXACT, View
from pergamum.errors import Cancelled, NothingToMeasure
from pergamum.index import factory
from pergamum.index.base import BuiltIndex, Job, Neighbours, Route
from pergamum.index.layered import LayeredIndex
from pergamum.index.mask import SlotMask
from tests.support.fake_index import JOB, FakeIndex
from tests.support.kernels import compiled_only, prepare_kernels
from tests.support.lsh import clustered
from tests.support.planned import view_of

STRANGE = 1_000.0
"""Queries whose first number is this are never answered well."""
GRAPH, PARTS = IndexSpec(IndexKind.HNSW), IndexSpec(IndexKind.IVF)
pytestmark = compiled_only


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare_kernels()
    monkeypatch.setattr(trying, "MOST_SAMPLED", 800)
    monkeypatch.setattr(trying, "QUERIES", 200)


class Clock:
    """Processor time goes by only where an index searches: a microsecond for each unit of effort."""

    def __init__(self) -> None:
        self.now, self.disturbed = 0.0, 0

    def thread_time(self) -> float:
        return self.now


class Timed(FakeIndex):
    """Finds what `FakeIndex.recall` says, nothing for strange queries; the second kind is built with `factor` 3."""

    clock: Clock
    factor: float = 1.0

    def search(self, queries: Matrix, k: int, vectors: Matrix, allowed: SlotMask, route: Route) -> Neighbours:
        self.clock.now += self.factor * route.effort * 1e-6 * len(queries)
        if self.clock.disturbed and len(queries) == 1:
            self.clock.now, self.clock.disturbed = self.clock.now + 1.0, self.clock.disturbed - 1
        found = super().search(queries, k, vectors, allowed, route)
        strange = (queries[:, 0] == STRANGE)[:, np.newaxis]
        return Neighbours(np.where(strange, -1, found.slots), np.where(strange, np.inf, found.distances), 0, 1)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Let both kinds be `Timed` ones."""
    clock = Clock()

    def build(spec: IndexSpec, metric: Metric, vectors: Matrix, _live: SlotMask, job: Job) -> BuiltIndex:
        for share in (0.0, 0.5, 1.0):
            job.report(share)
        made = Timed(vectors, metric)
        made.clock, made.factor = clock, 1.0 if spec.kind is GRAPH.kind else 3.0
        return made

    monkeypatch.setattr(factory, "build", build)
    monkeypatch.setattr(trying, "time", clock)
    return clock


def view(count: int = 1_000, metric: Metric = Metric.L2) -> View:
    vectors = clustered(count, 8)
    return view_of(LayeredIndex.empty(8, metric).extended(vectors), vectors, metric)


def of(trial: Trial, spec: IndexSpec) -> tuple[SampleTrial, SampleTrial]:
    larger, smaller = trial.of(spec)
    return larger, smaller


def test_every_index_and_exact_search_are_tried_over_two_samples(clock: Clock) -> None:
    trial = tried(view(), None, JOB)

    assert (trial.live, trial.k, trial.queries, trial.sampled) == (1_000, 10, 100, 800)
    assert trial.specs == [EXACT, *TRIED]
    assert all([one.sampled for one in trial.of(spec)] == [800, 200] for spec in trial.specs)


@pytest.mark.parametrize("metric", list(Metric))
def test_whatever_is_tried_can_be_built(metric: Metric) -> None:
    for spec in TRIED:
        factory.check(spec.kind, spec.params, metric)


def test_recall_and_cost_are_those_of_the_index(clock: Clock) -> None:
    for sample in (*of(tried(view(), None, JOB), GRAPH), *of(tried(view(), None, JOB), PARTS)):
        factor = 1.0 if sample.spec == GRAPH else 3.0
        for point in sample.points:
            assert point.recall == pytest.approx(FakeIndex.recall(point.effort), abs=0.06)
            assert point.low < point.recall
            assert point.seconds == pytest.approx(factor * point.effort * 1e-6)


def test_no_effort_beyond_one_that_finds_everything_is_measured(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    (*before, last), _ = (one.points for one in of(tried(view(), None, JOB), GRAPH))
    assert max(point.recall for point in before) < 1.0 == last.recall

    monkeypatch.setattr(trying, "ENOUGH", 0.7)
    (*before, last), _ = (one.points for one in of(tried(view(), None, JOB), GRAPH))
    assert max(point.low for point in before) < 0.7 <= last.low
    assert last.recall < 1.0


def test_what_disturbs_a_few_blocks_changes_no_cost(clock: Clock) -> None:
    clock.disturbed = 2

    samples = [one for one in tried(view(2_000), None, JOB).samples if one.spec != EXACT]

    assert clock.disturbed == 0
    assert all(point.seconds < 1e-3 for one in samples for point in one.points)


def test_queries_that_were_really_asked_count_where_they_find_less(clock: Clock) -> None:
    strange = np.full((64, 8), STRANGE, np.float32)

    few, many = (of(tried(view(), strange[:count], JOB), GRAPH)[0] for count in (63, 64))

    assert max(point.recall for point in few.points) == 1.0
    assert max(point.recall for point in many.points) == 0.0


def test_the_same_library_is_tried_in_the_same_way() -> None:
    first, again = tried(view(), None, JOB), tried(view(), None, JOB)

    for one, other in zip(first.samples, again.samples, strict=True):
        assert replace(one, points=()) == replace(other, points=())
        assert [(p.effort, p.recall, p.low) for p in one.points] == [(p.effort, p.recall, p.low) for p in other.points]


def test_queries_are_live_and_left_out_of_the_samples() -> None:
    whole = view(600)
    assert whole.vectors is not None
    dead = list(range(0, 600, 3))

    queries, base = trying._drawn(replace(whole, live=whole.live.without(dead)))

    assert (len(queries), len(base)) == (40, 360)
    drawn = {row.tobytes() for row in (*queries, *base)}
    assert drawn == {whole.vectors[slot].tobytes() for slot in range(600) if slot % 3}


@pytest.mark.parametrize("count", [2, 3, 12])
def test_a_handful_of_chunks_can_be_tried_and_proves_nothing(count: int, clock: Clock) -> None:
    trial = tried(view(count), None, JOB)

    assert trial.queries == 1
    decision = decide(Facts(count, count, 8, 0.95, EXACT), Rule(floor=1, times=0.0), trial)
    assert (decision.spec, decision.undecided) == (EXACT, False)


def test_one_chunk_is_nothing_to_measure() -> None:
    with pytest.raises(NothingToMeasure):
        tried(view(1), None, JOB)


def test_progress_goes_forward_and_a_stop_is_obeyed_anywhere(clock: Clock) -> None:
    shares: list[float] = []
    tried(view(), None, Job(1, shares.append))
    assert shares == sorted(shares)
    assert 0.0 <= shares[0] <= shares[-1] <= 1.0

    for stop in range(0, len(shares), max(1, len(shares) // 10)):
        told = SimpleNamespace(reports=0)

        def report(_share: float, told: SimpleNamespace = told, stop: int = stop) -> None:
            told.reports += 1
            if told.reports > stop:
                raise Cancelled

        with pytest.raises(Cancelled):
            tried(view(), None, Job(1, report))


def test_a_part_of_a_job_is_told_as_a_part() -> None:
    shares: list[float] = []
    part_of(part_of(Job(3, shares.append), 0.5, 1.0), 0.0, 0.5).report(1.0)

    assert shares == [0.75]


def test_a_trial_is_written_and_read_whole() -> None:
    trial = tried(view(), None, JOB)

    read = decode_trial(encode_trial(trial))

    fields = ("live", "k", "queries", "samples", "measured_at")
    assert [getattr(read, name) for name in fields] == [getattr(trial, name) for name in fields]


@pytest.mark.parametrize("metric", list(Metric))
def test_real_kinds_reach_the_recall_and_their_memory_is_foretold(metric: Metric) -> None:
    whole = view(3_000, metric)
    trial = tried(whole, None, JOB)

    decision = decide(Facts(3_000, 3_000, 8, 0.9, EXACT), Rule(floor=1, times=0.0), trial)

    assert decision.spec in TRIED
    assert decision.compared is not None
    for candidate in decision.compared.candidates:
        (larger, _) = of(trial, candidate.spec)
        assert reached(larger.points, 0.9) is not None
        assert whole.index is not None
        assert whole.vectors is not None
        built = factory.build(candidate.spec, metric, whole.vectors, SlotMask(), JOB)
        really = whole.index.with_built(built, whole.vectors).memory_bytes
        assert 0.9 * really < candidate.memory_bytes < 2.0 * really
