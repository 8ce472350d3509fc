"""Where vectors lie: around the centres of clusters, stretched along axes of their own."""

from typing import Final

import numpy as np
import numpy.typing as npt

from pergamum.synthetic.recipe import Recipe, Stream
from pergamum.synthetic.zipf import Zipf

Vectors = npt.NDArray[np.float32]
Topics = npt.NDArray[np.int64]

_HALF: Final = np.float32(np.sqrt(0.5))


class Clusters:
    """The clusters of a recipe. Shapes: `centres` and `scales` (clusters, dimension) f4, their rows of length 1."""

    def __init__(self, recipe: Recipe) -> None:
        chance = recipe.chance(Stream.CENTRES)
        self._recipe, self._sizes = recipe, Zipf(recipe.clusters, recipe.skew)
        self.centres = _directions(chance.standard_normal((recipe.clusters, recipe.dimension), dtype=np.float32))
        falling = np.arange(1, recipe.dimension + 1, dtype=np.float64) ** -0.5
        scales = np.tile((falling / np.linalg.norm(falling)).astype(np.float32), (recipe.clusters, 1))
        self.scales = chance.permuted(scales, axis=1)

    def topics(self, chance: np.random.Generator, documents: int) -> Topics:
        """Return the cluster of each document."""
        return self._sizes.draw(chance, documents)

    def vectors(self, chance: np.random.Generator, topics: Topics, chunks: npt.NDArray[np.int64]) -> Vectors:
        """Return the vectors of documents, one after another: topics[i] is that of document i, which has chunks[i]."""
        shared = chance.standard_normal((len(topics), self._recipe.dimension), dtype=np.float32)
        own = chance.standard_normal((int(chunks.sum()), self._recipe.dimension), dtype=np.float32)
        noise = (np.repeat(shared, chunks, axis=0) + own) * _HALF
        return self._placed(np.repeat(topics, chunks), noise)

    def _placed(self, topics: Topics, noise: Vectors) -> Vectors:
        noise *= self.scales[topics]
        noise *= np.float32(self._recipe.spread)
        noise += self.centres[topics]
        return _directions(noise) if self._recipe.normalised else noise


def _directions(vectors: Vectors) -> Vectors:
    """Return the vectors divided by their lengths, which random numbers make greater than 0."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    directions: Vectors = (vectors / lengths[:, np.newaxis]).astype(np.float32)
    return directions
