"""Lists that fetch themselves: one page at a time, when it is needed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pergamum.client.call import Call
from pergamum.client.transport import Door

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items of a list, and where the next page begins: None at the end."""

    items: Sequence[T]
    next_cursor: str | None


class Pages(Generic[T]):
    """A list on the server. Iterating asks for it page by page; each iteration begins anew."""

    def __init__(self, door: Door, page_at: Callable[[str | None], Call[Page[T]]]) -> None:
        self._door, self._page_at = door, page_at

    def __iter__(self) -> Iterator[T]:
        for page in self.pages():
            yield from page.items

    def pages(self) -> Iterator[Page[T]]:
        """Iterate over the pages instead of the items."""
        cursor: str | None = None
        while True:
            page = self._door.send(self._page_at(cursor))
            yield page
            cursor = page.next_cursor
            if cursor is None:
                return

    def to_list(self) -> list[T]:
        """Return all items at once."""
        return list(self)
