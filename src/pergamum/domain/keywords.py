"""What a text asks of keyword search and of the filter operator `matches`.

Three things are syntax: a quoted text is a phrase, whose words must stand next to each other; `word*` stands for
every word that begins so; everything else separates words. A run of a script without spaces asks for each pair of
neighbours in it, because nobody says where its words end. There are no operators: AND, NEAR, `title:` are words.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Final

from pergamum.domain.words import Word, folded, words

MOST_PHRASES: Final = 64
MOST_WORDS: Final = 64
"""Of a phrase; the first ones stand for a longer one."""
MOST_TIMES: Final = 5
"""A phrase asked more often than that is ranked by no more often."""
MOST_MATCHES: Final = 50_000
"""Ranking costs 0.5 µs for each chunk that has a phrase; this many are worth it, whatever the size of the library."""
_QUOTED: Final = re.compile('"([^"]*)"')


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words, at least one, that stand next to each other, as `words` folds them; of a prefix the last goes on."""

    words: tuple[str, ...]
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class KeywordQuery:
    """Phrases, each once. A search ranks what has any of them; `matches` wants all. Of none, nothing is found.

    `times`: how often each is asked, from 1 to MOST_TIMES; a search ranks by a phrase as many times.
    """

    phrases: tuple[Phrase, ...]
    times: tuple[int, ...]

    def holds_in(self, text: str) -> bool:
        """Whether the text has every phrase: the law of `matches`. False for a query without words."""
        found = FoundWords(folded(text).split())
        return bool(self.phrases) and all(found.ends_of(phrase) for phrase in self.phrases)


class FoundWords:
    """Where each word of a text stands, so that phrases are found without going through the text again."""

    __slots__ = ("_places", "_words")

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self._places: dict[str, list[int]] = {}
        for place, word in enumerate(words):
            self._places.setdefault(word, []).append(place)

    def ends_of(self, phrase: Phrase) -> list[int]:
        """Return the places of the last word of every occurrence, ascending; occurrences may overlap."""
        *before, last = phrase.words
        if not phrase.prefix:
            ends = self._places.get(last, [])
        else:
            ends = sorted(at for word, places in self._places.items() if word.startswith(last) for at in places)
        size = len(before)
        return [end for end in ends if end >= size and self._words[end - size : end] == before] if before else ends


def read_keywords(text: str) -> KeywordQuery:
    """Return what the text asks for: its first 64 different phrases.

    >>> read_keywords('comput* comput*')
    KeywordQuery(phrases=(Phrase(words=('comput',), prefix=True),), times=(2,))
    >>> read_keywords('"New York"')
    KeywordQuery(phrases=(Phrase(words=('new', 'york'), prefix=False),), times=(1,))
    """
    asked = list(islice(Counter(_phrases(text)).items(), MOST_PHRASES))
    return KeywordQuery(tuple(phrase for phrase, _ in asked), tuple(min(times, MOST_TIMES) for _, times in asked))


def worth_ranking(query: KeywordQuery, counts: Sequence[int]) -> list[int]:
    """Return the places of the phrases that a search ranks by, ascending, from how many chunks have each.

    Those that occur, but the common ones are left out where rarer ones remain: beginning with the rarest (the first of
    equals), as many as `MOST_MATCHES` chunks in all allow, and always one. Small libraries leave out hardly any.
    Each stands there as many times as it is asked, and its chunks count as often, but one alone stands there once.
    """
    taken: list[int] = []
    chunks = 0
    for count, place in sorted((min(count, MOST_MATCHES + 1), place) for place, count in enumerate(counts) if count):
        chunks += count * query.times[place]
        if taken and chunks > MOST_MATCHES:
            break
        taken.append(place)
    return [place for place in sorted(taken) for _ in range(query.times[place] if len(taken) > 1 else 1)]


def _phrases(text: str) -> Iterator[Phrase]:
    done = 0
    for quoted in _QUOTED.finditer(text):
        yield from _plain(text[done : quoted.start()])
        if inside := tuple(folded(quoted[1]).split()[:MOST_WORDS]):
            yield Phrase(inside)
        done = quoted.end()
    yield from _plain(text[done:])


def _plain(text: str) -> Iterator[Phrase]:
    """Yield the words of a text without quoted parts."""
    for run in _runs(words(text)):
        prefix = _is_prefix(text, run[-1].end)
        parts = [tuple(word.folded for word in pair) for pair in pairwise(run)] or [(run[0].folded,)]
        yield from map(Phrase, parts[:-1])
        yield Phrase(parts[-1], prefix)


def _runs(found: Sequence[Word]) -> Iterator[list[Word]]:
    """Yield each word by itself, but together those that were cut out of one run without spaces."""
    run: list[Word] = []
    for word in found:
        if run and not (word.alone and run[-1].alone and word.start == run[-1].end):
            yield run
            run = []
        run.append(word)
    if run:
        yield run


def _is_prefix(text: str, end: int) -> bool:
    after = text[end + 1 : end + 2]
    return text[end : end + 1] == "*" and after != "*" and not folded(after)
