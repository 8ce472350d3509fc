"""Rows in the order of a field's values: a part of the list at a time, wherever it goes on."""

from typing import Final

import polars as pl

from pergamum.domain.listing import KEY_LENGTH, Key, Last
from pergamum.engine.columns.run import Numbers
from pergamum.errors import InvalidCursor

_KEYS: Final = {pl.String: str, pl.Int64: int, pl.Float64: int | float, pl.Boolean: bool}


def in_order(values: pl.Series, numbers: Numbers, after: Last | None, limit: int, *, descending: bool) -> list[Last]:
    """Return the first `limit` of `numbers` behind `after`, sorted by their `values` and then by number, with keys.

    Those without a value come last, whichever way the others are sorted. O(numbers). Raises `InvalidCursor` where
    `after` was no row of this list. Shapes: values and numbers (n,).
    """
    rows = pl.LazyFrame({"key": _keys(values), "number": numbers})
    if after is not None:
        rows = rows.filter(_behind(after, values.dtype, descending=descending))
    first = rows.sort("key", "number", descending=[descending, False], nulls_last=True).head(limit).collect()
    return [Last(key, number) for key, number in first.iter_rows()]


def _keys(values: pl.Series) -> pl.Series:
    """Return what the values are compared by: strings by their beginning. To polars -0.0 is 0.0."""
    keys = values.alias("key")
    if keys.dtype == pl.String and (keys.str.len_bytes() > KEY_LENGTH).any():
        return keys.str.slice(0, KEY_LENGTH)
    return keys


def _behind(after: Last, kind: pl.DataType, *, descending: bool) -> pl.Expr:
    key, number = pl.col("key"), pl.col("number")
    if after.key is None:
        return key.is_null() & (number > after.number)
    known = _known(after.key, kind)
    beyond = key < known if descending else key > known
    return beyond | ((key == known) & (number > after.number)) | key.is_null()


def _known(key: Key, kind: pl.DataType) -> pl.Expr:
    takes = _KEYS[kind.base_type()]
    if not isinstance(key, takes) or (isinstance(key, bool) and takes is not bool):
        raise InvalidCursor
    if isinstance(key, int) and not -(1 << 63) <= key < 1 << 63:
        raise InvalidCursor
    return pl.lit(key, kind)
