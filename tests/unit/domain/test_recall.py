"""What a measured recall is worth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pergamum.domain.query import wanted_share
from pergamum.domain.recall import interval, shares_found

INF = np.inf


@given(shares=st.lists(st.floats(0, 1), min_size=1, max_size=200))
def test_an_interval_has_width_and_holds_the_mean(shares: list[float]) -> None:
    found = interval(shares)

    assert 0.0 <= found.low <= found.high <= 1.0
    assert found.low < found.high
    assert found.low <= found.mean + 1e-12
    assert found.high >= found.mean - 1e-12


def test_more_samples_say_more() -> None:
    widths = [interval([1.0] * count) for count in (10, 100, 1_000)]

    assert widths[0].low < widths[1].low < widths[2].low < 1.0


@pytest.mark.parametrize("recall", [0.9, 0.97, 0.995])
def test_19_of_20_intervals_hold_the_true_recall(recall: float) -> None:
    random = np.random.default_rng(0)
    trials = 1_000

    held = 0
    for _ in range(trials):
        lost = random.random(400) < (1 - recall) * 4  # some queries lose a quarter of their neighbours, most lose none
        measured = interval((1.0 - 0.25 * lost).tolist())
        held += measured.low <= recall <= measured.high

    assert held >= 0.94 * trials


def test_equally_far_neighbours_are_equally_true() -> None:
    truth = np.array([[1.0, 2.0, 2.0]])

    assert shares_found(np.array([[1.0, 2.0, 2.0]]), truth).tolist() == [1.0]
    assert shares_found(np.array([[1.0, 2.0, 2.5]]), truth).tolist() == [pytest.approx(2 / 3)]
    assert shares_found(np.array([[2.5, 3.0, INF]]), truth).tolist() == [0.0]


def test_where_there_is_less_to_find_than_asked_for_that_is_the_whole() -> None:
    truth = np.array([[1.0, INF], [INF, INF]])

    assert shares_found(np.array([[1.0, INF], [INF, INF]]), truth).tolist() == [1.0, 1.0]
    assert shares_found(np.array([[INF, INF], [INF, INF]]), truth).tolist() == [0.0, 1.0]


def test_exact_means_all_and_nothing_said_means_the_default() -> None:
    assert (wanted_share("exact", 0.9), wanted_share(None, 0.9), wanted_share(0.5, 0.9)) == (1.0, 0.9, 0.5)
