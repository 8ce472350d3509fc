"""Facets: how the values of a field are spread over the documents or chunks that a filter holds for."""

from dataclasses import dataclass
from typing import Final

from pergamum.domain.fields import Column, FieldType, Level, Scalar, ScalarType
from pergamum.domain.filter_checking import column_of
from pergamum.domain.json import Json
from pergamum.domain.listing import IDS
from pergamum.domain.schema import MetadataSchema
from pergamum.domain.values import Misfit, typed
from pergamum.errors import InvalidField

DEFAULT_TOP: Final = 10
MAX_TOP: Final = 1_000
MAX_FACETS: Final = 20
MAX_RANGES: Final = 100
COUNTED: Final = frozenset(ScalarType) - {ScalarType.TEXT, ScalarType.GEO_POINT}
"""Types whose values can be counted one by one."""
COMPARED: Final = frozenset({ScalarType.STRING, ScalarType.INTEGER, ScalarType.FLOAT, ScalarType.DATETIME})
"""Types that have ranges, a least and a greatest value."""


@dataclass(frozen=True, slots=True)
class RangeAsked:
    """Values between two bounds as they were asked; one end may be open."""

    gt: Json = None
    gte: Json = None
    lt: Json = None
    lte: Json = None


@dataclass(frozen=True, slots=True)
class FacetAsked:
    """What is wanted of a field: its `top` most frequent values, counts in `ranges`, its least and greatest value."""

    field: str
    top: int | None = None
    ranges: tuple[RangeAsked, ...] = ()
    stats: bool = False


@dataclass(frozen=True, slots=True)
class Range:
    """The values above `low` and below `high`; those equal to a bound only where it is closed. None: no bound."""

    low: Scalar | None = None
    high: Scalar | None = None
    low_closed: bool = False
    high_closed: bool = False


@dataclass(frozen=True, slots=True)
class Facet:
    """A facet once its field is known. Invariant: what is wanted is possible for the column's type."""

    column: Column
    top: int | None
    ranges: tuple[Range, ...]
    stats: bool


@dataclass(frozen=True, slots=True)
class FacetFound:
    """What was found of a field.

    `values` are the most frequent with their counts, `distinct` how many there are in all: both None unless values were
    wanted. `ranges` are counts in the order asked. `missing` counts those without a value.
    """

    missing: int
    values: list[tuple[Scalar, int]] | None = None
    distinct: int | None = None
    ranges: list[int] | None = None
    least: Scalar | None = None
    greatest: Scalar | None = None


def known(asked: FacetAsked, schema: MetadataSchema, level: Level, path: str) -> Facet:
    """Return the facet with its field known. Raises `UnknownField`, `InvalidField`; `path` says where it was asked."""
    column = column_of(asked.field, schema, level)
    kind = column.type
    if kind.scalar not in COUNTED:
        raise InvalidField(f"{path}.field", f"{asked.field!r} is of type {kind}, whose values are not counted")
    if column == IDS[level]:
        raise InvalidField(f"{path}.field", "every one has an id of its own")
    compared = not kind.many and kind.scalar in COMPARED
    if (asked.ranges or asked.stats) and not compared:
        raise InvalidField(f"{path}.field", f"{asked.field!r} is of type {kind}, which has neither ranges nor stats")
    ranges = tuple(_range(one, kind, f"{path}.ranges.{at}") for at, one in enumerate(asked.ranges))
    return Facet(column, asked.top, ranges, asked.stats)


def _range(asked: RangeAsked, kind: FieldType, path: str) -> Range:
    return Range(
        low=_bound(asked.gt if asked.gte is None else asked.gte, kind, path),
        high=_bound(asked.lt if asked.lte is None else asked.lte, kind, path),
        low_closed=asked.gte is not None,
        high_closed=asked.lte is not None,
    )


def _bound(raw: Json, kind: FieldType, path: str) -> Scalar | None:
    if raw is None:
        return None
    try:
        bound = typed(kind, raw)
    except Misfit as misfit:
        raise InvalidField(path, str(misfit)) from None
    assert not isinstance(bound, tuple)  # the field holds one value
    return bound
