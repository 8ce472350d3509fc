"""Where in a text the words of a keyword query stand, to be shown."""

from typing import Final

from pergamum.domain.keywords import FoundWords, KeywordQuery
from pergamum.domain.words import words

MOST_HIGHLIGHTS: Final = 10
LOOKED_AT: Final = 10_000
"""Characters of a text that are looked at: many phrases over megabytes of the same word would take minutes."""


def highlights(text: str, query: KeywordQuery, limit: int = MOST_HIGHLIGHTS) -> list[tuple[int, int]]:
    """Return the first `limit` places [start, end) of the query's phrases, in characters of the text as given.

    Ascending; places that overlap or touch are one. Only the text's first `LOOKED_AT` characters count.

    >>> from pergamum.domain.keywords import read_keywords
    >>> highlights("Café au lait; a café.", read_keywords("cafe lait"))
    [(0, 4), (8, 12), (16, 20)]
    """
    located = words(text[:LOOKED_AT])
    if len(text) > LOOKED_AT and located and located[-1].end == LOOKED_AT:
        del located[-1]  # it may go on
    found = FoundWords([word.folded for word in located])
    places = {
        (located[last - len(phrase.words) + 1].start, located[last].end)
        for phrase in query.phrases
        for last in found.ends_of(phrase)
    }
    return _merged(sorted(places))[:limit]


def _merged(places: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in places:
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged
