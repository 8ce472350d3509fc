"""From a call to the request that httpx sends, the same for both kinds of connections."""

import uuid
from typing import Any, Final, cast

import httpx

from pergamum.client.call import Call
from pergamum.client.options import ChangeOptions, ReadOptions
from pergamum.client.tokens import MIN_POSITION, Tokens

IDEMPOTENCY_KEY: Final = "idempotency-key"
CONNECT_SECONDS: Final = 5.0
"""How long making a connection may take: whatever the work, a server that is there accepts it soon."""


def request_of(
    http: httpx.Client | httpx.AsyncClient, call: Call[Any], options: ReadOptions, tokens: Tokens
) -> httpx.Request:
    """Return the request of the call. It may be sent again: a write has the same key each time."""
    timeout = options.get("timeout")
    said = cast("ChangeOptions", options)  # of a call that changes nothing it has fewer keys
    return http.build_request(
        call.method,
        call.path,
        params=call.params or None,
        content=call.body,
        headers=_headers(call, said, tokens),
        timeout=httpx.USE_CLIENT_DEFAULT if timeout is None else patience(timeout),
    )


def patience(seconds: float) -> httpx.Timeout:
    """Return how long to wait for a byte, and for a connection."""
    return httpx.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS))


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
