"""`matches` on a column: which of its texts have all the words asked for, by the law of domain/words.py."""

import numpy as np
import polars as pl

from pergamum.domain.keywords import Phrase, read_keywords
from pergamum.domain.words import MOST_CHARACTERS, folded
from pergamum.engine.columns.run import Predicate, Run
from pergamum.index.mask import Flags

_NOT_OF_WORDS = "[^a-z0-9]+"
_TOO_LONG = f"[a-z0-9]{{{MOST_CHARACTERS + 1}}}"


def words_matching(name: str, asked: str) -> Predicate:
    """Return what says for which rows of a run the column `name` has every phrase that `asked` asks for."""
    needles = [_needle(phrase) for phrase in read_keywords(asked).phrases]

    def of_run(run: Run) -> Flags:
        texts = run.column(name)
        if texts is None or not needles:
            return np.zeros(run.size, np.bool_)
        words = run.derived(f"words:{name}", lambda: padded_words(texts))
        holds = words.is_not_null()
        for needle in needles:
            holds &= words.str.contains(needle, literal=True)
        return holds.fill_null(value=False).to_numpy(writable=True)

    return of_run


def padded_words(texts: pl.Series) -> pl.Series:
    """Return the words of each text as they are compared, a space before and after each; null where there is no text.

    Texts in ASCII are folded all at once; the others, and those with words that are too long, one by one.
    """
    plain = texts.str.to_lowercase().str.replace_all(_NOT_OF_WORDS, " ").str.strip_chars(" ")
    odd = (texts.str.len_bytes() != texts.str.len_chars()) | plain.str.contains(_TOO_LONG)
    at = np.flatnonzero(odd.fill_null(value=False).to_numpy())
    if at.size:
        rows = pl.Series(at, dtype=pl.UInt32)
        plain = plain.scatter(rows, [folded(text) for text in texts.gather(rows).to_list()])
    return " " + plain + " "


def _needle(phrase: Phrase) -> str:
    """Return what a text that has the phrase has among its padded words."""
    return f" {' '.join(phrase.words)}{'' if phrase.prefix else ' '}"
