"""What is wanted of a list: which documents or chunks, in which order, after which of them."""

from dataclasses import dataclass
from typing import Final, Generic, TypeAlias, TypeVar

from pergamum.domain.fields import CHUNK_COLUMNS, DOCUMENT_COLUMNS, Column, Level, ScalarType
from pergamum.domain.filter_checking import column_of
from pergamum.domain.filters import Filter
from pergamum.domain.schema import MetadataSchema
from pergamum.errors import InvalidCursor, InvalidField

Item = TypeVar("Item")
Key: TypeAlias = str | int | float | bool | None
"""A value as a list is sorted by it: times are microseconds since 1970, None stands for no value."""
UNSORTED: Final = frozenset({ScalarType.TEXT, ScalarType.GEO_POINT})
IDS: Final = {Level.DOCUMENT: DOCUMENT_COLUMNS["id"], Level.CHUNK: CHUNK_COLUMNS["id"]}
KEY_LENGTH: Final = 400
"""Characters by which strings are compared, so that a cursor stays short."""


@dataclass(frozen=True, slots=True)
class Order:
    """By the values of which field a list is sorted; those without a value come last either way."""

    field: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Last:
    """Where a list goes on: behind the item with this key and, among equal keys, this row number.

    Of a list by id the key says it all, and `number` is 0.
    """

    key: Key
    number: int = 0


@dataclass(frozen=True, slots=True)
class Listing:
    """A part of a list: at most `limit` of what the filter holds for, by ascending id unless an order is given."""

    level: Level
    filter: Filter | None = None
    order: Order | None = None
    after: Last | None = None
    limit: int = 100

    @property
    def plain(self) -> bool:
        """Whether all are listed, by id."""
        return self.filter is None and self.order is None

    @property
    def after_id(self) -> str | None:
        """Behind which id the list goes on. Raises `InvalidCursor`. REQUIRES: it is plain."""
        if self.after is None:
            return None
        if not isinstance(self.after.key, str):
            raise InvalidCursor
        return self.after.key


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a list once its order is known: at most `limit` behind `after`, sorted by a column."""

    column: Column
    descending: bool
    after: Last | None
    limit: int


@dataclass(frozen=True, slots=True)
class Listed(Generic[Item]):
    """A part of a list; `last` is where the next part goes on, None at the end."""

    items: list[Item]
    last: Last | None


def part_of(wanted: Listing, schema: MetadataSchema) -> Part:
    """Return what is wanted. Raises `UnknownField`, and `InvalidField` for a field whose values have no order."""
    order = wanted.order
    if order is None:
        return Part(IDS[wanted.level], descending=False, after=wanted.after, limit=wanted.limit)
    column = column_of(order.field, schema, wanted.level)
    if column.type.many or column.type.scalar in UNSORTED:
        raise InvalidField("order_by", f"{order.field!r} is of type {column.type}, which has no order")
    return Part(column, order.descending, wanted.after, wanted.limit)
