"""The `meta` of Haystack, which is any JSON, as metadata of typed fields, so that the server can filter by it.

A value stays under its own name where the field of that name takes it. Where the field has another type by then, the
value is stored as `haystack:value:<name>`. What filters could not see otherwise gets columns beside it, whose names say
what they hold: `haystack:<kind>:<path>`. The path of a value inside an object is `person.name`.
"""

import math
import re
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias

from pergamum.domain.fields import FieldType, ScalarType
from pergamum.domain.json import Json, JsonObject
from pergamum.domain.metadata import inferred_type, misfit, name_fault
from pergamum.domain.schema import MetadataField
from pergamum.wire.schema import SchemaOut

RESERVED: Final = "haystack:"
"""What the names that this adapter gives begin with; no name of `meta` may."""
KEPT: Final = f"{RESERVED}document"
"""The object of all that a Haystack document has besides `meta` and that a chunk has no place for."""
SERVER_EMBEDDED: Final = f"{RESERVED}server_embedded"
"""True where the embedding is the server's: the document came without one."""
_VALUE: Final = f"{RESERVED}value:"

Kind: TypeAlias = Literal["string", "integer", "float", "boolean", "other", "wall", "instant"]
"""`other` is true where there is a list or an object; `wall` and `instant` are times, see `times_of`."""
Types: TypeAlias = Mapping[str, str]
"""The types of a library's fields by name, such as {"year": "integer", "tags": "list[string]"}."""
_SCALARS: Final[Mapping[type, Kind]] = {str: "string", int: "integer", float: "float", bool: "boolean"}
PLAIN: Final = frozenset(_SCALARS.values())
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}(?:$|[Tt ])", re.ASCII)
_INTEGERS: Final = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class Times:
    """A time as it is compared: what the clock on the wall shows and, where the zone is known, the instant in UTC.

    Both are written in a way that sorts: 2026-11-21T09:30:00.000000.
    """

    wall: str
    instant: str | None


def times_of(value: object) -> Times | None:
    """Return the time that a datetime, or a string that is a date of ISO 8601, says; None for anything else."""
    if isinstance(value, str):
        if not _DATE.match(value):
            return None
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    wall = value.replace(tzinfo=None).isoformat(timespec="microseconds")
    if value.utcoffset() is None:
        return Times(wall, None)
    try:
        instant = value.astimezone(UTC)
    except OverflowError:  # in the first or last hours that a calendar has
        return Times(wall, None)
    return Times(wall, instant.replace(tzinfo=None).isoformat(timespec="microseconds"))


def types_of(schema: SchemaOut) -> dict[str, str]:
    """Return the types of the fields of documents by name; that of the columns `other` is "other"."""
    other = column("other", "")
    return {name: "other" if name.startswith(other) else field.type for name, field in schema.documents.items()}


def column(kind: Kind, path: str) -> str:
    """Return the name of the column of this kind."""
    return f"{RESERVED}{kind}:{path}"


def can_be_filtered(path: str) -> bool:
    """Whether all columns of a path have names that fields can have."""
    return bool(path) and name_fault(column("instant", path)) is None and name_fault(path) is None


def plain_columns(types: Types, path: str) -> dict[str, str]:
    """Return the types of all columns that values at the path are in, by name; those of times are left out."""
    names = [column(kind, path) for kind in ("string", "integer", "float", "boolean", "other")]
    if _is_path(path):
        names.append(path)
    return {name: types[name] for name in names if name in types}


def stale_names(types: Types, name: str) -> set[str]:
    """Return the names under which something of the value of `name` may be stored."""
    if not _is_path(name):
        return {name, _VALUE + name}
    return {name, _VALUE + name} | {field for field in types if f"{_path_of(field)}.".startswith(f"{name}.")}


def top_level_names(types: Types) -> dict[str, set[str]]:
    """Return the columns of each name of `meta`, by that name."""
    found: dict[str, set[str]] = {}
    for field in types:
        name = field if not field.startswith(RESERVED) else _path_of(field)
        if name and (field == name or (field in plain_columns(types, name) and "." not in name)):
            found.setdefault(name, set()).add(field)
    return found


