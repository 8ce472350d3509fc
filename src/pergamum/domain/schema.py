"""The metadata schema of a library: which fields documents and chunks may have, and of what types."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pergamum.domain.fields import FieldType, Level, Scalar
from pergamum.domain.json import Json


class SchemaMode(StrEnum):
    """What becomes of a field that the schema does not know.

    `strict` refuses it; `inferred` lets its first value fix its type; `open` stores and returns it, but no filter sees
    it. A value that has no type of a field (an object, a list of mixed values) is stored under `inferred` too, and
    fixes nothing.
    """

    STRICT = "strict"
    INFERRED = "inferred"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class MetadataField:
    """A field of the metadata of documents or chunks.

    `key` is the name its values are stored under: renaming a field does not touch what is stored. `default` fills in
    what a write leaves out. `allowed` lists the only values, `low` and `high` bound numbers and times (both included)
    or the length of strings and lists.
    """

    key: str
    type: FieldType
    required: bool = False
    default: Json = None
    allowed: tuple[Scalar, ...] | None = None
    low: Scalar | None = None
    high: Scalar | None = None


@dataclass(frozen=True, slots=True)
class MetadataSchema:
    """The fields by name. Invariant: no two fields of a level have the same key, and no key in `dropped`.

    `version` counts all changes, those by inference too; `era` only those after which stored values mean something
    else than columns made before say (a field added over values that were stored untyped, a type widened).
    `dropped` are keys whose stored values nobody sees any more.
    """

    mode: SchemaMode = SchemaMode.INFERRED
    documents: Mapping[str, MetadataField] = field(default_factory=dict)
    chunks: Mapping[str, MetadataField] = field(default_factory=dict)
    dropped: frozenset[tuple[Level, str]] = frozenset()
    version: int = 1
    era: int = 1

    def fields(self, level: Level) -> Mapping[str, MetadataField]:
        """Return the fields of documents or of chunks by name."""
        return self.documents if level is Level.DOCUMENT else self.chunks
