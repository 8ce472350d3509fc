"""Which plan is chosen, for any curve: never below what was asked, never dearer than another that would do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pergamum.domain.recall import RecallPoint
from pergamum.engine.planner import SEARCH_SECONDS, Asked, Extent, Planner
from pergamum.index.base import SCAN, Route, Strategy
from tests.support.fake_index import curve, point

SLOTS = 100_000
ALL = Extent(SLOTS, SLOTS, SLOTS, 100)
SCANS = [point(0, 1.0, 1e-3, strategy="exact_scan", k=k, selectivity=s) for k in (10, 100) for s in (1.0, 0.5, 0.1)]
GRAPH = [point(effort, low, effort * 1e-6) for effort, low in ((20, 0.7), (40, 0.86), (80, 0.94), (160, 0.98))]
FILTERED = [
    point(effort, low, effort * 2e-6, strategy="filtered_graph", selectivity=0.1)
    for effort, low in ((40, 0.9), (80, 0.96))
]
PLANNER = Planner(curve([*SCANS, *GRAPH, *FILTERED], SLOTS, {1: 0.3, 10: 0.5, 100: 0.9}))


def test_without_measurements_everything_is_scanned() -> None:
    plan = Planner(None).plan(Asked(10, 0.9, queries=3), ALL)

    assert (plan.route, plan.exact, plan.expected_recall) == (SCAN, True, 1.0)
    assert plan.seconds == pytest.approx(SEARCH_SECONDS + 3 * SLOTS * 100 / 20e9)


def test_the_least_effort_that_reaches_the_recall_is_taken() -> None:
    plan = PLANNER.plan(Asked(10, 0.94), ALL)

    assert plan.route == Route(Strategy.GRAPH, 80)
    assert plan.expected_recall == 0.94
    assert plan.seconds == pytest.approx(SEARCH_SECONDS + 80e-6)


def test_between_two_measured_efforts_the_straight_line_counts() -> None:
    plan = PLANNER.plan(Asked(10, 0.90), ALL)

    assert 40 < plan.route.effort < 80
    assert 0.90 <= plan.expected_recall <= 0.91


@pytest.mark.parametrize(
    ("asked", "extent"),
    [
        (Asked(10, 1.0), ALL),
        (Asked(10, 0.99), ALL),
        (Asked(100, 0.5), ALL),
        (Asked(101, 0.5), ALL),
        (Asked(10, 0.5), Extent(SLOTS, SLOTS, SLOTS // 100, 100)),
        (Asked(10, 0.9), Extent(SLOTS, 0, SLOTS, 100)),
    ],
    ids=["exact", "not reached", "k not measured", "k too large", "too few allowed", "nothing built"],
)
def test_what_is_not_known_to_reach_the_recall_is_scanned(asked: Asked, extent: Extent) -> None:
    plan = Planner(curve([*SCANS, *GRAPH], SLOTS)).plan(asked, extent)

    assert plan.exact


def test_a_scan_of_less_than_was_ever_measured_takes_no_longer_than_that_of_the_least() -> None:
    quick = point(0, 1.0, 2e-4, strategy="exact_scan", selectivity=0.05)
    planner = Planner(curve([*SCANS, quick, *GRAPH], SLOTS))

    few, unbuilt = (
        planner.plan(Asked(10, 0.9), Extent(SLOTS, built, allowed, 1_000))
        for built, allowed in ((SLOTS, SLOTS // 1_000), (0, SLOTS))
    )

    assert few.seconds == pytest.approx(SEARCH_SECONDS + 2e-4)
    assert unbuilt.seconds == pytest.approx(SEARCH_SECONDS + SLOTS * 1_000 / 20e9)


def test_a_graph_that_costs_more_than_the_scan_is_refused() -> None:
    planner = Planner(curve([*SCANS, point(20, 0.96, 1.1e-3)], SLOTS))

    plan = planner.plan(Asked(10, 0.95), ALL)
    (refused,) = planner.refused(Asked(10, 0.95), ALL, plan)

    assert plan.exact
    assert (refused.strategy, refused.effort, refused.expected_recall) == ("graph", 20, 0.96)
    assert refused.reason == "slower: 1.100 ms a query instead of 1.000 ms"


def test_each_refused_plan_has_its_reason() -> None:
    asked = Asked(10, 0.99)
    plan = PLANNER.plan(asked, ALL)

    refused = {one.strategy: one for one in PLANNER.refused(asked, ALL, plan)}

    assert refused["graph"].reason == "0.99 was asked; 0.980 is the most it was measured to reach"
    assert refused["filtered_graph"].reason.startswith("not measured")
    assert "exact_scan" not in refused, "it was chosen"


def test_a_filter_is_planned_by_the_harder_selectivity() -> None:
    plan = PLANNER.plan(Asked(10, 0.95), Extent(SLOTS, SLOTS, 30_000, 100))

    assert plan.route.strategy is Strategy.FILTERED_GRAPH


def test_a_few_dead_slots_ask_for_as_much_more_effort() -> None:
    plan = PLANNER.plan(Asked(10, 0.94), Extent(SLOTS, SLOTS, 90_000, 100))

    assert plan.route == Route(Strategy.GRAPH, 89)


def test_the_tail_is_paid_for_by_every_plan() -> None:
    whole, grown = (PLANNER.plan(Asked(10, 0.9), Extent(slots, SLOTS, slots, 100)) for slots in (SLOTS, 110_000))

    assert grown.seconds - whole.seconds == pytest.approx(1e-4)


def test_an_exact_tree_answers_whatever_is_asked() -> None:
    planner = Planner(curve([*SCANS, point(0, 1.0, 1e-5, strategy="tree")], SLOTS))

    plan = planner.plan(Asked(10, 1.0), ALL)

    assert (plan.kind, plan.exact, plan.expected_recall) == ("tree", True, 1.0)


@pytest.mark.parametrize(("k", "allowed", "beyond"), [(1, SLOTS, 0.3), (10, SLOTS, 0.5), (5, SLOTS, 0.3)])
def test_foreign_queries_are_told_by_their_last_hit(k: int, allowed: int, beyond: float) -> None:
    assert PLANNER.plan(Asked(k, 0.9), Extent(SLOTS, SLOTS, allowed, 100)).foreign_beyond == beyond


def test_with_a_filter_the_last_hit_may_be_as_much_farther() -> None:
    plan = PLANNER.plan(Asked(10, 0.9), Extent(SLOTS, SLOTS, SLOTS // 10, 100))

    assert plan.foreign_beyond == 0.9


def test_foreign_queries_are_scanned_unless_a_graph_is_known_to_do() -> None:
    foreign = RecallPoint("graph", 200, 10, 1.0, True, 0.97, 0.96, 0.98, 2e-4, 100.0, 100)
    planner = Planner(curve([*SCANS, *GRAPH, foreign], SLOTS))

    assert planner.plan(Asked(10, 0.95), ALL).foreign == Route(Strategy.GRAPH, 200)
    assert planner.plan(Asked(10, 0.97), ALL).foreign == SCAN


@st.composite
def points(draw: st.DrawFn) -> list[RecallPoint]:
    """Measurements of two strategies, as noisy as they come, and of the scan."""
    made = [*SCANS]
    for strategy in ("graph", "hash_tables"):
        for effort in draw(st.sets(st.integers(1, 5_000), max_size=6)):
            low, seconds = draw(st.floats(0, 1)), draw(st.floats(1e-6, 2e-3))
            share = draw(st.sampled_from([1.0, 0.5, 0.1]))
            made.append(point(effort, low, seconds, strategy=strategy, selectivity=share))
    return made


@given(
    points=points(),
    recall=st.floats(0.01, 1.0),
    k=st.integers(1, 200),
    allowed=st.floats(0.0, 1.0),
    built=st.floats(0.0, 1.0),
)
def test_no_plan_promises_less_than_was_asked(
    points: list[RecallPoint], recall: float, k: int, allowed: float, built: float
) -> None:
    extent = Extent(SLOTS, int(SLOTS * built), int(SLOTS * allowed), 100)
    planner = Planner(curve(points, SLOTS))

    plan = planner.plan(Asked(k, recall), extent)

    assert plan.expected_recall >= recall
    assert plan.exact == (plan.route.strategy is Strategy.SCAN)
    assert plan.seconds <= SEARCH_SECONDS + 1e-3, "the scan would have been cheaper"
    assert all(one.reason for one in planner.refused(Asked(k, recall), extent, plan))


@given(points=points(), recall=st.floats(0.01, 0.99))
def test_no_measured_plan_that_would_do_is_cheaper(points: list[RecallPoint], recall: float) -> None:
    plan = Planner(curve(points, SLOTS)).plan(Asked(10, recall), ALL)

    first: dict[str, float] = {}  # of each strategy the least effort that does
    for one in sorted(points, key=lambda one: one.effort):
        if one.low >= recall and one.selectivity == 1.0 and one.k == 10:
            first.setdefault(one.strategy, one.seconds)
    assert plan.seconds <= SEARCH_SECONDS + min(first.values()) * (1 + 1e-9)


@given(low=st.floats(0.5, 0.9), more=st.floats(0.0, 0.09))
def test_asking_for_more_never_costs_less_on_a_rising_curve(low: float, more: float) -> None:
    less, greater = (PLANNER.plan(Asked(10, recall), ALL) for recall in (low, low + more))

    assert less.seconds <= greater.seconds  # an exact scan has no effort
    assert less.seconds <= greater.seconds