class MetaWriter:
    """Makes metadata of `meta`. What it wrote fixes types for what it writes next, as it does on the server."""

    def __init__(self, types: Types) -> None:
        self._types: MutableMapping[str, str] = dict(types)

    def metadata(self, meta: Mapping[str, object]) -> JsonObject:
        """Return the metadata. Raises ValueError for what JSON cannot say exactly, and for reserved names."""
        made: JsonObject = {}
        for name, given in meta.items():
            value = _checked(name, given)
            if name.startswith(RESERVED):
                raise ValueError(f"meta[{name!r}]: names that begin with {RESERVED!r} are the adapter's own")
            typed = self._fits(name, value)
            if typed is None:
                made[_VALUE + name] = {"is": value}
            else:
                made[name] = value
            if _is_path(name):
                made |= dict(self._columns(name, value, has_column=bool(typed)))
        return made

    def _fits(self, name: str, value: Json) -> bool | None:
        """Return None unless the field takes the value; else whether filters see the value there as what it is."""
        if value is None:
            return True
        known = self._types.get(name)
        kind = inferred_type(value)
        if known is None:
            if kind is None or name_fault(name) is not None:
                return False
            self._types[name] = str(kind)
            return True
        if misfit(MetadataField(name, _type_of(known)), value) is not None:
            return None
        return known in PLAIN or known.startswith("list[")

    def _columns(self, path: str, value: Json, *, has_column: bool) -> Iterator[tuple[str, Json]]:
        """Yield what filters need besides the value itself."""
        if value is None or name_fault(column("instant", path)) is not None:
            return
        if not has_column:
            kind = _SCALARS.get(type(value))
            yield (column(kind, path), value) if kind else (column("other", path), True)
        if isinstance(value, dict):
            for name, inner in value.items():
                if _is_path(name):
                    yield from self._columns(f"{path}.{name}", inner, has_column=False)
            return
        times = times_of(value)
        if times is not None:
            yield column("wall", path), times.wall
            if times.instant is not None:
                yield column("instant", path), times.instant


def meta_of(metadata: JsonObject) -> JsonObject:
    """Return the `meta` that metadata was made of."""
    meta = {name: value for name, value in metadata.items() if not name.startswith(RESERVED)}
    for name, kept in metadata.items():
        if name.startswith(_VALUE) and isinstance(kept, dict):
            meta[name.removeprefix(_VALUE)] = kept.get("is")
    return meta


def kept_of(metadata: JsonObject) -> JsonObject:
    """Return the object under `KEPT`, empty if there is none."""
    kept = metadata.get(KEPT)
    return kept if isinstance(kept, dict) else {}


def _is_path(name: str) -> bool:
    """Whether filters can mean the name: one with a dot they take for a value inside an object."""
    return bool(name) and "." not in name


def _path_of(field: str) -> str:
    """Return the path that a column is for; empty where the field is none of the adapter's columns."""
    parts = field.split(":", 2)
    return parts[2] if len(parts) == 3 and f"{parts[0]}:" == RESERVED else ""


def _type_of(name: str) -> FieldType:
    many = name.startswith("list[")
    return FieldType(ScalarType(name[5:-1] if many else name), many=many)


def _checked(where: str, value: object) -> Json:
    """Return the value if JSON says just that. Raises ValueError that says where it does not."""
    if not isinstance(where, str):
        raise ValueError(f"meta has the name {where!r}: names are strings")  # noqa: TRY004  # as for all faults of a document
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)  # of a subclass, such as an enumeration's, the plain one
    if isinstance(value, int) and value in _INTEGERS:
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    if isinstance(value, list):
        return [_checked(f"{where}[{place}]", item) for place, item in enumerate(value)]
    if isinstance(value, dict):
        for name in value:
            if not isinstance(name, str):
                raise ValueError(f"meta: {where} has the name {name!r}: names are strings")  # noqa: TRY004  # the same
        return {name: _checked(f"{where}.{name}", item) for name, item in value.items()}
    raise ValueError(
        f"meta: {where} is {value!r:.80} of type {type(value).__name__}; kept are strings, booleans, "
        "integers of 64 bits, finite floats, None, and lists and objects of these"
    )
