"""How a text becomes chunks: sentences are kept whole, paragraphs come before sentences.

A text is first cut into units: sentences, or the words of a sentence that is longer than a chunk. Units are then packed
into pieces, each as full as `size` allows; a piece that is half full ends early at the end of a paragraph. The next
piece begins again up to `overlap` characters earlier, at the start of a sentence, or of a word if the cut fell inside a
sentence; never before the start of a paragraph. One pass each, O(length of the text), no state, no language model.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias

from pergamum.errors import InvalidField

Span: TypeAlias = tuple[int, int]
"""Where a piece begins and ends in its text: `text[start:end]`."""

CLOSERS: Final = "\"')\\]}»”’」』）】〉》"

# Possessive (`*+`), and a run of marks is tried from its first one only: a million full stops cost one pass. The set of
# first characters stands before everything else, so that `re` skips to the next of them: ten times as fast.
BREAK: Final = re.compile(
    rf"""[\n\f\u2029.!?…。！？｡]
    (?: (?P<paragraph> (?<=\n)[^\S\n]*+\n\s*+ | (?<=[\f\u2029])\s*+ )
      | (?<=[.!?…])(?<![.!?…]{{2}})[.!?…]*+[{CLOSERS}]*+(?=\s)
      | (?<=[。！？｡])(?<![。！？｡]{{2}})[。！？｡]*+[{CLOSERS}]*+ )""",
    re.VERBOSE,
)
CONTENT: Final = re.compile(r"\S")
WORD: Final = re.compile(r"[^\s、，；：]++[、，；：]*+|[、，；：]++")
LAST_WORD: Final = re.compile(r"[^\W\d_]+(?:\.[^\W\d_]+)*\Z")
LONGEST_ABBREVIATION: Final = 12

NEVER_AN_END: Final = re.compile(
    r"mr|mrs|ms|mx|dr|prof|st|rev|hon|gen|col|sgt|capt|lt|vs|cf|viz|figs?|eqs?|sec|chap|vol|nos?|pp|eds?|dept|approx|ca"
    r"|e\.g|i\.e|resp|refs?"
)
"""Abbreviations that something always follows."""
SELDOM_AN_END: Final = re.compile(r"etc|al|inc|ltd|co|corp|jr|sr|bros|a\.m|p\.m|u\.s|u\.k|ph\.d|b\.c|a\.d")
"""Abbreviations that end a sentence only if no small letter follows."""


class _Unit(NamedTuple):
    """A stretch of text that is never cut, without the white space around it."""

    start: int
    end: int
    opens_sentence: bool
    opens_paragraph: bool


def split(text: str, size: int, overlap: int) -> list[str]:
    """Return the pieces of `text`: see `spans`.

    >>> split("One is short. Two is short too.", size=20, overlap=0)
    ['One is short.', 'Two is short too.']
    """
    return [text[start:end] for start, end in spans(text, size, overlap)]


def spans(text: str, size: int, overlap: int) -> list[Span]:
    """Return where the pieces of `text` begin and end, in order; none if it holds nothing but white space.

    Each piece has at most `size` characters and begins and ends with one that is not white space. Together they hold
    every such character. Starts and ends grow; a piece reaches at most `overlap` characters into the one before.
    A sentence is cut only if it is longer than `size`, then between words; a word only if it is longer than `size`.
    Raises `InvalidField` unless 1 <= size and 0 <= overlap <= size / 2.
    """
    _check(size, overlap)
    units = list(_units(text, size, overlap))
    pieces: list[Span] = []
    first = fresh = 0
    while fresh < len(units):
        stop = _fill(units, first, fresh, size)
        pieces.append((units[first].start, units[stop - 1].end))
        first, fresh = _step_back(units, first, stop, size, overlap), stop
    return pieces


def _check(size: int, overlap: int) -> None:
    if size < 1:
        raise InvalidField("size", "a chunk holds at least one character")
    if not 0 <= overlap <= size // 2:
        raise InvalidField("overlap", f"it must lie between 0 and half the size, {size // 2}")


def _units(text: str, size: int, overlap: int) -> Iterator[_Unit]:
    grain = _grain(size, overlap)
    for sentence in _sentences(text):
        if sentence.end - sentence.start <= size:
            yield sentence
        else:
            yield from _words(text, sentence, size, grain)


def _grain(size: int, overlap: int) -> int:
    """Return how long the units of a long sentence are: two fit in an overlap, unless it is too small to matter."""
    return overlap // 2 if overlap >= 16 and overlap >= size // 16 else size


def _sentences(text: str) -> Iterator[_Unit]:
    opens_paragraph = True
    for start, end, ends_paragraph in _stretches(text):
        begin = CONTENT.search(text, start, end)
        if begin is not None:
            yield _Unit(begin.start(), start + len(text[start:end].rstrip()), True, opens_paragraph)
            opens_paragraph = False
        opens_paragraph = opens_paragraph or ends_paragraph


def _stretches(text: str) -> Iterator[tuple[int, int, bool]]:
    """Cut the text after each sentence and each paragraph; say which. White space goes to either side."""
    start = 0
    for found in BREAK.finditer(text):
        ends_paragraph = found["paragraph"] is not None
        if ends_paragraph or not _is_abbreviation(text, found):
            yield start, found.end(), ends_paragraph
            start = found.end()
    yield start, len(text), True


def _is_abbreviation(text: str, found: re.Match[str]) -> bool:
    if found[0] != ".":
        return False
    before = LAST_WORD.search(text[max(0, found.start() - LONGEST_ABBREVIATION) : found.start()])
    if before is None:
        return False
    word = before[0].lower()
    if NEVER_AN_END.fullmatch(word) or (len(word) == 1 and before[0].isupper()):
        return True
    return SELDOM_AN_END.fullmatch(word) is not None and text[found.end() : found.end() + 2].strip().islower()


def _words(text: str, sentence: _Unit, size: int, grain: int) -> Iterator[_Unit]:
    """Cut a long sentence into units of whole words, at most `grain` long unless one word is longer."""
    unit: _Unit | None = None
    for start, end in _short_words(text, sentence, size, grain):
        if unit is not None and end - unit.start <= grain:
            unit = unit._replace(end=end)
            continue
        if unit is not None:
            yield unit
        opens = start == sentence.start
        unit = _Unit(start, end, opens, opens and sentence.opens_paragraph)
    if unit is not None:
        yield unit


def _short_words(text: str, sentence: _Unit, size: int, grain: int) -> Iterator[Span]:
    """Return the words of a sentence, those longer than `size` in parts of `grain`."""
    for word in WORD.finditer(text, sentence.start, sentence.end):
        start, end = word.span()
        while end - start > size:
            yield start, start + grain
            start += grain
        yield start, end


def _fill(units: list[_Unit], first: int, fresh: int, size: int) -> int:
    """Return the first unit that the piece beginning with `first` leaves out; it holds `fresh` at least."""
    start = units[first].start
    stop = fresh + 1
    while stop < len(units) and units[stop].end - start <= size:
        stop += 1
    if stop == len(units):
        return stop
    for early in range(stop, fresh, -1):
        if 2 * (units[early - 1].end - start) < size:
            break
        if units[early].opens_paragraph:
            return early
    return stop


def _step_back(units: list[_Unit], first: int, stop: int, size: int, overlap: int) -> int:
    """Return the unit that the piece after `first` to `stop` begins with: `stop`, or one shortly before it."""
    if stop == len(units) or units[stop].opens_paragraph:
        return stop
    earliest = max(units[stop - 1].end - overlap, units[stop].end - size)
    at_sentence = at_word = stop
    for early in range(stop - 1, first, -1):
        if units[early].start < earliest:
            break
        at_word = early
        at_sentence = early if units[early].opens_sentence else at_sentence
        if units[early].opens_paragraph:
            break
    if at_sentence < stop or units[stop].opens_sentence:
        return at_sentence
    return at_word
