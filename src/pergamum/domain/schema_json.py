"""Schemas and their fields as JSON: as clients declare them, and as they are stored with the library."""

from collections.abc import Mapping
from typing import Final

from pergamum.domain.fields import FieldType, Level, Scalar, ScalarType
from pergamum.domain.json import Json, JsonObject
from pergamum.domain.metadata import MAX_BYTES, misfit, name_fault, spelled, too_large
from pergamum.domain.schema import MAX_FIELDS, MetadataField, MetadataSchema, SchemaMode
from pergamum.domain.values import Misfit, typed
from pergamum.errors import InvalidField

MAX_ALLOWED: Final = 1_000
NOT_IN_LISTS: Final = (ScalarType.TEXT, ScalarType.GEO_POINT)
_BOUNDED_BY_VALUE: Final = (ScalarType.INTEGER, ScalarType.FLOAT, ScalarType.DATETIME)
_LENGTH: Final = FieldType(ScalarType.INTEGER)
WHERE: Final[Mapping[Level, str]] = {Level.DOCUMENT: "documents", Level.CHUNK: "chunks"}
"""The part of a schema that speaks of a level."""


def declared_schema(
    mode: SchemaMode, documents: Mapping[str, JsonObject], chunks: Mapping[str, JsonObject]
) -> MetadataSchema:
    """Return the first schema of a library. Raises `InvalidField`, which names the field and its part at fault."""
    levels = {Level.DOCUMENT: documents, Level.CHUNK: chunks}
    read = {
        level: {name: declared_field(level, name, name, said) for name, said in fields.items()}
        for level, fields in levels.items()
    }
    for level, fields in read.items():
        require_few(level, fields)
    return MetadataSchema(mode, read[Level.DOCUMENT], read[Level.CHUNK])


def require_few(level: Level, fields: Mapping[str, MetadataField]) -> None:
    """Raise `InvalidField` for more fields than a schema may have, or more defaults than metadata may hold."""
    if len(fields) > MAX_FIELDS:
        raise InvalidField(WHERE[level], f"has more than {MAX_FIELDS} fields")
    defaults: dict[str, Json] = {name: known.default for name, known in fields.items() if known.default is not None}
    if defaults and too_large(defaults):
        name = next(reversed(defaults))
        raise InvalidField(f"{WHERE[level]}.{name}.default", f"the defaults are over {MAX_BYTES:,} bytes of JSON")


def declared_field(level: Level, name: str, key: str, said: JsonObject) -> MetadataField:
    """Return the field as it was declared: type, required, default, allowed, min, max. Raises `InvalidField`.

    REQUIRES: `said` holds no other names, `required` is a boolean and `allowed` a list, as the wire has it.
    """
    where = f"{WHERE[level]}.{name}"
    fault = name_fault(name)
    if fault is not None:
        raise InvalidField(where, fault)
    kind = _type(where, said.get("type"))
    allowed, low, high = said.get("allowed"), said.get("min"), said.get("max")
    found = MetadataField(
        key,
        kind,
        said.get("required") is True,
        allowed=None if allowed is None else _allowed(where, kind, allowed),
        low=None if low is None else _bound(f"{where}.min", kind, low),
        high=None if high is None else _bound(f"{where}.max", kind, high),
    )
    if found.low is not None and found.high is not None and found.low > found.high:  # type: ignore[operator]  # one type
        raise InvalidField(f"{where}.min", "must not be above max")
    return _with_default(where, found, said.get("default"))


def declaration(known: MetadataField) -> dict[str, Json]:
    """Return the field as a client would declare it, nothing left out."""
    return {
        "type": str(known.type),
        "required": known.required,
        "default": known.default,
        "allowed": None if known.allowed is None else [spelled(value) for value in known.allowed],
        "min": None if known.low is None else spelled(known.low),
        "max": None if known.high is None else spelled(known.high),
    }


def declarations(schema: MetadataSchema) -> dict[str, Json]:
    """Return the schema as a client would declare it."""
    parts: dict[str, Json] = {"mode": schema.mode.value}
    for level, part in WHERE.items():
        parts[part] = {name: declaration(known) for name, known in schema.fields(level).items()}
    return parts


def schema_json(schema: MetadataSchema) -> JsonObject:
    """Return all of a schema, as it is stored; what is as usual is left out."""
    fields: dict[str, Json] = {"mode": schema.mode.value, "version": schema.version, "era": schema.era}
    for level, part in WHERE.items():
        fields[part] = {name: _stored(name, known) for name, known in schema.fields(level).items()}
    if schema.dropped:
        fields["dropped"] = _names(schema.dropped)
    if schema.loose != frozenset():
        fields["loose"] = None if schema.loose is None else _names(schema.loose)
    return fields


