"""The built-in judge of relevance: words that mean nearly the same count nearly as much, no download, no network.

Source   Robertson & Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009, with two changes. A word of
         the question is also found in words that lie near it, as far as they do: tf(w) is the sum over the text's words
         v of max(0, cos(w, v))**4, of the vectors of the local embedder. And what a word is worth, w, needs no
         statistics of a library: it is the length of its vector to the power WORTH, times the root of the usual inverse
         document frequency among the texts that are judged, times how often the question has it.
Formula  (soft + SENTENCE * cosine) / (1 + SENTENCE); cosine is that of the two texts' embeddings;
         soft = sum of worth(w) * tf(w) / (tf(w) + K1 * (1 - B + B * words of the text / their mean)) / sum of worth(w).
Cost     O(words of the question * different words of the texts); about 20 ms for 50 texts of 1,200 characters.
Figures  docs/decisions/0019-search-defaults.md says how the constants were chosen and what they are worth.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from pergamum.domain.vectors import Matrix, Vector
from pergamum.domain.words import folded
from pergamum.embedding.local import LocalEmbedder
from pergamum.errors import EmbeddingFailed, RerankFailed

NAME: Final = "local"
WORTH: Final = 1.5
SENTENCE: Final = 0.5
K1: Final = 1.2
B: Final = 0.75
MOST_WORDS: Final = 256
"""The first different words of a question; a longer one is a text, whose embedding says more than its words."""
TEXTS_AT_ONCE: Final = 64

Bag: TypeAlias = Counter[str]
"""How often a text has each of its words."""
Doubles: TypeAlias = npt.NDArray[np.float64]


class LocalReranker:
    """Relevance from -1/3 to 1, of use only to compare the texts of one call. Threads: calls may overlap.

    The same call gives the same numbers. The model is loaded by the first call, which raises `RerankFailed` when it is
    not installed.
    """

    def __init__(self, embedder: LocalEmbedder | None = None) -> None:
        self._embedder = embedder or LocalEmbedder()

    @property
    def name(self) -> str:
        """The one model there is."""
        return NAME

    def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return one relevance a text, in order. REQUIRES: no lone surrogates."""
        if not texts:
            return []
        try:
            relevances = (self._soft(query, texts) + SENTENCE * self._cosines(query, texts)) / (1 + SENTENCE)
        except EmbeddingFailed as failed:
            raise RerankFailed(NAME, str(failed.facts["reason"])) from failed
        listed: list[float] = relevances.tolist()
        return listed

    def _cosines(self, query: str, texts: Sequence[str]) -> Doubles:
        cosines: Vector = self._embedder.embed_documents(texts) @ self._embedder.embed_query(query)
        return cosines.astype(np.float64)

    def _soft(self, query: str, texts: Sequence[str]) -> Doubles:
        """Return how much of the question each text has, from 0 to 1, float64 (len(texts),)."""
        asked = dict(islice(_bag(query).items(), MOST_WORDS))
        bags = [_bag(text) for text in texts]
        if not asked or not any(bags):
            return np.zeros(len(texts))
        sums = self._embedder.sums(list(asked))
        worth = _lengths(sums) ** WORTH * np.sqrt(_rarity(list(asked), bags)) * np.array(list(asked.values()))
        sizes = np.array([bag.total() for bag in bags])
        room = K1 * (1 - B + B * sizes / sizes.mean())
        found = self._found((sums / _lengths(sums)[:, None]).astype(np.float32), bags)
        soft: Doubles = (found / (found + room[:, None])) @ (worth / worth.sum())
        return soft

    def _found(self, asked: Matrix, bags: Sequence[Bag]) -> Doubles:
        """Return how often each text (row) has each word of the question (column), near words counted in part.

        `asked`: the words' vectors, of length 1.
        """
        found = np.zeros((len(bags), len(asked)))
        for first in range(0, len(bags), TEXTS_AT_ONCE):
            some = slice(first, first + TEXTS_AT_ONCE)
            found[some] = self._found_by_few(asked, bags[some])
        return found

    def _found_by_few(self, asked: Matrix, bags: Sequence[Bag]) -> Matrix:
        places: dict[str, int] = {}
        for bag in bags:
            for word in bag:
                places.setdefault(word, len(places))
        if not places:
            return np.zeros((len(bags), len(asked)), np.float32)
        nearness = np.maximum(self._embedder.embed_documents(list(places)) @ asked.T, np.float32(0))
        nearness *= nearness
        nearness *= nearness  # to the fourth power, many times as fast as `**`
        return np.stack([_weighed(nearness, places, bag) for bag in bags])


def _weighed(nearness: Matrix, places: dict[str, int], bag: Bag) -> Matrix:
    found: Matrix = np.fromiter(bag.values(), np.float32, len(bag)) @ nearness[[places[word] for word in bag]]
    return found


def _bag(text: str) -> Bag:
    return Counter(folded(text).split())


def _rarity(words: Iterable[str], bags: Sequence[Bag]) -> Doubles:
    """Return the inverse document frequency of each word among the texts, above 0."""
    having = np.array([sum(word in bag for bag in bags) for word in words])
    rarity: Doubles = np.log1p((len(bags) - having + 0.5) / (having + 0.5))
    return rarity


def _lengths(sums: Matrix) -> Doubles:
    lengths: Doubles = np.sqrt(np.square(sums.astype(np.float64)).sum(axis=1))
    return lengths
