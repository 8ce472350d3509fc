"""From a call to the request that httpx sends, the same for both kinds of connections."""

import uuid
from functools import lru_cache
from typing import Any, Final, cast

import httpx

from pergamum.client.call import Call
from pergamum.client.options import ChangeOptions, ReadOptions
from pergamum.client.tokens import MIN_POSITION, Tokens

IDEMPOTENCY_KEY: Final = "idempotency-key"
CONNECT_SECONDS: Final = 5.0
"""How long making a connection may take: whatever the work, a server that is there accepts it soon."""
_URLS_KEPT: Final = 512


class Requests:
    """Makes requests for the connections of one client. Threads: may be shared.

    They are those of `http.build_request`, which spends on its merging, URL by URL, half of what a search costs the
    client; so it is asked once for each path, and each time only where there are parameters or cookies.
    """

    def __init__(self, http: httpx.Client | httpx.AsyncClient, tokens: Tokens) -> None:
        self._http, self._tokens = http, tokens
        self._url = lru_cache(_URLS_KEPT)(lambda path: http.build_request("GET", path).url)

    def request_of(self, call: Call[Any], options: ReadOptions) -> httpx.Request:
        """Return the request of the call. It may be sent again: a write has the same key each time."""
        said = cast("ChangeOptions", options)  # of a call that changes nothing it has fewer keys
        seconds = said.get("timeout")
        patient = self._http.timeout if seconds is None else patience(seconds)
        headers = _headers(call, said, self._tokens)
        if call.params or self._http.params or self._http.cookies:
            where, params = call.path, call.params or None
            return self._http.build_request(
                call.method, where, params=params, content=call.body, headers=headers, timeout=patient
            )
        return self._plain(call, headers, patient)

    def _plain(self, call: Call[Any], own: dict[str, str], patient: httpx.Timeout) -> httpx.Request:
        url = self._url(call.path)
        headers = httpx.Headers(self._http.headers)
        headers.setdefault("host", url.netloc.decode("ascii"))
        for name, value in own.items():
            headers[name] = value
        if call.body is not None:
            headers["content-length"] = str(len(call.body))
        elif call.method != "GET":
            headers["content-length"] = "0"
        stream, extensions = httpx.ByteStream(call.body or b""), {"timeout": patient.as_dict()}
        return httpx.Request(call.method, url, headers=headers, stream=stream, extensions=extensions)


def patience(seconds: float) -> httpx.Timeout:
    """Return how long to wait for a byte, and for a connection."""
    return httpx.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS))


def seconds_for(request: httpx.Request) -> float | None:
    """Return how many seconds may pass until the last byte of the answer, None for any number."""
    seconds: float | None = request.extensions.get("timeout", {}).get("read")
    return seconds


def _headers(call: Call[Any], options: ChangeOptions, tokens: Tokens) -> dict[str, str]:
    headers = {"content-type": call.content_type} if call.body is not None else {}
    if call.keyed:
        headers[IDEMPOTENCY_KEY] = options.get("idempotency_key") or uuid.uuid4().hex
    elif tokens.header is not None:
        headers[MIN_POSITION] = tokens.header
    if "if_match" in options:
        headers["if-match"] = _quoted(options["if_match"])
    return headers


def _quoted(etag: str) -> str:
    return etag if etag == "*" or etag.startswith('"') else f'"{etag}"'
