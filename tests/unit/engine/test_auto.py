"""What `auto` chooses: a pure function of size, dimension and what is there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pergamum.domain.library import IndexKind
from pergamum.engine.auto import Rule, decide, graph_from, graph_seconds, scan_seconds

EXACT, GRAPH = IndexKind.BRUTE_FORCE, IndexKind.HNSW
rules = st.builds(Rule, st.integers(1, 100_000), st.floats(0, 20))


def test_a_small_library_is_searched_exactly_and_a_large_one_by_a_graph() -> None:
    assert decide(5_000, 384, EXACT, Rule()).kind is EXACT
    assert decide(1_000_000, 384, EXACT, Rule()).kind is GRAPH
    assert decide(0, 384, GRAPH, Rule()).kind is EXACT


@pytest.mark.parametrize("dimension", [2, 100, 384, 1_536])
def test_longer_vectors_need_a_graph_no_later(dimension: int) -> None:
    assert graph_from(2 * dimension, Rule()) <= graph_from(dimension, Rule())


@given(dimension=st.integers(1, 16_384), rule=rules)
def test_the_border_is_the_least_size_at_which_a_graph_is_worth_it(dimension: int, rule: Rule) -> None:
    border = graph_from(dimension, rule)

    assert border >= rule.floor
    assert scan_seconds(border, dimension) >= rule.times * graph_seconds(border, dimension)
    below = border - 1
    assert below < rule.floor or scan_seconds(below, dimension) < rule.times * graph_seconds(below, dimension)


@given(live=st.integers(0, 10_000_000), dimension=st.integers(1, 4_096), rule=rules)
def test_a_choice_that_was_made_stays(live: int, dimension: int, rule: Rule) -> None:
    for before in (EXACT, GRAPH):
        chosen = decide(live, dimension, before, rule)

        assert decide(live, dimension, chosen.kind, rule).kind is chosen.kind
        assert str(live) in chosen.reason


def test_between_the_borders_what_is_there_stays() -> None:
    border = graph_from(384, Rule())

    assert decide(border - 1, 384, EXACT, Rule()).kind is EXACT
    assert decide(border - 1, 384, GRAPH, Rule()).kind is GRAPH
    decision = decide(border // 2 - 1, 384, GRAPH, Rule())
    assert decision.kind is EXACT
    assert (decision.graph_from, decision.exact_below) == (border, border // 2)
