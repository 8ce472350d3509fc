"""Filters as JSON: how a tree is read and written. Only shapes are looked at; `filter_checking` knows the fields."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Final, TypeAlias

from pergamum.domain.fields import FieldType, GeoPoint, Scalar, ScalarType
from pergamum.domain.filters import And, Box, Circle, Condition, Filter, LenRange, Not, Op, Or, Value
from pergamum.domain.json import Json, JsonObject
from pergamum.domain.values import Misfit, typed
from pergamum.errors import InvalidFilter

DEFAULT_DEPTH: Final = 16
MAX_DEPTH: Final = 64
"""The deepest nesting a server can be set to allow; what reads and writes trees may recurse."""
MAX_CONDITIONS: Final = 1_000
MAX_VALUES: Final = 10_000
MAX_NAME: Final = 1_024
MAX_STRING: Final = 65_536
"""Characters: no field that is compared holds more."""
MAX_LENGTH: Final = 2**31 - 1
"""Values: no list has so many."""

_SHAPE: Final = 'must be {"field": ..., "op": ..., "value": ...}, {"and": [...]}, {"or": [...]} or {"not": {...}}'
_BITS: Final = 1 << 63
_PLACE: Final = FieldType(ScalarType.GEO_POINT)
_NUMBER: Final = FieldType(ScalarType.FLOAT)


def read_filter(value: Json, max_depth: int = DEFAULT_DEPTH) -> Filter:
    """Return the filter that parsed JSON says, with at most `max_depth` levels of and, or, not.

    Raises `InvalidFilter`. REQUIRES: max_depth <= MAX_DEPTH; `value` itself may be nested without end.
    >>> read_filter({"field": "year", "op": "gte", "value": 2020})
    Condition(field='year', op=<Op.GTE: 'gte'>, value=2020)
    """
    return _Reader(max_depth).node(value, "filter", 0)


def write_filter(tree: Filter) -> JsonObject:
    """Return the JSON that `read_filter` reads as `tree`. Raises `InvalidFilter` when it is deeper than any may be."""
    return _written(tree, 0)


@dataclass(slots=True)
class _Reader:
    """Counts what it reads, so that neither depth nor size of a tree is the sender's to choose."""

    max_depth: int
    leaves: int = 0

    def node(self, raw: Json, path: str, depth: int) -> Filter:
        if not isinstance(raw, dict):
            raise InvalidFilter(path, _SHAPE)
        if "field" in raw or "op" in raw:
            self._count(path)
            return _condition(raw, path)
        if len(raw) != 1 or not raw.keys() <= {"and", "or", "not"}:
            raise InvalidFilter(path, _SHAPE)
        if depth == self.max_depth:
            raise InvalidFilter(path, f"is nested deeper than {self.max_depth} levels of and, or, not")
        ((join, inside),) = raw.items()
        if join == "not":
            return Not(self.node(inside, f"{path}.not", depth + 1))
        parts = self._parts(inside, f"{path}.{join}", depth + 1)
        return And(parts) if join == "and" else Or(parts)

    def _parts(self, raw: Json, path: str, depth: int) -> tuple[Filter, ...]:
        if not isinstance(raw, list):
            raise InvalidFilter(path, "must be a list of filters")
        if not raw:
            self._count(path)
        return tuple([self.node(part, f"{path}.{at}", depth) for at, part in enumerate(raw)])

    def _count(self, path: str) -> None:
        self.leaves += 1
        if self.leaves > MAX_CONDITIONS:
            raise InvalidFilter(path, f"a filter has at most {MAX_CONDITIONS:,} conditions")


def _condition(raw: JsonObject, path: str) -> Condition:
    for key in raw:
        if key not in {"field", "op", "value"}:
            raise InvalidFilter(path, f"has nothing but field, op and value; not {key[:50]!r}")
    field, op = _field(raw.get("field"), f"{path}.field"), _op(raw.get("op"), f"{path}.op")
    if "value" in raw:
        return Condition(field, op, _VALUES[op](raw["value"], f"{path}.value"))
    if op in {Op.EXISTS, Op.IS_NULL}:
        return Condition(field, op, value=True)
    raise InvalidFilter(f"{path}.value", f"is missing: {op} compares with a value")


