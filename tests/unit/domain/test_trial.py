"""Curves are read at the recall that is wanted, and costs are carried on to sizes nobody measured."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pergamum.domain.trial import ASSUMED_EXPONENT, Growth, TrialPoint, line, power, reached

seconds = st.floats(1e-7, 1.0)
sizes = st.tuples(st.integers(1, 10_000), st.integers(1, 1_000_000))


def point(effort: int, low: float, cost: float = 1.0) -> TrialPoint:
    return TrialPoint(effort, min(1.0, low + 0.01), low, cost)


def test_the_line_between_two_efforts_is_taken_at_the_recall() -> None:
    found = reached([point(10, 0.5, 1.0), point(20, 0.8, 3.0), point(40, 0.9, 7.0)], 0.85)

    assert found is not None
    assert (found.effort, found.low) == (30, 0.85)
    assert found.seconds == pytest.approx(5.0)


def test_the_least_effort_is_taken_where_that_is_enough_and_nothing_where_none_is() -> None:
    points = [point(10, 0.7), point(20, 0.8)]

    assert reached(points, 0.6) == points[0]
    assert reached(points, 0.8) == points[1]
    assert reached(points, 0.81) is None


def test_a_dip_on_the_way_changes_nothing() -> None:
    found = reached([point(10, 0.5), point(20, 0.4, 2.0), point(40, 0.8, 4.0)], 0.6)

    assert found is not None
    assert found.effort == 30


@given(small=sizes, cost=st.tuples(seconds, seconds), law=st.sampled_from([line, power]))
def test_what_was_measured_over_the_larger_sample_is_kept_and_no_cost_falls(
    small: tuple[int, int], cost: tuple[float, float], law: Callable[[Sequence[tuple[int, float]]], Growth]
) -> None:
    size = small[0] + small[1]

    growth = law([(size, cost[0]), (small[0], cost[1])])

    assert growth.at(size) == pytest.approx(cost[0])
    assert growth.at(10 * size) >= growth.at(size) * (1 - 1e-9)
    assert growth.at(10 * size) <= 10 * growth.at(size) * (1 + 1e-9)


def test_powers_and_lines_are_carried_on() -> None:
    grown = power([(20_000, 40.0), (5_000, 20.0)])
    assert grown.exponent == pytest.approx(0.5)
    assert grown.at(2_000_000) == pytest.approx(400.0)

    scan = line([(20_000, 50.0), (5_000, 20.0)])
    assert scan.constant == pytest.approx(10.0)
    assert scan.at(2_000_000) == pytest.approx(4_010.0)


def test_one_sample_leaves_an_assumption() -> None:
    assert power([(100, 1.0)]).exponent == ASSUMED_EXPONENT
    assert line([(100, 1.0)]).at(200) == 2.0
