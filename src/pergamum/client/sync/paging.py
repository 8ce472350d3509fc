# Made by scripts/make_sync_client from aio/paging.py: change it there.
"""Lists that fetch themselves: one page at a time, when it is needed."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from pergamum.client.call import Call
from pergamum.client.options import NO_OPTIONS, ReadOptions
from pergamum.client.page import Page
from pergamum.client.sync.transport import Door

T = TypeVar("T")


class Pages(Generic[T]):
    """A list on the server. Iterating asks for it page by page; each iteration begins anew."""

    def __init__(
        self, door: Door, page_at: Callable[[str | None], Call[Page[T]]], options: ReadOptions = NO_OPTIONS
    ) -> None:
        self._door, self._page_at, self._options = door, page_at, options

    def __iter__(self) -> Iterator[T]:
        for page in self.pages():
            yield from page.items

    def pages(self) -> Iterator[Page[T]]:
        """Iterate over the pages instead of the items."""
        cursor: str | None = None
        while True:
            page = self._door.send(self._page_at(cursor), self._options)
            yield page
            cursor = page.next_cursor
            if cursor is None:
                return

    def to_list(self) -> list[T]:
        """Return all items at once."""
        items: list[T] = []
        for page in self.pages():
            items.extend(page.items)
        return items
