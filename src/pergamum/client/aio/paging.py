"""Lists that fetch themselves: one page at a time, when it is needed."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import TYPE_CHECKING, Generic, TypeVar

from pergamum.client import html
from pergamum.client.aio.preview import preview
from pergamum.client.frames import Frame
from pergamum.client.layouts import Gathering, Layout
from pergamum.client.page import Page

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

T = TypeVar("T")


class AsyncPages(Generic[T]):
    """A list on the server. Iterating asks for it page by page; each iteration begins anew.

    `to_list` and the tables hold all of it at once; which columns they have: `pergamum.client.layouts`.
    >>> titles = [document.title async for document in library.documents.list()]
    >>> table = await library.chunks.list(embedding=True).to_pandas()
    """

    def __init__(
        self, fetch: Callable[[str | None], Awaitable[Page[T]]], layout: Layout[T], wanted: Collection[str] = ()
    ) -> None:
        self._fetch, self._layout, self._wanted = fetch, layout, wanted

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.pages():
            for item in page.items:
                yield item

    async def pages(self) -> AsyncIterator[Page[T]]:
        """Iterate over the pages instead of the items."""
        cursor: str | None = None
        while True:
            page = await self._fetch(cursor)
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

    async def to_pandas(self) -> "pd.DataFrame":
        """Return all items as a pandas frame. Raises ImportError without pandas."""
        return (await self.frame()).to_pandas()

    async def to_polars(self) -> "pl.DataFrame":
        """Return all items as a polars frame. Raises ImportError without polars."""
        return (await self.frame()).to_polars()

    async def to_arrow(self) -> "pa.Table":
        """Return all items as an Arrow table. Raises ImportError without pyarrow."""
        return (await self.frame()).to_arrow()

    async def frame(self) -> Frame:
        """Return all items as columns, gathered page by page."""
        gathering = Gathering(self._layout)
        async for page in self.pages():
            gathering.add(page.items)
        return gathering.frame(self._wanted)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._layout.title})"

    def _repr_html_(self) -> str | None:
        """Return the first page as a notebook shows it, where it can be asked for without waiting elsewhere."""
        page = preview(lambda: self._fetch(None))
        if page is None:
            return None
        shown = self._layout.frame(page.items, self._wanted)
        return html.frame(self._layout.title, shown, more=page.next_cursor is not None)
