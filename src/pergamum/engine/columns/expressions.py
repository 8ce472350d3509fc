"""Tests as predicates over the columns of a run. Two-valued: no value fails every test but the negations."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import numpy as np
import polars as pl

from pergamum.domain.fields import FieldType, ScalarType
from pergamum.domain.filters import Box, Circle, LenRange, Op, Test, Value
from pergamum.engine.columns.building import micros
from pergamum.engine.columns.names import latitude, longitude, name_of, type_of
from pergamum.engine.columns.places import within
from pergamum.engine.columns.prose import words_matching
from pergamum.engine.columns.run import Predicate, Run
from pergamum.index.mask import Flags

_COMPLEMENTS: Final = {Op.NE: Op.EQ, Op.NIN: Op.IN, Op.NONE_OF: Op.ANY_OF}

_Holds = Callable[[pl.Series], pl.Series | Flags]
"""Over the values of a column; a null says no."""


def predicate(test: Test) -> Predicate:
    """Return what says for which rows of a run the test holds. REQUIRES: the field has a column."""
    if test.op in _COMPLEMENTS:
        positive = predicate(replace(test, op=_COMPLEMENTS[test.op]))
        return lambda run: ~positive(run)
    name = name_of(test.column)
    if test.op in {Op.EXISTS, Op.IS_NULL}:
        wanted = bool(test.value) == (test.op is Op.EXISTS)
        present = latitude(name) if test.column.type.scalar is ScalarType.GEO_POINT else name
        return lambda run: _where_present(run, present, wanted)
    if test.op is Op.MATCHES:
        return words_matching(name, str(test.value))
    if test.op is Op.WITHIN:
        assert isinstance(test.value, Circle | Box)
        return _within(name, test.value)
    holds = _HOLDS[test.op](test.column.type, test.value)

    def of_run(run: Run) -> Flags:
        values = run.column(name)
        return np.zeros(run.size, np.bool_) if values is None else flags_of(holds(values))

    return of_run


def flags_of(holds: pl.Series | Flags) -> Flags:
    """Return booleans as an array, false where they are null."""
    if isinstance(holds, np.ndarray):
        return holds
    return (holds.fill_null(value=False) if holds.null_count() else holds).to_numpy(writable=True)


def _where_present(run: Run, name: str, wanted: bool) -> Flags:
    values = run.column(name)
    if values is None:
        return np.full(run.size, not wanted)
    return flags_of(values.is_not_null() if wanted else values.is_null())


def _within(name: str, area: Circle | Box) -> Predicate:
    def of_run(run: Run) -> Flags:
        lat, lon = run.column(latitude(name)), run.column(longitude(name))
        if lat is None or lon is None:
            return np.zeros(run.size, np.bool_)
        return within(area, lat.to_numpy(), lon.to_numpy())

    return of_run


def _plain(value: Value) -> str | float:
    """Return a value as columns hold it."""
    if isinstance(value, datetime):
        return micros(value)
    assert isinstance(value, str | int | float)  # the others have operators of their own
    return value


def _values(kind: FieldType, value: Value) -> pl.Series:
    """Return the values of a tuple as a series of the type."""
    assert isinstance(value, tuple)
    return pl.Series([_plain(item) for item in value], dtype=type_of(FieldType(kind.scalar)))


def _comparison(compare: Callable[[pl.Series, Any], pl.Series]) -> Callable[[FieldType, Value], _Holds]:
    def of_value(_kind: FieldType, value: Value) -> _Holds:
        plain = _plain(value)
        return lambda values: compare(values, plain)

    return of_value


def _in(kind: FieldType, value: Value) -> _Holds:
    wanted = _values(kind, value).implode()
    return lambda values: values.is_in(wanted)


def _between(_kind: FieldType, value: Value) -> _Holds:
    assert isinstance(value, tuple)
    low, high = map(_plain, value)
    return lambda values: (values >= low) & (values <= high)


def _any_of(kind: FieldType, value: Value) -> _Holds:
    wanted = _values(kind, value).implode()

    def of_lists(lists: pl.Series) -> Flags:
        out = np.zeros(len(lists), np.bool_)
        owners, items = _items(lists)
        out[owners[flags_of(items.is_in(wanted))]] = True
        return out

    return of_lists


def _all_of(kind: FieldType, value: Value) -> _Holds:
    wanted = _values(kind, value).unique()

    def of_lists(lists: pl.Series) -> Flags:
        if wanted.is_empty():
            return flags_of(lists.is_not_null())
        owners, items = _items(lists)
        found = pl.DataFrame({"owner": owners, "item": items}).filter(items.is_in(wanted.implode())).unique()
        each = found.group_by("owner").len()
        out = np.zeros(len(lists), np.bool_)
        out[each.filter(pl.col("len") == len(wanted))["owner"].to_numpy()] = True
        return out

    return of_lists


def _items(lists: pl.Series) -> tuple[np.ndarray[Any, np.dtype[np.int64]], pl.Series]:
    """Return the items of all lists one after the other, and the row of each."""
    lengths = lists.list.len().fill_null(0)
    owners = np.repeat(np.arange(len(lists), dtype=np.int64), lengths.to_numpy())
    return owners, lists.filter(lengths > 0).explode()


def _len(_kind: FieldType, value: Value) -> _Holds:
    assert isinstance(value, LenRange)
    low, high = value.low, value.high

    def of_lists(lists: pl.Series) -> pl.Series:
        lengths = lists.list.len().cast(pl.Int64)
        holds = lists.is_not_null()
        if low is not None:
            holds &= lengths >= low
        return holds if high is None else holds & (lengths <= high)

    return of_lists


_HOLDS: Final[Mapping[Op, Callable[[FieldType, Value], _Holds]]] = {
    Op.EQ: _comparison(lambda values, value: values == value),
    Op.GT: _comparison(lambda values, value: values > value),
    Op.GTE: _comparison(lambda values, value: values >= value),
    Op.LT: _comparison(lambda values, value: values < value),
    Op.LTE: _comparison(lambda values, value: values <= value),
    Op.STARTS_WITH: _comparison(lambda values, value: values.str.starts_with(value)),
    Op.CONTAINS: _comparison(lambda values, value: values.str.contains(value, literal=True)),
    Op.BETWEEN: _between,
    Op.IN: _in,
    Op.ANY_OF: _any_of,
    Op.ALL_OF: _all_of,
    Op.LEN: _len,
}
