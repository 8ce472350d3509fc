"""Which judges of relevance this server has, by provider and model."""

from contextlib import ExitStack
from threading import Lock

from pydantic import SecretStr

from pergamum.embedding.cohere_connection import BASE_URL, PROVIDER
from pergamum.embedding.retry import RetryPolicy
from pergamum.errors import UnknownReranker
from pergamum.rerank import cohere, local
from pergamum.rerank.base import Reranker
from pergamum.rerank.cohere import CohereReranker
from pergamum.rerank.local import LocalReranker


class Rerankers:
    """Gives each model's reranker, made by the first call that needs it. Threads: calls may overlap.

    `local` is always there. Cohere's models are there with a key.
    """

    def __init__(
        self,
        *,
        cohere_key: SecretStr | None = None,
        cohere_url: str = BASE_URL,
        cohere_timeout_s: float = 10.0,
        retry: RetryPolicy = cohere.RETRY,
    ) -> None:
        self._cohere_key, self._cohere_url, self._cohere_timeout_s = cohere_key, cohere_url, cohere_timeout_s
        self._retry = retry
        self._lock = Lock()
        self._made: dict[str, Reranker] = {}
        self._open = ExitStack()

    def available(self) -> list[str]:
        """Return the names of providers, each with its models where it has several."""
        if self._cohere_key is None:
            return [local.NAME]
        return [local.NAME, *(f"{PROVIDER}/{model}" for model in cohere.MODELS)]

    def get(self, provider: str, model: str | None = None) -> Reranker:
        """Return the reranker of this provider and model; without a model, the provider's own choice.

        Raises `UnknownReranker`, or `RerankFailed` when what it needs is not installed. Nothing is loaded yet.
        """
        name = self._named(provider, model)
        with self._lock:
            if name not in self._made:
                self._made[name] = self._make(name)
            return self._made[name]

    def close(self) -> None:
        """Close the connections to the providers."""
        self._open.close()

    def _named(self, provider: str, model: str | None) -> str:
        if provider == local.NAME and model is None:
            return provider
        if provider == PROVIDER and self._cohere_key is not None and (model is None or model in cohere.MODELS):
            return f"{provider}/{model or cohere.DEFAULT_MODEL}"
        written = provider if model is None else f"{provider}/{model}"
        raise UnknownReranker(written, ", ".join(self.available()))

    def _make(self, name: str) -> Reranker:
        if name == local.NAME:
            return LocalReranker()
        assert self._cohere_key is not None, "names of Cohere's models are given with a key only"
        model = name.removeprefix(f"{PROVIDER}/")
        reranker = CohereReranker(
            model, self._cohere_key, base_url=self._cohere_url, timeout_s=self._cohere_timeout_s, retry=self._retry
        )
        self._open.callback(reranker.close)
        return reranker
