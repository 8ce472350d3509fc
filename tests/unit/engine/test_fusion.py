"""Fusion against a few lines of plain Python."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pergamum.domain.search_options import ByRank, ByScore, Fusion
from pergamum.engine.fusion import Ranking, fused, stretched

SCORES = st.floats(-1e300, 1e300) | st.sampled_from([0.0, 1.0, 2.0])
SIDES = st.dictionaries(st.integers(0, 12), SCORES, max_size=8)


def ranking(scores: dict[int, float], *, whole: bool = True) -> Ranking:
    """Return slots with these scores, ties by slot."""
    slots = sorted(scores, key=lambda slot: (-scores[slot], slot))
    return Ranking(np.array(slots, np.int64), np.array([scores[slot] for slot in slots]), whole)


def by_hand(vector: dict[int, float], keyword: dict[int, float], fusion: Fusion) -> dict[int, float]:
    """Return the fused score of each slot."""
    found: dict[int, float] = {}
    for side, scores in enumerate((vector, keyword)):
        ordered = sorted(scores, key=lambda slot: (-scores[slot], slot))
        for rank, slot in enumerate(ordered, 1):
            if isinstance(fusion, ByRank):
                part = (fusion.vector_weight, fusion.keyword_weight)[side] / (fusion.k + rank)
            else:
                low, high = min(scores.values()), max(scores.values())
                share = 1.0 if low == high else (scores[slot] / 2 - low / 2) / (high / 2 - low / 2)
                part = (fusion.alpha, 1 - fusion.alpha)[side] * share
            found[slot] = found.get(slot, 0.0) + part
    return found


@settings(max_examples=200)
@given(
    vector=SIDES,
    keyword=SIDES,
    fusion=st.builds(ByRank, st.sampled_from([1.0, 60.0]), st.sampled_from([0.0, 1.0, 3.0]), st.just(1.0))
    | st.builds(ByScore, st.sampled_from([0.0, 0.25, 0.5, 1.0])),
)
def test_fused_scores_are_those_made_by_hand(
    vector: dict[int, float], keyword: dict[int, float], fusion: Fusion
) -> None:
    found = fused(ranking(vector), ranking(keyword), fusion)

    expected = by_hand(vector, keyword, fusion)
    scores = dict(zip(found.slots.tolist(), found.scores.tolist(), strict=True))
    assert scores == pytest.approx(expected)
    assert found.slots.tolist() == sorted(scores, key=lambda slot: (-scores[slot], slot))


def test_two_sides_are_all_there_is_only_if_both_are() -> None:
    some = {1: 1.0}

    wholes = [
        fused(ranking(some, whole=left), ranking(some, whole=right), ByRank()).all
        for left in (True, False)
        for right in (True, False)
    ]

    assert wholes == [True, False, False, False]


def test_scores_beyond_the_range_of_a_float_are_still_stretched() -> None:
    assert stretched(np.array([1.7e308, 0.0, -1.7e308])).tolist() == [1.0, 0.5, 0.0]


def test_a_ranking_cut_short_is_not_all_there_is_and_one_that_fell_below_the_threshold_is() -> None:
    found = ranking({1: 3.0, 2: 2.0, 3: 1.0}, whole=False)

    assert (found.first(2).all, ranking({1: 3.0}).first(1).all) == (False, True)
    assert (found.at_least(2.0).slots.tolist(), found.at_least(2.0).all) == ([1, 2], True)
    assert (found.at_least(1.0).slots.tolist(), found.at_least(1.0).all) == ([1, 2, 3], False)
    assert found.at_least(None) is found
