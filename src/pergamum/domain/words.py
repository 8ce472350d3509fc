"""What a word is: the one tokenizer behind keyword search, the filter operator `matches` and highlights.

The law: a text is decomposed (NFKD) and lowered character by character, its marks (Unicode M*) are taken out, and a
word is a longest run of letters, numbers and private characters (L*, N*, Co). Two things cut a run further, so that
no dictionary of any language is needed: a character of a script that is written without spaces is a word by itself,
as is a syllable of Hangul; and no word has more than 255 characters, the rest is the next word.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple
from unicodedata import category, normalize, unidata_version

MOST_CHARACTERS: Final = 255
WORDS_VERSION: Final = f"1, Unicode {unidata_version}"
"""Changes when the same text may give other words; what is kept of words belongs to one version."""

_ALONE: Final = (
    "\u3005-\u303b\u3041-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff"  # Han, Kana, Bopomofo
    "\U0001aff0-\U0001b16f\U00020000-\U0003ffff"  # more of them
    "\u0e01-\u0e5b\u0e81-\u0edf\u1000-\u109f\u1780-\u17f9"  # Thai, Lao, Myanmar, Khmer
    "\u1950-\u19df\u1a20-\u1aaf\ua9e0-\ua9fe\uaa60-\uaadf"  # Tai scripts, more of Myanmar
)
_LEADING: Final = "\u1100-\u115f\ua960-\ua97c"
_FOLLOWING: Final = "\u1160-\u11ff\ud7b0-\ud7fb"  # the vowels and last consonants of a syllable of Hangul
_SYLLABLE: Final = f"[{_LEADING}]{{1,9}}[{_FOLLOWING}]{{0,9}}|[{_FOLLOWING}]{{1,9}}"
_OTHERS: Final = f"[^ {_ALONE}{_LEADING}{_FOLLOWING}]{{1,{MOST_CHARACTERS}}}"
_WORD: Final = re.compile(f"[{_ALONE}]|{_SYLLABLE}|{_OTHERS}")
_ASCII_WORD: Final = re.compile(f"[a-z0-9]{{1,{MOST_CHARACTERS}}}")
_OF_ALONE: Final = re.compile(f"[{_ALONE}{_LEADING}{_FOLLOWING}]")


class Word(NamedTuple):
    """A word of a text: text[start:end], with marks that follow it, and how it is compared."""

    start: int
    end: int
    folded: str

    @property
    def alone(self) -> bool:
        """Whether it was cut out of a run, because its script is written without spaces."""
        return _OF_ALONE.match(self.folded) is not None


class _Folds(dict[int, str]):
    """Each character as it is compared: its letters, nothing for a mark, a space for everything else."""

    def __missing__(self, code: int) -> str:
        folded = self[code] = "".join(map(_folded, normalize("NFKD", chr(code)).lower()))
        return folded


def _folded(character: str) -> str:
    kind = category(character)
    if kind[0] == "M":
        return ""
    return character.replace("ς", "σ") if kind[0] in "LN" or kind == "Co" else " "


_FOLDS: Final = _Folds()
_ASCII: Final = {code: _FOLDS[code] for code in range(128)}


def words(text: str) -> list[Word]:
    """Return the words of the text in their order, where they stand and how they are compared.

    >>> words("Café №5")
    [Word(start=0, end=4, folded='cafe'), Word(start=5, end=7, folded='no5')]
    """
    if text.isascii():
        return [Word(*found.span(), found[0]) for found in _ASCII_WORD.finditer(text.lower())]
    return list(_located(text))


def folded(text: str) -> str:
    """Return the words as they are compared, joined by single spaces.

    >>> folded("Straße, 東京 & e\u0301tude")
    'straße 東 京 etude'
    """
    if text.isascii():
        runs = text.translate(_ASCII).split()
        if max(map(len, runs), default=0) <= MOST_CHARACTERS:  # half the time of the regular expression
            return " ".join(runs)
    return " ".join(_WORD.findall(text.translate(_FOLDS)))


def _located(text: str) -> Iterator[Word]:
    parts = [_FOLDS[ord(character)] for character in text]
    source = [place for place, part in enumerate(parts) for _ in part]
    for found in _WORD.finditer("".join(parts)):
        end = source[found.end() - 1] + 1
        while end < len(parts) and not parts[end]:
            end += 1
        yield Word(source[found.start()], end, found[0])
