"""Lists that fetch themselves: one page at a time, when it is needed."""

from collections.abc import AsyncIterator, Callable
from typing import Generic, TypeVar

from pergamum.client.aio.transport import AsyncDoor
from pergamum.client.call import Call
from pergamum.client.options import NO_OPTIONS, ReadOptions
from pergamum.client.page import Page

T = TypeVar("T")


class AsyncPages(Generic[T]):
    """A list on the server. Iterating asks for it page by page; each iteration begins anew."""

    def __init__(
        self, door: AsyncDoor, page_at: Callable[[str | None], Call[Page[T]]], options: ReadOptions = NO_OPTIONS
    ) -> None:
        self._door, self._page_at, self._options = door, page_at, options

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.pages():
            for item in page.items:
                yield item

    async def pages(self) -> AsyncIterator[Page[T]]:
        """Iterate over the pages instead of the items."""
        cursor: str | None = None
        while True:
            page = await self._door.send(self._page_at(cursor), self._options)
            yield page
            cursor = page.next_cursor
            if cursor is None:
                return

    async def to_list(self) -> list[T]:
        """Return all items at once."""
        items: list[T] = []
        async for page in self.pages():
            items.extend(page.items)
        return items
