"""A share of searches is compared with exact ones, in the background and not too often."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from pergamum.domain.vectors import Matrix, Metric
from pergamum.engine import live_recall
from pergamum.engine.answering import Found, Search
from pergamum.engine.live_recall import LiveRecall
from pergamum.engine.planner import Asked, Plan
from pergamum.engine.view import View
from pergamum.index.base import SCAN, Route, Strategy
from tests.support.fake_index import FakeIndex, layered
from tests.support.kernels import prepare_kernels
from tests.support.planned import view_of

GRAPH = Plan(Route(Strategy.GRAPH, 20), 1e-3, 0.9)
EXACT = Plan(SCAN, 1e-3, 1.0)


@pytest.fixture(scope="module", autouse=True)
def kernels() -> None:
    prepare_kernels()


class Background:
    """Jobs wait until they are run, the clock stands still unless it is moved, chance is what is said."""

    def __init__(self) -> None:
        self.jobs: list[Callable[[], None]] = []
        self.now, self.chance, self.drifts = 0.0, 0.0, 0
        self.live = LiveRecall(chance=lambda: self.chance, clock=self.clock)
        self.live.start(0.01, self.jobs.append, self.drifted)

    def clock(self) -> float:
        return self.now

    def drifted(self) -> None:
        self.drifts += 1

    def run(self) -> None:
        while self.jobs:
            self.jobs.pop()()


@pytest.fixture
def background() -> Background:
    return Background()


@pytest.fixture(scope="module")
def view() -> View:
    vectors = np.random.default_rng(0).standard_normal((500, 4)).astype(np.float32)
    return view_of(layered(FakeIndex(vectors), vectors), vectors, Metric.L2)


def searched(view: View, query: Matrix, plan: Plan = GRAPH, wanted: float = 0.9) -> tuple[Search, Found]:
    assert view.index is not None
    assert view.vectors is not None
    search = Search(query, Asked(10, wanted, len(query)))
    return search, Found(view.index.search(query, 10, view.vectors, view.live, plan.route), plan)


def take(background: Background, view: View, seed: int, plan: Plan = GRAPH, wanted: float = 0.9) -> None:
    query = np.random.default_rng(seed).standard_normal((1, 4)).astype(np.float32)
    search, found = searched(view, query, plan, wanted)
    background.live.take(view, search, view.live, found)


def test_nothing_is_picked_before_it_is_started() -> None:
    assert not LiveRecall(chance=lambda: 0.0).picks(1_000)


def test_as_many_are_picked_as_the_setting_says(background: Background) -> None:
    background.chance = 0.005
    assert background.live.picks(1)
    background.chance = 0.015
    assert not background.live.picks(1)
    assert background.live.picks(2), "two searches are twice as likely to hold a sample"


def test_the_recall_of_searches_is_measured(background: Background, view: View) -> None:
    for seed in range(100):
        take(background, view, seed)
        background.run()

    (figure,) = background.live.figures()

    assert (figure.wanted, figure.queries) == (0.9, 100)
    assert figure.low < FakeIndex.recall(20) < figure.high
    assert figure.low < figure.recall < figure.high


def test_each_wanted_recall_has_a_window_of_its_own(
    background: Background, view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_recall, "WINDOW", 5)
    monkeypatch.setattr(live_recall, "MOST_RECALLS", 2)
    for seed, wanted in enumerate([0.5, *[0.9] * 8, 0.8]):
        take(background, view, seed, wanted=wanted)
        background.run()

    assert [(figure.wanted, figure.queries) for figure in background.live.figures()] == [(0.8, 1), (0.9, 5)]


def test_the_answer_is_compared_on_the_view_that_gave_it(background: Background, view: View) -> None:
    query = np.zeros((1, 4), np.float32)
    exact, found = searched(view, query, replace(GRAPH, route=SCAN))
    background.live.take(view, exact, view.live, replace(found, plan=GRAPH))

    background.run()

    assert [figure.recall for figure in background.live.figures()] == [1.0]


def test_what_comes_during_a_comparison_is_dropped_but_its_query_is_kept(background: Background, view: View) -> None:
    for seed in range(3):
        take(background, view, seed)

    assert len(background.jobs) == 1
    kept = background.live.queries()
    assert kept is not None
    assert kept.shape == (3, 4)


def test_comparing_takes_a_small_share_of_the_time(background: Background, view: View) -> None:
    take(background, view, 0)
    clock = iter([1.0, 2.0])
    background.live._clock = lambda: next(clock)
    background.run()
    background.live._clock = background.clock

    background.now = 2.0 + 1.0 / live_recall.SHARE_OF_TIME - 1.5
    take(background, view, 1)
    assert background.jobs == [], "too early"
    background.now += 1.0
    take(background, view, 2)
    assert len(background.jobs) == 1


def test_exact_answers_have_nothing_to_be_compared_with(background: Background, view: View) -> None:
    take(background, view, 0, plan=EXACT)

    assert background.jobs == []
    assert background.live.queries() is not None


def test_queries_kept_are_few_and_differ(background: Background, view: View) -> None:
    for seed in range(2 * live_recall.QUERIES):
        take(background, view, seed % 7, plan=EXACT)

    kept = background.live.queries()
    assert kept is not None
    assert len(kept) == 7


def test_recall_below_what_was_asked_asks_once_to_be_measured_again(background: Background, view: View) -> None:
    for seed in range(live_recall.FEWEST + 20):
        take(background, view, seed, wanted=0.95)
        background.run()
    assert background.drifts == 1, f"recall is {FakeIndex.recall(20)}"

    background.live.forget()
    assert background.live.figures() == ()
    for seed in range(live_recall.FEWEST + 20):
        take(background, view, seed, wanted=0.4)
        background.run()
    assert background.drifts == 1, "now it is as good as was asked"


def test_a_server_that_stops_takes_no_more_samples(background: Background, view: View) -> None:
    def refused(job: Callable[[], None]) -> None:
        raise RuntimeError("cannot schedule new futures after shutdown")

    background.live.start(1.0, refused)

    take(background, view, 0)
    take(background, view, 1)

    assert background.live.figures() == ()
