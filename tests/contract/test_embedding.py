"""The laws of `embedding/base.py`, run on every implementation."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
import pytest
from pydantic import SecretStr

from pergamum.embedding.base import Embedder
from pergamum.embedding.cache import CachedEmbedder, VectorCache
from pergamum.embedding.cohere import CohereEmbedder, CohereModel
from pergamum.embedding.local import LocalEmbedder
from tests.support.fake_cohere import fake_cohere
from tests.support.fake_embedder import FakeEmbedder

KEY = "fake-key-that-opens-nothing"
TEXTS = [f"{word} {number}" for number in range(50) for word in ("wing", "flutter", "Überschall", "図書館")]
ODD_TEXTS = ["", " ", "\n\n", "a", "\x00", "\u200b", "🛩️" * 40, "</s>", "<unk>", "x" * 5000, "word " * 3000]

Make = Callable[[ExitStack], Embedder]


def make_cohere(stack: ExitStack) -> Embedder:
    server = stack.enter_context(fake_cohere(KEY))
    embedder = CohereEmbedder(CohereModel("embed-v4.0", 256), SecretStr(KEY), base_url=server.url)
    stack.callback(embedder.close)
    return embedder


def make_fake(_stack: ExitStack) -> Embedder:
    return FakeEmbedder(dimension=8)


def make_local(_stack: ExitStack) -> Embedder:
    return LocalEmbedder()


def cached(make: Make, max_bytes: int = 2**20) -> Make:
    return lambda stack: CachedEmbedder(make(stack), VectorCache(max_bytes))


MAKERS: dict[str, Make] = {
    "fake": make_fake,
    "local": make_local,
    "cohere": make_cohere,
    "cached-fake": cached(make_fake),
    "cached-local": cached(make_local),
    "cached-cohere": cached(make_cohere),
    "hardly-cached-local": cached(make_local, max_bytes=2000),
}


@pytest.fixture(params=MAKERS)
def embedder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Embedder]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ExitStack() as stack:
        yield MAKERS[request.param](stack)


def test_one_finite_vector_a_text_as_long_as_the_dimension_says(embedder: Embedder) -> None:
    vectors = embedder.embed_documents([*TEXTS, *ODD_TEXTS])

    assert vectors.shape == (len(TEXTS) + len(ODD_TEXTS), embedder.dimension)
    assert vectors.dtype == np.float32
    assert vectors.flags.c_contiguous
    assert np.isfinite(vectors).all()
    assert vectors.any(axis=1).all()


def test_a_query_is_one_finite_vector(embedder: Embedder) -> None:
    for text in ODD_TEXTS:
        vector = embedder.embed_query(text)

        assert vector.shape == (embedder.dimension,)
        assert vector.dtype == np.float32
        assert np.isfinite(vector).all()
        assert vector.any()


def test_the_same_text_gives_the_same_bits_in_any_batch_and_place(embedder: Embedder) -> None:
    together = embedder.embed_documents([*TEXTS, *ODD_TEXTS])

    reversed_order = embedder.embed_documents([*TEXTS, *ODD_TEXTS][::-1])
    alone = [embedder.embed_documents([text])[0] for text in [*TEXTS[:20], *ODD_TEXTS]]

    assert reversed_order[::-1].tobytes() == together.tobytes()
    assert [vector.tobytes() for vector in alone[:20]] == [vector.tobytes() for vector in together[:20]]
    assert [vector.tobytes() for vector in alone[20:]] == [vector.tobytes() for vector in together[len(TEXTS) :]]


def test_the_same_question_gives_the_same_bits(embedder: Embedder) -> None:
    assert embedder.embed_query("lift").tobytes() == embedder.embed_query("lift").tobytes()


def test_a_text_twice_in_a_batch_has_the_same_vector_twice(embedder: Embedder) -> None:
    first, other, second = embedder.embed_documents(["drag", "lift", "drag"])

    assert first.tobytes() == second.tobytes() != other.tobytes()


def test_different_texts_have_different_vectors(embedder: Embedder) -> None:
    vectors = embedder.embed_documents(["wing", "flutter", "Überschall", "図書館", ""])

    assert len({vector.tobytes() for vector in vectors}) == 5


def test_no_texts_give_an_empty_matrix(embedder: Embedder) -> None:
    assert embedder.embed_documents([]).shape == (0, embedder.dimension)


def test_the_caller_may_change_what_it_was_given(embedder: Embedder) -> None:
    expected = embedder.embed_documents(["drag"]).tobytes(), embedder.embed_query("drag").tobytes()

    for _ in range(2):  # the second time from a cache, where there is one
        embedder.embed_documents(["drag"])[:] = 0
        embedder.embed_query("drag")[:] = 0

    assert (embedder.embed_documents(["drag"]).tobytes(), embedder.embed_query("drag").tobytes()) == expected


def test_calls_may_overlap(embedder: Embedder) -> None:
    batches = [TEXTS[start : start + 25] for start in range(0, len(TEXTS), 5)]
    expected = [embedder.embed_documents(batch).tobytes() for batch in batches]

    with ThreadPoolExecutor(4) as pool:
        overlapping = [vectors.tobytes() for vectors in pool.map(embedder.embed_documents, batches)]

    assert overlapping == expected


def test_the_first_calls_may_overlap(embedder: Embedder) -> None:
    with ThreadPoolExecutor(4) as pool:
        vectors = list(pool.map(embedder.embed_query, ["drag"] * 8))

    assert len({vector.tobytes() for vector in vectors}) == 1
