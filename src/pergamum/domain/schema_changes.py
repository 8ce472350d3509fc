"""Changes to a metadata schema, and what they demand of rows that are stored already.

No change rewrites a row. Adding, dropping and renaming fields, widening types and loosening rules need no look at the
rows, unless they may hold values under the new name that were stored untyped. Every other change is one that a row may
fail: `demands` says what has to be asked of each.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from pergamum.domain.fields import FieldType, Level, ScalarType
from pergamum.domain.json import JsonObject
from pergamum.domain.metadata import misfit, missing
from pergamum.domain.schema import MetadataField, MetadataSchema, SchemaMode
from pergamum.domain.schema_json import WHERE, declaration, declared_field, require_few
from pergamum.domain.schema_keys import free_key, named
from pergamum.errors import InvalidField


@dataclass(frozen=True, slots=True)
class LevelChanges:
    """Changes to the fields of one level. `drop`, `rename` and `change` speak of them by the names they have before.

    `rename` gives the new name by the old one. `add` has declarations by name (`declared_field`), `change` has those
    parts of declarations that change.
    """

    add: Mapping[str, JsonObject] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    rename: Mapping[str, str] = field(default_factory=dict)
    change: Mapping[str, JsonObject] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SchemaChanges:
    """Changes to a schema; `mode` None leaves the mode."""

    mode: SchemaMode | None = None
    documents: LevelChanges = field(default_factory=LevelChanges)
    chunks: LevelChanges = field(default_factory=LevelChanges)

    def of(self, level: Level) -> LevelChanges:
        """Return the changes to the fields of documents or of chunks."""
        return self.documents if level is Level.DOCUMENT else self.chunks


@dataclass(frozen=True, slots=True)
class Demands:
    """What a changed schema asks of every stored row of a level.

    `fields` whose values must fit, `hidden` keys by the names they had: of values that a renamed field would hide;
    `strict`: there are values of no field.
    """

    schema: MetadataSchema
    level: Level
    fields: Mapping[str, MetadataField]
    hidden: Mapping[str, str]
    strict: bool

    def fault(self, stored: JsonObject) -> tuple[str, str] | None:
        """Return the name of a field and why the row, its metadata by keys, does not fit; None when it does."""
        for name, key in self.hidden.items():
            if stored.get(key) is not None:
                return name, "has a value already, of no field, which the renamed field would hide"
        metadata = named(self.schema, self.level, stored)
        for name, known in self.fields.items():
            reason = "is required" if missing(known, metadata, name) else misfit(known, metadata.get(name))
            if reason is not None:
                return name, reason
        return self._undeclared(metadata) if self.strict else None

    def _undeclared(self, metadata: JsonObject) -> tuple[str, str] | None:
        fields = self.schema.fields(self.level)
        unknown = (name for name, value in metadata.items() if value is not None and name not in fields)
        name = next(unknown, None)
        return None if name is None else (name, "is a value of no field")


_WIDER: Final[Mapping[ScalarType, frozenset[ScalarType]]] = {
    ScalarType.INTEGER: frozenset({ScalarType.FLOAT}),
    ScalarType.UUID: frozenset({ScalarType.STRING, ScalarType.TEXT}),
    ScalarType.DATETIME: frozenset({ScalarType.STRING, ScalarType.TEXT}),
    ScalarType.STRING: frozenset({ScalarType.TEXT}),
    ScalarType.TEXT: frozenset({ScalarType.STRING}),
}


def widens(before: FieldType, after: FieldType) -> bool:
    """Whether every value of the one type is one of the other."""
    scalar = after.scalar is before.scalar or after.scalar in _WIDER.get(before.scalar, frozenset())
    return scalar and (after.many or not before.many)


def changed(schema: MetadataSchema, changes: SchemaChanges) -> MetadataSchema:
    """Return the next version of the schema. Raises `InvalidField` for what can be no change of it."""
    fields = {level: _changed_fields(schema, level, changes.of(level)) for level in WHERE}
    dropped = {(level, schema.fields(level)[name].key) for level in WHERE for name in changes.of(level).drop}
    after = replace(
        schema,
        mode=changes.mode or schema.mode,
        documents=fields[Level.DOCUMENT],
        chunks=fields[Level.CHUNK],
        dropped=schema.dropped | dropped,
        version=schema.version + 1,
    )
    new_meaning = any(_means_otherwise(schema, after, level, changes.of(level)) for level in WHERE)
    return replace(after, loose=_loose(schema, after), era=schema.era + new_meaning)


def demands(before: MetadataSchema, after: MetadataSchema, changes: SchemaChanges, level: Level) -> Demands | None:
    """Return what the rows of a level must be asked before `after`, which `changed` made of `before`, may hold."""
    said = changes.of(level)
    fields = after.fields(level)
    asked = {name: fields[name] for name in said.add if fields[name].required or _adopts(before, level, name)}
    for name in said.change:
        now = said.rename.get(name, name)
        if not _loosens(before.fields(level)[name], fields[now]):
            asked[now] = fields[now]
    keys = before.keys(level)
    hidden = {name: free_key(keys, name) for name in said.rename.values() if _adopts(before, level, name)}
    turns_strict = after.mode is SchemaMode.STRICT is not before.mode
    strict = turns_strict and (before.loose is None or any(where is level for where, _ in before.loose))
    return Demands(after, level, asked, hidden, strict) if asked or hidden or strict else None


def _changed_fields(schema: MetadataSchema, level: Level, said: LevelChanges) -> dict[str, MetadataField]:
    before = schema.fields(level)
    _require_known(level, before, said)
    after: dict[str, MetadataField] = {}
    for name, known in before.items():
        if name in said.drop:
            continue
        now = said.rename.get(name, name)
        if now in after:
            raise InvalidField(f"{WHERE[level]}.rename.{name}", f"there is a field {now!r} already")
        # A field whose name alone changes is read anew too: the new name may be none that a field can have.
        after[now] = _changed_field(level, now, known, said.change.get(name, {}))
    for name, declared in said.add.items():
        if name in after:
            raise InvalidField(f"{WHERE[level]}.add.{name}", "there is such a field already")
        after[name] = declared_field(level, name, free_key(schema.keys(level), name), declared)
    require_few(level, after)
    return after


def _require_known(level: Level, fields: Mapping[str, MetadataField], said: LevelChanges) -> None:
    """Raise `InvalidField` unless the changes are about fields there are, and those that are dropped are only that."""
    for part, names in (("drop", said.drop), ("rename", said.rename), ("change", said.change)):
        for name in names:
            if name not in fields:
                raise InvalidField(f"{WHERE[level]}.{part}", f"there is no field {name!r}")
            if part != "drop" and name in said.drop:
                raise InvalidField(f"{WHERE[level]}.{part}", f"field {name!r} is dropped too")


def _changed_field(level: Level, name: str, known: MetadataField, said: JsonObject) -> MetadataField:
    where = f"{WHERE[level]}.{name}"
    after = declared_field(level, name, known.key, {**declaration(known), **said})
    if not widens(known.type, after.type):
        raise InvalidField(f"{where}.type", f"a {known.type} can be widened, but not to {after.type}")
    becomes_list = after.type.many and not known.type.many
    for part, bound in (("min", known.low), ("max", known.high)):
        if becomes_list and bound is not None and part not in said:
            raise InvalidField(f"{where}.{part}", "would bound the length of the list: say it anew, or null")
    return replace(after, widened=known.widened or becomes_list)


def _adopts(before: MetadataSchema, level: Level, name: str) -> bool:
    """Whether rows may hold values under a name that is to be a field's."""
    return name not in before.fields(level) and before.may_hold(level, name)


