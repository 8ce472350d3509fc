"""Filters of Haystack as filters of Pergamum, which the server answers by itself.

What a filter means is what `haystack.utils.filters.document_matches_filter` says: values are equal where Python says so
(so 1, 1.0 and True are), and dates of ISO 8601 where they are the same time. An order is one of numbers or of dates.
Where that function raises because of a document whose value cannot be compared, that document just does not match.
"""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Final

from haystack import Document
from haystack.errors import FilterError

from pergamum.adapters.haystack_fields import (
    SERVER_EMBEDDED,
    Times,
    Types,
    can_be_filtered,
    column,
    plain_columns,
    times_of,
)
from pergamum.domain.json import Json, JsonObject

ALL: Final[JsonObject] = {"and": []}
NONE: Final[JsonObject] = {"or": []}
_ORDERS: Final[Mapping[str, tuple[str, Callable[[float, float], bool]]]] = {
    ">": ("gt", operator.gt),
    ">=": ("gte", operator.ge),
    "<": ("lt", operator.lt),
    "<=": ("lte", operator.le),
}
_COMPARISONS: Final = ("==", "!=", *_ORDERS, "in", "not in")
_OWN: Final = frozenset(field.name for field in fields(Document)) - {"meta"}
_LEAST, _GREATEST = -(2**63), 2**63 - 1
_NO_EQUALITY: Final = frozenset({"text", "uuid", "geo_point"})


def translated(filters: Mapping[str, object], types: Types, *, open: bool = False) -> JsonObject:
    """Return the filter; `types` are those of the fields of the library's documents.

    `open`: the library keeps values under names that it does not know, so nothing can be said of those. Raises
    FilterError for what is no filter, and for what no filter of ours can say.
    """
    return _Translator(types, open).tree(filters)


class _Translator:
    def __init__(self, types: Types, open: bool) -> None:
        self._types, self._open = types, open

    def tree(self, node: object) -> JsonObject:
        if not isinstance(node, Mapping):
            raise FilterError(f"a filter is a dictionary, not {node!r:.80}")
        if "field" in node:
            return self._comparison(node)
        join, conditions = _part(node, "operator"), _part(node, "conditions")
        if join not in {"AND", "OR", "NOT"}:
            raise FilterError(f"unknown logical operator {join!r}: there are AND, OR, NOT")
        if not isinstance(conditions, Sequence) or isinstance(conditions, str):
            raise FilterError(f"'conditions' are a list of filters, not {conditions!r:.80}")
        parts = [self.tree(condition) for condition in conditions]
        if join == "OR":
            return _any(parts)
        return _all(parts) if join == "AND" else _not(_all(parts))

    def _comparison(self, node: Mapping[str, object]) -> JsonObject:
        field, sign, value = _part(node, "field"), _part(node, "operator"), _part(node, "value")
        if sign not in _COMPARISONS:
            raise FilterError(f"unknown comparison operator {sign!r}: there are {', '.join(_COMPARISONS)}")
        if sign in {"in", "not in"} and not isinstance(value, list):
            raise FilterError(f"operator {sign!r} takes a list, not {value!r:.80}")
        values = value if isinstance(value, list) and sign in {"in", "not in"} else [value]
        if sign in _ORDERS:
            return self._ordered(_path(field), str(sign), value)
        found = _any([self._equal(field, one) for one in values])
        return _not(found) if sign in {"!=", "not in"} else found

    def _equal(self, field: object, value: object) -> JsonObject:
        if field == "id":
            return _condition("document.id", "eq", value) if isinstance(value, str) and value else NONE
        if field == "embedding" and value is None:
            return self._not_embedded()
        path = _path(field)
        columns = self._columns(path)
        if value is None:
            return _all([_condition(_metadata(name), "is_null", True) for name in columns])
        if isinstance(value, list | dict):
            raise FilterError(f"filters cannot compare {field!r} with a list or an object")
        if isinstance(value, bool | int | float):
            return _any([_equal_number(name, kind, value) for name, kind in columns.items()])
        times = times_of(value)
        parts = [] if times is None else [self._time(path, "eq", times)]
        if isinstance(value, str):
            unfit = [kind for kind in columns.values() if kind in _NO_EQUALITY]
            if unfit:
                raise FilterError(f"field {path!r} has the type {unfit[0]}, which filters cannot compare with a string")
            parts += [_condition(_metadata(name), "eq", value) for name, kind in columns.items() if kind == "string"]
        elif times is None:
            raise FilterError(f"filters cannot compare {field!r} with {value!r:.80}")
        return _any(parts)

    def _ordered(self, path: str, sign: str, value: object) -> JsonObject:
        columns = self._columns(path)
        op, holds = _ORDERS[sign]
        if value is None:
            return NONE
        if isinstance(value, bool | int | float):
            return _any([_ordered_number(name, kind, (op, holds), value) for name, kind in columns.items()])
        times = times_of(value)
        if times is None:
            raise FilterError(f"{sign} compares numbers and dates of ISO 8601, not {value!r:.80}")
        return self._time(path, op, times)

    def _time(self, path: str, op: str, times: Times) -> JsonObject:
        """Compare a time: instants where both have a zone, and otherwise what the clocks on the wall show."""
        wall, instant = column("wall", path), column("instant", path)
        parts: list[JsonObject] = []
        if wall in self._types:
            parts.append(_condition(_metadata(wall), op, times.wall))
        if times.instant is not None and instant in self._types:
            naive = _condition(_metadata(instant), "is_null", True)
            parts = [_all([naive, *parts]), _condition(_metadata(instant), op, times.instant)]
        if self._columns(path).get(path) == "datetime":  # declared, and what others wrote has no columns of ours
            declared = [_condition(_metadata(path), op, f"{times.instant or times.wall}Z")]
            ours = [_condition(_metadata(wall), "is_null", True)] if wall in self._types else []
            parts.append(_all(ours + declared))
        return _any(parts)

    def _columns(self, path: str) -> dict[str, str]:
        columns = plain_columns(self._types, path)
        if self._open and not columns:
            raise FilterError(f"the library's schema is open and does not know {path!r}, so filters cannot see it")
        return columns

    def _not_embedded(self) -> JsonObject:
        none = _condition("document.chunks", "eq", 0)
        if SERVER_EMBEDDED not in self._types:
            return none
        return _any([none, _condition(_metadata(SERVER_EMBEDDED), "eq", True)])


