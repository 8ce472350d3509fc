"""An index measures itself honestly: against an index whose recall is known, and against real ones."""

import time

import numpy as np
import pytest

from pergamum.domain.recall import RecallCurve, shares_found
from pergamum.domain.vectors import Matrix, Metric
from pergamum.engine import calibration, samples
from pergamum.engine.calibration import calibrate
from pergamum.engine.samples import Source
from pergamum.errors import Cancelled
from pergamum.index.base import Job
from pergamum.index.layered import LayeredIndex
from pergamum.index.mask import SlotMask
from tests.support.fake_index import JOB, FakeIndex, layered
from tests.support.kernels import hard_vectors, prepare_kernels

ALL = SlotMask()
metrics = pytest.mark.parametrize("metric", list(Metric))


@pytest.fixture(scope="module", autouse=True)
def kernels() -> None:
    prepare_kernels()


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "time", EvenClock())
    monkeypatch.setattr(calibration, "SAMPLES", 100)
    monkeypatch.setattr(calibration, "FILTERED_SAMPLES", 64)
    monkeypatch.setattr(calibration, "SELECTIVITIES", (1.0, 0.1))


class EvenClock:
    """Every look at it takes a microsecond, so that all searches take as long."""

    def __init__(self) -> None:
        self._now = 0.0

    def perf_counter(self) -> float:
        self._now += 2.0**-20
        return self._now


def cloud(count: int, dimension: int = 8, seed: int = 0) -> Matrix:
    return np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)


def measured(
    vectors: Matrix, metric: Metric = Metric.L2, live: SlotMask = ALL, past: Matrix | None = None
) -> RecallCurve:
    index = layered(FakeIndex(vectors, metric, together=0.5), vectors, metric)
    return calibrate(index, vectors, live, live_queries=past, job=JOB)


@metrics
def test_most_intervals_hold_the_true_recall(metric: Metric) -> None:
    curve = measured(cloud(3_000), metric)

    points = [point for point in curve.points if point.strategy == "graph" and not point.foreign]
    held = [point.low <= FakeIndex.recall(point.effort) <= point.high for point in points]

    assert len(points) >= 6
    assert sum(held) >= 0.75 * len(held)
    assert all(0 < point.low < point.high and point.seconds > 0 and point.queries >= 64 for point in points)


def test_efforts_rise_until_enough_is_found() -> None:
    curve = measured(cloud(3_000))

    graph = [p for p in curve.points if (p.strategy, p.k, p.selectivity, p.foreign) == ("graph", 10, 1.0, False)]
    assert [point.effort for point in graph] == sorted(point.effort for point in graph)
    assert all(point.recall < calibration.ALL_BUT_CERTAIN for point in graph[:-1])
    assert graph[-1].recall >= calibration.ALL_BUT_CERTAIN


def test_what_takes_longer_than_the_scan_is_not_tried_harder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "time", time)  # a fake index takes a scan's time and more
    curve = measured(cloud(3_000))

    graph = [p for p in curve.points if (p.strategy, p.k, p.selectivity, p.foreign) == ("graph", 10, 1.0, False)]
    assert [point.effort for point in graph] == [10]


def test_the_same_library_is_measured_by_the_same_samples() -> None:
    vectors = cloud(1_000)

    first, again = measured(vectors), measured(vectors)

    assert first.foreign_beyond == again.foreign_beyond


def test_dead_slots_and_the_tail_count_for_nothing() -> None:
    vectors = cloud(2_000)
    dead = SlotMask().without(range(500))
    index = layered(FakeIndex(vectors[:1_500]), vectors)

    curve = calibrate(index, vectors, dead, live_queries=None, job=JOB)

    assert (curve.slots, curve.live) == (2_000, 1_000)
    assert curve.points


def test_past_queries_that_find_less_lower_the_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = cloud(2_000)
    hard = cloud(100, seed=9) * 100
    before = measured(vectors)
    monkeypatch.setattr(
        calibration,
        "shares_found",
        lambda found, truth: shares_found(found, truth) * np.where(truth[:, 0] > 50, 0.5, 1),
    )
    after = measured(vectors, past=hard)

    lows = [[p.low for p in c.points if (p.k, p.strategy, p.foreign) == (10, "graph", False)] for c in (before, after)]
    assert max(lows[1]) < 0.6 < max(lows[0])
    assert after.foreign_beyond[10] > before.foreign_beyond[10], "what was asked before is not foreign"


@pytest.mark.parametrize("count", [0, 1, 2, 15])
def test_what_is_too_small_is_not_measured(count: int) -> None:
    vectors = cloud(max(count, 1))
    live = ALL if count else SlotMask().without([0])

    assert measured(vectors, live=live).points == ()


@metrics
@pytest.mark.parametrize("kind", ["duplicates", "equal", "huge", "denormal", "any norm", "one huge coordinate"])
def test_hard_vectors_are_measured_too(kind: str, metric: Metric) -> None:
    curve = measured(hard_vectors(kind, 300, 4, seed=1), metric)

    assert all(np.isfinite([point.recall, point.low, point.high]).all() for point in curve.points)


def test_a_job_can_be_cancelled() -> None:
    vectors = cloud(2_000)

    def report(share: float) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        calibrate(layered(FakeIndex(vectors), vectors), vectors, ALL, live_queries=None, job=Job(1, report))


@metrics
def test_samples_are_unlike_every_member(metric: Metric) -> None:
    vectors = cloud(500)
    source = Source(LayeredIndex.empty(8, metric).extended(vectors), vectors, ALL)

    unseen, _ = samples.unseen(source, 100, np.random.default_rng(0))

    assert unseen.shape == (100, 8)
    assert not {row.tobytes() for row in unseen} & {row.tobytes() for row in vectors}


def test_random_directions_count_as_foreign_where_the_data_is_apart() -> None:
    vectors = cloud(3_000, dimension=16) * 0.05 + np.ones(16, np.float32)
    curve = measured(vectors, Metric.COSINE)
    index = LayeredIndex.empty(16, Metric.COSINE).extended(vectors)

    foreign = index.search(cloud(200, 16, seed=5), 10, vectors, ALL).distances[:, -1]
    own = index.search(cloud(200, 16, seed=6) * 0.05 + 1, 10, vectors, ALL).distances[:, -1]

    assert (foreign > curve.foreign_beyond[10]).mean() > 0.95
    assert (own > curve.foreign_beyond[10]).mean() < 0.15
