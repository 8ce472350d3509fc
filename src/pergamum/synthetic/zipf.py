"""Zipf's law over a few ranks: rank i, from 0, with probability proportional to 1 / (i + 1) ** exponent."""

import numpy as np
import numpy.typing as npt


class Zipf:
    """Draws ranks 0 ... `ranks` - 1."""

    def __init__(self, ranks: int, exponent: float = 1.0) -> None:
        weights = np.arange(1, ranks + 1, dtype=np.float64) ** -exponent
        self.probabilities: npt.NDArray[np.float64] = weights / weights.sum()
        self._cumulated = np.cumsum(self.probabilities)
        self._cumulated[-1] = 1.0

    def draw(self, chance: np.random.Generator, size: int | tuple[int, ...]) -> npt.NDArray[np.int64]:
        """Return ranks, shape `size`."""
        return np.searchsorted(self._cumulated, chance.random(size), side="right").astype(np.int64)
