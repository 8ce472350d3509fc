"""Queries from the clusters that documents come from, and none of the documents."""

from collections.abc import Iterator
from itertools import count, islice
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from pergamum.synthetic.clusters import Clusters
from pergamum.synthetic.recipe import CHUNKS_PER_BLOCK, Recipe, Stream
from pergamum.synthetic.words import Vocabulary


class SyntheticQuery(TypedDict):
    """A query by vector and by words, and the cluster that it comes from."""

    id: int
    topic: int
    text: str
    vector: npt.NDArray[np.float32]


def queries(recipe: Recipe, number: int) -> Iterator[SyntheticQuery]:
    """Return so many queries; fewer of them are the first of more."""
    return islice(_endless(recipe), number)


def _endless(recipe: Recipe) -> Iterator[SyntheticQuery]:
    clusters, vocabulary = Clusters(recipe), Vocabulary(recipe.clusters)
    ones = np.ones(CHUNKS_PER_BLOCK, dtype=np.int64)
    for block in count():
        chance = recipe.chance(Stream.QUERIES, block)
        topics = clusters.topics(chance, CHUNKS_PER_BLOCK)
        texts = vocabulary.questions(chance, topics)
        vectors = clusters.vectors(chance, topics, ones)
        for row in range(CHUNKS_PER_BLOCK):
            yield {
                "id": block * CHUNKS_PER_BLOCK + row,
                "topic": int(topics[row]),
                "text": texts[row],
                "vector": vectors[row],
            }
