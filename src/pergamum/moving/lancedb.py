"""Rows of a LanceDB table: a folder, an object store, or LanceDB Cloud."""

import os
from collections.abc import Iterator, Sequence
from typing import Any, Final

import lancedb
import numpy as np
import pyarrow as pa

from pergamum.domain.vectors import Metric, Vector
from pergamum.moving.base import TEXT_NAMES, About, CannotMove, Choice, Cursor, Page, Row, as_vector, chosen
from pergamum.moving.place import folder, told

KEY_VARIABLE: Final = "LANCEDB_API_KEY"
_METRICS: Final = {"cosine": Metric.COSINE, "dot": Metric.DOT, "l2": Metric.L2}
_ID_NAMES: Final = ("id", "_id", "uuid")


class LanceDb:
    """A table as it was when the move began; the cursor is that version and how many rows were read.

    Without a column of ids, a row's id is its place in the table.
    """

    def __init__(self, place: str, choice: Choice) -> None:
        if choice.texts is not None:
            raise CannotMove("LanceDB has its texts itself; leave the option out")
        try:
            self._database = _connect(place)
            name = chosen("table", _tables(self._database), choice.collection, "--table")
            self._table: Any = self._database.open_table(name)
            self._choose(choice)
            self.about = self._known(f"{told(place)} {name}")
        except (ValueError, OSError, RuntimeError) as error:
            raise CannotMove(f"cannot read {told(place)}: {error}") from error

    def pages(self, after: Cursor, size: int) -> Iterator[Page]:
        """Yield pages in the table's order."""
        version, read = _position(after, self._table.version)
        try:
            self._table.checkout(version)
            batches = self._table.search().offset(read).to_batches(size)
            for batch in batches:
                rows = self._rows(batch, read)
                read += len(rows)
                yield Page(rows, f"{version}:{read}")
        except (ValueError, OSError, RuntimeError) as error:
            raise CannotMove(f"cannot read {self.about.name} after row {read:,}: {error}") from error

    def close(self) -> None:
        """Nothing is held open."""

    def _choose(self, choice: Choice) -> None:
        schema: pa.Schema = self._table.schema
        self._vectors = [field.name for field in schema if _is_vector(field.type)]
        self._vector = chosen("column of vectors", self._vectors, choice.vector, "--vector-column")
        self._id = _column(schema, choice.id, _ID_NAMES, "--id-column")
        self._text = _column(schema, choice.text, TEXT_NAMES, "--text-column")
        self._metadata = _column(schema, choice.metadata, (), "--metadata-column")

    def _known(self, name: str) -> About:
        width = self._table.schema.field(self._vector).type
        others = [column for column in self._vectors if column != self._vector]
        notes = () if self._id else ("no column of ids: each row gets its place in the table as its id (--id-column)",)
        rounded = "vectors of float64 are rounded to float32"
        return About(
            name=name,
            count=self._table.count_rows(),
            dimension=width.list_size,
            metric=self._metric(),
            left=tuple(f"the vectors of column {column!r}" for column in others),
            notes=(*notes, *([rounded] if width.value_type == pa.float64() else [])),
        )

    def _metric(self) -> Metric:
        """Return the metric of the vector's index; without one LanceDB compares by l2 unless told otherwise."""
        for index in self._table.list_indices():
            if self._vector in index.columns:
                stats = self._table.index_stats(index.name)
                kind = getattr(stats, "distance_type", None)
                if kind in _METRICS:
                    return _METRICS[kind]
        return Metric.L2

    def _rows(self, batch: pa.RecordBatch, before: int) -> list[Row]:
        vectors = _vectors(batch.column(self._vector))
        ids = batch.column(self._id).to_pylist() if self._id else range(before, before + batch.num_rows)
        texts = batch.column(self._text).to_pylist() if self._text else [None] * batch.num_rows
        metadata = self._metadata_of(batch)
        return [
            Row(
                id=None if id is None else str(id),
                vector=vector,
                text=None if text is None else str(text),
                metadata=own,
            )
            for id, vector, text, own in zip(ids, vectors, texts, metadata, strict=True)
        ]

    def _metadata_of(self, batch: pa.RecordBatch) -> list[dict[str, object]]:
        taken = {self._id, self._text, self._metadata, *self._vectors}
        others = [name for name in batch.schema.names if name not in taken]
        columns = {name: _microseconds(batch.column(name)).to_pylist() for name in others}
        rows: list[dict[str, object]] = [
            {name: cells[at] for name, cells in columns.items()} for at in range(batch.num_rows)
        ]
        if self._metadata is None:
            return rows
        inner = batch.column(self._metadata).to_pylist()
        return [row | own if isinstance(own, dict) else row for row, own in zip(rows, inner, strict=True)]


def _connect(place: str) -> Any:  # noqa: ANN401 - one of two classes, by the place
    if place.startswith("db://"):
        return lancedb.connect(place, api_key=os.environ.get(KEY_VARIABLE))
    return lancedb.connect(place if "://" in place else folder(place))


def _tables(database: Any) -> list[str]:  # noqa: ANN401 - as above
    names: list[str] = []
    token = None
    while True:
        found = database.list_tables(page_token=token)
        names += found.tables
        token = found.page_token
        if not token:
            return names


def _is_vector(kind: pa.DataType) -> bool:
    return bool(pa.types.is_fixed_size_list(kind) and pa.types.is_floating(kind.value_type))


def _column(schema: pa.Schema, choice: str | None, usual: Sequence[str], option: str) -> str | None:
    """Return the chosen column, or the first usual one that there is."""
    if choice is not None:
        return chosen("column", schema.names, choice, option)
    return next((name for name in usual if name in schema.names), None)


def _vectors(column: pa.Array) -> list[Vector | None]:
    """Return the vectors; None where there is none, or where one of its numbers is missing."""
    width = column.type.list_size
    flat = column.flatten() if not column.null_count else column.fill_null([0.0] * width).flatten()
    numbers = as_vector(flat.to_numpy(zero_copy_only=False)).reshape(-1, width)
    missing = np.asarray(column.is_null())
    return [None if none else vector for vector, none in zip(numbers, missing, strict=True)]


def _microseconds(column: pa.Array) -> pa.Array:
    """Return times of nanoseconds as Python has them: to the microsecond."""
    kind = column.type
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return column.cast(pa.timestamp("us", kind.tz), safe=False)
    return column


def _position(after: Cursor, version: int) -> tuple[int, int]:
    if after is None:
        return version, 0
    pinned, _, read = str(after).partition(":")
    return int(pinned), int(read)
