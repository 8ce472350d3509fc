"""Texts of made-up words. Each topic has some of its own, so that texts of one topic have words in common."""

from typing import Final

import numpy as np
import numpy.typing as npt

from pergamum.synthetic.clusters import Topics
from pergamum.synthetic.zipf import Zipf

SHARED: Final = 2_000
PER_TOPIC: Final = 50
SHORTEST, LONGEST = 20, 60
TITLE: Final = 3
OF_TOPIC: Final = 0.5

_SYLLABLES: Final = [consonant + vowel for consonant in "bcdfghjklmnprstvwxyz" for vowel in "aeiou"]
_WORDS: Final = len(_SYLLABLES) ** 3
_FIRST, _STEP = 271_828, 617_023  # the step shares no factor with _WORDS: no word comes twice


class Vocabulary:
    """The words of all topics. REQUIRES: at most 19,960 topics, for which three syllables are enough."""

    def __init__(self, topics: int) -> None:
        self._words = np.array([word(number) for number in range(SHARED + topics * PER_TOPIC)], dtype=object)
        self._shared, self._own = Zipf(SHARED), Zipf(PER_TOPIC)

    def texts(self, chance: np.random.Generator, topics: Topics) -> list[str]:
        """Return a text for each topic."""
        lengths = chance.integers(SHORTEST, LONGEST, size=len(topics), endpoint=True)
        numbers = self._numbers(chance, np.repeat(topics, lengths))
        return _joined(self._words[numbers], np.cumsum(lengths))

    def titles(self, chance: np.random.Generator, topics: Topics) -> list[str]:
        """Return a few words of each topic."""
        numbers = self._of_topic(chance, np.repeat(topics, TITLE))
        return [text[:-1] for text in _joined(self._words[numbers], np.arange(1, len(topics) + 1) * TITLE)]

    def questions(self, chance: np.random.Generator, topics: Topics) -> list[str]:
        """Return two to five words of each topic, as a person would type them."""
        lengths = chance.integers(2, 5, size=len(topics), endpoint=True)
        found = self._words[self._of_topic(chance, np.repeat(topics, lengths))]
        return [" ".join(dict.fromkeys(part)) for part in np.split(found, np.cumsum(lengths)[:-1])]

    def _numbers(self, chance: np.random.Generator, topics: Topics) -> npt.NDArray[np.int64]:
        own = chance.random(len(topics)) < OF_TOPIC
        return np.where(own, self._of_topic(chance, topics), self._shared.draw(chance, len(topics)))

    def _of_topic(self, chance: np.random.Generator, topics: Topics) -> npt.NDArray[np.int64]:
        return SHARED + topics * PER_TOPIC + self._own.draw(chance, len(topics))


def word(number: int) -> str:
    """Return a word of three syllables; up to a million numbers have words of their own."""
    number = (number * _STEP + _FIRST) % _WORDS
    base = len(_SYLLABLES)
    return _SYLLABLES[number // base**2] + _SYLLABLES[number // base % base] + _SYLLABLES[number % base]


def _joined(words: npt.NDArray[np.object_], ends: npt.NDArray[np.int64]) -> list[str]:
    """Return sentences: the words up to each end."""
    plain: list[str] = words.tolist()
    starts = [0, *ends[:-1].tolist()]
    return [" ".join(plain[start:end]).capitalize() + "." for start, end in zip(starts, ends.tolist(), strict=True)]
