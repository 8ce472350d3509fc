"""Facets of a column: its most frequent values, how many lie in ranges, its least and greatest value."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeAlias

import polars as pl

from pergamum.domain.facets import Facet, FacetFound, Range
from pergamum.domain.fields import Scalar, ScalarType
from pergamum.engine.columns.building import micros

_Read: TypeAlias = Callable[[object], Scalar | None]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def facet_of(values: pl.Series, facet: Facet) -> FacetFound:
    """Return what is wanted of the values of the facet's column, one for each row that counts. O(rows log rows)."""
    there = values.drop_nulls().alias("value")
    if there.dtype == pl.Float64:
        there = there + 0.0  # -0.0 and 0.0 are one value
    read = _time if facet.column.type.scalar is ScalarType.DATETIME else _plain
    ordered = there.sort() if facet.ranges else there
    values_found, distinct = (None, None) if facet.top is None else _most_frequent(_elements(there), facet.top, read)
    return FacetFound(
        missing=values.null_count(),
        values=values_found,
        distinct=distinct,
        ranges=[_count(ordered, one) for one in facet.ranges] if facet.ranges else None,
        least=read(there.min()) if facet.stats else None,
        greatest=read(there.max()) if facet.stats else None,
    )


def _elements(values: pl.Series) -> pl.Series:
    """Return the elements of lists, each once for every list that holds it."""
    if not isinstance(values.dtype, pl.List):
        return values
    return values.list.unique().explode().drop_nulls()


def _most_frequent(values: pl.Series, top: int, read: _Read) -> tuple[list[tuple[Scalar, int]], int]:
    """Return the values with most occurrences, equally frequent ones ascending, and how many values there are."""
    counts = values.value_counts(name="count")
    first = counts.lazy().sort("count", "value", descending=[True, False]).head(top).collect()
    read_each = ((read(value), count) for value, count in first.iter_rows())
    return [(value, count) for value, count in read_each if value is not None], counts.height


def _count(ordered: pl.Series, one: Range) -> int:
    """Return how many values lie in the range. O(log n)."""
    low = 0 if one.low is None else _place(ordered, one.low, "left" if one.low_closed else "right")
    high = len(ordered) if one.high is None else _place(ordered, one.high, "right" if one.high_closed else "left")
    return max(0, high - low)


def _place(ordered: pl.Series, bound: Scalar, side: Literal["left", "right"]) -> int:
    plain = micros(bound) if isinstance(bound, datetime) else bound
    return int(ordered.search_sorted(pl.Series([plain], dtype=ordered.dtype), side=side)[0])


def _plain(value: object) -> Scalar | None:
    assert value is None or isinstance(value, str | int | float)  # as the types of columns are
    return value


def _time(value: object) -> Scalar | None:
    assert value is None or isinstance(value, int)  # microseconds since 1970
    return None if value is None else _EPOCH + timedelta(microseconds=value)
