"""Makes one ranking of two: what the vectors found, what the words found."""

from dataclasses import dataclass
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt

from pergamum.domain.search_options import ByRank, Fusion

Slots: TypeAlias = npt.NDArray[np.int64]
Doubles: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Slots (n,), no two the same, by falling score (n,). `all`: nothing else can be found."""

    slots: Slots
    scores: Doubles
    all: bool

    def __len__(self) -> int:
        return len(self.slots)

    def first(self, count: int) -> Self:
        """Return the first `count` of it."""
        whole = self.all and count >= len(self)
        return type(self)(self.slots[:count], self.scores[:count], whole)

    def at_least(self, score: float | None) -> Self:
        """Return those with that score or a higher one; all there are, once a lower one was seen."""
        if score is None:
            return self
        count = int(np.count_nonzero(self.scores >= score))
        return type(self)(self.slots[:count], self.scores[:count], self.all or count < len(self))


def fused(vector: Ranking, keyword: Ranking, fusion: Fusion) -> Ranking:
    """Return every slot of both by falling score, ties by slot. O(n log n)."""
    if isinstance(fusion, ByRank):
        parts = (
            fusion.vector_weight / (fusion.k + _ranks(vector)),
            fusion.keyword_weight / (fusion.k + _ranks(keyword)),
        )
    else:
        parts = (fusion.alpha * stretched(vector.scores), (1.0 - fusion.alpha) * stretched(keyword.scores))
    slots = np.concatenate([vector.slots, keyword.slots])
    found, places = np.unique(slots, return_inverse=True)
    scores = np.zeros(len(found))
    np.add.at(scores, places, np.concatenate(parts))
    order = np.lexsort((found, -scores))
    return Ranking(found[order], scores[order], vector.all and keyword.all)


def stretched(scores: Doubles) -> Doubles:
    """Return the scores moved and scaled so that the least is 0 and the greatest 1; equal ones are all 1."""
    if not len(scores):
        return scores
    low, high = scores.min(), scores.max()
    if high == low:
        return np.ones(len(scores))
    moved: Doubles = (scores / 2 - low / 2) / (high / 2 - low / 2)  # halves: the difference may be beyond float64
    return moved


def _ranks(ranking: Ranking) -> Doubles:
    return np.arange(1, len(ranking) + 1, dtype=np.float64)
