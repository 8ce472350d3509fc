"""Filters as Python writes them: `(F.year >= 2020) & ~F.tags.any_of(["draft"])`, the same trees as from JSON."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NoReturn, TypeAlias
from uuid import UUID

import numpy as np

from pergamum.domain.filter_reading import read_filter, write_filter
from pergamum.domain.filters import And, Filter, Not, Op, Or
from pergamum.domain.json import Json, JsonObject
from pergamum.errors import InvalidFilter

Comparable: TypeAlias = str | int | float | bool | datetime | UUID | np.generic
"""What a field is compared with. A datetime has to say its zone."""

_AMBIGUOUS: Final = (
    "a filter is neither true nor false: join filters with &, | and ~, put each comparison in brackets, "
    "and write F.x.between(1, 3) instead of 1 <= F.x <= 3, F.x.in_(values) instead of F.x in values"
)


@dataclass(frozen=True, slots=True)
class Where:
    """A filter: `a & b` holds where both do, `a | b` where one does, `~a` where a does not."""

    filter: Filter

    def __and__(self, other: "Where") -> "Where":
        if not isinstance(other, Where):
            return NotImplemented
        return Where(And((*_parts(And, self.filter), *_parts(And, other.filter))))

    def __or__(self, other: "Where") -> "Where":
        if not isinstance(other, Where):
            return NotImplemented
        return Where(Or((*_parts(Or, self.filter), *_parts(Or, other.filter))))

    def __invert__(self) -> "Where":
        return Where(self.filter.part if isinstance(self.filter, Not) else Not(self.filter))

    def __bool__(self) -> NoReturn:
        raise TypeError(_AMBIGUOUS)

    def json(self) -> JsonObject:
        """Return the filter as the wire carries it. Raises ValueError if no server takes one nested so deep."""
        try:
            return write_filter(self.filter)
        except InvalidFilter as fault:
            raise ValueError(str(fault)) from None


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """A field by its name; comparing it makes a filter. Values that no server takes raise ValueError.

    >>> F.year.between(2019, 2021).json()
    {'field': 'year', 'op': 'between', 'value': [2019, 2021]}
    """

    _name: str

    __hash__ = None  # type: ignore[assignment]  # as `==` makes a filter, a field is no key

    def __getattr__(self, name: str) -> "Field":
        return Field(f"{self._name}.{_public(name)}")

    def __getitem__(self, name: str) -> "Field":
        return Field(f"{self._name}.{name}")

    def __eq__(self, value: object) -> Where:  # type: ignore[override]  # makes a filter, does not compare
        return self._where(Op.EQ, value)

    def __ne__(self, value: object) -> Where:  # type: ignore[override]  # makes a filter, does not compare
        return self._where(Op.NE, value)

    def __gt__(self, value: Comparable) -> Where:
        return self._where(Op.GT, value)

    def __ge__(self, value: Comparable) -> Where:
        return self._where(Op.GTE, value)

    def __lt__(self, value: Comparable) -> Where:
        return self._where(Op.LT, value)

    def __le__(self, value: Comparable) -> Where:
        return self._where(Op.LTE, value)

    def __contains__(self, value: object) -> NoReturn:
        raise TypeError("write F.x.contains(text) for part of a string, F.x.any_of(values) for an element of a list")

    def __iter__(self) -> NoReturn:
        raise TypeError("a field is not a list of values: it is compared with values, such as F.x.any_of(values)")

    def __bool__(self) -> NoReturn:
        raise TypeError("a field is neither true nor false: write F.x == True, or F.x.exists()")

    def in_(self, values: Iterable[Comparable]) -> Where:
        """Holds where the field is one of the values."""
        return self._where(Op.IN, _listed(values))

    def not_in(self, values: Iterable[Comparable]) -> Where:
        """Holds where the field is none of the values, or has no value."""
        return self._where(Op.NIN, _listed(values))

    def between(self, low: Comparable, high: Comparable) -> Where:
        """Holds where low <= field <= high."""
        return self._where(Op.BETWEEN, [low, high])

    def starts_with(self, start: str) -> Where:
        """Holds where the text starts so, capitals told apart."""
        return self._where(Op.STARTS_WITH, start)

    def contains(self, part: str) -> Where:
        """Holds where the text has this part, capitals told apart."""
        return self._where(Op.CONTAINS, part)

    def matches(self, words: str) -> Where:
        """Holds where the text has all the words, "words in quotes" next to each other, and some word for word*."""
        return self._where(Op.MATCHES, words)

    def any_of(self, values: Iterable[Comparable]) -> Where:
        """Holds where the list has at least one of the values."""
        return self._where(Op.ANY_OF, _listed(values))

    def all_of(self, values: Iterable[Comparable]) -> Where:
        """Holds where the list has all the values."""
        return self._where(Op.ALL_OF, _listed(values))

    def none_of(self, values: Iterable[Comparable]) -> Where:
        """Holds where the list has none of the values, or there is no list."""
        return self._where(Op.NONE_OF, _listed(values))

    def length(self) -> "Length":
        """Return the length of the list, to be compared: `F.tags.length() >= 2`."""
        return Length(self)

    def within_circle(self, lat: float, lon: float, radius: float) -> Where:
        """Holds where the place is at most `radius` metres from a centre."""
        return self._where(Op.WITHIN, {"center": {"lat": lat, "lon": lon}, "radius": radius})

    def within_box(self, *, south: float, west: float, north: float, east: float) -> Where:
        """Holds where the place lies between two latitudes and two longitudes; west > east crosses the 180th."""
        return self._where(Op.WITHIN, {"south": south, "west": west, "north": north, "east": east})

    def exists(self) -> Where:
        """Holds where the field has a value."""
        return self._where(Op.EXISTS, value=True)

    def is_null(self) -> Where:
        """Holds where the field has no value: null, or left out."""
        return self._where(Op.IS_NULL, value=True)

    def _where(self, op: Op, value: object) -> Where:
        try:
            return Where(read_filter({"field": self._name, "op": op.value, "value": _json(value)}))
        except InvalidFilter as fault:
            raise ValueError(f"{self._name} {op} {value!r:.80}: {fault.facts['reason']}") from None


@dataclass(frozen=True, slots=True, eq=False)
class Length:
    """How long the list in a field is; comparing it makes a filter. A missing list has no length."""

    field: Field

    __hash__ = None  # type: ignore[assignment]  # as `==` makes a filter, a length is no key

    def __eq__(self, length: object) -> Where:  # type: ignore[override]  # makes a filter, does not compare
        return self._where(length)

    def __ne__(self, length: object) -> Where:  # type: ignore[override]  # makes a filter, does not compare
        return ~self._where(length)

    def __gt__(self, length: int) -> Where:
        return self._where({"gt": length})

    def __ge__(self, length: int) -> Where:
        return self._where({"gte": length})

    def __lt__(self, length: int) -> Where:
        return self._where({"lt": length})

    def __le__(self, length: int) -> Where:
        return self._where({"lte": length})

    def __bool__(self) -> NoReturn:
        raise TypeError("a length is compared: write F.x.length() > 0")

    def between(self, low: int, high: int) -> Where:
        """Holds where low <= length <= high."""
        return self._where({"gte": low, "lte": high})

    def _where(self, lengths: object) -> Where:
        return self.field._where(Op.LEN, lengths)


class _Fields:
    """Where fields come from: `F.year`, `F["odd name"]`, `F.document.year`."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Field:
        return Field(_public(name))

    def __getitem__(self, name: str) -> Field:
        return Field(name)