def schema_of(said: JsonObject) -> MetadataSchema:
    """Return the schema `schema_json` wrote."""
    read: dict[Level, dict[str, MetadataField]] = {}
    for level, part in WHERE.items():
        fields: dict[str, JsonObject] = said[part]  # type: ignore[assignment]  # as it was written
        read[level] = {name: _field_of(name, stored) for name, stored in fields.items()}
    loose = said.get("loose", [])
    return MetadataSchema(
        SchemaMode(str(said["mode"])),
        read[Level.DOCUMENT],
        read[Level.CHUNK],
        _set_of(said.get("dropped", [])),
        int(said["version"]),  # type: ignore[arg-type]  # as it was written
        int(said["era"]),  # type: ignore[arg-type]  # as it was written
        None if loose is None else _set_of(loose),
    )


def type_of(written: str) -> FieldType | None:
    """Return the type written as `integer` or `list[integer]`, None when there is none such."""
    many = written.startswith("list[") and written.endswith("]")
    scalar = written[5:-1] if many else written
    if scalar not in set(ScalarType) or (many and scalar in NOT_IN_LISTS):
        return None
    return FieldType(ScalarType(scalar), many)


def _type(where: str, written: Json) -> FieldType:
    found = type_of(written) if isinstance(written, str) else None
    if found is None:
        raise InvalidField(
            f"{where}.type", f"must be one of {', '.join(ScalarType)}, or list[...] of one but text and geo_point"
        )
    return found


def _allowed(where: str, kind: FieldType, values: Json) -> tuple[Scalar, ...]:
    where = f"{where}.allowed"
    if kind.scalar in NOT_IN_LISTS:
        raise InvalidField(where, f"a {kind} has no list of values")
    if not isinstance(values, list) or not 1 <= len(values) <= MAX_ALLOWED:
        raise InvalidField(where, f"must be a list of 1 to {MAX_ALLOWED} values")
    return tuple(dict.fromkeys(_scalar(f"{where}.{place}", kind.scalar, value) for place, value in enumerate(values)))


def _bound(where: str, kind: FieldType, value: Json) -> Scalar:
    if kind.many or kind.scalar in {ScalarType.STRING, ScalarType.TEXT}:
        length = _scalar(where, ScalarType.INTEGER, value)
        if not isinstance(length, int) or length < 0:
            raise InvalidField(where, "must be a length")
        return length
    if kind.scalar not in _BOUNDED_BY_VALUE:
        raise InvalidField(where, f"a {kind} has no bounds")
    return _scalar(where, kind.scalar, value)


def _scalar(where: str, scalar: ScalarType, value: Json) -> Scalar:
    try:
        found = typed(FieldType(scalar), value)
    except Misfit as fault:
        raise InvalidField(where, str(fault)) from None
    assert not isinstance(found, tuple), "the type is no list"
    return found


def _with_default(where: str, known: MetadataField, default: Json) -> MetadataField:
    reason = misfit(known, default)
    if reason is not None:
        raise InvalidField(f"{where}.default", reason)
    return MetadataField(known.key, known.type, known.required, default, known.allowed, known.low, known.high)


def _stored(name: str, known: MetadataField) -> JsonObject:
    written: JsonObject = {}
    for part, value in declaration(known).items():
        if value is not None and (value is not False or part == "default"):
            written[part] = value
    if known.key != name:
        written["key"] = known.key
    if known.widened:
        written["widened"] = True
    return written


def _field_of(name: str, said: JsonObject) -> MetadataField:
    kind = type_of(str(said["type"]))
    assert kind is not None, "the type is one of ours"
    allowed, low, high = said.get("allowed"), said.get("min"), said.get("max")
    return MetadataField(
        str(said.get("key", name)),
        kind,
        said.get("required") is True,
        said.get("default"),
        None if allowed is None else _allowed(name, kind, allowed),
        None if low is None else _bound(name, kind, low),
        None if high is None else _bound(name, kind, high),
        said.get("widened") is True,
    )


def _names(pairs: frozenset[tuple[Level, str]]) -> list[Json]:
    return [[level.value, name] for level, name in sorted(pairs)]


def _set_of(pairs: Json) -> frozenset[tuple[Level, str]]:
    written: list[tuple[str, str]] = pairs  # type: ignore[assignment]  # as `_names` has it
    return frozenset((Level(level), name) for level, name in written)
