"""The measure of the judged collections, against values worked out by hand."""

import math

import pytest

from tests.support.ndcg import ndcg


@pytest.mark.parametrize(
    ("ranking", "relevant", "expected"),
    [
        (["a", "b", "c"], {"a", "b", "c"}, 1.0),
        (["x", "y", "z"], {"a"}, 0.0),
        ([], {"a"}, 0.0),
        (["x", "a"], {"a"}, 1 / math.log2(3)),  # 0.6309: found at rank 2, where rank 1 was possible
        (["a", "x", "b"], {"a", "b"}, 1.5 / (1 + 1 / math.log2(3))),  # ranks 1 and 3 count 1 + 1/2
        (["x", "x", "x", "a"], {"a"}, 1 / math.log2(5)),
    ],
)
def test_ndcg_is_what_a_hand_finds(ranking: list[str], relevant: set[str], expected: float) -> None:
    assert ndcg(ranking, relevant) == pytest.approx(expected)


def test_what_comes_after_the_depth_does_not_count() -> None:
    ranking = [*"0123456789", "a"]

    assert ndcg(ranking, {"a"}) == 0.0
    assert ndcg(ranking, {"a"}, depth=11) > 0.0


def test_more_relevant_than_the_depth_can_hold_is_no_loss() -> None:
    relevant = {str(number) for number in range(30)}

    assert ndcg([str(number) for number in range(10)], relevant) == pytest.approx(1.0)
