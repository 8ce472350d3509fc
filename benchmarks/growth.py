"""How the time of a query grows with the number of vectors, at one recall."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.curves import Curve, measured
from benchmarks.peers import Contestant, our_index, ours
from benchmarks.vector_sets import DataSet

RECALL = 0.95


@dataclass(frozen=True)
class Growth:
    """A curve for each number of vectors, ascending."""

    curves: list[Curve]

    @property
    def counts(self) -> list[int]:
        return [len(curve.contestant.data.vectors) for curve in self.curves]

    def exponents(self) -> list[float]:
        """Return for each repeat the b of time = a * n ** b that fits best (least squares of the logarithms)."""
        rates = np.array([curve.rates_at(RECALL) for curve in self.curves])
        return [float(-np.polyfit(np.log(self.counts), np.log(column), 1)[0]) for column in rates.T]

    def fitted(self) -> list[float]:
        """Return the queries a second of the fit at each count."""
        rates = [curve.rate_at(RECALL) for curve in self.curves]
        slope, offset = np.polyfit(np.log(self.counts), np.log(rates), 1)
        return [float(np.exp(offset) * count**slope) for count in self.counts]


def grown(full: Contestant, counts: Sequence[int], repeats: int, asked: int) -> Growth:
    """Return the growth from samples of `counts` vectors up to the full set, whose index there is already."""
    contestants = [sampled(full.data, count) for count in counts if count < len(full.data.vectors)]
    return Growth(measured([*contestants, full], repeats, asked))


def sampled(data: DataSet, count: int) -> Contestant:
    sample = data.sample(count, len(data.queries))
    return ours(sample, our_index(sample.vectors, threads=2), (), threads=2)
