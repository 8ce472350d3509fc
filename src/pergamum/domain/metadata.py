"""Checks metadata against a schema before it is stored: fills defaults, refuses what does not fit, infers new fields.

Null is no value: a null is what a field left out is, in every mode.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from unicodedata import category

from pergamum.domain.fields import FieldType, Level, ScalarType
from pergamum.domain.json import Json, JsonObject
from pergamum.domain.schema import MAX_FIELDS, MAX_LOOSE, MetadataField, MetadataSchema, SchemaMode
from pergamum.domain.schema_keys import MARK, free_key
from pergamum.domain.values import Misfit, Typed, typed
from pergamum.errors import InvalidMetadata

MAX_NAME = 128
MAX_BYTES = 64 << 10
"""Of the JSON of metadata, as UTF-8."""
_INFERRED: Mapping[type, ScalarType] = {
    bool: ScalarType.BOOLEAN,
    int: ScalarType.INTEGER,
    float: ScalarType.FLOAT,
    str: ScalarType.STRING,
}


def accepted(schema: MetadataSchema, level: Level, metadata: JsonObject) -> tuple[JsonObject, MetadataSchema]:
    """Return the metadata of a document or chunk as it is to be stored, and the schema after it.

    The schema is another one only where a name was new. Raises `InvalidMetadata`. Some 1 µs a field.
    """
    filled = schema.keys(level).filled
    if not metadata and not filled:
        return metadata, schema
    fields = schema.fields(level)
    new: JsonObject = {}
    for name, value in metadata.items():
        known = fields.get(name)
        if value is None:
            continue
        if known is None:
            new[name] = value
        else:
            require_fit(name, known, value)
    if new:
        schema = _extended(schema, level, new)
    return (_filled(filled, metadata) if filled else metadata), schema


def require_fit(name: str, known: MetadataField, value: Json) -> None:
    """Raise `InvalidMetadata` unless the value fits the field."""
    reason = misfit(known, value)
    if reason is not None:
        raise InvalidMetadata(name, reason, str(known.type))


def misfit(known: MetadataField, value: Json) -> str | None:
    """Return why the value is none of the field's, or None. Null is for `required` to refuse."""
    if value is None:
        return None
    try:
        found = typed(known.type, value)
    except Misfit as fault:
        return str(fault)
    if known.allowed is not None:
        values = found if isinstance(found, tuple) else (found,)
        if not all(one in known.allowed for one in values):
            return "is not one of the allowed values"
    if known.low is None and known.high is None:
        return None
    return _out_of_bounds(known, found)


def too_large(metadata: JsonObject) -> bool:
    """Whether this is more than metadata may be. The wire refuses what is given; changes may make too much of it."""
    return len(json.dumps(metadata, ensure_ascii=False, separators=(",", ":")).encode()) > MAX_BYTES


def missing(known: MetadataField, metadata: JsonObject, name: str) -> bool:
    """Whether the field must have a value here and has none."""
    return known.required and metadata.get(name) is None


def inferred_type(value: Json) -> FieldType | None:
    """Return the type that a first value gives its field, or None when it fixes nothing.

    A list fixes one when its values are of one type; integers among floats are floats.
    """
    if not isinstance(value, list):
        scalar = _INFERRED.get(type(value))
        return None if scalar is None else FieldType(scalar)
    kinds = {_INFERRED.get(type(item)) for item in value}
    if kinds == {ScalarType.INTEGER, ScalarType.FLOAT}:
        kinds = {ScalarType.FLOAT}
    scalar = kinds.pop() if len(kinds) == 1 else None
    return None if scalar is None else FieldType(scalar, many=True)


def name_fault(name: str) -> str | None:
    """Return why no field can have this name, or None."""
    if not 1 <= len(name) <= MAX_NAME:
        return f"the name of a field has 1 to {MAX_NAME} characters"
    if not name.isprintable() and any(category(letter) in {"Cc", "Cs"} for letter in name):
        return "the name of a field holds no control characters"
    return None


def spelled(value: Typed) -> Json:
    """Return a typed value as JSON; times in UTC. REQUIRES: no place."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    assert isinstance(value, str | int | float)
    return value


def _out_of_bounds(known: MetadataField, found: Typed) -> str | None:
    low, high = known.low, known.high
    measured, what = (len(found), "its length ") if isinstance(found, str | tuple) else (found, "")
    if low is not None and measured < low:  # type: ignore[operator]  # a bound is of its field's type, or a length
        return f"{what}must be at least {spelled(low)}"
    if high is not None and measured > high:  # type: ignore[operator]  # as above
        return f"{what}must be at most {spelled(high)}"
    return None


def _filled(filled: Iterable[tuple[str, MetadataField]], metadata: JsonObject) -> JsonObject:
    """Return the metadata with the defaults of what it leaves out."""
    defaults: JsonObject = {}
    for name, known in filled:
        if metadata.get(name) is not None:
            continue
        if known.default is not None:
            defaults[name] = known.default
        elif known.required:
            raise InvalidMetadata(name, "is required", str(known.type))
    if not defaults:
        return metadata
    whole = metadata | defaults
    if too_large(whole):
        raise InvalidMetadata(next(reversed(defaults)), f"with its default the metadata is over {MAX_BYTES:,} bytes")
    return whole


def _extended(schema: MetadataSchema, level: Level, new: JsonObject) -> MetadataSchema:
    """Return the schema after metadata with names of no field, as its mode has it."""
    types: dict[str, FieldType] = {}
    for name, value in new.items():
        if schema.mode is SchemaMode.STRICT:
            raise InvalidMetadata(name, "the schema has no such field, and takes no others")
        if name.startswith(MARK):
            raise InvalidMetadata(name, "must not begin with the control character U+001B")
        kind = inferred_type(value) if schema.mode is SchemaMode.INFERRED else None
        if kind is not None and name_fault(name) is None:
            require_fit(name, MetadataField(name, kind), value)
            types[name] = kind
    loose = _loosened(schema, level, [name for name in new if name not in types])
    if types:
        return with_inferred(replace(schema, loose=loose), level, types)
    return schema if loose == schema.loose else replace(schema, loose=loose)


def _loosened(schema: MetadataSchema, level: Level, names: Iterable[str]) -> frozenset[tuple[Level, str]] | None:
    if schema.loose is None:
        return None
    loose = schema.loose.union((level, name) for name in names)
    return loose if len(loose) <= MAX_LOOSE else None


def with_inferred(schema: MetadataSchema, level: Level, types: Mapping[str, FieldType]) -> MetadataSchema:
    """Return the schema with the new fields; its version, and its era where rows may hold values of theirs."""
    keys = schema.keys(level)
    added = {name: MetadataField(free_key(keys, name), kind) for name, kind in types.items()}
    fields = {**schema.fields(level), **added}
    if len(fields) > MAX_FIELDS:
        raise InvalidMetadata(next(reversed(added)), f"there are {MAX_FIELDS} fields already")
    adopts = any(schema.may_hold(level, name) for name in added)
    loose = None if schema.loose is None else schema.loose - {(level, name) for name in added}
    documents, chunks = (fields, schema.chunks) if level is Level.DOCUMENT else (schema.documents, fields)
    return replace(
        schema,
        documents=documents,
        chunks=chunks,
        loose=loose,
        version=schema.version + 1,
        era=schema.era + adopts,
    )
