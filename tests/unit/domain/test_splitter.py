import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pergamum.domain.splitter import spans, split
from pergamum.errors import InvalidField

words = st.one_of(
    st.text(alphabet="abA1é", min_size=1, max_size=4), st.integers(5, 60).map(lambda length: "w" * length)
)
marks = st.sampled_from(
    [". ", "! ", "?! ", ".\n\n", "\n\n", " ", ", ", "。", "、", ".) ", "…", "\r\n\r\n", "\f", ".", "Dr. "]
)
prose = st.lists(st.tuples(words, st.one_of(marks, st.just(" "))), max_size=60).map(
    lambda parts: "".join(word + mark for word, mark in parts)
)
texts = st.one_of(prose, st.text(max_size=300), st.text(alphabet=" \n\t.!?。aB", max_size=300))


@st.composite
def sizes(draw: st.DrawFn) -> tuple[int, int]:
    size = draw(st.integers(1, 120))
    return size, draw(st.one_of(st.integers(0, size // 2), st.just(size // 2)))


sentences = st.lists(st.integers(1, 30), min_size=2, max_size=8).map(
    lambda lengths: " ".join("S" + " word" * length + "." for length in lengths)
)


@given(text=texts, limits=sizes())
def test_no_piece_is_too_long_or_begins_or_ends_with_white_space(text: str, limits: tuple[int, int]) -> None:
    for start, end in spans(text, *limits):
        piece = text[start:end]
        assert 0 < len(piece) <= limits[0]
        assert piece == piece.strip()


@given(text=texts, limits=sizes())
def test_the_pieces_hold_every_character_that_is_not_white_space(text: str, limits: tuple[int, int]) -> None:
    covered = {at for start, end in spans(text, *limits) for at in range(start, end)}

    assert [at for at, character in enumerate(text) if not character.isspace() and at not in covered] == []


@given(text=texts, limits=sizes())
def test_pieces_go_forward_and_overlap_no_more_than_allowed(text: str, limits: tuple[int, int]) -> None:
    for (start, end), (next_start, next_end) in pairwise(spans(text, *limits)):
        assert start < next_start
        assert end < next_end
        assert end - next_start <= limits[1]


@given(text=prose, limits=sizes())
def test_a_word_that_fits_is_never_cut(text: str, limits: tuple[int, int]) -> None:
    size, overlap = limits
    edges = {edge for span in spans(text, size, overlap) for edge in span}

    for run in re.finditer(r"\S+", text):
        for word in re.finditer(r"[^、。]+", run[0]):
            inside = range(run.start() + word.start() + 1, run.start() + word.end())
            assert len(run[0]) > size or not edges & set(inside)


@given(text=sentences, limits=sizes())
def test_an_overlap_that_holds_the_start_of_a_sentence_begins_there(text: str, limits: tuple[int, int]) -> None:
    for (_, end), (next_start, _) in pairwise(spans(text, *limits)):
        assert "S" not in text[next_start:end] or text[next_start] == "S"


@given(text=texts, limits=sizes())
def test_the_same_text_is_always_split_alike(text: str, limits: tuple[int, int]) -> None:
    assert split(text, *limits) == [text[start:end] for start, end in spans(text, *limits)]


@pytest.mark.parametrize("text", ["", " ", "\n\n \t\n", "\u3000\u2029\f"])
def test_a_text_without_content_has_no_pieces(text: str) -> None:
    assert split(text, 100, 10) == []


def test_a_text_that_fits_is_one_piece_without_its_outer_white_space() -> None:
    assert split("  One. Two.\n\nThree.  ", 100, 50) == ["One. Two.\n\nThree."]


def test_sentences_are_kept_whole() -> None:
    text = "The first one is here. The second one follows! Does the third? It does."

    assert split(text, 48, 0) == ["The first one is here. The second one follows!", "Does the third? It does."]


def test_the_overlap_begins_with_a_sentence() -> None:
    text = "Alpha is the first. Beta. Gamma comes third here. Delta ends it all now."

    assert split(text, 50, 25) == [
        "Alpha is the first. Beta. Gamma comes third here.",
        "Gamma comes third here. Delta ends it all now.",
    ]


def test_a_piece_that_is_half_full_ends_with_its_paragraph() -> None:
    text = "One sentence here. Another one.\n\nA new thought. It goes on for a while."

    assert split(text, 50, 25) == ["One sentence here. Another one.", "A new thought. It goes on for a while."]


def test_the_overlap_stays_within_its_paragraph() -> None:
    text = "Xxxxxxxxx. Ab.\n\nCd. This one does not fit there."

    assert split(text, 40, 20) == ["Xxxxxxxxx. Ab.\n\nCd.", "Cd. This one does not fit there."]


def test_short_paragraphs_share_a_piece() -> None:
    assert split("A.\n\nB.\n\nC.\n\nDdd ddd ddd.", 12, 0) == ["A.\n\nB.\n\nC.", "Ddd ddd ddd."]


def test_a_long_sentence_is_cut_between_words_and_overlaps_by_words() -> None:
    text = " ".join(f"word{number:02}" for number in range(40))

    pieces = split(text, 100, 40)

    assert all(re.fullmatch(r"word\d\d( word\d\d)*", piece) for piece in pieces)
    assert all(piece.split()[0] in before.split() for before, piece in pairwise(pieces))


def test_a_long_word_is_cut_hard() -> None:
    assert split("x" * 25, 10, 0) == ["x" * 10, "x" * 10, "x" * 5]


@pytest.mark.parametrize(
    "text", ["Dr. Smith saw it.", "See e.g. the wing.", "J. R. Tolkien wrote.", "Smith et al. found it."]
)
def test_an_abbreviation_ends_no_sentence(text: str) -> None:
    assert split(f"{text} Then it was over.", len(text) + 5, 0) == [text, "Then it was over."]


def test_an_abbreviation_before_a_capital_may_end_a_sentence() -> None:
    assert split("Founded by Acme Inc. Then it was sold.", 24, 0) == ["Founded by Acme Inc.", "Then it was sold."]


def test_closing_quotes_stay_with_their_sentence() -> None:
    assert split("He said “Go away.” She went off.", 22, 0) == ["He said “Go away.”", "She went off."]


def test_sentences_without_spaces_are_found() -> None:
    assert split("今日は晴れです。明日は雨でしょう。「本当？」そうです。", 18, 0) == [
        "今日は晴れです。明日は雨でしょう。",
        "「本当？」そうです。",
    ]


@pytest.mark.parametrize("text", [". " * 50_000, "." * 100_000, "\n " * 50_000 + "x", ".)" * 50_000, "Mr. " * 25_000])
def test_hostile_text_is_split_all_the_same(text: str) -> None:
    assert "".join("".join(split(text, 1000, 0)).split()) == "".join(text.split())


@pytest.mark.parametrize(("size", "overlap", "field"), [(0, 0, "size"), (10, -1, "overlap"), (10, 6, "overlap")])
def test_sizes_that_cannot_work_are_refused(size: int, overlap: int, field: str) -> None:
    with pytest.raises(InvalidField) as refused:
        split("text", size, overlap)

    assert refused.value.facts["field"] == field
