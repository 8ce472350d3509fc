"""Tables read in blocks of rows, whoever made them; only what the program loaded itself is looked for."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import numpy as np

from pergamum.client.frames import arrow, loaded

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

Block: TypeAlias = Mapping[str, Sequence[Any]]
"""Some rows, as columns of one length by name. Vectors may be the rows of a matrix."""
ROWS: Final = 1_024
"""As many rows are taken out of a table at a time."""


def blocks_of(source: object) -> Iterator[Block] | None:
    """Return the blocks of a table, in order; None for what is no table.

    A table is a pandas or polars frame, an Arrow table, batch or reader or what else streams Arrow, a structured NumPy
    array, or columns by name. Raises ImportError where Arrow has to be read and pyarrow is not installed.
    """
    if _is("pandas", "DataFrame", source):
        return _pandas_blocks(cast("pd.DataFrame", source))
    if _is("polars", "DataFrame", source):
        return _polars_blocks(cast("pl.DataFrame", source))
    if isinstance(source, np.ndarray) and source.dtype.names is not None:
        return _column_blocks({name: source[name] for name in source.dtype.names})
    if isinstance(source, Mapping):
        return _column_blocks(source)
    if hasattr(source, "__arrow_c_stream__"):
        return _arrow_blocks(arrow().RecordBatchReader.from_stream(source))
    if hasattr(source, "__arrow_c_array__"):
        return _arrow_blocks([arrow().record_batch(source)])
    return None


def _is(module: str, kind: str, source: object) -> bool:
    """Return whether it is of a class of a module; one that is not loaded has made nothing."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(source, getattr(loaded, kind, ()))


def _pandas_blocks(frame: "pd.DataFrame") -> Iterator[Block]:
    """Read a frame; of its index the levels that have names are columns too."""
    levels = [name for name in frame.index.names if name is not None]
    frame = frame.reset_index(level=levels) if levels else frame
    names = _names(frame.columns)
    for start in range(0, len(frame), ROWS):
        part = frame.iloc[start : start + ROWS]
        yield {name: part.iloc[:, place].tolist() for place, name in enumerate(names)}


def _polars_blocks(frame: "pl.DataFrame") -> Iterator[Block]:
    for part in frame.iter_slices(ROWS):
        yield {column.name: _polars_values(column) for column in part.iter_columns()}


def _polars_values(column: "pl.Series") -> Sequence[Any]:
    if getattr(column.dtype, "shape", None) and column.dtype.inner.is_float() and not column.null_count():  # type: ignore[attr-defined]  # of type Array
        return column.to_numpy()  # type: ignore[return-value]  # a matrix is a sequence of rows
    return column.to_list()


def _arrow_blocks(batches: "pa.RecordBatchReader | list[pa.RecordBatch]") -> Iterator[Block]:
    for batch in batches:
        names = _names(batch.schema.names)
        for start in range(0, batch.num_rows, ROWS):
            part = batch.slice(start, ROWS)
            yield {name: _arrow_values(part.column(place)) for place, name in enumerate(names)}


def _arrow_values(column: "pa.Array") -> Sequence[Any]:
    types = arrow().types
    if types.is_timestamp(column.type) and column.type.unit == "ns":
        column = column.cast(arrow().timestamp("us", column.type.tz), safe=False)
    lists = types.is_fixed_size_list(column.type) or types.is_list(column.type) or types.is_large_list(column.type)
    if lists and types.is_floating(column.type.value_type):
        return _arrow_vectors(column)
    values: list[Any] = column.to_pylist(maps_as_pydicts="strict")
    return values


def _arrow_vectors(column: "pa.Array") -> Sequence[Any]:
    """Return lists of floats as arrays: twenty times as fast as lists of Python's numbers."""
    numbers = column.flatten().to_numpy(zero_copy_only=False)  # of the rows that are there
    known = column.is_valid().to_numpy(zero_copy_only=False)
    lengths = loaded("pyarrow.compute").list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False)
    ends = np.cumsum(lengths)
    parts = zip(known, ends - lengths, ends, strict=True)
    return [numbers[start:end] if there else None for there, start, end in parts]


def _column_blocks(columns: Mapping[str, Any]) -> Iterator[Block]:
    names = _names(columns)
    for name, column in columns.items():
        if isinstance(column, str | bytes | Mapping) or not hasattr(column, "__len__"):
            raise TypeError(f"column {name!r} is a {type(column).__name__}, no sequence (one row goes into a list)")
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        raise ValueError(f"the columns differ in length: {sorted(lengths)}")
    for start in range(0, max(lengths, default=0), ROWS):
        yield {name: _plain(columns[name][start : start + ROWS]) for name in names}


def _plain(part: Any) -> Sequence[Any]:  # noqa: ANN401  # a slice of whatever a column is
    """Return the values of a slice; the rows of a matrix stay rows of a matrix."""
    if isinstance(part, np.ndarray) and part.ndim > 1:
        return part  # type: ignore[return-value]  # a matrix is a sequence of rows
    for way in ("tolist", "to_list", "to_pylist"):
        if hasattr(part, way):
            return getattr(part, way)()  # type: ignore[no-any-return]  # each makes a list
    return part  # type: ignore[no-any-return]  # a list, a tuple


def _names(given: Any) -> list[str]:  # noqa: ANN401  # an iterable of anything
    names = list(given)
    odd = [name for name in names if not isinstance(name, str)]
    twice = [name for name in names if names.count(name) > 1]
    if odd:
        raise ValueError(f"the name of a column is a string, received {odd[0]!r}")
    if twice:
        raise ValueError(f"there are two columns {twice[0]!r}")
    return names
