from collections.abc import Sequence

import pytest

from pergamum.domain.vectors import Matrix
from pergamum.embedding.cache import ENTRY_OVERHEAD, MISSES_AT_ONCE, CachedEmbedder, VectorCache
from pergamum.errors import EmbeddingFailed
from tests.support.fake_embedder import FakeEmbedder

ENTRY = 8 * 4 + ENTRY_OVERHEAD


class FailingEmbedder(FakeEmbedder):
    """Fails the second call, and only that one."""

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        vectors = super().embed_documents(texts)
        if len(self.asked) == 2:
            raise EmbeddingFailed("fake", "scripted")
        return vectors


def test_only_what_is_not_known_goes_to_the_inner_embedder() -> None:
    inner = FakeEmbedder()
    cached = CachedEmbedder(inner, VectorCache(2**20))
    cached.embed_documents(["a", "b"])

    vectors = cached.embed_documents(["c", "b", "d", "a"])

    assert inner.asked == [["a", "b"], ["c", "d"]]
    assert vectors.tobytes() == FakeEmbedder().embed_documents(["c", "b", "d", "a"]).tobytes()


def test_a_text_twice_in_a_batch_is_embedded_once() -> None:
    inner = FakeEmbedder()

    CachedEmbedder(inner, VectorCache(2**20)).embed_documents(["a", "b", "a", "a"])

    assert inner.asked == [["a", "b"]]


def test_a_question_is_no_document() -> None:
    inner = FakeEmbedder()
    cached = CachedEmbedder(inner, VectorCache(2**20))
    cached.embed_documents(["a"])

    cached.embed_query("a")
    cached.embed_query("a")

    assert inner.asked == [["a"], ["a"]]


def test_models_that_share_a_cache_do_not_share_vectors() -> None:
    cache = VectorCache(2**20)
    CachedEmbedder(FakeEmbedder(name="one"), cache).embed_query("a")
    other = FakeEmbedder(dimension=16, name="two")

    assert CachedEmbedder(other, cache).embed_query("a").shape == (16,)
    assert other.asked == [["a"]]


def test_the_least_recently_used_is_forgotten_first() -> None:
    inner = FakeEmbedder()
    cached = CachedEmbedder(inner, VectorCache(2 * ENTRY))
    for text in ["a", "b", "a", "c"]:
        cached.embed_query(text)
    inner.asked.clear()

    for text in ["a", "c", "b"]:
        cached.embed_query(text)

    assert inner.asked == [["b"]]


@pytest.mark.parametrize("max_bytes", [0, ENTRY - 1, ENTRY, 10 * ENTRY])
def test_the_bound_on_bytes_is_never_passed(max_bytes: int) -> None:
    cache = VectorCache(max_bytes)
    cached = CachedEmbedder(FakeEmbedder(), cache)

    for round_trip in range(3):
        cached.embed_documents([f"text {number}" for number in range(round_trip, 30)])

    assert cache.used_bytes == min(max_bytes // ENTRY, 30) * ENTRY


def test_a_vector_that_two_threads_put_counts_once() -> None:
    cache = VectorCache(10 * ENTRY)

    cache.put([(b"key", bytes(32)), (b"key", bytes(32))])

    assert cache.used_bytes == ENTRY


def test_a_cache_without_room_changes_no_answer() -> None:
    texts = ["a", "b", "a"]

    vectors = CachedEmbedder(FakeEmbedder(), VectorCache(0)).embed_documents(texts)

    assert vectors.tobytes() == FakeEmbedder().embed_documents(texts).tobytes()


def test_what_was_embedded_before_a_failure_is_kept() -> None:
    inner = FailingEmbedder()
    cached = CachedEmbedder(inner, VectorCache(2**20))
    texts = [f"text {number}" for number in range(MISSES_AT_ONCE + 10)]
    with pytest.raises(EmbeddingFailed):
        cached.embed_documents(texts)

    cached.embed_documents(texts)

    assert inner.asked[-1] == texts[MISSES_AT_ONCE:]