def _part(node: Mapping[str, object], name: str) -> object:
    if name not in node:
        raise FilterError(f"{name!r} key missing in {node!r:.200}")
    return node[name]


def _path(field: object) -> str:
    """Return the path within `meta` that a field names. Raises FilterError for other parts of a document."""
    if not isinstance(field, str):
        raise FilterError(f"a field is named by a string, not {field!r:.80}")
    root, _, rest = field.partition(".")
    path = rest if root == "meta" else field
    if root in _OWN:
        raise FilterError(f"filters cannot be about {field!r} like that: they compare meta, and ids for equality")
    if root != "meta" and rest:
        raise FilterError(f"a document has no {root!r}: write 'meta.{field}'")
    if not can_be_filtered(path):
        raise FilterError(f"no filter can see the name {path!r:.200}: it is too long, or has control characters")
    return path


def _equal_number(name: str, kind: str, value: float) -> JsonObject:
    """Compare as Python does: 1, 1.0 and True are equal."""
    if kind == "boolean" and value in (0, 1):
        return _condition(_metadata(name), "eq", bool(value))
    if kind == "integer" and math.isfinite(value) and value == int(value) and _LEAST <= value <= _GREATEST:
        return _condition(_metadata(name), "eq", int(value))
    if kind == "float" and math.isfinite(value) and value == _float(value):
        return _condition(_metadata(name), "eq", _float(value))
    return NONE


def _ordered_number(
    name: str, kind: str, order: tuple[str, Callable[[float, float], bool]], value: float
) -> JsonObject:
    op, holds = order
    if kind == "boolean":
        return _condition(_metadata(name), "in", [flag for flag in (False, True) if holds(flag, value)])
    if kind not in {"integer", "float"} or math.isnan(value):
        return NONE
    if not _LEAST <= value <= _GREATEST:  # beyond all integers; a float may lie beyond, too
        if kind == "float" and math.isfinite(_float(value)):
            return _condition(_metadata(name), op, _float(value))
        return _condition(_metadata(name), "exists", True) if holds(0, value) else NONE
    return _condition(_metadata(name), op, value if not isinstance(value, bool) else int(value))


def _float(value: float) -> float:
    """Return the number as float64; infinity beyond."""
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value)


def _metadata(name: str) -> str:
    return f"document.metadata.{name}"


def _condition(field: str, op: str, value: Json) -> JsonObject:
    return {"field": field, "op": op, "value": value}


def _all(parts: list[JsonObject]) -> JsonObject:
    return parts[0] if len(parts) == 1 else {"and": [*parts]}


def _any(parts: list[JsonObject]) -> JsonObject:
    """Join by or; equalities of one field become one list, as there may be thousands."""
    parts = [part for part in parts if part != NONE]
    listed: dict[str, list[Json]] = {}
    for part in parts:
        if part.get("op") == "eq":
            listed.setdefault(str(part["field"]), []).append(part["value"])
    joined = [part for part in parts if part.get("op") != "eq" or len(listed[str(part["field"])]) == 1]
    joined += [_condition(field, "in", values) for field, values in listed.items() if len(values) > 1]
    return joined[0] if len(joined) == 1 else {"or": [*joined]}


def _not(part: JsonObject) -> JsonObject:
    return {"not": part}
