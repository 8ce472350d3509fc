"""A memory of what has been embedded, so that the same text is paid for once."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from threading import Lock
from typing import Final, Literal

import numpy as np

from pergamum.domain.vectors import Matrix, Vector
from pergamum.embedding.base import Embedder

ENTRY_OVERHEAD: Final = 300
"""Bytes an entry takes beside its numbers: key, bytes object, place in the dictionary."""
MISSES_AT_ONCE: Final = 96
"""Misses go to the provider in such runs, so that what it answered before a failure is kept for the next try."""

InputType = Literal["document", "query"]


class VectorCache:
    """Vectors by key, the least recently used forgotten first. Bounded by bytes. Threads: calls may overlap."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._vectors: OrderedDict[bytes, bytes] = OrderedDict()
        self._lock = Lock()

    @property
    def used_bytes(self) -> int:
        """What the vectors take, never more than the bound."""
        return self._bytes

    def get(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """Return what is known of `keys`."""
        with self._lock:
            known = {key: self._vectors[key] for key in keys if key in self._vectors}
            for key in known:
                self._vectors.move_to_end(key)
            return known

    def put(self, vectors: Iterable[tuple[bytes, bytes]]) -> None:
        """Remember `vectors`, forgetting others if there is no room. One that is over the bound alone is not kept."""
        with self._lock:
            for key, vector in vectors:
                self._forget(key)
                self._vectors[key] = vector
                self._bytes += len(vector) + ENTRY_OVERHEAD
            while self._bytes > self._max_bytes:
                self._forget(next(iter(self._vectors)))

    def _forget(self, key: bytes) -> None:
        vector = self._vectors.pop(key, None)
        self._bytes -= 0 if vector is None else len(vector) + ENTRY_OVERHEAD


class CachedEmbedder:
    """An embedder that asks `inner` only for texts it has no vector of, each once a batch.

    Several may share one cache: a key covers the model's name and whether the text is a document or a query.
    """

    def __init__(self, inner: Embedder, cache: VectorCache) -> None:
        self._inner, self._cache = inner, cache

    @property
    def name(self) -> str:
        """The name of the inner model."""
        return self._inner.name

    @property
    def dimension(self) -> int:
        """How many numbers a vector has."""
        return self._inner.dimension

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        """Return one vector a text, in order; those of `inner`, bit by bit."""
        keys = [self._key("document", text) for text in texts]
        known = self._cache.get(keys)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        known |= self._embed_missing(list(missing.items()))
        vectors = np.empty((len(keys), self.dimension), np.float32)
        for row, key in zip(vectors, keys, strict=True):
            row[:] = np.frombuffer(known[key], np.float32)
        return vectors

    def embed_query(self, text: str) -> Vector:
        """Return the vector of a question."""
        key = self._key("query", text)
        known = self._cache.get([key]).get(key)
        if known is not None:
            return np.frombuffer(known, np.float32).copy()
        vector = self._inner.embed_query(text)
        self._cache.put([(key, vector.tobytes())])
        return vector

    def _embed_missing(self, missing: list[tuple[bytes, str]]) -> dict[bytes, bytes]:
        embedded: dict[bytes, bytes] = {}
        for first in range(0, len(missing), MISSES_AT_ONCE):
            some = missing[first : first + MISSES_AT_ONCE]
            vectors = self._inner.embed_documents([text for _, text in some])
            fresh = {key: vector.tobytes() for (key, _), vector in zip(some, vectors, strict=True)}
            self._cache.put(fresh.items())
            embedded |= fresh
        return embedded

    def _key(self, input_type: InputType, text: str) -> bytes:
        # Neither the name nor the input type holds a NUL, so no two of them with their texts can run together.
        return blake2b(f"{self.name}\0{input_type}\0{text}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
