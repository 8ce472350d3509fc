"""The laws of `rerank/base.py`, run on every implementation."""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from pydantic import SecretStr

from pergamum.rerank.base import Reranker
from pergamum.rerank.cohere import DEFAULT_MODEL, CohereReranker
from pergamum.rerank.local import LocalReranker
from tests.support.fake_cohere import fake_cohere

KEY = "fake-key-that-opens-nothing"
TEXTS = [
    "The lift of a wing grows with its angle of attack until the flow separates.",
    "Heat conduction in composite slabs has been solved for steady flow.",
    "A librarian keeps the catalogue of a library.",
    "Überschall: Strömung hinter einem Stoß.",
    "図書館の目録",
]
ODD_TEXTS = ["", " ", "\n\n", "a", "\x00", "\u200b", "🛩️" * 40, "</s>", "<unk>", "x" * 5000, "word " * 3000]

Make = Callable[[ExitStack], Reranker]


def make_cohere(stack: ExitStack) -> Reranker:
    server = stack.enter_context(fake_cohere(KEY))
    reranker = CohereReranker(DEFAULT_MODEL, SecretStr(KEY), base_url=server.url)
    stack.callback(reranker.close)
    return reranker


MAKERS: dict[str, Make] = {"local": lambda _stack: LocalReranker(), "cohere": make_cohere}


@pytest.fixture(params=MAKERS)
def reranker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reranker]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ExitStack() as stack:
        yield MAKERS[request.param](stack)


def test_one_finite_relevance_a_text_whatever_the_texts(reranker: Reranker) -> None:
    relevances = reranker.rerank("lift of a wing", [*TEXTS, *ODD_TEXTS])

    assert len(relevances) == len(TEXTS) + len(ODD_TEXTS)
    assert all(type(relevance) is float and math.isfinite(relevance) for relevance in relevances)


@pytest.mark.parametrize("query", ODD_TEXTS)
def test_any_question_is_answered(reranker: Reranker, query: str) -> None:
    relevances = reranker.rerank(query, TEXTS)

    assert len(relevances) == len(TEXTS)
    assert all(math.isfinite(relevance) for relevance in relevances)


@pytest.mark.parametrize(
    ("query", "best"),
    [("lift of a wing", 0), ("Heat conduction in composite slabs", 1), ("the catalogue of a library", 2)],
)
def test_the_text_that_answers_is_the_most_relevant(reranker: Reranker, query: str, best: int) -> None:
    relevances = reranker.rerank(query, TEXTS)

    assert max(range(len(TEXTS)), key=relevances.__getitem__) == best


def test_relevances_stand_where_their_texts_do(reranker: Reranker) -> None:
    forwards = reranker.rerank("heat of a wing", TEXTS)

    assert reranker.rerank("heat of a wing", TEXTS[::-1])[::-1] == pytest.approx(forwards, abs=1e-6)


def test_the_same_text_twice_is_as_relevant_twice(reranker: Reranker) -> None:
    first, other, second = reranker.rerank("drag of a wing", ["drag", "lift", "drag"])

    assert first == pytest.approx(second, abs=1e-6)
    assert first > other


def test_the_same_call_gives_the_same_numbers(reranker: Reranker) -> None:
    assert reranker.rerank("lift", TEXTS) == reranker.rerank("lift", TEXTS)


def test_no_texts_have_no_relevance(reranker: Reranker) -> None:
    assert reranker.rerank("lift", []) == []


def test_calls_may_overlap(reranker: Reranker) -> None:
    queries = ["lift", "heat of slabs", "library", "catalogue of a wing"] * 4
    expected = [reranker.rerank(query, TEXTS) for query in queries]

    with ThreadPoolExecutor(4) as pool:
        overlapping = list(pool.map(lambda query: reranker.rerank(query, TEXTS), queries))

    assert overlapping == expected


def test_the_first_calls_may_overlap(reranker: Reranker) -> None:
    with ThreadPoolExecutor(4) as pool:
        relevances = list(pool.map(lambda query: tuple(reranker.rerank(query, TEXTS)), ["drag"] * 8))

    assert len(set(relevances)) == 1
