"""The filter tree: conditions on fields, joined by and, or, not.

It is two-valued: a condition holds or it does not. A field without a value (null, or left out) fails every condition
but `is_null`, `exists: false` and the negations `ne`, `nin`, `none_of`, `not`: those hold exactly where what they
negate does not.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeAlias, TypeVar

from pergamum.domain.fields import Column, GeoPoint, Scalar


class Op(StrEnum):
    """What a condition asks of a field."""

    EQ = "eq"
    NE = "ne"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    IN = "in"
    NIN = "nin"
    EXISTS = "exists"
    IS_NULL = "is_null"
    BETWEEN = "between"
    STARTS_WITH = "starts_with"
    CONTAINS = "contains"
    MATCHES = "matches"
    ANY_OF = "any_of"
    ALL_OF = "all_of"
    NONE_OF = "none_of"
    LEN = "len"
    WITHIN = "within"


@dataclass(frozen=True, slots=True)
class Circle:
    """The places at most `radius` metres from `center` along the great circle."""

    center: GeoPoint
    radius: float


@dataclass(frozen=True, slots=True)
class Box:
    """The places between two latitudes and two longitudes, edges included; west > east crosses the 180th meridian."""

    south: float
    west: float
    north: float
    east: float


@dataclass(frozen=True, slots=True)
class LenRange:
    """How long a list may be, both ends included; None: no bound."""

    low: int | None = None
    high: int | None = None


Value: TypeAlias = Scalar | tuple[Scalar, ...] | Circle | Box | LenRange
"""What a field is compared with: a tuple for `in`, `nin`, `between` (low, high) and the list operators."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition as it was asked: the field by its name, the value as it was written (times still strings)."""

    field: str
    op: Op
    value: Value


@dataclass(frozen=True, slots=True)
class Test:
    """A condition that was checked against a schema: the column is known, the value is of its type.

    EXISTS and IS_NULL hold a bool; LEN a LenRange; WITHIN a Circle or Box; MATCHES the words asked for, a str.
    """

    column: Column
    op: Op
    value: Value

    __test__ = False  # pytest takes its name for a test's


Leaf = TypeVar("Leaf", Condition, Test)


@dataclass(frozen=True, slots=True)
class And(Generic[Leaf]):
    """All of the parts hold; of no parts, too."""

    parts: "tuple[Node[Leaf], ...]"


@dataclass(frozen=True, slots=True)
class Or(Generic[Leaf]):
    """At least one of the parts holds; of no parts, none does."""

    parts: "tuple[Node[Leaf], ...]"


@dataclass(frozen=True, slots=True)
class Not(Generic[Leaf]):
    """The part does not hold."""

    part: "Node[Leaf]"


Node: TypeAlias = Leaf | And[Leaf] | Or[Leaf] | Not[Leaf]
Filter: TypeAlias = Node[Condition]
"""A filter as it was asked."""
CheckedFilter: TypeAlias = Node[Test]
"""A filter whose fields are known and whose values fit them."""
