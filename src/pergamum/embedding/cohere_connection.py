"""Cohere's API behind a key: what its embedding and its reranking models share."""

import importlib.util
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Final, TypeVar

from pydantic import SecretStr

from pergamum.embedding.retry import Failed, RetryPolicy
from pergamum.errors import ProviderFailed

if TYPE_CHECKING:
    from pergamum.embedding.cohere_client import CohereClient

PROVIDER: Final = "cohere"
BASE_URL: Final = "https://api.cohere.com"

Answer = TypeVar("Answer")


class CohereConnection:
    """Calls that are tried again as `retry` says. Threads: calls may overlap. The SDK is imported by the first call.

    Raises `failure` when a call fails in the end, when the SDK is not installed, or when `key` cannot be a key; no
    error shows the key.
    """

    def __init__(
        self,
        key: SecretStr,
        failure: type[ProviderFailed],
        *,
        base_url: str = BASE_URL,
        timeout_s: float = 30.0,
        retry: RetryPolicy | None = None,
    ) -> None:
        self._failure = failure
        if importlib.util.find_spec("cohere") is None:
            raise self.failed("its SDK is not installed: pip install 'pergamum[cohere]'")
        if not _usable(key):
            raise self.failed("the key is empty or holds characters that no key has")
        self._key, self._base_url, self._timeout_s = key, base_url, timeout_s
        self._retry = retry or RetryPolicy()
        self._lock = Lock()
        self._client: CohereClient | None = None

    def call(self, send: Callable[["CohereClient"], Answer | Failed]) -> Answer:
        """Return what `send` makes of the client."""
        client = self._connected()
        answer = self._retry.run(lambda: send(client))
        if isinstance(answer, Failed):
            raise self.failed(answer.reason)
        return answer

    def failed(self, reason: str) -> ProviderFailed:
        """Return the error that says why Cohere is of no use."""
        return self._failure(PROVIDER, reason)

    def close(self) -> None:
        """Close the connections. They are made again by the next call."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _connected(self) -> "CohereClient":
        with self._lock:
            if self._client is None:
                # Imported here because the SDK is an extra, and takes most of a second to load.
                from pergamum.embedding.cohere_client import CohereClient  # noqa: PLC0415

                self._client = CohereClient(_stripped(self._key), self._base_url, self._timeout_s)
            return self._client


def _usable(key: SecretStr) -> bool:
    """Whether a header can carry the key."""
    text = _stripped(key).get_secret_value()
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


def _stripped(key: SecretStr) -> SecretStr:
    """Return the key without the newline that one read from a file ends with."""
    return SecretStr(key.get_secret_value().strip())
