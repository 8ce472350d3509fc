"""Which words a text has, where they stand, and how they are compared."""

from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pergamum.domain.highlights import LOOKED_AT, highlights
from pergamum.domain.keywords import MOST_PHRASES, Phrase, read_keywords, worth_ranking
from pergamum.domain.words import MOST_CHARACTERS, folded, words

texts = st.text(st.one_of(st.characters(), st.sampled_from("aA1 \u0301éﬁ½Σς東京ひカ한하กക_-'\0İ")), max_size=30)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The cat's 2 mats", "the cat s 2 mats"),
        ("Café CAFE\u0301 cafe", "cafe cafe cafe"),
        ("Straße İstanbul ΟΔΟΣ οδος", "straße istanbul οδοσ οδοσ"),
        ("ﬁne x² ½ №5 ＡＢＣ", "fine x2 1 2 no5 abc"),
        ("東京タワー", "東 京 タ ワ ー"),
        ("iPhoneの値段", "iphone の 値 段"),
        (
            "한국 \u1112\u1161\u11ab",
            "한 국 한".translate(
                {ord(c): d for c, d in zip("한국", ("\u1112\u1161\u11ab", "\u1100\u116e\u11a8"), strict=True)}
            ),
        ),
        ("ภาษา", "ภ า ษ า"),
        ("snake_case foo-bar a.b", "snake case foo bar a b"),
        ("1\ufe0f\u20e3 🦊 \0", "1"),
        ("\ue000\ud800x", "\ue000 x"),
    ],
)
def test_words_are_folded_runs_of_letters_and_numbers(text: str, expected: str) -> None:
    assert folded(text) == expected


def test_a_long_run_is_cut() -> None:
    assert [len(word) for word in folded("x" * 600).split()] == [MOST_CHARACTERS, MOST_CHARACTERS, 90]
    assert [len(word) for word in folded("é" * 600).split()] == [MOST_CHARACTERS, MOST_CHARACTERS, 90]


@given(texts)
def test_the_words_are_those_that_are_located_and_stay_as_they_are(text: str) -> None:
    found = words(text)

    assert " ".join(word.folded for word in found) == folded(text)
    assert folded(folded(text)) == folded(text)
    assert all(category(c)[0] in "LN" or category(c) == "Co" for word in found for c in word.folded)


@given(texts)
def test_a_word_stands_where_it_is_said_to(text: str) -> None:
    found = words(text)

    for word in found:
        assert word.folded in folded(text[word.start : word.end]).split()
    assert all(0 <= word.start < word.end <= len(text) for word in found)
    assert [word.start for word in found] == sorted(word.start for word in found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("new York new", [("new",), ("york",)]),
        ('the "New York" times', [("the",), ("new", "york"), ("times",)]),
        ('"a" b" c', [("a",), ("b",), ("c",)]),
        ("東京都の", [("東", "京"), ("京", "都"), ("都", "の")]),
        ("AND a-b (c:d)", [("and",), ("a",), ("b",), ("c",), ("d",)]),
        ('"" "--"', []),
    ],
)
def test_what_a_text_asks_for(text: str, expected: list[tuple[str, ...]]) -> None:
    assert [phrase.words for phrase in read_keywords(text).phrases] == expected
    assert not any(phrase.prefix for phrase in read_keywords(text).phrases)


@pytest.mark.parametrize("text", ["comp*", "comp*,", "x comp*", "東京*"])
def test_a_star_behind_a_word_makes_it_a_prefix(text: str) -> None:
    assert read_keywords(text).phrases[-1].prefix


@pytest.mark.parametrize("text", ["*comp", "comp *", "a*b", "**bold** x", '"comp*"'])
def test_any_other_star_is_plain(text: str) -> None:
    assert not any(phrase.prefix for phrase in read_keywords(text).phrases)


def test_the_first_phrases_count() -> None:
    found = read_keywords(" ".join(f"w{n}" for n in range(100))).phrases

    assert found == tuple(Phrase((f"w{n}",)) for n in range(MOST_PHRASES))


@pytest.mark.parametrize(
    ("words", "text", "holds"),
    [
        ("cat mat", "The mat, the cat.", True),
        ("cat mat", "the cat", False),
        ('"the cat"', "the mat, the cat", True),
        ('"the the"', "the mat the", False),
        ("ca*", "the cat", True),
        ('"a a"', "a b a a", True),
        ("", "anything", False),
    ],
)
def test_matches_wants_every_phrase(words: str, text: str, holds: bool) -> None:
    assert read_keywords(words).holds_in(text) is holds


@pytest.mark.parametrize(
    ("asked", "counts", "places"),
    [
        ("a b c", [5, 0, 7], [0, 2]),
        ("a b c", [40_000, 5, 20_000], [1, 2]),
        ("a b", [90_000, 80_000], [0]),
        ("a b b", [5, 6], [0, 1, 1]),
        ("a b b", [5, 30_000], [0]),
        ("a a", [5], [0]),
        ("a", [0], []),
        ("", [], []),
    ],
)
def test_the_rarest_phrases_are_worth_ranking_by(asked: str, counts: list[int], places: list[int]) -> None:
    assert worth_ranking(read_keywords(asked), counts) == places


def test_highlights_are_places_in_the_text_as_given() -> None:
    text = "Cafe\u0301 au lait: the ﬁnest café in New York, NEW YORK"

    found = highlights(text, read_keywords('café fine* "new york"'))

    assert [text[start:end] for start, end in found] == ["Cafe\u0301", "ﬁnest", "café", "New York", "NEW YORK"]


def test_neighbouring_highlights_are_one_and_only_the_first_are_given() -> None:
    assert highlights("東京都 x", read_keywords("東京都")) == [(0, 3)]
    assert highlights("a b a b a", read_keywords("a"), limit=2) == [(0, 1), (4, 5)]
    assert highlights("a", read_keywords("b")) == []


def test_highlights_come_from_the_beginning_of_a_long_text_and_are_whole_words() -> None:
    text = "moon " + "x" * (LOOKED_AT - 7) + " moonlight moon"

    assert highlights(text, read_keywords("moon m mo")) == [(0, 4)]