F: Final = _Fields()
"""The fields of documents and chunks. `F[...]` takes any name; so does the attribute unless it begins with `_`."""


FilterLike: TypeAlias = Where | Mapping[str, Any]
"""What is taken for a filter: one built from `F`, or JSON."""


def as_json(filter: FilterLike) -> JsonObject:
    """Return the filter as the wire carries it; JSON is left as it is, for the server to judge."""
    return filter.json() if isinstance(filter, Where) else dict(filter)


def _public(name: str) -> str:
    """Return the name, unless Python or a debugger looks for one of its own."""
    if name.startswith("_"):
        raise AttributeError(f"write F[{name!r}] for a field whose name begins with an underscore")
    return name


def _parts(join: type[And[Any]] | type[Or[Any]], tree: Filter) -> tuple[Filter, ...]:
    """Return what a join of the same kind takes over, so that a chain of & or | stays flat."""
    return tree.parts if isinstance(tree, And | Or) and isinstance(tree, join) else (tree,)


def _listed(values: Iterable[Comparable]) -> list[Comparable]:
    if isinstance(values, str | bytes | Mapping):
        raise TypeError(f"a list of values is wanted, not {values!r:.80}")
    return list(values)


def _json(value: object) -> Json:
    """Return the value as JSON says it; what JSON cannot say is left for the reader to refuse."""
    if isinstance(value, list):
        return [_json(item) for item in value]
    if isinstance(value, dict):
        return {name: _json(item) for name, item in value.items()}
    if isinstance(value, np.generic):
        return _json(value.item())
    if isinstance(value, datetime):
        return _time(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"a field is compared with strings, numbers, booleans, times and UUIDs, not {type(value).__name__}")


def _time(value: datetime) -> str:
    if value.utcoffset() is None:
        raise ValueError(f"{value!r} says no zone: give it a tzinfo, such as datetime.UTC")
    return value.astimezone(UTC).isoformat()  # a zone of old may be off by seconds, which RFC 3339 cannot say
