"""Values of other databases as JSON, and the types that they show."""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Final
from uuid import UUID

import numpy as np

from pergamum.domain.fields import FieldType, ScalarType
from pergamum.domain.json import Json
from pergamum.domain.metadata import inferred_type
from pergamum.domain.values import Misfit, typed

UNTYPED: Final = "mixed or nested values"
EMPTY_LIST: Final = "empty list"
DEEPEST: Final = 15
"""How many objects and lists may lie in each other inside of metadata, which is an object itself."""
_SURROGATES: Final = re.compile(r"[\ud800-\udfff]")
_BYTES: Final = (bytes, bytearray, memoryview)
_GEO: Final = FieldType(ScalarType.GEO_POINT)


class NoJson(Exception):
    """The value has no form in JSON; the message says why, and is the same for all such values."""


def as_json(value: object, depth: int = 0) -> Json:
    """Return the value as JSON. Raises `NoJson`.

    A time becomes RFC 3339 text, a date or a UUID its text, a decimal the nearest float64.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return unicode_text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float | Decimal):
        return _number(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Mapping | Sequence | set | frozenset | np.ndarray) and not isinstance(value, _BYTES):
        return _nested(value, depth)
    raise NoJson(f"{type(value).__name__} has no form in JSON")


def kind_of(value: object, spelled: Json, declared: ScalarType | None) -> str:
    """Return the name of the type that a value shows; `spelled` is its JSON, `declared` what the source says of it."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return ScalarType.DATETIME
    if isinstance(value, UUID):
        return ScalarType.UUID
    if spelled == []:
        return EMPTY_LIST
    if declared is not None and _fits(FieldType(declared), spelled):
        return declared
    if isinstance(spelled, dict):
        return ScalarType.GEO_POINT if _fits(_GEO, spelled) else UNTYPED
    inferred = inferred_type(spelled)
    return UNTYPED if inferred is None else str(inferred)


def is_rounded(value: object, spelled: Json) -> bool:
    """Whether the value lost digits on its way into JSON."""
    return isinstance(value, Decimal) and isinstance(spelled, float) and Decimal(repr(spelled)) != value


def unicode_text(text: str) -> str:
    """Return the text. Raises `NoJson` for one that UTF-8 cannot carry."""
    if _SURROGATES.search(text):
        raise NoJson("a text with lone surrogates")
    return text


def _number(value: float | Decimal) -> int | float:
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise NoJson("an integer beyond 64 bits")
        return int(value)
    if not (value.is_finite() if isinstance(value, Decimal) else math.isfinite(value)):
        raise NoJson("a number that is not finite")
    number = float(value)
    if not math.isfinite(number):
        raise NoJson("a number beyond float64")
    return number


def _nested(value: object, depth: int) -> Json:
    if depth == DEEPEST:
        raise NoJson(f"is nested deeper than {DEEPEST} levels")
    if isinstance(value, Mapping):
        return {unicode_text(str(name)): as_json(item, depth + 1) for name, item in value.items()}
    items = sorted(value, key=repr) if isinstance(value, set | frozenset) else list(value)  # type: ignore[call-overload]  # a sequence
    return [as_json(item, depth + 1) for item in items]


def _fits(kind: FieldType, spelled: Json) -> bool:
    try:
        typed(kind, spelled)
    except Misfit:
        return False
    return True
