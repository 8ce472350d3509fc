"""Maximal marginal relevance against the formula of the paper."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pergamum.domain.vectors import Matrix
from pergamum.engine.diversity import diverse

NUMBERS = st.integers(-3, 3).map(float)
CLOSE = 1e-9


@st.composite
def rankings(draw: st.DrawFn) -> tuple[list[float], Matrix]:
    count = draw(st.integers(0, 12))
    scores = sorted(draw(st.lists(st.floats(-5, 5), min_size=count, max_size=count)), reverse=True)
    rows = draw(st.lists(st.lists(NUMBERS, min_size=3, max_size=3), min_size=count, max_size=count))
    return scores, np.array(rows, np.float32).reshape(count, 3)


def marginal_relevance(place: int, chosen: list[int], scores: list[float], vectors: Matrix, diversity: float) -> float:
    """Return lambda * Sim1 - (1 - lambda) * max Sim2, lambda = 1 - diversity."""
    low, high = min(scores), max(scores)
    relevance = 1.0 if low == high else (scores[place] - low) / (high - low)
    return (1 - diversity) * relevance - diversity * max(cosine(vectors[place], vectors[other]) for other in chosen)


def cosine(left: Matrix, right: Matrix) -> float:
    lengths = float(np.linalg.norm(left.astype(float)) * np.linalg.norm(right.astype(float)))
    return float(left.astype(float) @ right.astype(float)) / lengths if lengths else 0.0


@settings(max_examples=150)
@given(ranking=rankings(), count=st.integers(1, 14), diversity=st.sampled_from([0.1, 0.5, 0.9, 1.0]))
def test_each_hit_chosen_has_the_greatest_marginal_relevance_left(
    ranking: tuple[list[float], Matrix], count: int, diversity: float
) -> None:
    scores, vectors = ranking

    chosen = diverse(np.array(scores), vectors, count, diversity).tolist()

    assert len(chosen) == len(set(chosen)) == min(count, len(scores))
    assert chosen[:1] == [0][: len(scores)]
    for at in range(1, len(chosen)):
        left = set(range(len(scores))) - set(chosen[:at])
        worth = {place: marginal_relevance(place, chosen[:at], scores, vectors, diversity) for place in left}
        assert worth[chosen[at]] >= max(worth.values()) - CLOSE


def test_copies_of_the_best_hit_come_last() -> None:
    vectors = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], np.float32)

    chosen = diverse(np.array([1.0, 0.99, 0.98, 0.5]), vectors, 4, 0.7)

    assert chosen.tolist() == [0, 3, 1, 2]


def test_little_diversity_leaves_the_order_alone() -> None:
    vectors = np.array([[1, 0], [1, 0.1], [0, 1]], np.float32)

    assert diverse(np.array([1.0, 0.9, 0.1]), vectors, 3, 0.01).tolist() == [0, 1, 2]
