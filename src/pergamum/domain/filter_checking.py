"""Filters against a schema: which column a name means, which operators its type takes, and values of that type.

A name is looked for among the fixed fields of chunks, those of documents, the metadata of chunks, that of documents;
in filters over documents, among those of documents only. `chunk.`, `document.` and `metadata.` before it say which is
meant, and are taken for part of a name first: a metadata field may be called `document.year`.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Final

from pergamum.domain.fields import (
    CHUNK_COLUMNS,
    DOCUMENT_COLUMNS,
    Column,
    FieldType,
    GeoPoint,
    Level,
    Scalar,
    ScalarType,
)
from pergamum.domain.filters import (
    And,
    Box,
    CheckedFilter,
    Circle,
    Condition,
    Filter,
    LenRange,
    Not,
    Op,
    Or,
    Test,
    Value,
)
from pergamum.domain.keywords import MOST_PHRASES
from pergamum.domain.schema import MetadataSchema
from pergamum.domain.values import Misfit, typed
from pergamum.domain.words import folded
from pergamum.errors import InvalidFilter, UnknownField

_FIXED: Final[Mapping[Level, Mapping[str, Column]]] = {Level.DOCUMENT: DOCUMENT_COLUMNS, Level.CHUNK: CHUNK_COLUMNS}
_LEVELS: Final = {Level.DOCUMENT: (Level.DOCUMENT,), Level.CHUNK: (Level.CHUNK, Level.DOCUMENT)}
"""Whose fields a filter sees, the nearer first."""
_METADATA: Final = "metadata."
_PREFIXES: Final = re.compile(r"^((chunk|document|metadata)\.)+")

_PRESENCE: Final = (Op.EXISTS, Op.IS_NULL)
_EQUALITY: Final = (Op.EQ, Op.NE, Op.IN, Op.NIN)
_ORDER: Final = (Op.GT, Op.GTE, Op.LT, Op.LTE, Op.BETWEEN)
_OPERATORS: Final[Mapping[ScalarType, tuple[Op, ...]]] = {
    ScalarType.STRING: (*_EQUALITY, *_ORDER, Op.STARTS_WITH, Op.CONTAINS, *_PRESENCE),
    ScalarType.TEXT: (Op.MATCHES, Op.STARTS_WITH, Op.CONTAINS, *_PRESENCE),
    ScalarType.INTEGER: (*_EQUALITY, *_ORDER, *_PRESENCE),
    ScalarType.FLOAT: (*_EQUALITY, *_ORDER, *_PRESENCE),
    ScalarType.BOOLEAN: (*_EQUALITY, *_PRESENCE),
    ScalarType.DATETIME: (*_EQUALITY, *_ORDER, *_PRESENCE),
    ScalarType.UUID: (*_EQUALITY, *_PRESENCE),
    ScalarType.GEO_POINT: (Op.WITHIN, *_PRESENCE),
}
_OF_LISTS: Final = (Op.ANY_OF, Op.ALL_OF, Op.NONE_OF, Op.LEN, *_PRESENCE)
_OF_COLUMNS: Final[Mapping[Column, tuple[Op, ...]]] = {
    DOCUMENT_COLUMNS["id"]: _EQUALITY,
    DOCUMENT_COLUMNS["title"]: (*_OPERATORS[ScalarType.STRING], Op.MATCHES),
    CHUNK_COLUMNS["id"]: _EQUALITY,
    CHUNK_COLUMNS["document_id"]: _EQUALITY,
    CHUNK_COLUMNS["text"]: (Op.MATCHES,),
}
"""Fixed fields that take others than their type does."""


def operators(column: Column) -> tuple[Op, ...]:
    """Return what a condition may ask of the column."""
    if column.type.many:
        return _OF_LISTS
    return _OF_COLUMNS.get(column) or _OPERATORS[column.type.scalar]


def column_of(name: str, schema: MetadataSchema, level: Level) -> Column:
    """Return the column a name means in filters, orders and facets over documents or chunks. Raises `UnknownField`."""
    levels = _LEVELS[level]
    found = next(_columns(name, schema, levels), None)
    if found is None:
        raise UnknownField(name, level.value, _nearest(name, schema, levels))
    return found


def checked(filter: Filter, schema: MetadataSchema, level: Level) -> CheckedFilter:
    """Return the filter with its columns known and each value of the type of its column.

    No column is compared with values of two types, so trees are equal only when they ask the same; lists hold each
    value once. A fraction is rounded where an integer field is compared with it by order, so that nothing changes:
    above 2.5 is above 2. Raises `UnknownField`, `InvalidFilter`. REQUIRES: values of the shapes `read_filter` gives.
    """
    return _Checker(schema, level).node(filter, "filter")


def _columns(name: str, schema: MetadataSchema, levels: tuple[Level, ...]) -> Iterator[Column]:
    """Yield the columns a name may mean, the one it does first."""
    yield from _named(name, schema, levels)
    for level in levels:
        if name.startswith(f"{level}."):
            rest = name.removeprefix(f"{level}.")
            yield from _named(rest, schema, (level,))
            if rest.startswith(_METADATA):
                yield from _metadata(rest.removeprefix(_METADATA), schema, (level,))
    if name.startswith(_METADATA):
        yield from _metadata(name.removeprefix(_METADATA), schema, levels)


def _named(name: str, schema: MetadataSchema, levels: tuple[Level, ...]) -> Iterator[Column]:
    for level in levels:
        if name in _FIXED[level]:
            yield _FIXED[level][name]
    yield from _metadata(name, schema, levels)


def _metadata(name: str, schema: MetadataSchema, levels: tuple[Level, ...]) -> Iterator[Column]:
    for level in levels:
        if name in schema.fields(level):
            field = schema.fields(level)[name]
            yield Column(level, field.key, field.type, metadata=True)


def _nearest(name: str, schema: MetadataSchema, levels: tuple[Level, ...]) -> str | None:
    """Return the known name most like an unknown one, with its prefix where that makes a known name too."""
    known = [*dict.fromkeys(known for level in levels for known in (*_FIXED[level], *schema.fields(level)))]
    rest = _PREFIXES.sub("", name)
    if near := [rest] if rest in known else get_close_matches(rest[:256], known, 1):
        spelled = name.removesuffix(rest) + near[0]
        return spelled if any(_columns(spelled, schema, levels)) else near[0]
    return next(iter(get_close_matches(name[:256], known, 1)), None)


@dataclass(frozen=True, slots=True)
class _Checker:
    schema: MetadataSchema
    level: Level

    def node(self, tree: Filter, path: str) -> CheckedFilter:
        if isinstance(tree, Condition):
            return self._test(tree, path)
        if isinstance(tree, Not):
            return Not(self.node(tree.part, f"{path}.not"))
        if isinstance(tree, And):
            return And(self._parts(tree.parts, f"{path}.and"))
        return Or(self._parts(tree.parts, f"{path}.or"))

    def _parts(self, parts: tuple[Filter, ...], path: str) -> tuple[CheckedFilter, ...]:
        return tuple([self.node(part, f"{path}.{at}") for at, part in enumerate(parts)])

    def _test(self, asked: Condition, path: str) -> Test:
        column = column_of(asked.field, self.schema, self.level)
        about = {"field_name": asked.field, "field_type": str(column.type)}
        if asked.op not in operators(column):
            takes = ", ".join(operators(column))
            reason = f"{asked.field!r} is of type {column.type} and takes {takes}; not {asked.op}"
            raise InvalidFilter(f"{path}.op", reason, **about)
        try:
            return Test(column, asked.op, _value(asked.op, column.type, asked.value))
        except _MisfitAt as misfit:
            reason = f"{asked.field!r} is of type {column.type}: {misfit}"
            raise InvalidFilter(f"{path}.value{misfit.where}", reason, **about) from None


class _MisfitAt(Misfit):
    """A value does not fit; `where` is the place it has in a list, such as `.3`."""

    def __init__(self, reason: str, at: int | None = None) -> None:
        super().__init__(reason)
        self.where = "" if at is None else f".{at}"


_READY: Final = frozenset({*_PRESENCE, Op.LEN, Op.WITHIN, Op.STARTS_WITH, Op.CONTAINS})
"""Operators whose values have one shape, whatever the field."""


def _value(op: Op, kind: FieldType, raw: Value) -> Value:
    """Return the value as the type has it."""
    if op in _READY:
        return raw
    if op is Op.MATCHES:
        return _with_words(raw)
    one = FieldType(kind.scalar)
    if isinstance(raw, tuple):
        return _values(op, one, raw)
    assert not isinstance(raw, Circle | Box | LenRange)  # those of WITHIN and LEN, which are ready
    return _compared(op, one, raw)


def _values(op: Op, kind: FieldType, raw: tuple[Scalar, ...]) -> tuple[Scalar, ...]:
    if op is not Op.BETWEEN:
        return tuple(dict.fromkeys([_scalar(kind, item, at) for at, item in enumerate(raw)]))
    low, high = raw
    return _compared(Op.GTE, kind, low, 0), _compared(Op.LTE, kind, high, 1)


def _compared(op: Op, kind: FieldType, raw: Scalar, at: int | None = None) -> Scalar:
    """Return the value; a fraction that integers are ordered against as the integer that splits them as it does."""
    if kind.scalar is not ScalarType.INTEGER or op not in _ORDER or not isinstance(raw, float):
        return _scalar(kind, raw, at)
    if not abs(raw) < 1 << 63:
        raise _MisfitAt("must lie within 64 bits", at)
    return math.floor(raw) if op in {Op.GT, Op.LTE} else math.ceil(raw)


def _scalar(kind: FieldType, raw: Scalar, at: int | None = None) -> Scalar:
    if isinstance(raw, datetime | GeoPoint):
        raise _MisfitAt("must be written as in JSON", at)
    try:
        value = typed(kind, raw)
    except Misfit as misfit:
        raise _MisfitAt(str(misfit), at) from None
    assert not isinstance(value, tuple)  # `kind` is of one value
    return value + 0.0 if isinstance(value, float) else value  # -0.0 is 0.0: as equal values they shall look the same


def _with_words(raw: Value) -> str:
    if not isinstance(raw, str) or not 0 < len(folded(raw).split()) <= MOST_PHRASES:
        raise _MisfitAt(f"must hold from 1 to {MOST_PHRASES} words")
    return raw
