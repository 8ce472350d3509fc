"""Which fields of a hit can be selected, and what is wrong with a name that none has."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Final

from pergamum.domain.fields import CHUNK_COLUMNS, DOCUMENT_COLUMNS, Level
from pergamum.domain.schema import MetadataField, MetadataSchema, SchemaMode
from pergamum.errors import UnknownField

METADATA: Final = "metadata"
DOCUMENT: Final = "document."
VECTOR: Final = "vector"
HIGHLIGHTS: Final = "highlights"
OF_CHUNK: Final = frozenset({"text", "page_number", "chunk_index", "version", "created_at", "updated_at"})
OF_DOCUMENT: Final = frozenset(DOCUMENT_COLUMNS)
_ALWAYS: Final = ("chunk_id", "document_id", "score", "distance")
_NAMES: Final = (
    *_ALWAYS,
    *sorted(OF_CHUNK),
    METADATA,
    VECTOR,
    HIGHLIGHTS,
    *(DOCUMENT + name for name in (*DOCUMENT_COLUMNS, METADATA)),
)
assert set(CHUNK_COLUMNS) >= OF_CHUNK, "what can be shown of a chunk can be filtered by"


def check_fields(names: Iterable[str], schema: MetadataSchema) -> None:
    """Refuse a name that no hit has. Raises `UnknownField`, which knows the nearest.

    Under a strict schema that is true of metadata fields too; otherwise metadata may hold what the schema does not.
    """
    for name in names:
        if name in _NAMES or _in_metadata(name, schema):
            continue
        known = [*_NAMES, *_dotted("", schema.chunks), *_dotted(DOCUMENT, schema.documents)]
        nearest = get_close_matches(name[:256], known, 1)
        raise UnknownField(name, Level.CHUNK.value, nearest[0] if nearest else None)


def _in_metadata(name: str, schema: MetadataSchema) -> bool:
    level = Level.DOCUMENT if name.startswith(DOCUMENT) else Level.CHUNK
    head, dot, field = name.removeprefix(DOCUMENT).partition(".")
    if head != METADATA or not dot or not field:
        return False
    return schema.mode is not SchemaMode.STRICT or field in schema.fields(level)


def _dotted(prefix: str, fields: Mapping[str, MetadataField]) -> list[str]:
    return [f"{prefix}{METADATA}.{name}" for name in fields]
