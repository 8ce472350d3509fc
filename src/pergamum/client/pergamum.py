"""Where a program begins: `with Pergamum() as client: ...`."""

import os
from importlib.metadata import PackageNotFoundError, version
from typing import Final, Self

import httpx

from pergamum.client.libraries import Libraries, Library
from pergamum.client.operations import Operations
from pergamum.client.retry import Retries
from pergamum.client.transport import Transport

URL_VARIABLE: Final = "PERGAMUM_URL"
DEFAULT_URL: Final = "http://127.0.0.1:8000"
CONNECT_SECONDS: Final = 5.0


class Pergamum:
    """A client of one server. Threads: may be shared. Close it, or use it in a `with` block.

    `url` is that of the server: PERGAMUM_URL, then http://127.0.0.1:8000, where it is not given. `timeout` is how many
    seconds may pass without a byte of the answer; `max_retries` how often a request is repeated where that is safe.
    `http` replaces the connections, for tests and for what httpx can do besides; it is closed with the client.
    Raises ValueError when the URL is none.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        timeout: float = 60.0,
        max_retries: int = 2,
        http: httpx.Client | None = None,
    ) -> None:
        self.url = _checked(url or os.environ.get(URL_VARIABLE) or DEFAULT_URL)
        self._transport = Transport(http or _http(self.url, timeout), retries=Retries(limit=max_retries))
        self.libraries, self.operations = Libraries(self._transport), Operations(self._transport)

    def library(self, key: str) -> Library:
        """Return the library of this id or name without asking the server whether it exists."""
        return Library(self._transport, key)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _checked(url: str) -> str:
    """Return the URL of a server, or raise ValueError."""
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        parts = httpx.URL()
    if parts.scheme not in {"http", "https"} or not parts.host:
        raise ValueError(f"{url!r} is not the URL of a server, such as {DEFAULT_URL}")
    return url


def _http(url: str, timeout: float) -> httpx.Client:
    return httpx.Client(
        base_url=url,
        timeout=httpx.Timeout(timeout, connect=CONNECT_SECONDS),
        headers={"user-agent": f"pergamum-python/{_version()}", "accept": "application/json"},
    )


def _version() -> str:
    try:
        return version("pergamum")
    except PackageNotFoundError:  # run from a source folder that is not installed
        return "0"
