"""What lists of documents and chunks have in common: filter, order and cursor, from a query or a body."""

import json
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import Depends, Query

from pergamum.api.cursors import cursor_after, cursor_after_row, read_cursor, read_row_cursor
from pergamum.api.dependencies import LimitsDep, Page, PageDep
from pergamum.domain.fields import Level
from pergamum.domain.filter_reading import read_filter, write_filter
from pergamum.domain.json import Json
from pergamum.domain.listing import Last, Listing, Order
from pergamum.wire.filters import MAX_QUERY, filter_of_query


@dataclass(frozen=True, slots=True)
class Wanted:
    """A list as it was asked for: a filter, as text or parsed, an order, and which part."""

    filter: Json
    order_by: str | None
    page: Page
    max_depth: int

    @property
    def plain(self) -> bool:
        """Whether neither a filter nor an order was given."""
        return self.filter is None and self.order_by is None


async def wanted(
    page: PageDep,
    limits: LimitsDep,
    filter: Annotated[
        str | None, Query(max_length=MAX_QUERY, description="A filter as JSON: list only what it holds for.")
    ] = None,
    order_by: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=1_025,
            description="A field with one value to sort by; `-` before it: the greatest first. Default: `id`.",
        ),
    ] = None,
) -> Wanted:
    """Return the list that is wanted. The filter is read later, in a thread."""
    return Wanted(filter, order_by, page, limits.max_filter_depth)


WantedDep: TypeAlias = Annotated[Wanted, Depends(wanted)]


@dataclass(frozen=True, slots=True)
class Asked:
    """A part of a list, and the words that its cursors are good for."""

    listing: Listing
    words: tuple[str, ...]

    def cursor(self, last: Last | None) -> str | None:
        """Return the cursor for what comes after `last`."""
        if last is None:
            return None
        if self.listing.plain:
            return cursor_after(str(last.key), *self.words)
        return cursor_after_row(last, *self.words)


def asked(level: Level, library: str, wanted: Wanted) -> Asked:
    """Return what is asked for. Raises `InvalidFilter`, `InvalidCursor`: a cursor remembers its filter and order."""
    words: tuple[str, ...] = (f"{level}s", library)
    cursor, limit = wanted.page.cursor, wanted.page.limit
    if wanted.plain:
        last = read_cursor(cursor, str, *words)
        return Asked(Listing(level, after=None if last is None else Last(last), limit=limit), words)
    filter = None
    if wanted.filter is not None:
        raw = filter_of_query(wanted.filter) if isinstance(wanted.filter, str) else wanted.filter
        filter = read_filter(raw, wanted.max_depth)
    told = "" if filter is None else json.dumps(write_filter(filter), sort_keys=True)
    words = (*words, wanted.order_by or "", told)
    order = None if wanted.order_by is None else _order(wanted.order_by)
    return Asked(Listing(level, filter, order, read_row_cursor(cursor, *words), limit), words)


def _order(asked: str) -> Order:
    return Order(asked.removeprefix("-"), descending=asked.startswith("-"))
