"""The values of one field for rows of either table, wherever they are kept."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from pergamum.domain.fields import CHUNK_COLUMNS, Column, Level
from pergamum.engine.columns.cache import RESULTS
from pergamum.engine.columns.columns import Columns
from pergamum.engine.columns.run import Numbers
from pergamum.engine.columns.table import Table
from pergamum.engine.row_tests import answered_by_rows

Ids: TypeAlias = Callable[[Level, Sequence[int]], Mapping[int, str]]
"""Returns the ids of documents by number, or of chunks by slot."""


def values_of(columns: Columns, column: Column, level: Level, numbers: Numbers, ids: Ids) -> pl.Series:
    """Return the column's values for these rows of `level`, in their order; null where there is none.

    Times are microseconds since 1970. REQUIRES: the rows are live; the column is of no text and of no places, and of a
    document where the rows are. O(numbers), and O(rows) once for each field of the table. Shape (n,).
    """
    of_documents = column.level is Level.DOCUMENT or column == CHUNK_COLUMNS["document_id"]
    if of_documents and level is Level.CHUNK:
        numbers = owners(columns.chunks)[numbers].astype(np.int64)
    if answered_by_rows(column):
        return _ids(numbers, lambda some: ids(Level.DOCUMENT if of_documents else Level.CHUNK, some))
    table = columns.documents if of_documents else columns.chunks
    return table.series(column).gather(pl.Series(numbers))


def owners(chunks: Table) -> npt.NDArray[np.uint32]:
    """Return by slot the number of each chunk's document, 0 where the slot holds none, read-only. Shape (count,)."""
    key = ("owners", chunks.serial)
    known = RESULTS.get(key)
    if not isinstance(known, np.ndarray):
        known = np.zeros(chunks.count, np.uint32)
        for run in chunks.runs:
            run.place(known, run.documents())
        known.flags.writeable = False
        RESULTS.put(key, known, known.nbytes)
    return known


def _ids(numbers: Numbers, ids: Callable[[Sequence[int]], Mapping[int, str]]) -> pl.Series:
    distinct, places = np.unique(numbers, return_inverse=True)
    wanted: list[int] = distinct.tolist()
    known = ids(wanted)
    return pl.Series([known.get(number) for number in wanted], dtype=pl.String).gather(pl.Series(places))
