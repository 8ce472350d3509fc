"""What `auto` chooses: a pure function of the library, of what a trial has measured and of what is there."""

from datetime import UTC, datetime
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pergamum.domain.library import IndexKind, IndexSpec
from pergamum.domain.trial import SampleTrial, Trial, TrialPoint
from pergamum.engine.auto import (
    AS_GOOD,
    REVISITED_AFTER,
    Candidate,
    Decision,
    Facts,
    Rule,
    decide,
    index_from,
    index_seconds,
    scan_seconds,
)
from pergamum.engine.view import EXACT

GRAPH, PARTS, TABLES = IndexSpec(IndexKind.HNSW), IndexSpec(IndexKind.IVF), IndexSpec(IndexKind.LSH)
MICRO = 1e-6
Curve = list[tuple[float, float]]
"""Recall and microseconds, by ascending effort."""
rules = st.builds(Rule, st.integers(1, 100_000), st.floats(0, 20), st.none() | st.integers(1, 1 << 40))
curves = st.lists(st.tuples(st.floats(0, 1), st.floats(1, 1_000)), min_size=1, max_size=6)


def facts(live: int, dimension: int = 384, recall: float = 0.95, active: IndexSpec = EXACT) -> Facts:
    return Facts(live, live, dimension, recall, active)


def sample(spec: IndexSpec, curve: Curve, sampled: int = 20_000, bytes_each: int = 100) -> SampleTrial:
    """A kind over a sample; efforts are 1, 2, ..."""
    points = [TrialPoint(n + 1, recall, recall, micros * MICRO) for n, (recall, micros) in enumerate(curve)]
    return SampleTrial(spec, sampled, sampled * bytes_each, tuple(points))


