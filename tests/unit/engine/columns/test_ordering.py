"""What random rows seldom show of orders and facets: equal zeros, repeated elements, cursors of other lists."""

import numpy as np
import polars as pl
import pytest

from pergamum.domain.facets import Facet
from pergamum.domain.fields import Column, FieldType, Level, ScalarType
from pergamum.domain.listing import Key, Last
from pergamum.engine.columns.facets import facet_of
from pergamum.engine.columns.ordering import in_order
from pergamum.errors import InvalidCursor


def _numbers(values: list[float | None], *, descending: bool, after: Last | None = None) -> list[int]:
    series = pl.Series(values, dtype=pl.Float64)
    found = in_order(series, np.arange(len(values)), after, 100, descending=descending)
    return [last.number for last in found]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("values", [[0.0, -0.0, 0.0, None], [-0.0, 0.0, -0.0, None]])
def test_zeros_are_equal_whatever_their_sign(values: list[float | None], descending: bool) -> None:
    assert _numbers(values, descending=descending) == [0, 1, 2, 3]
    assert _numbers(values, descending=descending, after=Last(-0.0, 0)) == [1, 2, 3]
    assert facet_of(pl.Series(values), _facet(FieldType(ScalarType.FLOAT))).values == [(0.0, 3)]


@pytest.mark.parametrize("descending", [False, True])
def test_those_without_a_value_come_last_in_order_of_number(descending: bool) -> None:
    assert _numbers([None, 1.0, None, None], descending=descending) == [1, 0, 2, 3]
    assert _numbers([None, 1.0, None, None], descending=descending, after=Last(None, 0)) == [2, 3]


def test_a_list_counts_once_for_each_of_its_elements() -> None:
    values = pl.Series([["a", "a", "b"], ["a"], [], None], dtype=pl.List(pl.String))

    found = facet_of(values, _facet(FieldType(ScalarType.STRING, many=True)))

    assert (found.values, found.distinct, found.missing) == ([("a", 2), ("b", 1)], 2, 1)


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        (pl.Int64, "x"),
        (pl.Int64, 1.5),
        (pl.Int64, True),
        (pl.Int64, 1 << 63),
        (pl.String, 1),
        (pl.Float64, "1"),
        (pl.Float64, True),
        (pl.Boolean, 1),
    ],
)
def test_a_cursor_of_a_field_of_another_type_is_refused(kind: type[pl.DataType], key: Key) -> None:
    with pytest.raises(InvalidCursor):
        in_order(pl.Series([None], dtype=kind), np.arange(1), Last(key, 0), 1, descending=False)


def test_a_cursor_of_an_integer_field_goes_on_when_it_was_widened_to_floats() -> None:
    assert _numbers([1.0, 2.0, 3.0], descending=False, after=Last(2, 1)) == [2]


def _facet(kind: FieldType) -> Facet:
    return Facet(Column(Level.DOCUMENT, "field", kind, metadata=True), top=10, ranges=(), stats=False)