def _field(raw: Json, path: str) -> str:
    if not isinstance(raw, str) or not 0 < len(raw) <= MAX_NAME:
        raise InvalidFilter(path, f"must be the name of a field, of at most {MAX_NAME:,} characters")
    return _unicode(raw, path)


def _op(raw: Json, path: str) -> Op:
    if isinstance(raw, str) and raw in _OPS:
        return _OPS[raw]
    nearest = get_close_matches(raw, _OPS, 1) if isinstance(raw, str) and len(raw) < 50 else []
    guess = f"; did you mean {nearest[0]}?" if nearest else ""
    raise InvalidFilter(path, f"must be one of {', '.join(_OPS)}{guess}")


def _unicode(text: str, path: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidFilter(path, "holds half of a surrogate pair, which is no character") from None
    return text


def _scalar(raw: Json, path: str) -> Scalar:
    if isinstance(raw, str):
        if len(raw) > MAX_STRING:
            raise InvalidFilter(path, f"is longer than {MAX_STRING:,} characters")
        return raw if raw.isascii() else _unicode(raw, path)
    if raw is None:
        raise InvalidFilter(path, "must not be null: is_null finds the fields without a value")
    if isinstance(raw, float) and not math.isfinite(raw):
        raise InvalidFilter(path, "must be a finite number")
    if isinstance(raw, list | dict):
        raise InvalidFilter(path, "must be a single value: a string, a number or a boolean")
    if isinstance(raw, int) and not -_BITS <= raw < _BITS:
        raise InvalidFilter(path, "must be an integer of 64 bits")
    return raw


def _string(raw: Json, path: str) -> str:
    if not isinstance(raw, str):
        raise InvalidFilter(path, "must be a string")
    _scalar(raw, path)
    return raw


def _boolean(raw: Json, path: str) -> bool:
    if not isinstance(raw, bool):
        raise InvalidFilter(path, "must be true or false")
    return raw


def _list(raw: Json, path: str) -> tuple[Scalar, ...]:
    if not isinstance(raw, list):
        raise InvalidFilter(path, "must be a list of values")
    if len(raw) > MAX_VALUES:
        raise InvalidFilter(path, f"has {len(raw):,} values; at most {MAX_VALUES:,} are allowed")
    return tuple([_scalar(item, f"{path}.{at}") for at, item in enumerate(raw)])


def _pair(raw: Json, path: str) -> tuple[Scalar, ...]:
    if not isinstance(raw, list) or len(raw) != 2:
        raise InvalidFilter(path, "must be two values, [low, high]")
    return _list(raw, path)


def _len_range(raw: Json, path: str) -> LenRange:
    """Return how long a list may be: a number is exactly it, an object holds bounds that all apply."""
    if not isinstance(raw, dict):
        exact = _length(raw, path)
        return LenRange(exact, exact)
    if not raw or not raw.keys() <= {"eq", "gt", "gte", "lt", "lte"}:
        raise InvalidFilter(path, 'must be a number, or bounds such as {"gte": 1, "lte": 3}')
    bounds = {name: _length(bound, f"{path}.{name}", 1 if name == "lt" else 0) for name, bound in raw.items()}
    lows = [min(bounds[name] + step, MAX_LENGTH) for name, step in (("eq", 0), ("gte", 0), ("gt", 1)) if name in bounds]
    highs = [bounds[name] - step for name, step in (("eq", 0), ("lte", 0), ("lt", 1)) if name in bounds]
    return LenRange(max(lows, default=None), min(highs, default=None))


def _length(raw: Json, path: str, least: int = 0) -> int:
    if not isinstance(raw, int) or isinstance(raw, bool) or not least <= raw <= MAX_LENGTH:
        raise InvalidFilter(path, f"must be an integer from {least} to {MAX_LENGTH:,}")
    return raw


def _area(raw: Json, path: str) -> Circle | Box:
    if isinstance(raw, dict) and raw.keys() == {"center", "radius"}:
        radius = _number(raw["radius"], f"{path}.radius")
        if radius < 0:
            raise InvalidFilter(f"{path}.radius", "must be metres, at least 0")
        return Circle(_place(raw["center"], f"{path}.center"), radius)
    if isinstance(raw, dict) and raw.keys() == {"south", "west", "north", "east"}:
        return _box(raw, path)
    example = '{"center": {"lat": 52.5, "lon": 13.4}, "radius": 1000} or {"south", "west", "north", "east"}'
    raise InvalidFilter(path, f"must be {example}")


def _box(raw: JsonObject, path: str) -> Box:
    first, second = (
        _place({"lat": raw[lat], "lon": raw[lon]}, path) for lat, lon in (("south", "west"), ("north", "east"))
    )
    if first.lat > second.lat:
        raise InvalidFilter(path, "south must not lie north of north")
    return Box(first.lat, first.lon, second.lat, second.lon)


def _place(raw: Json, path: str) -> GeoPoint:
    place = _fitting(_PLACE, raw, path)
    assert isinstance(place, GeoPoint)  # as its type says
    return place


def _number(raw: Json, path: str) -> float:
    number = _fitting(_NUMBER, raw, path)
    assert isinstance(number, float)  # as its type says
    return number


def _fitting(kind: FieldType, raw: Json, path: str) -> Scalar | tuple[Scalar, ...]:
    try:
        return typed(kind, raw)
    except Misfit as misfit:
        raise InvalidFilter(path, str(misfit)) from None


_Read: TypeAlias = Callable[[Json, str], Value]
_OPS: Final[Mapping[str, Op]] = {op.value: op for op in Op}
_VALUES: Final[Mapping[Op, _Read]] = {
    **dict.fromkeys((Op.EQ, Op.NE, Op.GT, Op.GTE, Op.LT, Op.LTE), _scalar),
    **dict.fromkeys((Op.IN, Op.NIN, Op.ANY_OF, Op.ALL_OF, Op.NONE_OF), _list),
    **dict.fromkeys((Op.STARTS_WITH, Op.CONTAINS, Op.MATCHES), _string),
    **dict.fromkeys((Op.EXISTS, Op.IS_NULL), _boolean),
    Op.BETWEEN: _pair,
    Op.LEN: _len_range,
    Op.WITHIN: _area,
}


def _written(tree: Filter, depth: int) -> JsonObject:
    if isinstance(tree, Condition):
        return {"field": tree.field, "op": tree.op.value, "value": _written_value(tree.value)}
    if depth == MAX_DEPTH:
        raise InvalidFilter("filter", f"is nested deeper than {MAX_DEPTH} levels of and, or, not")
    if isinstance(tree, Not):
        return {"not": _written(tree.part, depth + 1)}
    join = "and" if isinstance(tree, And) else "or"
    return {join: [_written(part, depth + 1) for part in tree.parts]}


def _written_value(value: Value) -> Json:
    if isinstance(value, tuple):
        return [_written_value(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, GeoPoint):
        return {"lat": value.lat, "lon": value.lon}
    if isinstance(value, Circle):
        return {"center": _written_value(value.center), "radius": value.radius}
    if isinstance(value, Box):
        return {"south": value.south, "west": value.west, "north": value.north, "east": value.east}
    if isinstance(value, LenRange):
        return _written_range(value)
    return value


def _written_range(lengths: LenRange) -> Json:
    if lengths.low is not None and lengths.low == lengths.high:
        return lengths.low
    bounds: JsonObject = {"gte": lengths.low, "lte": lengths.high}
    return {name: bound for name, bound in bounds.items() if bound is not None} or {"gte": 0}