def trial(*samples: SampleTrial, live: int = 100_000, scan: float = 100.0) -> Trial:
    """A trial in which exact search took `scan` microseconds over 20,000 vectors, and a quarter over a quarter."""
    exact = [sample(EXACT, [(1.0, scan / part)], 20_000 // part) for part in (1, 4)]
    return Trial(live, 10, 400, (*exact, *samples), datetime(2026, 1, 1, tzinfo=UTC))


def verdicts(decision: Decision) -> dict[str, Candidate]:
    assert decision.compared is not None
    return {one.spec.kind.value: one for one in decision.compared.candidates}


# Before a trial ------------------------------------------------------------------------------------------------------


def test_a_small_library_is_searched_exactly_and_a_large_one_needs_a_trial() -> None:
    for live, active in ((5_000, EXACT), (0, GRAPH), (1, GRAPH)):
        small = decide(facts(live, active=active), Rule())
        assert (small.spec, small.undecided) == (EXACT, False)
    for active in (EXACT, GRAPH, TABLES):
        large = decide(facts(1_000_000, active=active), Rule())
        assert (large.spec, large.undecided) == (active, True), "until it is known, what there is goes on"


@pytest.mark.parametrize("dimension", [2, 100, 384, 1_536])
def test_longer_vectors_need_an_index_no_later(dimension: int) -> None:
    assert index_from(2 * dimension, Rule()) <= index_from(dimension, Rule())


@given(dimension=st.integers(1, 16_384), rule=rules)
def test_the_border_is_the_least_size_at_which_an_index_is_worth_it(dimension: int, rule: Rule) -> None:
    border = index_from(dimension, rule)

    assert border >= rule.floor
    assert scan_seconds(border, dimension) >= rule.times * index_seconds(border, dimension)
    below = border - 1
    assert below < rule.floor or scan_seconds(below, dimension) < rule.times * index_seconds(below, dimension)


def test_between_the_borders_what_is_there_stays() -> None:
    border = index_from(384, Rule())

    assert not decide(facts(border - 1), Rule()).undecided
    assert decide(facts(border), Rule()).undecided
    assert decide(facts(border - 1, active=GRAPH), Rule()).undecided
    assert not decide(facts(border - 1, active=TABLES), Rule()).undecided, "auto would not have chosen that"
    decision = decide(facts(border // 2 - 1, active=GRAPH), Rule())
    assert (decision.spec, decision.undecided) == (EXACT, False)
    assert (decision.index_from, decision.exact_below) == (border, border // 2)


# After a trial -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("graph", "parts", "best"), [(30, 40, GRAPH), (40, 30, PARTS)])
def test_the_cheaper_at_the_wanted_recall_is_chosen(graph: float, parts: float, best: IndexSpec) -> None:
    made = trial(sample(GRAPH, [(0.9, 1), (0.96, graph)]), sample(PARTS, [(0.9, 1), (0.96, parts)]))

    decision = decide(facts(100_000, recall=0.96), Rule(), made)

    assert (decision.spec, decision.undecided) == (best, False)
    assert verdicts(decision)[best.kind].verdict == "chosen"
    assert best.kind.value in decision.reason
    assert "0.96" in decision.reason


def test_curves_that_cross_are_compared_where_the_library_asks() -> None:
    made = trial(sample(GRAPH, [(0.8, 10), (0.9, 20), (0.99, 90)]), sample(PARTS, [(0.8, 30), (0.9, 35), (0.99, 50)]))

    assert decide(facts(100_000, recall=0.9), Rule(), made).spec == GRAPH
    assert decide(facts(100_000, recall=0.99), Rule(), made).spec == PARTS


def test_between_two_efforts_the_straight_line_counts() -> None:
    made = trial(sample(GRAPH, [(0.90, 10), (0.98, 30)]))

    (graph,) = verdicts(decide(facts(20_000, recall=0.96), Rule(), made)).values()

    assert graph.sample_seconds == pytest.approx(25 * MICRO)
    assert graph.recall == 0.96


def test_what_misses_the_recall_is_not_chosen_however_quick() -> None:
    made = trial(sample(GRAPH, [(0.9, 1), (0.94, 2)]), sample(PARTS, [(0.96, 40)]))

    decision = decide(facts(100_000), Rule(), made)

    assert decision.spec == PARTS
    missed = verdicts(decision)[GRAPH.kind]
    assert (missed.effort, missed.recall, missed.seconds) == (2, 0.94, None)
    assert "does not reach recall 0.95: 0.940 at most" in missed.verdict


def test_where_nothing_reaches_the_recall_exact_search_stays() -> None:
    decision = decide(facts(100_000, recall=0.999), Rule(), trial(sample(GRAPH, [(0.99, 1)])))

    assert (decision.spec, decision.undecided, decision.index_from) == (EXACT, False, None)
    assert "no index reaches recall 0.999" in decision.reason


def test_costs_are_compared_at_the_size_of_the_library_not_of_the_sample() -> None:
    flat = [sample(GRAPH, [(0.96, 40)]), sample(GRAPH, [(0.96, 40)], 5_000)]
    steep = [sample(PARTS, [(0.96, 30)]), sample(PARTS, [(0.96, 15)], 5_000)]

    small, large = (decide(facts(live), Rule(), trial(*flat, *steep, live=live)) for live in (20_000, 2_000_000))

    assert (small.spec, large.spec) == (PARTS, GRAPH)
    parts = verdicts(large)[PARTS.kind]
    assert parts.exponent == pytest.approx(0.5)
    assert parts.seconds == pytest.approx(300 * MICRO), "ten times what it was over a hundredth"


@pytest.mark.parametrize(
    ("limit", "best"),
    [(None, GRAPH), (40_000_000, GRAPH), (39_999_999, PARTS), (10_000_000, PARTS), (9_999_999, EXACT)],
)
def test_a_memory_limit_is_obeyed(limit: int | None, best: IndexSpec) -> None:
    made = trial(sample(GRAPH, [(0.96, 10)], bytes_each=400), sample(PARTS, [(0.96, 30)], bytes_each=100))

    decision = decide(facts(100_000), Rule(memory_bytes=limit), made)

    assert (decision.spec, decision.memory_limit) == (best, limit)
    told = verdicts(decision)
    assert (told[GRAPH.kind].memory_bytes, told[PARTS.kind].memory_bytes) == (40_000_000, 10_000_000)
    if best != GRAPH:
        assert told[GRAPH.kind].verdict == f"takes 40000000 bytes of memory where {limit} are allowed"


def test_an_index_that_outgrows_the_limit_gives_way_without_another_trial() -> None:
    made = trial(sample(GRAPH, [(0.96, 10)], bytes_each=400), sample(PARTS, [(0.96, 30)], bytes_each=100))
    rule = Rule(memory_bytes=40_000_000)

    assert decide(facts(100_000, active=GRAPH), rule, made).spec == GRAPH
    assert decide(facts(100_001, active=GRAPH), rule, made).spec == PARTS
    assert decide(Facts(50_000, 100_001, 384, 0.95, GRAPH), rule, made).spec == PARTS, "dead slots take memory too"


def test_of_equals_the_one_that_is_there_stays_else_the_smaller_one_wins() -> None:
    made = trial(sample(GRAPH, [(0.96, 10)], bytes_each=400), sample(PARTS, [(0.96, 10 * AS_GOOD - 0.1)]))

    assert decide(facts(100_000), Rule(), made).spec == PARTS
    assert decide(facts(100_000, active=GRAPH), Rule(), made).spec == GRAPH
    assert decide(facts(100_000, active=PARTS), Rule(), made).spec == PARTS


def test_a_trial_says_how_long_exact_search_is_quick_enough() -> None:
    made = trial(sample(GRAPH, [(0.96, 50)]), sample(GRAPH, [(0.96, 50)], 5_000), live=15_000)

    decision = decide(facts(29_999), Rule(floor=1, times=3), made)
    assert (decision.spec, decision.index_from, decision.exact_below) == (EXACT, 30_000, 15_000)
    assert decision.reason.endswith("exact search is quick enough below 30000")
    assert verdicts(decision)[GRAPH.kind].verdict == "the best index, but exact search is quick enough"
    assert decide(facts(30_000), Rule(floor=1, times=3), made).spec == GRAPH
    assert decide(facts(15_000, active=GRAPH), Rule(floor=1, times=3), made).spec == GRAPH
    assert decide(facts(14_999, active=GRAPH), Rule(floor=1, times=3), made).spec == EXACT
    assert decide(facts(149_999, active=GRAPH), Rule(floor=200_000), made).spec == GRAPH
    assert decide(facts(30_000), Rule(floor=30_001, times=3), made).spec == EXACT


def test_an_index_no_quicker_than_a_scan_is_never_built() -> None:
    made = trial(sample(GRAPH, [(0.96, 90)]), sample(GRAPH, [(0.96, 22.5)], 5_000))

    decision = decide(facts(999_999), Rule(), made)

    assert (decision.spec, decision.index_from, decision.exact_below) == (EXACT, None, None)
    assert decision.reason.endswith("no index is 3 times as quick as exact search")


def test_a_library_that_has_grown_tenfold_needs_another_trial() -> None:
    made = trial(sample(GRAPH, [(0.96, 10)]), live=20_000)

    before, after = (decide(facts(live, active=GRAPH), Rule(), made) for live in (199_999, 200_000))

    assert (before.spec, before.undecided) == (GRAPH, False)
    assert before.compared is not None
    assert before.compared.revisited_from == 200_000 == REVISITED_AFTER * 20_000
    assert (after.spec, after.undecided, after.compared) == (GRAPH, True, None)
    assert not decide(facts(10, active=GRAPH), Rule(), made).undecided, "one that has shrunk does not"


@given(
    live=st.integers(0, 1_500_000),
    recall=st.floats(0.01, 1),
    rule=rules,
    graph=st.lists(curves, min_size=1, max_size=2),
    parts=st.lists(curves, min_size=1, max_size=2),
)
def test_a_choice_that_was_made_stays_and_keeps_what_was_asked(
    live: int, recall: float, rule: Rule, graph: list[Curve], parts: list[Curve]
) -> None:
    samples = [
        sample(spec, sorted(curve), 20_000 // 4**n, bytes_each)
        for spec, of_kind, bytes_each in ((GRAPH, graph, 400), (PARTS, parts, 100))
        for n, curve in enumerate(of_kind)
    ]
    made = trial(*samples)
    for before in (EXACT, GRAPH, PARTS, TABLES):
        chosen = decide(facts(live, recall=recall, active=before), rule, made)

        assert decide(facts(live, recall=recall, active=chosen.spec), rule, made).spec == chosen.spec
        assert str(live) in chosen.reason
        assert chosen.undecided == (chosen.compared is None and chosen.index_from is not None and live >= 1_000_000)
        if chosen.undecided or chosen.spec == EXACT:
            continue
        told = verdicts(chosen)[chosen.spec.kind]
        assert told.seconds is not None
        assert told.recall >= recall
        assert told.memory_bytes <= (rule.memory_bytes or inf)
        others = [one.seconds for one in verdicts(chosen).values() if one.seconds and "memory where" not in one.verdict]
        assert told.seconds <= AS_GOOD * min(others)
