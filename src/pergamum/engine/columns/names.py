"""How the columns of a field are called in a frame, and of what types they are."""

from typing import Final

import polars as pl

from pergamum.domain.fields import CHUNK_COLUMNS, DOCUMENT_COLUMNS, Column, FieldType, Level, ScalarType
from pergamum.domain.schema import MetadataField, MetadataSchema
from pergamum.engine.row_tests import answered_by_rows

DOCUMENT: Final = "document"
"""Of a chunk: the number of its document, 0 where the slot holds none (UInt32)."""
LIVE: Final = "live"
"""Of a document: whether there is one of this number."""

_TYPES: Final = {
    ScalarType.STRING: pl.String,
    ScalarType.TEXT: pl.String,
    ScalarType.UUID: pl.String,
    ScalarType.INTEGER: pl.Int64,
    ScalarType.FLOAT: pl.Float64,
    ScalarType.BOOLEAN: pl.Boolean,
    ScalarType.DATETIME: pl.Int64,  # microseconds since 1970 in UTC
    ScalarType.GEO_POINT: pl.Float64,  # two columns, see `latitude`
}


def name_of(column: Column) -> str:
    """Return how the field is called in a frame."""
    return f"metadata.{column.key}" if column.metadata else column.key


def latitude(name: str) -> str:
    """Return how the latitudes of a field of places are called."""
    return f"lat:{name}"


def longitude(name: str) -> str:
    """Return how the longitudes of a field of places are called."""
    return f"lon:{name}"


def type_of(kind: FieldType) -> pl.DataType:
    """Return the type of the column of a field."""
    inner = _TYPES[kind.scalar]()
    return pl.List(inner) if kind.many else inner


def columns_of(level: Level, schema: MetadataSchema) -> list[Column]:
    """Return the fields of documents or chunks that have columns."""
    fixed = DOCUMENT_COLUMNS if level is Level.DOCUMENT else CHUNK_COLUMNS
    fields = schema.fields(level).values()
    return [column for column in fixed.values() if not answered_by_rows(column)] + [_column(level, f) for f in fields]


def _column(level: Level, field: MetadataField) -> Column:
    return Column(level, field.key, field.type, metadata=True)
