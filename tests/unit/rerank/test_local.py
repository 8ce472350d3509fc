"""The built-in reranker: its formula, computed word by word in plain Python, and what the formula is for."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pergamum.domain.words import folded
from pergamum.embedding.local import LocalEmbedder
from pergamum.rerank import local
from pergamum.rerank.local import LocalReranker

EMBEDDER = LocalEmbedder()
RERANKER = LocalReranker(EMBEDDER)
WORDS = [
    "wing",
    "wings",
    "aircraft",
    "flow",
    "the",
    "of",
    "library",
    "catalogue",
    "heat",
    "Überschall",
    "図書館",
    "!",
    "42",
]
texts = st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)


def plainly(query: str, documents: list[str]) -> list[float]:
    """Return the relevances by the formula of `rerank/local.py`, one word at a time."""
    asked = Counter(folded(query).split())
    bags = [Counter(folded(text).split()) for text in documents]
    mean = sum(bag.total() for bag in bags) / len(bags)
    relevances = []
    for text, bag in zip(documents, bags, strict=True):
        cosine = float(EMBEDDER.embed_query(query) @ EMBEDDER.embed_query(text))
        gained, possible = 0.0, 0.0
        for word, times in asked.items():
            worth = times * length(word) ** local.WORTH * math.sqrt(rarity(word, bags))
            found = sum(count * max(0.0, near(word, other)) ** 4 for other, count in bag.items())
            room = local.K1 * (1 - local.B + local.B * bag.total() / mean) if mean else 1.0
            gained, possible = gained + worth * found / (found + room), possible + worth
        soft = gained / possible if possible else 0.0
        relevances.append((soft + local.SENTENCE * cosine) / (1 + local.SENTENCE))
    return relevances


def length(word: str) -> float:
    return float(np.linalg.norm(EMBEDDER.sums([word])[0]))


def near(word: str, other: str) -> float:
    return float(EMBEDDER.embed_query(word) @ EMBEDDER.embed_query(other))


def rarity(word: str, bags: list[Counter[str]]) -> float:
    having = sum(word in bag for bag in bags)
    return math.log(1 + (len(bags) - having + 0.5) / (having + 0.5))


@settings(max_examples=50)
@given(query=texts, documents=st.lists(texts, min_size=1, max_size=6))
def test_relevance_is_what_the_formula_says(query: str, documents: list[str]) -> None:
    assert RERANKER.rerank(query, documents) == pytest.approx(plainly(query, documents), abs=1e-5)


def test_more_texts_than_are_handled_at_once_are_as_relevant_as_the_formula_says() -> None:
    documents = [f"{WORDS[number % 11]} {WORDS[number % 7]} {number}" for number in range(150)]

    assert RERANKER.rerank("heat of a wing", documents) == pytest.approx(plainly("heat of a wing", documents), abs=1e-5)


def test_a_near_word_counts_and_counts_less_than_the_word_itself() -> None:
    same, near, far = RERANKER.rerank("aeroplane", ["an aeroplane", "an aircraft", "a library"])

    assert same > near > far


def test_a_rare_word_is_worth_more_than_a_common_one() -> None:
    with_flutter, with_wing, *_ = RERANKER.rerank("flutter wing", ["flutter", "wing", "wing tip", "wing root"])

    assert with_flutter > with_wing


def test_words_that_say_little_are_worth_little() -> None:
    about, with_the = RERANKER.rerank("the flow of the air", ["air flow", "the of the the of"])

    assert about > with_the


@pytest.mark.parametrize("query", ["", "!", "lift"])
def test_texts_without_words_are_no_error(query: str) -> None:
    relevances = RERANKER.rerank(query, ["", "!", " "])

    assert all(-1 / 3 <= relevance <= 1 for relevance in relevances)


def test_a_very_long_question_is_answered_by_its_first_words_and_its_embedding() -> None:
    query = " ".join(f"w{number}" for number in range(5000))

    first, last = RERANKER.rerank(query, ["w0 w1 w2", "w4997 w4998 w4999"])

    assert first > last


def test_the_whole_question_in_a_text_is_near_one() -> None:
    assert RERANKER.rerank("flutter of a wing", ["flutter of a wing " * 50]) > [0.9]
