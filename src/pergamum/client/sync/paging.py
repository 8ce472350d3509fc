# Made by scripts/make_sync_client from aio/paging.py: change it there.
"""Lists that fetch themselves: one page at a time, when it is needed."""

from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Generic, TypeVar

from pergamum.client import html
from pergamum.client.frames import Frame
from pergamum.client.layouts import Gathering, Layout
from pergamum.client.page import Page
from pergamum.client.sync.preview import preview

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

T = TypeVar("T")


class Pages(Generic[T]):
    """A list on the server. Iterating asks for it page by page; each iteration begins anew.

    `to_list` and the tables hold all of it at once; which columns they have: `pergamum.client.layouts`.
    >>> titles = [document.title for document in library.documents.list()]
    >>> table = library.chunks.list(embedding=True).to_pandas()
    """

    def __init__(self, fetch: Callable[[str | None], Page[T]], layout: Layout[T], wanted: Collection[str] = ()) -> None:
        self._fetch, self._layout, self._wanted = fetch, layout, wanted

    def __iter__(self) -> Iterator[T]:
        for page in self.pages():
            yield from page.items

    def pages(self) -> Iterator[Page[T]]:
        """Iterate over the pages instead of the items."""
        cursor: str | None = None
        while True:
            page = self._fetch(cursor)
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

    def to_pandas(self) -> "pd.DataFrame":
        """Return all items as a pandas frame. Raises ImportError without pandas."""
        return self.frame().to_pandas()

    def to_polars(self) -> "pl.DataFrame":
        """Return all items as a polars frame. Raises ImportError without polars."""
        return self.frame().to_polars()

    def to_arrow(self) -> "pa.Table":
        """Return all items as an Arrow table. Raises ImportError without pyarrow."""
        return self.frame().to_arrow()

    def frame(self) -> Frame:
        """Return all items as columns, gathered page by page."""
        gathering = Gathering(self._layout)
        for page in self.pages():
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
