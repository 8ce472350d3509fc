"""Keyword search over the chunks in memory, word by word: the oracle for what SQLite answers."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import log
from typing import Final

from pergamum.domain.document import Document
from pergamum.domain.keywords import FoundWords, KeywordQuery, Phrase, worth_ranking
from pergamum.domain.words import folded
from pergamum.storage.base import StoredChunk

K1: Final = 1.2
B: Final = 0.75
LEAST_IDF: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Entry:
    """The words of one chunk."""

    slot: int
    title: FoundWords
    text: FoundWords
    size: int

    def count(self, phrase: Phrase, title_weight: float) -> float:
        """Return how often the phrase occurs, in the title `title_weight` times as often."""
        return sum([title_weight] * len(self.title.ends_of(phrase)) + [1.0] * len(self.text.ends_of(phrase)))


def entry_of(stored: StoredChunk, document: Document) -> Entry:
    """Return the words of the chunk's text and of its document's title."""
    title, text = folded(document.title or "").split(), folded(stored.chunk.text).split()
    return Entry(stored.slot, FoundWords(title), FoundWords(text), len(title) + len(text))


def hits(entries: Sequence[Entry], query: KeywordQuery, title_weight: float) -> list[tuple[int, float]]:
    """Return (slot, score) as `Rows.keyword_hits` says; BM25 as https://sqlite.org/fts5.html#the_bm25_function."""
    counts = [_holding(entries, phrase) for phrase in query.phrases]
    wanted = worth_ranking(query, counts)
    if not wanted:
        return []
    weights = [(query.phrases[place], _idf(len(entries), counts[place])) for place in wanted]
    mean = sum(entry.size for entry in entries) / len(entries)
    scored = ((entry.slot, sum(_parts(entry, weights, title_weight, mean))) for entry in entries)
    return sorted((hit for hit in scored if hit[1] > 0), key=lambda hit: (-hit[1], hit[0]))


def matching(chunks: Iterable[StoredChunk], query: KeywordQuery) -> Iterator[int]:
    """Yield the slots of the chunks whose text has every phrase."""
    return (stored.slot for stored in chunks if query.holds_in(stored.chunk.text))


def _holding(entries: Iterable[Entry], phrase: Phrase) -> int:
    return sum(1 for entry in entries if entry.count(phrase, 1.0))


def _idf(chunks: int, holding: int) -> float:
    found = log((chunks - holding + 0.5) / (holding + 0.5))
    return found if found > 0 else LEAST_IDF


def _parts(entry: Entry, weights: Iterable[tuple[Phrase, float]], title_weight: float, mean: float) -> Iterator[float]:
    for phrase, idf in weights:
        count = entry.count(phrase, title_weight)
        yield idf * ((count * (K1 + 1.0)) / (count + K1 * (1 - B + B * entry.size / mean)))
