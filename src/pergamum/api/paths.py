"""Ids in paths. Any character may stand in an id, percent-encoded, a slash included.

ASGI servers decode a path before it is routed, so `a%2Fb` would become two segments. The path is therefore taken from
the bytes that were sent: each segment is decoded by itself, and what would mislead the router (`/`, and `%` itself) is
encoded again until the route has been found. `documents%3Abatch` thus finds its route, as RFC 3986 wants.
"""

from typing import Annotated, TypeAlias
from urllib.parse import quote, unquote

from fastapi import Path
from pydantic import BeforeValidator, StringConstraints
from starlette.types import ASGIApp, Receive, Scope, Send

from pergamum.wire.common import Id


def routable(raw_path: bytes) -> str:
    """Return the path with every segment decoded except for `/` and `%`; bytes that are not UTF-8 are kept apart."""
    segments = raw_path.decode("latin-1").split("/")
    return "/".join(
        unquote(segment, errors="surrogateescape").replace("%", "%25").replace("/", "%2F") for segment in segments
    )


def decoded(segment: str) -> str:
    """Return what the client meant by a segment of a routable path."""
    return segment.replace("%2F", "/").replace("%25", "%")


def encoded(id: str) -> str:
    """Return the id as a segment of a path. Dots are encoded where they would be taken for a step up or none."""
    return quote(id, safe="") if id not in {".", ".."} else id.replace(".", "%2E")


class RawPaths:
    """Lets routes be found by the bytes of the path (ASGI)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Rewrite the path where it holds an encoded character."""
        if scope["type"] == "http" and b"%" in scope["raw_path"]:
            scope["path"] = routable(scope["raw_path"])
        await self._app(scope, receive, send)


LibraryReference: TypeAlias = Annotated[
    str,
    StringConstraints(min_length=1, max_length=128),
    BeforeValidator(decoded),
    Path(description="The library's id or name."),
]
DocumentId: TypeAlias = Annotated[Id, BeforeValidator(decoded), Path(description="The document's id.")]
ChunkId: TypeAlias = Annotated[Id, BeforeValidator(decoded), Path(description="The chunk's id.")]
