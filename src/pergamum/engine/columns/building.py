"""Documents and chunks as frames: one column a field, null where there is no value or none that fits."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

import polars as pl

from pergamum.domain.chunk import Chunk
from pergamum.domain.document import Document
from pergamum.domain.fields import Column, FieldType, GeoPoint, Level, ScalarType
from pergamum.domain.json import Json, JsonObject
from pergamum.domain.schema import MetadataSchema
from pergamum.domain.values import Misfit, Typed, typed
from pergamum.engine.columns.names import DOCUMENT, LIVE, columns_of, latitude, longitude, name_of, type_of


class ChunkRow(NamedTuple):
    """A chunk, the number of its document, and the schema whose names its metadata has."""

    owner: int
    chunk: Chunk
    names: MetadataSchema


class DocumentRow(NamedTuple):
    """A document, and the schema whose names its metadata has."""

    document: Document
    names: MetadataSchema


Values: TypeAlias = list[Any]
"""Of one column: what polars takes for its type, or None."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_BITS: Final = 1 << 63


@lru_cache(1_024)
def micros(at: datetime) -> int:
    """Return microseconds since 1970 in UTC, as columns hold times."""
    return (at - _EPOCH) // _MICROSECOND


class Metadata:
    """Metadata under the keys of its fields, as columns are named, whatever the names of the fields were."""

    def __init__(self, level: Level) -> None:
        self._level = level
        self._known: tuple[MetadataSchema | None, dict[str, str] | None] = (None, None)

    def by_key(self, schema: MetadataSchema, metadata: JsonObject) -> JsonObject:
        """Return what `metadata` holds of the fields it has in `schema`. O(1) while no field was ever renamed."""
        if self._known[0] is not schema:
            keys = {name: field.key for name, field in schema.fields(self._level).items()}
            self._known = schema, None if all(name == key for name, key in keys.items()) else keys
        renamed = self._known[1]
        if renamed is None:
            return metadata
        return {key: metadata[name] for name, key in renamed.items() if name in metadata}


def chunk_frame(rows: Sequence[ChunkRow | None], schema: MetadataSchema) -> pl.DataFrame:
    """Return the frame of chunks: row i is rows[i], a row of nulls where there is none."""
    owners = pl.Series(DOCUMENT, [0 if row is None else row.owner for row in rows], pl.UInt32)
    metadata = Metadata(Level.CHUNK)
    values = [{} if row is None else metadata.by_key(row.names, row.chunk.metadata) for row in rows]
    chunks = [None if row is None else row.chunk for row in rows]
    return pl.DataFrame([owners, *_columns(Level.CHUNK, schema, chunks, values)])


def document_frame(rows: Sequence[DocumentRow | None], schema: MetadataSchema) -> pl.DataFrame:
    """Return the frame of documents: row i is rows[i], a row of nulls that is not live where there is none."""
    live = pl.Series(LIVE, [row is not None for row in rows], pl.Boolean)
    metadata = Metadata(Level.DOCUMENT)
    values = [{} if row is None else metadata.by_key(row.names, row.document.metadata) for row in rows]
    documents = [None if row is None else row.document for row in rows]
    return pl.DataFrame([live, *_columns(Level.DOCUMENT, schema, documents, values)])


def _columns(
    level: Level, schema: MetadataSchema, rows: Sequence[Any], metadata: Sequence[JsonObject]
) -> Iterable[pl.Series]:
    """Yield the columns that have a value; a column that is missing is all null."""
    for column in columns_of(level, schema):
        key = column.key
        if column.metadata:
            raw = [values.get(key) for values in metadata]
        else:
            raw = [None if row is None else getattr(row, key) for row in rows]
        if any(value is not None for value in raw):
            yield from _series(column, raw)


def _series(column: Column, raw: Sequence[Any]) -> Iterable[pl.Series]:
    name, kind = name_of(column), column.type
    if kind.scalar is ScalarType.GEO_POINT:
        places = [_place(value) for value in raw]
        yield pl.Series(latitude(name), [_degrees(place, "lat") for place in places], pl.Float64)
        yield pl.Series(longitude(name), [_degrees(place, "lon") for place in places], pl.Float64)
        return
    values = _values(kind, raw) if column.metadata else _fixed(kind, raw)
    try:
        yield pl.Series(name, values, type_of(kind))
    except UnicodeError:  # a lone surrogate is JSON, and no text
        yield pl.Series(name, [value if _encodable(value) else None for value in values], type_of(kind))


def _values(kind: FieldType, raw: Sequence[Json]) -> Values:
    """Return metadata as values of a type, None for what does not fit."""
    if kind.many:
        inner = FieldType(kind.scalar)
        return [_list(inner, value) if isinstance(value, list) else None for value in raw]
    read = _READERS.get(kind.scalar)
    return [None if value is None else read(value) for value in raw] if read else _parsed(kind, raw)


def _fixed(kind: FieldType, raw: Sequence[Any]) -> Values:
    """Return the values of a fixed field, which are of its type."""
    if kind.scalar is ScalarType.DATETIME:
        return [None if at is None else micros(at) for at in raw]
    return [None if value is None else list(value) for value in raw] if kind.many else list(raw)


def _list(inner: FieldType, raw: Sequence[Json]) -> Values | None:
    """Return the items, None unless all of them fit."""
    values = _values(inner, raw)
    return None if any(value is None for value in values) else values


def _parsed(kind: FieldType, raw: Sequence[Json]) -> Values:
    values = [_fitting(kind, value) for value in raw]
    return [micros(value) if isinstance(value, datetime) else value for value in values]


def _fitting(kind: FieldType, value: Json) -> Typed | None:
    if value is None:
        return None
    try:
        return typed(kind, value)
    except (Misfit, OverflowError):  # an integer may be beyond every float
        return None


def _place(value: Json) -> GeoPoint | None:
    place = _fitting(FieldType(ScalarType.GEO_POINT), value)
    return place if isinstance(place, GeoPoint) else None


def _degrees(place: GeoPoint | None, which: str) -> float | None:
    return None if place is None else float(getattr(place, which))


def _string(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _integer(value: Json) -> int | None:
    return value if type(value) is int and -_BITS <= value < _BITS else None


def _float(value: Json) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _boolean(value: Json) -> bool | None:
    return value if isinstance(value, bool) else None


def _encodable(value: str | list[str] | None) -> bool:
    try:
        "".join(value or "").encode()
    except UnicodeError:
        return False
    return True


# What `typed` makes of these types in a fraction of its time: every row of every load passes here. tests compare them.
_READERS: Final[Mapping[ScalarType, Callable[[Json], Any]]] = {
    ScalarType.STRING: _string,
    ScalarType.TEXT: _string,
    ScalarType.INTEGER: _integer,
    ScalarType.FLOAT: _float,
    ScalarType.BOOLEAN: _boolean,
}
