"""The metadata schema of a library: which fields documents and chunks may have, and of what types.

What is done with one stands beside it: `metadata.py` checks what is written, `schema_keys.py` turns names into keys of
stored rows and back, `schema_changes.py` changes a schema, `schema_json.py` reads and writes one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from pergamum.domain.fields import FieldType, Level, Scalar
from pergamum.domain.json import Json

MAX_FIELDS: Final = 1_000
"""Most fields of documents, and of chunks."""
MAX_LOOSE: Final = 1_000
"""Most undeclared names that are kept apart; with more, any name may be one."""


class SchemaMode(StrEnum):
    """What becomes of a field that the schema does not know.

    `strict` refuses it; `inferred` lets its first value fix its type; `open` stores and returns it, but no filter sees
    it. A value that has no type of a field (an object, a list of mixed values), or a name no field can have, is stored
    under `inferred` too, and fixes nothing.
    """

    STRICT = "strict"
    INFERRED = "inferred"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class MetadataField:
    """A field of the metadata of documents or chunks.

    `key` is the name its values are stored under: renaming a field does not touch what is stored. `default` fills in
    what a write leaves out. `allowed` lists the only values, `low` and `high` bound numbers and times (both included)
    or the length of strings and lists. `widened`: it was no list once, so a single value that is stored is a list of
    one.
    """

    key: str
    type: FieldType
    required: bool = False
    default: Json = None
    allowed: tuple[Scalar, ...] | None = None
    low: Scalar | None = None
    high: Scalar | None = None
    widened: bool = False


@dataclass(frozen=True, slots=True)
class LevelKeys:
    """The names and keys of one level, worked out once for each schema.

    `names` are by key; `taken` are all keys that fields have or had; `filled` are the fields that are required or have
    a default; `plain`: every name is its own key, so that nothing has to be translated.
    """

    names: Mapping[str, str]
    taken: frozenset[str]
    widened: frozenset[str]
    filled: tuple[tuple[str, MetadataField], ...]
    plain: bool


@dataclass(frozen=True, slots=True)
class MetadataSchema:
    """The fields by name. Invariant: no two fields of a level have the same key, and no key in `dropped`.

    `version` counts all changes, those by inference too; `era` only those after which stored values mean something
    else than columns made before say (a field added over values that were stored untyped, a type widened).
    `dropped` are keys whose stored values nobody sees any more. `loose` are the names of no field under which rows may
    hold values; None: any name may be one.
    """

    mode: SchemaMode = SchemaMode.INFERRED
    documents: Mapping[str, MetadataField] = field(default_factory=dict)
    chunks: Mapping[str, MetadataField] = field(default_factory=dict)
    dropped: frozenset[tuple[Level, str]] = frozenset()
    version: int = 1
    era: int = 1
    loose: frozenset[tuple[Level, str]] | None = frozenset()
    document_keys: LevelKeys = field(init=False, repr=False, compare=False)
    chunk_keys: LevelKeys = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "document_keys", self._keys(Level.DOCUMENT))
        object.__setattr__(self, "chunk_keys", self._keys(Level.CHUNK))

    def __hash__(self) -> int:
        return hash((self.mode, self.version, self.era))

    @property
    def plain(self) -> bool:
        """Whether rows hold every value under its name."""
        return self.document_keys.plain and self.chunk_keys.plain

    def fields(self, level: Level) -> Mapping[str, MetadataField]:
        """Return the fields of documents or of chunks by name."""
        return self.documents if level is Level.DOCUMENT else self.chunks

    def keys(self, level: Level) -> LevelKeys:
        """Return what is known of the names and keys of documents or of chunks."""
        return self.document_keys if level is Level.DOCUMENT else self.chunk_keys

    def may_hold(self, level: Level, name: str) -> bool:
        """Whether rows may hold values under a name of no field."""
        return self.loose is None or (level, name) in self.loose

    def _keys(self, level: Level) -> LevelKeys:
        fields = self.fields(level)
        dropped = {key for where, key in self.dropped if where is level}
        names = {known.key: name for name, known in fields.items()}
        widened = frozenset(name for name, known in fields.items() if known.widened)
        return LevelKeys(
            names,
            frozenset(names) | dropped,
            widened,
            tuple((name, known) for name, known in fields.items() if known.required or known.default is not None),
            not dropped and not widened and all(key == name for key, name in names.items()),
        )
