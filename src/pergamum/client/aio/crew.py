"""Jobs at the same time, as tasks; and things read one after the other, whatever they come from."""

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from typing import Any, Final, Generic, Self, TypeAlias, TypeVar

from pergamum.client.tables import Noun, Rows, rows_of

T = TypeVar("T")
Source: TypeAlias = Rows | AsyncIterable[Any]
"""Dictionaries, one after the other, or a table; or something that gives such by `async for`."""
TURN_SECONDS: Final = 0.01
"""So long rows are read before other tasks have their turn."""


class AsyncCrew(Generic[T]):
    """Jobs under way. Leaving the block gives up those that are not waited for."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Future[T]] = set()

    @property
    def busy(self) -> bool:
        """Whether a job is under way that was not waited for."""
        return bool(self._tasks)

    def begin(self, job: Callable[[], Awaitable[T]]) -> None:
        """Begin a job."""
        self._tasks.add(asyncio.ensure_future(job()))

    async def ended(self) -> list[T]:
        """Return what the jobs returned that have ended since, when at least one has. REQUIRES: one is under way."""
        done, self._tasks = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        return [task.result() for task in done]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def rows(source: Source, noun: Noun) -> AsyncIterator[Any]:
    """Yield the rows of the source, in order."""
    if isinstance(source, AsyncIterable):
        async for row in source:
            for inner in [row] if isinstance(row, dict) else rows_of([row], noun):
                yield inner
        return
    turn = time.monotonic()
    for row in rows_of(source, noun):
        yield row
        if time.monotonic() - turn > TURN_SECONDS:
            await asyncio.sleep(0)
            turn = time.monotonic()
