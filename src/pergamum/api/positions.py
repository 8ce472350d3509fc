"""Reads that want to see a write: requests that say which position they are to be answered at, at least."""

import asyncio
import re
import time
from collections.abc import Awaitable
from typing import Final, Protocol
from uuid import UUID

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from pergamum.api.paths import decoded
from pergamum.api.problems import problem
from pergamum.errors import InvalidField, LibraryNotFound, PergamumError, PositionNotReached

MIN_POSITION: Final = "Pergamum-Min-Position"
MIN_POSITION_PATTERN: Final = (
    r"^\s*([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}:)?[0-9]{1,18}\s*"
    r"(,\s*([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}:)?[0-9]{1,18}\s*)*$"
)
POLL_SECONDS: Final = 0.005

_HEADER: Final = MIN_POSITION.lower().encode("ascii")
_LIBRARIES: Final = "/v1/libraries/"
_ONE: Final = re.compile(r"(?:([0-9a-fA-F-]{36}):)?([0-9]{1,18})")


class Positions(Protocol):
    """Which position reads of a library see; `LibraryService` says it."""

    def id_of(self, reference: str) -> UUID:
        """Return the library's id. Raises `LibraryNotFound`."""

    def position_if_open(self, reference: str) -> int | None:
        """Return the position without ever waiting; None where the library has to be opened."""

    def position(self, reference: str) -> int:
        """Return the position; opens the library."""


class AtLeast:
    """Lets a request on a library wait until the library has come to the position it asks for (ASGI).

    Every answer is of the view there is when it is made, so one that is made later is of that position or a later one.
    """

    def __init__(self, app: ASGIApp, libraries: Positions, seconds: float) -> None:
        self._app, self._libraries, self._seconds = app, libraries, seconds

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass the request on, at once where it asks for nothing."""
        if scope["type"] == "http":
            asked = [value for name, value in scope["headers"] if name == _HEADER]
            if asked and scope["path"].startswith(_LIBRARIES):
                return self._late(b",".join(asked), scope, receive, send)
        return self._app(scope, receive, send)

    async def _late(self, asked: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._wait(scope["path"], asked)
        except PergamumError as error:
            await problem(error, scope)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _wait(self, path: str, asked: bytes) -> None:
        """Raises `InvalidField`, `PositionNotReached`, and what opening the library raises."""
        positions = _positions(asked.decode("latin-1"))
        reference = decoded(path[len(_LIBRARIES) :].partition("/")[0])
        try:
            wanted = _wanted(positions, self._libraries.id_of(reference))
            if wanted:
                await self._reach(reference, wanted)
        except LibraryNotFound:
            return  # the route says so

    async def _reach(self, reference: str, wanted: int) -> None:
        until = time.monotonic() + self._seconds
        while (position := await self._position(reference)) < wanted:
            if time.monotonic() >= until:
                raise PositionNotReached(wanted, position)
            await asyncio.sleep(min(POLL_SECONDS, self._seconds))

    async def _position(self, reference: str) -> int:
        position = self._libraries.position_if_open(reference)
        return await run_in_threadpool(self._libraries.position, reference) if position is None else position


def _positions(asked: str) -> list[tuple[str | None, int]]:
    """Return (id of the library, None for that of the path; position) of each token. Raises `InvalidField`."""
    found = []
    for part in asked.split(","):
        token = _ONE.fullmatch(part.strip())
        if token is None:
            raise InvalidField(MIN_POSITION, "must be a position, or tokens of writes separated by commas")
        found.append((token[1], int(token[2])))
    return found


def _wanted(positions: list[tuple[str | None, int]], library_id: UUID) -> int:
    """Return the greatest of the positions that are about this library, 0 where none is."""
    own = str(library_id)
    return max((position for library, position in positions if library is None or library.lower() == own), default=0)
