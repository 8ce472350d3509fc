"""Chooses hits that are good and unlike each other: maximal marginal relevance."""

import numpy as np

from pergamum.domain.vectors import Matrix
from pergamum.engine.fusion import Doubles, Slots, stretched


def diverse(scores: Doubles, vectors: Matrix, count: int, diversity: float) -> Slots:
    """Return the places of `count` hits, all where there are fewer, in the order in which they are chosen.

    Source   Carbonell & Goldstein, SIGIR 1998.
    Symbols  its lambda is 1 - diversity; Sim1 is the score, stretched to [0, 1] over the hits; Sim2 the cosine of the
             stored vectors, whatever the library's metric; a zero vector is like nothing.
    Shapes   scores (n,) falling | vectors (n, d) f4.
    Cost     O(count * n * d). Ties go to the hit with the higher score: the first chosen is always the best one.
    """
    relevance, units = (1.0 - diversity) * stretched(scores), unit_rows(vectors)
    count = min(count, len(scores))
    nearest = np.full(len(scores), -1.0)
    left = np.ones(len(scores), np.bool_)
    chosen = np.empty(count, np.int64)
    for number in range(count):
        worth = relevance - diversity * nearest if number else relevance
        best = int(np.argmax(np.where(left, worth, -np.inf))) if number else 0
        chosen[number], left[best] = best, False
        np.maximum(nearest, units @ units[best], out=nearest)
    return chosen


def unit_rows(vectors: Matrix) -> Doubles:
    """Return the vectors scaled to length 1, float64; zero vectors stay."""
    wide = vectors.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    units: Doubles = wide / np.where(lengths > 0, lengths, 1.0)
    return units
