"""Filters as LangChain's users write them, `{"year": {"$gte": 2020}}`, in the words of Pergamum.

A name means a metadata field; beside it stands the value it equals, or operators, which all have to hold. So have
several names in one object. `{"$and": [...]}`, `{"$or": [...]}` and `{"$not": {...}}` join. None is no value.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from pergamum.client.filters import F, Field, Where
from pergamum.domain.json import JsonObject

_Compare: TypeAlias = Callable[[Field, Any], Where]


def _equals(field: Field, value: object) -> Where:
    return field.is_null() if value is None else field == value


def _differs(field: Field, value: object) -> Where:
    return field.exists() if value is None else field != value


def _between(field: Field, bounds: Sequence[Any]) -> Where:
    if len(bounds) != 2:
        raise ValueError("filter: $between takes two values, [low, high]")
    return field.between(*bounds)


def _exists(field: Field, wanted: object) -> Where:
    return field.exists() if wanted else field.is_null()


_OPERATORS: Final = dict[str, _Compare](
    {
        "$eq": _equals,
        "$ne": _differs,
        "$gt": operator.gt,
        "$gte": operator.ge,
        "$lt": operator.lt,
        "$lte": operator.le,
        "$in": Field.in_,
        "$nin": Field.not_in,
        "$between": _between,
        "$exists": _exists,
        "$starts_with": Field.starts_with,
        "$contains": Field.contains,
        "$matches": Field.matches,
        "$any_of": Field.any_of,
        "$all_of": Field.all_of,
        "$none_of": Field.none_of,
    }
)
_JOINS: Final = {"$and": "and", "$or": "or"}


def filter_json(filter: object) -> JsonObject:
    """Return a filter made with `F`, Pergamum's JSON, or one of LangChain's style as Pergamum's JSON.

    Raises ValueError or TypeError for a filter of LangChain's style that cannot be meant.
    """
    if isinstance(filter, Where):
        return filter.json()
    if not isinstance(filter, Mapping):
        raise TypeError(f"a filter is made with F, or a dictionary; not {type(filter).__name__}")
    if _is_own(filter):
        return dict(filter)
    return _all_of([_part(name, value) for name, value in filter.items()])


def _is_own(filter: Mapping[str, Any]) -> bool:
    """Whether this is Pergamum's JSON: a condition, or a join of filters."""
    if "field" in filter and "op" in filter:
        return True
    if len(filter) != 1:
        return False
    ((join, inside),) = filter.items()
    return isinstance(inside, list) if join in {"and", "or"} else join == "not" and isinstance(inside, Mapping)


def _part(name: str, value: object) -> JsonObject:
    if name in _JOINS:
        if not isinstance(value, list | tuple):
            raise TypeError(f"filter: {name} joins a list of filters, not {value!r:.80}")
        return {_JOINS[name]: [filter_json(part) for part in value]}
    if name == "$not":
        return {"not": filter_json(value)}
    if name.startswith("$"):
        raise ValueError(f"filter: {name} joins nothing; $and, $or and $not do")
    field = F[f"chunk.metadata.{name}"]
    if not isinstance(value, Mapping):
        return _equals(field, value).json()
    return _all_of([_compared(name, field, written, operand) for written, operand in value.items()])


def _compared(name: str, field: Field, written: str, operand: object) -> JsonObject:
    compare = _OPERATORS.get(written)
    if compare is None:
        raise ValueError(f"filter: {name} is compared by one of {', '.join(_OPERATORS)}; not by {written}")
    return compare(field, operand).json()


def _all_of(parts: list[JsonObject]) -> JsonObject:
    return parts[0] if len(parts) == 1 else {"and": [*parts]}
