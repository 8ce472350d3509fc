"""What a filter may be about: typed fields of documents and of chunks, fixed ones and those of a metadata schema."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeAlias


class Level(StrEnum):
    """What has a field: the document, or the chunk."""

    DOCUMENT = "document"
    CHUNK = "chunk"


class ScalarType(StrEnum):
    """What one value can be. A `text` is prose: searched for words, neither sorted nor compared as a whole."""

    STRING = "string"
    TEXT = "text"
    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    DATETIME = "datetime"
    UUID = "uuid"
    GEO_POINT = "geo_point"


@dataclass(frozen=True, slots=True, order=True)
class GeoPoint:
    """A place in degrees (WGS 84)."""

    lat: float
    lon: float


Scalar: TypeAlias = str | int | float | bool | datetime | GeoPoint
"""A value of a field as filters compare it: strings, texts and uuids (canonical, lower case) are str."""


@dataclass(frozen=True, slots=True)
class FieldType:
    """The type of a field: one value, or a list of values. REQUIRES: neither texts nor places come in lists."""

    scalar: ScalarType
    many: bool = False

    def __str__(self) -> str:
        return f"list[{self.scalar}]" if self.many else str(self.scalar)


@dataclass(frozen=True, slots=True)
class Column:
    """A field as filters, orders and facets name it once it is known: whose it is, and where its values are kept.

    `key` is the name of a fixed field, or that under which the values of a metadata field are stored, which stays when
    the field is renamed. `metadata` tells the two apart.
    """

    level: Level
    key: str
    type: FieldType
    metadata: bool = False


def _fixed(level: Level, **types: FieldType) -> dict[str, Column]:
    return {name: Column(level, name, kind) for name, kind in types.items()}


_STRING = FieldType(ScalarType.STRING)
_INTEGER = FieldType(ScalarType.INTEGER)
_TIME = FieldType(ScalarType.DATETIME)

DOCUMENT_COLUMNS: Final = _fixed(
    Level.DOCUMENT,
    id=_STRING,
    title=_STRING,
    author=_STRING,
    document_type=_STRING,
    source_url=_STRING,
    tags=FieldType(ScalarType.STRING, many=True),
    chunks=_INTEGER,
    version=_INTEGER,
    created_at=_TIME,
    updated_at=_TIME,
)
"""The fixed fields of a document by name."""
CHUNK_COLUMNS: Final = _fixed(
    Level.CHUNK,
    id=_STRING,
    document_id=_STRING,
    text=FieldType(ScalarType.TEXT),
    page_number=_INTEGER,
    chunk_index=_INTEGER,
    version=_INTEGER,
    created_at=_TIME,
    updated_at=_TIME,
)
"""The fixed fields of a chunk by name."""
