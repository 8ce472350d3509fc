"""Columns that become a pandas or polars frame or an Arrow table; none of these is loaded before it is asked for."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, NoReturn

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa


class Kind(Enum):
    """What the values of a column are, besides None."""

    STRING = auto()
    INTEGER = auto()
    FLOAT = auto()
    BOOLEAN = auto()
    TIME = auto()
    STRINGS = auto()
    INTEGERS = auto()
    FLOATS = auto()
    SPANS = auto()
    VECTOR = auto()
    OBJECT = auto()


@dataclass(frozen=True, slots=True)
class Column:
    """A column; None where there is no value. Vectors are float32 arrays of one length, times have a zone."""

    name: str
    kind: Kind
    values: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Frame:
    """Columns of one length.

    | values | pandas | polars | Arrow |
    |---|---|---|---|
    | strings | `str` | `String` | `string` |
    | integers | `int64`, `Int64` where some are missing | `Int64` | `int64` |
    | numbers | `float64` | `Float64` | `double` |
    | true, false | `bool`, `boolean` where some are missing | `Boolean` | `bool` |
    | times | `datetime64[us, UTC]` | `Datetime("us", "UTC")` | `timestamp[us, UTC]` |
    | vectors | float32 arrays | `Array(Float32, d)` | `fixed_size_list<float>[d]` |
    | lists | lists | `List` | `list` |
    | other metadata: objects, values of several types | as they are | as JSON | as JSON |
    """

    columns: tuple[Column, ...]

    def to_pandas(self) -> "pd.DataFrame":
        """Return a pandas frame. Raises ImportError without pandas."""
        pandas = loaded("pandas")
        series = {column.name: _pandas_series(pandas, column) for column in self.columns}
        return pandas.DataFrame(series)

    def to_polars(self) -> "pl.DataFrame":
        """Return a polars frame. Raises ImportError without polars."""
        polars = loaded("polars")
        return polars.DataFrame([_polars_series(polars, column) for column in self.columns])  # type: ignore[no-any-return]  # of a module loaded by its name

    def to_arrow(self) -> "pa.Table":
        """Return an Arrow table. Raises ImportError without pyarrow."""
        names = [column.name for column in self.columns]
        return arrow().Table.from_arrays([_arrow_array(column) for column in self.columns], names=names)


def arrow() -> "ModuleType":
    """Return pyarrow. Raises ImportError without it."""
    return loaded("pyarrow")


def kind_of(values: Sequence[Any]) -> Kind:
    """Return what the values of a metadata field are; integers among floats are floats."""
    types = {type(value) for value in values if value is not None}
    if types == {list}:
        inner = {type(deep) for value in values if value is not None for deep in value}
        return _LISTS.get(_SCALARS.get(_widest(inner), Kind.OBJECT), Kind.OBJECT)
    return _SCALARS.get(_widest(types), Kind.OBJECT)


def _widest(types: set[type]) -> type:
    if not types:
        return str
    if types == {int, float}:
        return float
    return types.pop() if len(types) == 1 else object


_SCALARS: Final[Mapping[type, Kind]] = {str: Kind.STRING, bool: Kind.BOOLEAN, int: Kind.INTEGER, float: Kind.FLOAT}
_LISTS: Final[Mapping[Kind, Kind]] = {
    Kind.STRING: Kind.STRINGS,
    Kind.INTEGER: Kind.INTEGERS,
    Kind.FLOAT: Kind.FLOATS,
}


def loaded(module: str) -> ModuleType:
    """Return the module of a library of tables. Raises ImportError that says how to install it."""
    try:
        return import_module(module)
    except ImportError as error:
        _missing(error)


def _missing(error: ImportError) -> NoReturn:
    raise ImportError(f'tables need more packages: pip install "pergamum[frames]" ({error})') from error


def _pandas_series(pandas: ModuleType, column: Column) -> "pd.Series":
    """Return the column; where a type has no missing value pandas' own type that has one is taken."""
    values = column.values
    some_missing = any(value is None for value in values)
    types = {
        Kind.STRING: "str" if int(pandas.__version__.partition(".")[0]) >= 3 else object,
        Kind.INTEGER: "Int64" if some_missing else "int64",
        Kind.FLOAT: "float64",
        Kind.BOOLEAN: "boolean" if some_missing else "bool",
        Kind.TIME: "datetime64[us, UTC]",
    }
    return pandas.Series(values, dtype=types.get(column.kind, object), name=column.name)


def _polars_series(polars: ModuleType, column: Column) -> "pl.Series":
    if column.kind is Kind.VECTOR:
        numbers, length = _numbers(column.values)
        type_ = polars.Array(polars.Float32, length)
        values = numbers if numbers is not None else [None if row is None else row.tolist() for row in column.values]
        return polars.Series(column.name, values, dtype=type_)  # type: ignore[no-any-return]  # as above
    types: Mapping[Kind, Any] = {
        Kind.STRING: polars.String,
        Kind.INTEGER: polars.Int64,
        Kind.FLOAT: polars.Float64,
        Kind.BOOLEAN: polars.Boolean,
        Kind.TIME: polars.Datetime("us", "UTC"),
        Kind.STRINGS: polars.List(polars.String),
        Kind.INTEGERS: polars.List(polars.Int64),
        Kind.FLOATS: polars.List(polars.Float64),
        Kind.SPANS: polars.List(polars.List(polars.Int64)),
        Kind.OBJECT: polars.String,
    }
    return polars.Series(column.name, _plain(column), dtype=types[column.kind], strict=False)  # type: ignore[no-any-return]  # as above


def _arrow_array(column: Column) -> "pa.Array":
    pa = arrow()
    if column.kind is Kind.VECTOR:
        return _arrow_vectors(column)
    types: Mapping[Kind, Callable[[], Any]] = {
        Kind.STRING: pa.string,
        Kind.INTEGER: pa.int64,
        Kind.FLOAT: pa.float64,
        Kind.BOOLEAN: pa.bool_,
        Kind.TIME: lambda: pa.timestamp("us", "UTC"),
        Kind.STRINGS: lambda: pa.list_(pa.string()),
        Kind.INTEGERS: lambda: pa.list_(pa.int64()),
        Kind.FLOATS: lambda: pa.list_(pa.float64()),
        Kind.SPANS: lambda: pa.list_(pa.list_(pa.int64())),
        Kind.OBJECT: pa.string,
    }
    return pa.array(_plain(column), types[column.kind]())


def _arrow_vectors(column: Column) -> "pa.Array":
    pa = arrow()
    numbers, length = _numbers(column.values)
    if numbers is None:
        return pa.array(column.values, pa.list_(pa.float32(), length))
    return pa.FixedSizeListArray.from_arrays(pa.array(numbers.reshape(-1)), length)


def _numbers(vectors: Sequence[Any]) -> tuple[np.ndarray[Any, np.dtype[np.float32]] | None, int]:
    """Return the vectors as a matrix, None where some are missing; and their length, 1 if there is none."""
    lengths = {len(vector) for vector in vectors if vector is not None}
    whole = len(vectors) > 0 and not any(vector is None for vector in vectors)
    return (np.stack(vectors) if whole else None), max(lengths, default=1)


def _plain(column: Column) -> Sequence[Any]:
    if column.kind is not Kind.OBJECT:
        return column.values
    return [None if value is None else json.dumps(value, ensure_ascii=False) for value in column.values]
