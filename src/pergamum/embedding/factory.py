"""Which embedding models this server has, by name."""

from collections.abc import Callable
from contextlib import ExitStack
from threading import Lock
from typing import Final

from pydantic import SecretStr

from pergamum.embedding import cohere, local
from pergamum.embedding.base import Embedder
from pergamum.embedding.cache import CachedEmbedder, VectorCache
from pergamum.embedding.cohere_connection import BASE_URL, PROVIDER
from pergamum.embedding.local import LocalEmbedder
from pergamum.embedding.retry import RetryPolicy
from pergamum.errors import UnknownModel

DEFAULT_CACHE_BYTES: Final = 64 * 2**20


class Embedders:
    """Gives each model's embedder, made by the first call that needs it. Threads: calls may overlap.

    `local` is always there. Cohere's models are there with a key, behind one cache of `cache_bytes`; the local model
    has none, as it embeds a text about as fast as a cache would find it.
    """

    def __init__(
        self,
        *,
        cohere_key: SecretStr | None = None,
        cohere_url: str = BASE_URL,
        cohere_timeout_s: float = 30.0,
        cache_bytes: int = DEFAULT_CACHE_BYTES,
        retry: RetryPolicy | None = None,
    ) -> None:
        self._cohere_key, self._cohere_url, self._cohere_timeout_s = cohere_key, cohere_url, cohere_timeout_s
        self._cache = VectorCache(cache_bytes)
        self._retry = retry
        self._lock = Lock()
        self._made: dict[str, Embedder] = {}
        self._open = ExitStack()

    def available(self) -> list[str]:
        """Return the models' names. Cohere's take another length as `cohere/embed-v4.0@512`."""
        if self._cohere_key is None:
            return [local.NAME]
        return [local.NAME, *(f"{PROVIDER}/{model}" for model in cohere.MODELS)]

    def get(self, name: str) -> Embedder:
        """Return the embedder of this name.

        Raises `UnknownModel`, or `EmbeddingFailed` when what it needs is not installed. Nothing is loaded yet.
        """
        make, canonical = self._recipe(name)
        with self._lock:
            if canonical not in self._made:
                self._made[canonical] = make()
            return self._made[canonical]

    def close(self) -> None:
        """Close the connections to the providers."""
        self._open.close()

    def _recipe(self, name: str) -> tuple[Callable[[], Embedder], str]:
        if name == local.NAME:
            return LocalEmbedder, name
        provider, _, written = name.partition("/")
        model = cohere.CohereModel.parse(written) if provider == PROVIDER else None
        key = self._cohere_key
        if model is None or key is None:
            raise UnknownModel(name, ", ".join(self.available()))
        return lambda: self._cohere(model, key), model.name

    def _cohere(self, model: cohere.CohereModel, key: SecretStr) -> Embedder:
        embedder = cohere.CohereEmbedder(
            model, key, base_url=self._cohere_url, timeout_s=self._cohere_timeout_s, retry=self._retry
        )
        self._open.callback(embedder.close)
        return CachedEmbedder(embedder, self._cache)