def _means_otherwise(before: MetadataSchema, after: MetadataSchema, level: Level, said: LevelChanges) -> bool:
    """Whether stored values mean something else than they did."""
    if any(_adopts(before, level, name) for name in said.add):
        return True
    types = {known.key: known.type for known in before.fields(level).values()}
    return any(types.get(known.key, known.type) != known.type for known in after.fields(level).values())


def _loose(before: MetadataSchema, after: MetadataSchema) -> frozenset[tuple[Level, str]] | None:
    """Return the names of no field that rows may hold, once they have met the demands."""
    if after.mode is SchemaMode.STRICT:
        return frozenset()
    if before.loose is None:
        return None
    return frozenset((level, name) for level, name in before.loose if name not in after.fields(level))


def _loosens(before: MetadataField, after: MetadataField) -> bool:
    """Whether whatever fitted before does after. May say no where that is so, for a change of type."""
    if after.required and not before.required:
        return False
    if after.allowed is None and after.low is None and after.high is None:
        return True
    if before.type != after.type:
        return False
    if after.allowed is not None and not (before.allowed is not None and {*before.allowed} <= {*after.allowed}):
        return False
    low = after.low is None or (before.low is not None and after.low <= before.low)  # type: ignore[operator]  # one type
    high = after.high is None or (before.high is not None and after.high >= before.high)  # type: ignore[operator]  # as low
    return low and high
